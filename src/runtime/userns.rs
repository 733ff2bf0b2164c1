// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The holder: one user namespace per user that carries the id map.
//!
//! It is made by the first command that needs it and lives exactly as long as some process of
//! ours lives in it: there is no pause process. A later command finds it (see `holder`) and joins
//! it without a setuid helper. Every container's namespace is a child of it.

use std::ffi::CString;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use super::helpers::find_helper;
use super::idmap::{HolderMap, IdMaps, Reach, Setgroups, parse_map};
use crate::sys::beside::{Bystander, ProgramBeside};
use crate::sys::process::{CloneRequest, Forked, clone3, exit_now};
use crate::sys::schedule::place_elsewhere;
use crate::sys::{Called, Ignored, SysError, SysResult};

/// Why the user's namespace could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum UsernsError {
    /// The kernel refuses user namespaces to this user.
    #[error("make a user namespace")]
    Refused(#[source] SysError),
    /// newuidmap or newgidmap is not installed although the user has a range.
    #[error("{program} is not installed; install the package \"uidmap\"")]
    HelperMissing {
        /// `newuidmap` or `newgidmap`.
        program: &'static str,
    },
    /// newuidmap or newgidmap failed; its own words were on standard error.
    #[error("{program} could not write the id map \"{map}\": {words}")]
    HelperFailed {
        /// `newuidmap` or `newgidmap`.
        program: &'static str,
        /// What it was asked to write.
        map: String,
        /// What it said.
        words: String,
    },
    /// A map file could not be written.
    #[error("write the id map")]
    Map(#[source] SysError),
    /// A call on the way failed.
    #[error("enter the user namespace")]
    Call(#[from] SysError),
    /// The work done inside the namespace ended without an answer.
    #[error("the process in the user namespace ended without an answer ({status})")]
    NoAnswer {
        /// How it ended.
        status: String,
    },
}

/// Whether the caller found the holder or made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// Some process of ours lives in it already.
    Joined,
    /// This process is its first.
    Made,
}

/// Makes the holder with this process in it.
///
/// # Errors
///
/// See [`UsernsError`]; the process must end then, since it may be half way.
pub(super) fn make_holder(map: &HolderMap) -> Result<(), UsernsError> {
    match map.reach {
        Reach::Single => {
            unshare(CloneFlags::CLONE_NEWUSER)
                .called(|| "unshare(CLONE_NEWUSER)")
                .map_err(UsernsError::Refused)?;
            deny_setgroups("self").map_err(UsernsError::Map)?;
            write_maps("self", &map.maps).map_err(UsernsError::Map)
        }
        Reach::Ranges => {
            let made = NamespaceInTheMaking::begin(&map.maps)?;
            let joined = made.finish(|namespace| setns(namespace, CloneFlags::CLONE_NEWUSER))?;
            Ok(joined.called(|| "setns(CLONE_NEWUSER)")?)
        }
        Reach::All => make_as_root(map),
    }
}

/// A user namespace that newuidmap and newgidmap are writing the map of, both at once, beside this
/// process: each takes a millisecond and more.
#[derive(Debug)]
pub(super) struct NamespaceInTheMaking {
    namespace: OwnedFd,
    uid_helper: MapHelper,
    gid_helper: MapHelper,
    /// The namespace's only process, which the helpers are given the number of.
    #[expect(dead_code, reason = "it ends when it is dropped")]
    inhabitant: Bystander,
}

impl NamespaceInTheMaking {
    /// Makes the namespace and lets the helpers loose. The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// [`UsernsError::Refused`], [`UsernsError::HelperMissing`].
    pub(super) fn begin(maps: &IdMaps) -> Result<Self, UsernsError> {
        let request = CloneRequest {
            namespaces: CloneFlags::CLONE_NEWUSER.bits().cast_unsigned().into(),
            ..CloneRequest::default()
        };
        let inhabitant = Bystander::start(&request).map_err(UsernsError::Refused)?;
        let namespace = open_of(inhabitant.pid())?;
        let (uid_helper, gid_helper) = map_helpers(inhabitant.pid(), maps)?;
        Ok(Self {
            namespace,
            uid_helper,
            gid_helper,
            inhabitant,
        })
    }

    /// Gives the namespace to `take` once both maps are written.
    ///
    /// # Errors
    ///
    /// What one of the helpers said.
    pub(super) fn finish<T>(self, take: impl FnOnce(&OwnedFd) -> T) -> Result<T, UsernsError> {
        self.uid_helper.finish()?;
        self.gid_helper.finish()?;
        // The inhabitant ends after that: nobody waits for it.
        Ok(take(&self.namespace))
    }
}

/// Writes both maps of the process `pid` by newuidmap and newgidmap, both at once.
///
/// # Errors
///
/// [`UsernsError::HelperMissing`], or what one of them said.
pub fn write_maps_with_helpers(pid: i32, maps: &IdMaps) -> Result<(), UsernsError> {
    let (uid_helper, gid_helper) = map_helpers(pid, maps)?;
    uid_helper.finish()?;
    gid_helper.finish()
}

fn map_helpers(target: i32, maps: &IdMaps) -> Result<(MapHelper, MapHelper), UsernsError> {
    let uid_helper = MapHelper::spawn("newuidmap", target, maps.uids_text(" "))?;
    let gid_helper = MapHelper::spawn("newgidmap", target, maps.gids_text(" "))?;
    Ok((uid_helper, gid_helper))
}

/// newuidmap or newgidmap at work.
#[derive(Debug)]
struct MapHelper {
    program: &'static str,
    map: String,
    process: ProgramBeside,
    words: OwnedFd,
}

impl MapHelper {
    fn spawn(program: &'static str, target: i32, map: String) -> Result<Self, UsernsError> {
        let path = find_helper(program).ok_or(UsernsError::HelperMissing { program })?;
        let (words, words_write) = cloexec_pipe()?;
        let target = target.to_string();
        let arguments = [program, &target].into_iter().chain(map.split(' '));
        let arguments = arguments.filter_map(|text| CString::new(text).ok());
        let path = CString::new(path).unwrap_or_default();
        let process = ProgramBeside::start(path, arguments.collect(), &words_write)?;
        // It works wherever it runs.
        place_elsewhere(process.pid()).unwrap_or_default();
        Ok(Self {
            program,
            map,
            process,
            words,
        })
    }

    fn finish(self) -> Result<(), UsernsError> {
        let mut words = String::new();
        drop(
            fs::File::from(self.words)
                .take(4096)
                .read_to_string(&mut words),
        );
        if matches!(self.process.wait()?, WaitStatus::Exited(_, 0)) {
            return Ok(());
        }
        Err(UsernsError::HelperFailed {
            program: self.program,
            map: self.map,
            words: words.trim().to_owned(),
        })
    }
}

/// Real root writes its map from a child that stays in the caller's namespace: the rights over
/// the parent namespace are gone in the process that left it.
fn make_as_root(map: &HolderMap) -> Result<(), UsernsError> {
    let target = std::process::id().to_string();
    let (go_read, go) = cloexec_pipe()?;
    match clone3(&CloneRequest::default())? {
        Forked::Child => {
            drop(go);
            let mut byte = [0_u8; 1];
            nix::unistd::read(&go_read, &mut byte).ignored();
            let code =
                write_maps(&target, &map.maps).map_or_else(|error| error.errno as i32, |()| 0);
            exit_now(code)
        }
        Forked::Parent { pid, .. } => {
            drop(go_read);
            unshare(CloneFlags::CLONE_NEWUSER)
                .called(|| "unshare(CLONE_NEWUSER)")
                .map_err(UsernsError::Refused)?;
            nix::unistd::write(&go, b"g").called(|| "write(id map helper)")?;
            match waitpid(Pid::from_raw(pid), None) {
                Ok(WaitStatus::Exited(_, 0)) => Ok(()),
                Ok(WaitStatus::Exited(_, code)) => Err(UsernsError::Map(SysError::new(
                    "write(uid_map)",
                    Errno::from_raw(code),
                ))),
                _ => Err(UsernsError::Map(SysError::new(
                    "waitpid(id map helper)",
                    Errno::ECHILD,
                ))),
            }
        }
    }
}

pub(super) fn cloexec_pipe() -> SysResult<(OwnedFd, OwnedFd)> {
    pipe2(nix::fcntl::OFlag::O_CLOEXEC).called(|| "pipe2")
}

/// Whether setgroups(2) can work for `process` (a number or `self`).
pub fn setgroups_of(process: &str) -> Setgroups {
    let text = fs::read_to_string(format!("/proc/{process}/setgroups"));
    match text.unwrap_or_default().trim() {
        "deny" => Setgroups::Denied,
        _ => Setgroups::Allowed,
    }
}

/// Denies setgroups(2), as a map written without privilege needs it (CVE-2014-8989).
///
/// # Errors
///
/// What open(2) or write(2) of the file says.
pub fn deny_setgroups(process: &str) -> SysResult<()> {
    write_proc(process, "setgroups", "deny")
}

/// Writes both maps of `process` (a number or `self`), each with one write(2).
///
/// # Errors
///
/// What open(2) or write(2) of the files says; EPERM when an extent leaves the parent's.
pub fn write_maps(process: &str, maps: &IdMaps) -> SysResult<()> {
    write_proc(process, "uid_map", &maps.uids_text("\n"))?;
    write_proc(process, "gid_map", &maps.gids_text("\n"))
}

/// A user namespace with these maps and no process, for mounts that show their files' ids by them.
///
/// # Errors
///
/// What forking says; EPERM for ids that the caller has no right to.
pub(super) fn namespace_of(maps: &IdMaps) -> SysResult<OwnedFd> {
    let process = Bystander::start(&CloneRequest {
        namespaces: CloneFlags::CLONE_NEWUSER.bits().cast_unsigned().into(),
        ..CloneRequest::default()
    })?;
    write_maps(&process.pid().to_string(), maps)?;
    open_of(process.pid())
}

fn write_proc(process: &str, file: &str, text: &str) -> SysResult<()> {
    let path = format!("/proc/{process}/{file}");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .called(|| format!("open({path:?}, O_WRONLY)"))?;
    file.write_all(text.as_bytes())
        .called(|| format!("write({path:?}, {text:?})"))
}

/// The user namespace of this process, opened.
pub(super) fn open_own() -> std::io::Result<OwnedFd> {
    fs::File::open("/proc/self/ns/user").map(OwnedFd::from)
}

/// The maps of `process`, in the ids of this one's user namespace.
///
/// # Errors
///
/// What reading `/proc/PID/uid_map` and `gid_map` says.
pub fn maps_of(process: i32) -> SysResult<IdMaps> {
    let read = |file: &str| {
        let path = format!("/proc/{process}/{file}");
        let text = fs::read_to_string(&path).called(|| format!("read({path:?})"))?;
        Ok(parse_map(&text))
    };
    Ok(IdMaps {
        uids: read("uid_map")?,
        gids: read("gid_map")?,
    })
}

/// The user namespace of `process`, opened.
///
/// # Errors
///
/// What open(2) of `/proc/PID/ns/user` says.
pub fn open_of(process: i32) -> SysResult<OwnedFd> {
    let path = format!("/proc/{process}/ns/user");
    let file = fs::File::open(&path).called(|| format!("open({path:?})"))?;
    debug_assert!(file.as_raw_fd() > 2, "the standard streams are open");
    Ok(file.into())
}
