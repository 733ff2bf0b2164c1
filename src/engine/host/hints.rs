// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the user can do about an error that comes of the host: found by looking through its
//! sources for one that the table of lacks knows.

use std::error::Error;

use super::namespaces::explain_userns;
use super::{Cure, Lack};
use crate::config::cdi::{CdiError, USUAL_DIRECTORIES};
use crate::engine::error::EngineError;
use crate::engine::exec::ExecError;
use crate::engine::launch::{PrepareError, StartError};
use crate::engine::run::RunError;
use crate::runtime::failure::StageFailure;
use crate::runtime::userns::UsernsError;
use crate::state::NoXattrs;

/// The lines to print below an error; none where the host has no part in it.
pub fn hints(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<UsernsError>() {
            return explain_userns(error).hints();
        }
        if let Some(NoXattrs { data_root }) = error.downcast_ref() {
            let (data_root, kind) = (data_root.clone(), "");
            let lack = Lack::StoreWithoutXattrs { data_root, kind };
            return lack.cures().iter().map(Cure::sentence).collect();
        }
        if let Some(CdiError::Unknown(names)) = error.downcast_ref() {
            return vec![describe_devices(names)];
        }
        if let Some(failure) = stage_of(error) {
            return failure.hints.clone();
        }
        cause = error.source();
    }
    Vec::new()
}

/// How devices get the files that describe them.
fn describe_devices(names: &[String]) -> String {
    if names.iter().any(|name| name.starts_with("nvidia.com/")) {
        return "as root: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml".to_owned();
    }
    let directories = USUAL_DIRECTORIES.join(" or ");
    format!("the vendor's tool writes a file into {directories} that describes them")
}

/// A failed stage of a start, also below wrappers that do not show in the chain of sources.
fn stage_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a StageFailure> {
    let start = match error.downcast_ref::<RunError>() {
        Some(RunError::Start(start)) => Some(start),
        Some(RunError::Create(_)) | None => None,
    };
    let start = start.or_else(|| match error.downcast_ref::<EngineError>() {
        Some(EngineError::Start { source, .. }) => source.downcast_ref::<StartError>(),
        _ => None,
    });
    match start.or_else(|| error.downcast_ref::<StartError>()) {
        Some(StartError::Stage(failure) | StartError::Prepare(PrepareError::Limit(failure))) => {
            Some(failure)
        }
        _ => match error.downcast_ref::<ExecError>() {
            Some(ExecError::Stage(failure)) => Some(failure),
            _ => error.downcast_ref::<StageFailure>(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::id::ContainerId;

    #[test]
    fn hints_are_found_below_every_wrapper() {
        let stage = || StageFailure {
            hints: vec!["mend it".to_owned()],
            ..StageFailure::setup("refused")
        };
        let engine = EngineError::Start {
            id: ContainerId::from_random(&[1; 32]),
            exit_code: 126,
            source: Box::new(StartError::Stage(stage())),
        };
        let errors: [Box<dyn Error>; 5] = [
            Box::new(stage()),
            Box::new(ExecError::Stage(stage())),
            Box::new(StartError::Stage(stage())),
            Box::new(RunError::Start(StartError::Stage(stage()))),
            Box::new(engine),
        ];
        for error in errors {
            assert_eq!(hints(&*error), ["mend it"], "{error:?}");
        }
        let missing = UsernsError::HelperMissing {
            program: "newuidmap",
        };
        let lines = hints(&missing);
        assert_eq!(lines[0], "newuidmap is not installed");
        assert!(lines[1].starts_with("as root: "), "{lines:?}");
    }
}
