// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `run`: a container is made and started in one go. One that was to be removed at its end and
//! never started is removed as well.

use super::attach::AttachOutcome;
use super::create::CreateError;
use super::image::{ImageRemoval, WhichImages};
use super::launch::{NewContainer, RecordOnDisk, StartError, StartMode, StartOutcome};
use super::remove::{RemoveOptions, Running};
use super::selection::{Missing, Scope, Selection};
use super::{Engine, Report, Silent};
use crate::runtime::holder_ahead::HolderAhead;
use crate::runtime::subid::holder_map;
use crate::state::atomic::Durability;
use crate::state::id::ContainerId;
use crate::state::record::{ContainerRecord, ContainerRequest};

/// What came of `run`.
#[derive(Debug)]
pub struct RunOutcome {
    /// The container, which may be gone already.
    pub record: ContainerRecord,
    /// How its start ended.
    pub start: StartOutcome,
}

/// Why a container was not made or did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// It was made, and did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl RunError {
    /// 125, 126 or 127.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Create(_) => 125,
            Self::Start(error) => error.exit_code(),
        }
    }
}

/// The user's namespace, which others may be making already.
#[derive(Debug)]
pub struct NamespaceAhead(HolderAhead);

impl Engine {
    /// Begins to make the user's namespace for a container that is about to be asked for: the
    /// setuid helpers that it may take run while the request is read.
    ///
    /// The caller must be single-threaded.
    pub fn begin_namespace(&self) -> NamespaceAhead {
        NamespaceAhead(HolderAhead::begin(&holder_map(), &self.dirs.run_root))
    }

    /// Makes a container from `request` and starts it, in the namespace that `ahead` is.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// As [`Engine::create`] and [`Engine::start`]. A container that did not start stays, unless
    /// it was to be removed at its end.
    pub fn run(
        &self,
        request: ContainerRequest,
        mode: StartMode,
        ahead: NamespaceAhead,
        report: &dyn Report,
    ) -> Result<RunOutcome, RunError> {
        let holder = if request.pod.is_none() {
            ahead.0
        } else {
            // The pod's infra container has to start before, and in the same holder: no other may
            // be found from here on.
            drop(ahead);
            HolderAhead::later()
        };
        let (record, lock) = self.create_locked(request, Durability::Unsynced, report)?;
        let on_disk = if record.request.auto_remove {
            RecordOnDisk::Synced
        } else {
            RecordOnDisk::Pending
        };
        let new = NewContainer {
            lock,
            on_disk,
            holder,
        };
        match self.start_new(&record.id, Some(new), mode, report) {
            Ok(start) => {
                let ended = matches!(start, StartOutcome::Attached(AttachOutcome::Exited(_)));
                if record.request.remove_image && ended {
                    self.remove_its_image(&record.request.image, report);
                }
                Ok(RunOutcome { record, start })
            }
            Err(error) => {
                if record.request.auto_remove {
                    self.remove_unstarted(&record.id, report);
                }
                Err(error.into())
            }
        }
    }

    /// Removes the image of a container that has ended (`--rmi`); one that is in use stays, and
    /// the exit code is the container's all the same.
    pub(super) fn remove_its_image(&self, image: &str, report: &dyn Report) {
        let errors = match self.remove_images(&its_image(image), report) {
            Ok(removed) => removed.errors,
            Err(error) => vec![error],
        };
        for error in errors {
            report.warning(&format!("remove image {image}: {error}"));
        }
    }

    /// The same at the end of a container in the background, in its monitor: nobody is there to
    /// hear of what keeps the image.
    pub(super) fn remove_its_image_inside(&self, image: &str) {
        drop(self.remove_images_inside(&its_image(image), &Silent));
    }

    /// Removes what did not start; why it did not start is told, not why it stays.
    fn remove_unstarted(&self, id: &ContainerId, report: &dyn Report) {
        let selection = Selection {
            scope: Scope::Named,
            words: vec![id.to_string()],
            filters: Vec::new(),
            missing: Missing::Ignore,
        };
        let options = RemoveOptions {
            running: Running::Kill,
            ..RemoveOptions::default()
        };
        match self.remove(&selection, options, report) {
            Ok(results) => {
                for failure in results.into_iter().filter_map(|item| item.result.err()) {
                    report.warning(&failure.to_string());
                }
            }
            Err(failure) => report.warning(&failure.to_string()),
        }
    }
}

fn its_image(name: &str) -> ImageRemoval {
    ImageRemoval {
        which: WhichImages::Named(vec![name.to_owned()]),
        missing: Missing::Ignore,
        ..ImageRemoval::default()
    }
}
