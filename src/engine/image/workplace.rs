// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where layers are unpacked and removed for this user: inside the id range, or right here.

use std::path::PathBuf;

use crate::engine::{Engine, host};
use crate::runtime::apart::run_mapped;
use crate::runtime::failure::chain;
use crate::runtime::idmap::{HolderMap, Reach};
use crate::runtime::subid::holder_map;
use crate::state::StateError;
use crate::state::store::Store;
use crate::storage::{Images, InPlace, Ownership, Workplace};

/// A child inside the user's holder namespace.
#[derive(Debug)]
struct InHolder {
    map: HolderMap,
    run_root: PathBuf,
}

impl Workplace for InHolder {
    fn ownership(&self) -> Ownership {
        Ownership::Mapped
    }

    fn id_map(&self) -> String {
        self.map.fingerprint()
    }

    fn is_child(&self) -> bool {
        true
    }

    fn run(&self, work: &mut dyn FnMut() -> Vec<u8>) -> Result<Vec<u8>, String> {
        run_mapped(&self.map, &self.run_root, work).map_err(|error| chain(&error))
    }
}

impl Engine {
    /// The images of this user's store, which is checked, and made where there is none.
    pub(in crate::engine) fn images(&self) -> Result<Images, StateError> {
        Store::open(self.dirs.clone())?;
        Ok(Images::open(&self.dirs))
    }

    /// Where this user's layers are written.
    pub(in crate::engine) fn workplace(&self) -> Result<Box<dyn Workplace>, StateError> {
        let map = holder_map();
        Ok(match map.reach {
            // Owners are metadata, which mean the same under any map.
            Reach::Single => {
                host::check_xattrs(&self.dirs.data_root)?;
                Box::new(InPlace {
                    ownership: Ownership::Metadata,
                    id_map: String::new(),
                })
            }
            Reach::All => Box::new(InPlace {
                ownership: Ownership::Mapped,
                id_map: map.fingerprint(),
            }),
            Reach::Ranges => {
                self.dirs.open_run_root()?;
                let run_root = self.dirs.run_root.clone();
                Box::new(InHolder { map, run_root })
            }
        })
    }
}
