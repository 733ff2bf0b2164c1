// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A volume, as lists and filters see it.

use std::path::PathBuf;

use crate::state::id::ContainerId;
use crate::state::volumes::VolumeRecord;

/// A volume in a list.
#[derive(Debug, Clone)]
pub struct ListedVolume {
    /// What it is.
    pub record: VolumeRecord,
    /// Where its files are.
    pub mountpoint: PathBuf,
    /// The containers that name it.
    pub users: Vec<ContainerId>,
}
