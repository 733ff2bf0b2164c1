// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Work in a child: in the user's holder namespace, or apart from this process's threads alone.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::failure::chain;
use super::holder::enter_holder;
use super::idmap::HolderMap;
use super::userns::{UsernsError, cloexec_pipe};
use crate::sys::process::{CloneRequest, Forked, clone3, exit_now};
use crate::sys::{Called, SysError};

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
