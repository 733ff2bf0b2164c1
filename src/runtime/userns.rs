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
use std::path::Path;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};
use serde::{Deserialize, Serialize};

use super::holder;
use super::idmap::{HolderMap, IdMaps, Reach, Setgroups};
use super::subid::find_helper;
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

/// Moves this single-threaded process into the user's holder namespace, making it if need be.
///
/// # Errors
///
/// See [`UsernsError`]; the process must end then, since it may be half way.
pub fn enter_holder(map: &HolderMap, run_root: &Path) -> Result<Entered, UsernsError> {
    if holder::find(map, run_root).is_some_and(|holder| holder.join(run_root)) {
        return Ok(Entered::Joined);
    }
    holder::enter_or_make(map, run_root, || make_namespace(map))
}

fn make_namespace(map: &HolderMap) -> Result<(), UsernsError> {
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

fn cloexec_pipe() -> SysResult<(OwnedFd, OwnedFd)> {
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

/// Runs `work` in a forked child inside the user's holder namespace and returns what it wrote:
/// the way to unpack, read or delete files that belong to subordinate ids.
///
/// The caller must be single-threaded. The child ends with `work`.
///
/// # Errors
///
/// What kept the child out of the namespace; [`UsernsError::NoAnswer`] when it died.
pub fn run_mapped(
    map: &HolderMap,
    run_root: &Path,
    work: impl FnOnce() -> Vec<u8>,
) -> Result<Vec<u8>, UsernsError> {
    let answer = answer_of_child(|| match enter_holder(map, run_root) {
        Ok(_) => [vec![b'+'], work()].concat(),
        Err(error) => [vec![b'-'], Refusal::of(&error).to_bytes()].concat(),
    })?;
    match answer.split_first() {
        Some((b'+', rest)) => Ok(rest.to_vec()),
        Some((_, refusal)) => Err(Refusal::error(refusal)),
        None => Err(UsernsError::NoAnswer {
            status: "nothing".to_owned(),
        }),
    }
}

/// Runs `work` in a child of this single-threaded process, with the caller's own ids: threads that
/// it starts are gone afterwards.
///
/// # Errors
///
/// [`UsernsError::NoAnswer`] if it ends before it has an answer.
pub fn run_apart(work: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, UsernsError> {
    answer_of_child(work)
}

fn answer_of_child(work: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, UsernsError> {
    let (answer_read, answer_write) = cloexec_pipe()?;
    match clone3(&CloneRequest::default())? {
        Forked::Child => {
            drop(answer_read);
            let answer = work();
            let written = fs::File::from(answer_write).write_all(&answer);
            exit_now(i32::from(written.is_err()))
        }
        Forked::Parent { pid, .. } => {
            drop(answer_write);
            let mut answer = Vec::new();
            fs::File::from(answer_read)
                .read_to_end(&mut answer)
                .called(|| "read(child)")?;
            let status = waitpid(Pid::from_raw(pid), None).called(|| "waitpid(child)")?;
            if answer.is_empty() {
                return Err(UsernsError::NoAnswer {
                    status: format!("{status:?}"),
                });
            }
            Ok(answer)
        }
    }
}

/// What a child says that could not enter the namespace, so that the parent has the same error.
#[derive(Debug, Serialize, Deserialize)]
enum Refusal {
    Refused {
        call: String,
        errno: i32,
    },
    HelperMissing {
        program: String,
    },
    HelperFailed {
        program: String,
        map: String,
        words: String,
    },
    Other {
        words: String,
    },
}

impl Refusal {
    fn of(error: &UsernsError) -> Self {
        match error {
            UsernsError::Refused(SysError { call, errno }) => Self::Refused {
                call: call.clone(),
                errno: *errno as i32,
            },
            UsernsError::HelperMissing { program } => Self::HelperMissing {
                program: (*program).to_owned(),
            },
            UsernsError::HelperFailed {
                program,
                map,
                words,
            } => Self::HelperFailed {
                program: (*program).to_owned(),
                map: map.clone(),
                words: words.clone(),
            },
            UsernsError::Map(_) | UsernsError::Call(_) | UsernsError::NoAnswer { .. } => {
                Self::Other {
                    words: chain(error),
                }
            }
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it holds texts and numbers")
    }

    fn error(bytes: &[u8]) -> UsernsError {
        let known = |program: &str| match program {
            "newgidmap" => "newgidmap",
            _ => "newuidmap",
        };
        match serde_json::from_slice(bytes) {
            Ok(Self::Refused { call, errno }) => {
                UsernsError::Refused(SysError::new(call, Errno::from_raw(errno)))
            }
            Ok(Self::HelperMissing { program }) => UsernsError::HelperMissing {
                program: known(&program),
            },
            Ok(Self::HelperFailed {
                program,
                map,
                words,
            }) => UsernsError::HelperFailed {
                program: known(&program),
                map,
                words,
            },
            Ok(Self::Other { words }) => UsernsError::NoAnswer { status: words },
            Err(_) => UsernsError::NoAnswer {
                status: String::from_utf8_lossy(bytes).into_owned(),
            },
        }
    }
}

/// An error and its sources on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The user namespace of this process, opened.
pub(super) fn open_own() -> std::io::Result<OwnedFd> {
    fs::File::open("/proc/self/ns/user").map(OwnedFd::from)
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
