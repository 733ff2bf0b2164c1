// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `system reset`: the store as if nothing had ever been made in it.

use super::artifact::ArtifactError;
use super::image::{Force, ImageError, ImageRemoval, WhichImages};
use super::remove::{Dependents, RemoveOptions, Running};
use super::selection::{Scope, Selection};
use super::{Engine, Report};
use crate::runtime::apart::run_mapped;
use crate::runtime::failure::chain;
use crate::runtime::subid::holder_map;
use crate::state::tree::{RemoveTreeError, remove_tree};

/// Why the store is not as new.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Containers are in the way, or cannot be listed.
    #[error("{0}")]
    Container(String),
    /// Images are.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Artifacts are.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Files that stay.
    #[error("{0}")]
    Files(String),
}

impl Engine {
    /// Ends and removes every container, removes every image, then the store itself.
    ///
    /// # Errors
    ///
    /// See [`ResetError`]; what was removed before stays removed.
    pub fn reset(&self, report: &dyn Report) -> Result<(), ResetError> {
        let container = |error: &dyn std::error::Error| ResetError::Container(chain(error));
        let everything = Selection {
            scope: Scope::All,
            ..Selection::default()
        };
        let options = RemoveOptions {
            running: Running::Kill,
            dependents: Dependents::Remove,
            ..RemoveOptions::default()
        };
        let removed = self.remove(&everything, options, report);
        for item in removed.map_err(|error| container(&error))? {
            item.result.map_err(|error| container(&error))?;
        }
        let images = ImageRemoval {
            which: WhichImages::All,
            force: Force::Yes,
            ..ImageRemoval::default()
        };
        if let Some(error) = self.remove_images(&images, report)?.errors.pop() {
            return Err(error.into());
        }
        self.remove_artifacts()?;
        for root in [&self.dirs.data_root, &self.dirs.run_root] {
            match remove_tree(root) {
                Ok(()) => {}
                Err(RemoveTreeError::NeedsNamespace { .. }) => self.remove_mapped(root)?,
                Err(error) => return Err(ResetError::Files(chain(&error))),
            }
        }
        Ok(())
    }

    fn remove_mapped(&self, root: &std::path::Path) -> Result<(), ResetError> {
        let work = || match remove_tree(root) {
            Ok(()) => Vec::new(),
            Err(error) => chain(&error).into_bytes(),
        };
        let words = run_mapped(&holder_map(), &self.dirs.run_root, work);
        let words = words.map_err(|error| ResetError::Files(chain(&error)))?;
        if words.is_empty() {
            return Ok(());
        }
        Err(ResetError::Files(
            String::from_utf8_lossy(&words).into_owned(),
        ))
    }
}
