// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making a pod: its record first, then its infra container. A pod whose infra container was not
//! made, because the command was killed, can be seen and removed.

use std::io::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;

use super::join::Membership;
use super::pause;
use super::spec::{InfraSpec, PodCreateError, PodSpec};
use crate::engine::limits::{self};
use crate::engine::{Engine, Report, names};
use crate::state::StateError;
use crate::state::atomic::Durability;
use crate::state::events::{Action, Event};
use crate::state::id::{ContainerId, PodId};
use crate::state::pod::{PodRecord, SharedNamespace};
use crate::state::record::{ContainerRequest, PodRole};
use crate::sys::process::random_bytes;

/// Generated names that are tried before giving up.
const NAME_ATTEMPTS: u32 = 32;

impl Engine {
    /// Makes a pod; nothing of it runs.
    ///
    /// # Errors
    ///
    /// See [`PodCreateError`]; nothing is left behind then.
    pub fn create_pod(
        &self,
        spec: PodSpec,
        report: &dyn Report,
    ) -> Result<PodRecord, PodCreateError> {
        limits::check_values(&spec.request.limits)?;
        // Opens the store, and makes it where there is none.
        self.store()?;
        let id = PodId::from_random(&random_bytes());
        let record = PodRecord {
            name: spec.name.unwrap_or_default(),
            created: Timestamp::now(),
            request: spec.request,
            infra: spec
                .infra
                .is_some()
                .then(|| ContainerId::generate(random_bytes)),
            id,
        };
        let _making = self.pods().begin(&record.id)?;
        let record = self.keep_pod(record)?;
        let made = self.finish_pod(&record, spec.infra, spec.id_file, report);
        match made {
            Ok(()) => {
                let event = Event::of_pod(record.id.as_str(), &record.name, Action::Create);
                self.emit(&[event]);
                Ok(record)
            }
            Err(error) => {
                self.discard_pod(&record.id, report);
                Err(error)
            }
        }
    }

    /// Writes the record under its name, or under a generated one that is free.
    fn keep_pod(&self, mut record: PodRecord) -> Result<PodRecord, StateError> {
        let pods = self.pods();
        let lock = pods.lock()?;
        if !record.name.is_empty() {
            pods.create(&lock, &record)?;
            return Ok(record);
        }
        let mut attempt = 0;
        loop {
            record.name = names::generate(random_bytes(), attempt);
            attempt += 1;
            match pods.create(&lock, &record) {
                Err(StateError::PodNameInUse { .. }) if attempt < NAME_ATTEMPTS => {}
                made => return made.map(|()| record),
            }
        }
    }

    fn finish_pod(
        &self,
        pod: &PodRecord,
        infra: Option<InfraSpec>,
        id_file: Option<PathBuf>,
        report: &dyn Report,
    ) -> Result<(), PodCreateError> {
        if let (Some(spec), Some(id)) = (infra, &pod.infra) {
            let membership = Membership {
                pod: Some(pod.id.clone()),
                role: PodRole::Infra,
                id: Some(id.clone()),
                ..Membership::default()
            };
            let request = infra_request(pod, spec);
            self.create_member(request, Some(&membership), Durability::Synced, report)
                .map_err(|error| PodCreateError::Infra(Box::new(error)))?;
        }
        let Some(path) = id_file else {
            return Ok(());
        };
        std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(pod.id.as_str().as_bytes()))
            .map_err(|source| PodCreateError::IdFile { path, source })
    }
}

/// What an infra container is asked for beside what the user said of it.
fn infra_request(pod: &PodRecord, spec: InfraSpec) -> ContainerRequest {
    let mut request = spec.container;
    let shares = |namespace| pod.request.shared.contains(&namespace);
    if request.name.is_none() {
        request.name = Some(format!("{}-infra", pod.id.short()));
    }
    if request.hostname.is_none() && request.uts.as_deref() != Some("host") {
        let name = pod.request.hostname.as_ref().unwrap_or(&pod.name);
        request.hostname = Some(name.clone());
    }
    if shares(SharedNamespace::Ipc) && request.ipc.is_none() {
        request.ipc = Some("shareable".to_owned());
    }
    if request.image.is_empty() {
        request.entrypoint = Some(vec![pause::PATH.to_owned()]);
    }
    request
        .create_command
        .clone_from(&pod.request.create_command);
    request
}
