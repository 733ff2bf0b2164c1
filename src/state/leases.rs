// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who has which address: a name for each that is taken, made in one exclusive call, so that none
//! has two holders whatever dies. A holder that does not run any more has none; whoever wants its
//! address finds that out, holding the container's lock.

use std::net::IpAddr;
use std::path::PathBuf;

use super::atomic::{self, Durability};
use super::id::ContainerId;
use super::names::{Claim, Names};
use crate::sys::fs::private_directories;
use crate::sys::{Called, SysResult};

/// The leases of one network.
#[derive(Debug)]
pub struct Leases {
    directory: PathBuf,
    names: Names,
}

/// What became of an attempt to take an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// It is the container's.
    Taken,
    /// It is that other container's.
    HeldBy(ContainerId),
}

impl Leases {
    /// Those in `directory`, which is made.
    pub(super) fn open(directory: PathBuf) -> SysResult<Self> {
        private_directories()
            .create(&directory)
            .called(|| format!("mkdir({})", directory.display()))?;
        Ok(Self {
            names: Names::new(directory.clone()),
            directory,
        })
    }

    /// Takes `what` (an address, a hardware address) for `id`. `is_gone` says whether the one who
    /// has it needs it no more.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn take(
        &self,
        what: &str,
        id: &ContainerId,
        is_gone: &mut dyn FnMut(&ContainerId) -> bool,
    ) -> SysResult<Lease> {
        loop {
            match self.names.claim(what, id)? {
                Claim::Taken => return Ok(Lease::Taken),
                Claim::HeldBy(holder) if holder == *id => return Ok(Lease::Taken),
                // Released only if it is still this holder's.
                Claim::HeldBy(holder) if is_gone(&holder) => self.names.release(what, &holder)?,
                Claim::HeldBy(holder) => return Ok(Lease::HeldBy(holder)),
            }
        }
    }

    /// Gives `what` back if it is `id`'s.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn release(&self, what: &str, id: &ContainerId) -> SysResult<()> {
        self.names.release(what, id)
    }

    /// Everything that is taken.
    ///
    /// # Errors
    ///
    /// What readdir(3) says.
    pub fn all(&self) -> SysResult<Vec<(String, ContainerId)>> {
        self.names.all()
    }

    /// The address that was given last in the subnet with this number: the next one is looked for
    /// behind it, so that nobody gets what another has just given back.
    pub fn last_given(&self, subnet: usize) -> Option<IpAddr> {
        let text = std::fs::read_to_string(self.cursor(subnet)).ok()?;
        text.parse().ok()
    }

    /// Writes down which address was given last. Nothing depends on it being there.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn set_last_given(&self, subnet: usize, address: IpAddr) -> SysResult<()> {
        let text = address.to_string();
        atomic::replace_file(&self.cursor(subnet), text.as_bytes(), Durability::Unsynced)
    }

    fn cursor(&self, subnet: usize) -> PathBuf {
        self.directory.join(format!(".last-{subnet}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_holder_until_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let leases = Leases::open(directory.path().join("web.leases")).unwrap();
        let (first, second) = ([1, 2].map(|byte| ContainerId::from_random(&[byte; 32]))).into();
        let mut nobody_is_gone = |_: &ContainerId| false;
        let take = |id, is_gone: &mut dyn FnMut(&ContainerId) -> bool| {
            leases.take("10.89.0.2", id, is_gone).unwrap()
        };
        assert_eq!(take(&first, &mut nobody_is_gone), Lease::Taken);
        assert_eq!(take(&first, &mut nobody_is_gone), Lease::Taken);
        let held = Lease::HeldBy(first.clone());
        assert_eq!(take(&second, &mut nobody_is_gone), held);
        assert_eq!(take(&second, &mut |holder| *holder == first), Lease::Taken);
        leases.release("10.89.0.2", &first).unwrap();
        assert_eq!(leases.all().unwrap(), [("10.89.0.2".to_owned(), second)]);
    }

    #[test]
    fn the_last_address_is_remembered_and_is_no_lease() {
        let directory = tempfile::tempdir().unwrap();
        let leases = Leases::open(directory.path().join("web.leases")).unwrap();
        assert_eq!(leases.last_given(0), None);
        let address: IpAddr = "10.89.0.7".parse().unwrap();
        leases.set_last_given(0, address).unwrap();
        assert_eq!(leases.last_given(0), Some(address));
        assert_eq!(leases.all().unwrap(), []);
    }
}
