// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the init stage needs from whoever forks it.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::failure::StageFailure;
use crate::sys::SysResult;
use crate::sys::schedule::Processors;

/// The process that serves a FUSE root, by its number and as a descriptor, if there is one.
pub type RootServer = Option<(i32, OwnedFd)>;

/// What the monitor does while the init stage works.
pub trait Attendant {
    /// The stage `pid` was forked, and waits for its id maps.
    ///
    /// # Errors
    ///
    /// Why it must not go on.
    fn forked(&mut self, _pid: i32) -> Result<(), StageFailure> {
        Ok(())
    }

    /// The stage still waits for word that its maps are written: the process `network`, in its
    /// network namespace, can be looked into. Afterwards it changes its ids, and hides for that
    /// moment.
    ///
    /// # Errors
    ///
    /// Why it must not go on.
    fn mapped(&mut self, _network: i32) -> Result<(), StageFailure> {
        Ok(())
    }

    /// The mounts of the stage `pid` are made, and the host's tree is still there beside them:
    /// runs what the spec has for that moment.
    ///
    /// # Errors
    ///
    /// Why it must not go on.
    fn mounted(&mut self, _pid: i32) -> Result<(), StageFailure> {
        Ok(())
    }

    /// The filter of the stage `pid` asks whoever has `listener` from now on.
    ///
    /// # Errors
    ///
    /// Why nobody would answer.
    fn asked(&mut self, _pid: i32, _listener: &OwnedFd) -> Result<(), StageFailure> {
        Ok(())
    }

    /// Starts the server of the FUSE root whose requests come from `device`.
    ///
    /// # Errors
    ///
    /// What forking says.
    fn serve_root(&mut self, device: OwnedFd) -> SysResult<()>;

    /// Forks the server of a FUSE root that is mounted only when `mounted` has a byte to read, as a
    /// child of the monitor. Called in a process that is none: what is kept here may be lost. The
    /// server may be kept to one processor then, and takes `processors` back once it has served
    /// the start.
    ///
    /// # Errors
    ///
    /// What forking says.
    fn fork_root_server(
        &self,
        _device: OwnedFd,
        _mounted: OwnedFd,
        _processors: Option<Processors>,
    ) -> SysResult<RootServer> {
        Ok(None)
    }

    /// That server was forked.
    ///
    /// # Errors
    ///
    /// What looking at it says.
    fn root_is_served(&mut self, _pid: i32, _pidfd: OwnedFd) -> SysResult<()> {
        Ok(())
    }

    /// The volume that is mounted at `container_path` has what the image has there.
    fn filled(&mut self, container_path: &Path);

    /// Tells the user what the stage had to do without.
    fn warn(&mut self, words: &str);

    /// Connects the container whose first process is `pid`, by the network namespace of the process
    /// `network`; called once the maps are written.
    ///
    /// # Errors
    ///
    /// Why there is no network, in words.
    fn attach_network(&mut self, pid: i32, network: i32) -> Result<(), StageFailure>;

    /// The stage `pid` has all that it waits for: what its start will need can be made ready.
    fn make_ready(&mut self, pid: i32);
}
