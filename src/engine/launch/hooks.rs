// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs of hooks.d that a container is given, and the points of its life at which the
//! monitor runs them: in the user's namespace, where the user is root, with the host's tree.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{ContainerState, Hook, Hooks, Spec, State};

use super::error::PrepareError;
use super::prepared::Prepared;
use crate::config::hooks_d::{self, Stage, Subject, USUAL_DIRECTORIES};
use crate::runtime::failure::StageFailure;
use crate::runtime::hooks;
use crate::runtime::launch::Launch;
use crate::runtime::lifecycle::with_pid;
use crate::state::record::{ContainerRecord, MountKind};
use crate::sys::Called;

/// The file that hooks find the specification in, below the state's `bundle`.
const SPEC_FILE: &str = "config.json";

/// Finds the container's hooks beside those of its devices, and lets them find its specification in `run_directory`.
///
/// # Errors
///
/// A file that is no hook, and one that cannot be written.
pub(super) fn give(
    launch: &mut Launch,
    record: &ContainerRecord,
    run_directory: &Path,
    of_devices: Vec<(Stage, Hook)>,
) -> Result<(), PrepareError> {
    let directories = match &record.request.hooks_dirs[..] {
        [] => USUAL_DIRECTORIES.map(PathBuf::from).to_vec(),
        named => named.to_vec(),
    };
    let spec = &launch.spec;
    let annotations = spec.annotations().clone().unwrap_or_default();
    let arguments = spec
        .process()
        .as_ref()
        .and_then(|process| process.args().as_deref());
    let subject = Subject {
        annotations: annotations.clone().into_iter().collect(),
        command: arguments.and_then(<[String]>::first).map(String::as_str),
        has_bind_mounts: record
            .mounts()
            .iter()
            .any(|mount| mount.kind == MountKind::Bind),
    };
    let chosen = [hooks_d::hooks_for(&directories, &subject)?, of_devices].concat();
    let Some(hooks) = hooks_d::in_a_spec(&chosen) else {
        return Ok(());
    };
    launch.hook_state = Some(state_of(record, run_directory, annotations));
    launch.spec.set_hooks(Some(hooks));
    let path = run_directory.join(SPEC_FILE);
    let written =
        File::create(&path).and_then(|file| Ok(serde_json::to_writer(file, &launch.spec)?));
    written
        .called(|| format!("write({})", path.display()))
        .map_err(|source| PrepareError::File { path, source })
}

fn state_of(
    record: &ContainerRecord,
    run_directory: &Path,
    annotations: HashMap<String, String>,
) -> State {
    let mut state = State::default();
    state
        .set_version(Spec::default().version().clone())
        .set_id(record.id.to_string())
        .set_bundle(run_directory.to_owned())
        .set_annotations(Some(annotations));
    state
}

impl Prepared {
    /// Before the program: what `pid` will be is made, and waits.
    pub(super) fn run_runtime_hooks(&self, pid: i32) -> Result<(), StageFailure> {
        match &self.launch.hook_state {
            Some(state) => hooks::run_at_creation(&self.launch.spec, &with_pid(state, pid)),
            None => Ok(()),
        }
    }

    /// The program runs as `pid`. The value is what went wrong: it runs on all the same.
    pub(super) fn run_poststart_hooks(&self, pid: i32) -> Vec<String> {
        let (Some(state), hooks @ Some(_)) =
            (&self.launch.hook_state, self.hooks(Hooks::poststart))
        else {
            return Vec::new();
        };
        let status = ContainerState::Running;
        hooks::run_each(hooks, "poststart", &with_pid(state, pid), status)
    }

    /// The program has ended; nobody is there to be told of one that fails.
    pub(super) fn run_poststop_hooks(&self) {
        if let (Some(state), hooks @ Some(_)) =
            (&self.launch.hook_state, self.hooks(Hooks::poststop))
        {
            hooks::run_each(hooks, "poststop", state, ContainerState::Stopped);
        }
    }

    fn hooks(&self, of: fn(&Hooks) -> &Option<Vec<Hook>>) -> Option<&Vec<Hook>> {
        self.launch
            .spec
            .hooks()
            .as_ref()
            .and_then(|hooks| of(hooks).as_ref())
    }
}
