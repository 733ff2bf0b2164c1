// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The numbers of nodes, which programs see as inode numbers, and the files on disk that they name.

/// What the kernel calls a node.
pub(super) type NodeId = u64;

/// The root directory.
pub(super) const ROOT: NodeId = 1;

/// Numbers of files on disk keep their lower bits; the device goes above.
const INODE_BITS: u32 = 56;

/// Devices from here on have no room in a number.
const DEVICE_LIMIT: u16 = 63;

/// Where numbers begin that no file on disk has.
pub(super) const PRIVATE_IDS: u64 = (DEVICE_LIMIT as u64) << INODE_BITS;

/// A file on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The device's place in the list of devices.
    pub(super) device: u16,
    pub(super) ino: u64,
}

impl Key {
    /// The number under which the file is shown, if it can have its own.
    pub(super) fn natural_id(self) -> Option<NodeId> {
        let fits = self.device < DEVICE_LIMIT && self.ino < 1 << INODE_BITS;
        let id = (u64::from(self.device) << INODE_BITS) | self.ino;
        (fits && id > ROOT).then_some(id)
    }
}
