// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds and removes what killed processes left behind: unfinished things in `tmp/`, names that
//! nobody is behind, half-written files. A living maker holds the lock of what it makes, so a lock
//! that can be had tells that its maker is dead.

use std::fs;
use std::path::{Path, PathBuf};

use super::StateError;
use super::atomic::is_half_written;
use super::id::ContainerId;
use super::locks::{Contention, DirectoryLock};
use super::store::Store;
use super::tree::{RemoveTreeError, remove_tree};
use crate::sys::{Called, SysResult};

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Swept {
    /// Removed: unfinished things and half-written files.
    pub removed: Vec<PathBuf>,
    /// Names that nobody was behind, given back.
    pub names: Vec<String>,
    /// Still there, to be removed inside the user's namespace.
    pub need_namespace: Vec<PathBuf>,
    /// Still there, with the reason.
    pub refused: Vec<RemoveTreeError>,
}

/// Whether a sweep removes what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepMode {
    /// Removes it.
    Remove,
    /// Only reports it, as if it had been removed.
    Report,
}

impl Swept {
    /// Whether there was nothing to do.
    pub fn is_clean(&self) -> bool {
        self.removed.is_empty()
            && self.names.is_empty()
            && self.need_namespace.is_empty()
            && self.refused.is_empty()
    }
}

impl Store {
    /// Removes what killed processes left behind. Never waits, and leaves alone what a living
    /// process is working on.
    ///
    /// # Errors
    ///
    /// When the store's directories cannot be listed; what cannot be removed is in the result.
    pub fn sweep(&self, mode: SweepMode) -> Result<Swept, StateError> {
        let mut swept = Swept::default();
        self.sweep_unfinished(mode, &mut swept)
            .map_err(|source| self.failed(source))?;
        self.sweep_names(mode, &mut swept)?;
        self.sweep_secrets(mode, &mut swept);
        for id in self.list()? {
            // Whose it is cannot be told: a check says so, and nothing of it is touched.
            let Ok(state) = self.read_state(&id) else {
                continue;
            };
            let monitored = state.monitor.is_some_and(|monitor| monitor.is_alive());
            if monitored {
                continue;
            }
            let Some(_lock) = self.try_lock(&id)? else {
                continue;
            };
            sweep_half_written(&self.dirs().container(&id), mode, &mut swept);
            if self.is_unfinished(&id) {
                self.sweep_container(&id, mode, &mut swept);
            }
        }
        Ok(swept)
    }

    /// Removes only the unfinished things in `tmp/`: cheap enough for every removal.
    ///
    /// # Errors
    ///
    /// When the directory cannot be listed.
    pub fn sweep_unfinished_only(&self) -> Result<Swept, StateError> {
        let mut swept = Swept::default();
        self.sweep_unfinished(SweepMode::Remove, &mut swept)
            .map_err(|source| self.failed(source))?;
        Ok(swept)
    }

    /// A container that a power cut kept from being made; the caller holds its lock.
    fn sweep_container(&self, id: &ContainerId, mode: SweepMode, swept: &mut Swept) {
        let path = self.dirs().container(id);
        if mode == SweepMode::Report {
            swept.removed.push(path);
            return;
        }
        match self.remove(id) {
            Ok(()) => swept.removed.push(path),
            Err(StateError::NeedsNamespace { path }) => swept.need_namespace.push(path),
            // Whatever it is stays, and is met again.
            Err(_) => {}
        }
    }

    fn failed(&self, source: crate::sys::SysError) -> StateError {
        StateError::Store {
            action: "sweep",
            path: self.dirs().data_root.clone(),
            source,
        }
    }

    fn sweep_unfinished(&self, mode: SweepMode, swept: &mut Swept) -> SysResult<()> {
        let tmp = self.dirs().tmp();
        // Two sweeps at once would report each other's work as refusals.
        let Some(_lock) = DirectoryLock::take(&tmp, Contention::GiveUp)? else {
            return Ok(());
        };
        for path in entries(&tmp)? {
            if let Some(_lock) = DirectoryLock::take(&path, Contention::GiveUp)? {
                discard(path, mode, swept);
            }
        }
        Ok(())
    }

    /// They are written under the lock of their directory, which is there with the first of them.
    fn sweep_secrets(&self, mode: SweepMode, swept: &mut Swept) {
        let directory = self.dirs().secrets();
        if let Ok(Some(_lock)) = DirectoryLock::take(&directory, Contention::GiveUp) {
            sweep_half_written(&directory, mode, swept);
        }
    }

    fn sweep_names(&self, mode: SweepMode, swept: &mut Swept) -> Result<(), StateError> {
        let names = self.names().all().map_err(|source| self.failed(source))?;
        for (name, id) in names {
            if !self.is_orphan(&name, &id)? {
                continue;
            }
            if mode == SweepMode::Remove {
                self.names()
                    .release(&name, &id)
                    .map_err(|source| self.failed(source))?;
            }
            swept.names.push(name);
        }
        Ok(())
    }
}

fn sweep_half_written(directory: &Path, mode: SweepMode, swept: &mut Swept) {
    for path in entries(directory).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_half_written(&name) {
            discard(path, mode, swept);
        }
    }
}

fn discard(path: PathBuf, mode: SweepMode, swept: &mut Swept) {
    let removed = match mode {
        SweepMode::Remove => remove_tree(&path),
        SweepMode::Report => Ok(()),
    };
    match removed {
        Ok(()) => swept.removed.push(path),
        Err(RemoveTreeError::NeedsNamespace { path }) => swept.need_namespace.push(path),
        Err(refused @ RemoveTreeError::Refused { .. }) => swept.refused.push(refused),
    }
}

fn entries(directory: &Path) -> SysResult<Vec<PathBuf>> {
    let listed = || format!("readdir({})", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).called(listed)? {
        paths.push(entry.called(listed)?.path());
    }
    Ok(paths)
}
