// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `system check` says of pods.

use super::{members, members_of};
use crate::engine::Engine;
use crate::engine::check::{Checked, Outcome, Repair, Severity};
use crate::engine::error::EngineError;
use crate::runtime::failure::chain;
use crate::state::StateError;
use crate::state::id::PodId;
use crate::state::pod::{PodRecord, PodsLock};
use crate::state::record::PodRole;
use crate::state::store::Store;
use crate::state::summary::ContainerSummary;

impl Engine {
    /// Records that cannot be read, and pods that a killed command has left unfinished.
    pub(in crate::engine) fn check_pods(
        &self,
        repair: Repair,
    ) -> Result<Vec<Checked>, EngineError> {
        let store = self.store()?;
        let mut members = members(&store)?;
        let mut checked = Vec::new();
        if repair != Repair::None {
            let pods = self.pods();
            pods.sweep(&pods.lock()?);
        }
        for id in self.pods().ids()? {
            let own = members.remove(&id).unwrap_or_default();
            match self.pods().load(&id) {
                Ok(pod) => checked.extend(self.check_infra(&store, &pod, &own, repair)?),
                Err(StateError::NoSuchPod { .. }) => {}
                Err(error) => checked.push(Checked {
                    text: format!("pod {id}: {}", chain(&error)),
                    severity: Severity::Damage,
                    outcome: match repair {
                        Repair::None | Repair::Lossless => Outcome::Found,
                        Repair::Lossy => self.remove_record(&self.pods().lock()?, &id),
                    },
                }),
            }
        }
        Ok(checked)
    }

    fn check_infra(
        &self,
        store: &Store,
        pod: &PodRecord,
        members: &[ContainerSummary],
        repair: Repair,
    ) -> Result<Option<Checked>, EngineError> {
        let is_infra = |one: &ContainerSummary| one.resolved.role == PodRole::Infra;
        let has_infra = |members: &[ContainerSummary]| members.iter().any(is_infra);
        if pod.infra.is_none() || has_infra(members) || self.pods().is_being_made(&pod.id) {
            return Ok(None);
        }
        // It may have been finished, or removed, since its containers were listed; now nobody puts
        // one into it any more.
        let lock = self.pods().lock()?;
        let members = members_of(store, &pod.id)?;
        if has_infra(&members) || !self.pods().exists(&pod.id) {
            return Ok(None);
        }
        let text = format!("pod {} ({}): it has no infra container", pod.id, pod.name);
        let (severity, outcome) = match (members.is_empty(), repair) {
            (true, Repair::None) => (Severity::Leftover, Outcome::Found),
            (true, Repair::Lossless | Repair::Lossy) => {
                (Severity::Leftover, self.remove_record(&lock, &pod.id))
            }
            // Its containers may hold what is of use: only the user knows.
            (false, _) => (Severity::Damage, Outcome::Found),
        };
        Ok(Some(Checked {
            text,
            severity,
            outcome,
        }))
    }

    fn remove_record(&self, lock: &PodsLock, id: &PodId) -> Outcome {
        match self.forget_pod(lock, id) {
            Ok(()) => Outcome::Removed,
            Err(error) => Outcome::Failed(chain(&error)),
        }
    }
}
