// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cp`: files between the host and containers, and from one container to another.
//!
//! One side writes a tar stream, the other puts it down; each works in its own tree. The rules of
//! names (trailing slashes, `/.`, what is not there yet) are podman's, which are docker's.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use super::error::FilesError;
use super::place::{Place, Worker};
use crate::engine::Engine;
use crate::runtime::user::{read_database, resolve};
use crate::state::StateError;
use crate::storage::transfer::{
    Conflict, Links, Look, LookedKind, Owners, Placement, Top, TransferError, look, receive, send,
};
use crate::sys::{Called, Ignored, SysResult};

/// What is asked of a copy.
#[derive(Debug)]
pub struct CopyRequest {
    /// From where.
    pub source: CopyEnd,
    /// To where.
    pub destination: CopyEnd,
    /// Whose the copies in a container are.
    pub owner: CopyOwner,
    /// What happens where a directory meets something else.
    pub conflict: Conflict,
    /// Whether a link that is named itself is followed.
    pub links: Links,
}

/// One end of a copy.
#[derive(Debug)]
pub enum CopyEnd {
    /// A path of the host.
    Host(PathBuf),
    /// An open tar stream.
    Stream(File),
    /// A path in a container.
    Container {
        /// The container, as typed.
        name: String,
        /// The path, as typed.
        path: String,
    },
}

/// Whose the copies in a container become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyOwner {
    /// The container's user's.
    ContainerUser,
    /// Root's.
    Root,
    /// The ids of the source.
    Source,
}

/// A tree that files are copied from or to.
enum Side {
    Host,
    Container(Rc<Place>),
}

/// What is copied.
struct Source {
    path: Vec<u8>,
    is_directory: bool,
    /// Named as `dir/.`: what is in it, not it.
    contents: bool,
}

/// Where it goes.
struct Target {
    directory: Vec<u8>,
    /// The name that it gets, unless that is the source's.
    base: Vec<u8>,
    is_directory: bool,
    /// Only the directory above is there.
    is_new: bool,
}

impl Engine {
    /// Copies a file or directory.
    ///
    /// # Errors
    ///
    /// See [`FilesError`]; what was copied before stays.
    pub fn copy(&self, request: CopyRequest) -> Result<(), FilesError> {
        let CopyRequest {
            source,
            destination,
            owner,
            conflict,
            links,
        } = request;
        match (source, destination) {
            (CopyEnd::Stream(stream), CopyEnd::Container { name, path }) => {
                let place = self.copy_place(&name, None)?;
                let path = absolute(&place, &path);
                let Look::Found {
                    path,
                    kind: LookedKind::Directory,
                } = place_look(&place, &path, Links::Follow)?
                else {
                    return Err(FilesError::StreamNeedsDirectory);
                };
                let place_down = Placement {
                    owner: None,
                    is_host: false,
                    conflict,
                    links: Links::Follow,
                };
                let worker = put(&place, &path, stream, owner, place_down);
                let failed = |words: String| {
                    if words.starts_with("source must be") {
                        FilesError::NoArchive { words }
                    } else {
                        FilesError::transfer("copying to container", words)
                    }
                };
                worker.and_then(Worker::finish).map(drop).map_err(failed)
            }
            (source, CopyEnd::Stream(stream)) => {
                let (side, source) = self.source(source, links)?;
                let top = if source.contents && source.is_directory {
                    Top::Contents
                } else {
                    Top::Named(base_name(&source.path))
                };
                send_to(&side, &source, &top, stream)
            }
            (source, destination) => {
                let (from, source) = self.source(source, links)?;
                let (to, target) = self.target(destination, Some(&from))?;
                if source.is_directory && !target.is_directory {
                    return Err(FilesError::NeedsDirectory);
                }
                let placement = Placement {
                    owner: None,
                    is_host: matches!(to, Side::Host),
                    conflict,
                    links: match to {
                        Side::Host => Links::Keep,
                        Side::Container(_) => Links::Follow,
                    },
                };
                transfer(&from, &source, &to, target, owner, placement)
            }
        }
    }

    /// The tree of a container, which may be the one that is copied from.
    fn copy_place(&self, name: &str, from: Option<&Side>) -> Result<Rc<Place>, FilesError> {
        if let Some(Side::Container(from)) = from
            && self
                .store()?
                .resolve(name)
                .is_ok_and(|id| id == from.record.id)
        {
            return Ok(Rc::clone(from));
        }
        match self.place(name) {
            Err(FilesError::State(StateError::NoSuchContainer { .. })) => {
                let name = name.to_owned();
                Err(FilesError::NoContainer { name })
            }
            result => Ok(Rc::new(result?)),
        }
    }

    fn source(&self, end: CopyEnd, links: Links) -> Result<(Side, Source), FilesError> {
        let (side, typed, look, container) = match end {
            CopyEnd::Host(path) => {
                let typed = path.as_os_str().as_bytes().to_vec();
                (Side::Host, typed, host_look(&path, links), None)
            }
            CopyEnd::Container { name, path } => {
                let place = self.copy_place(&name, None)?;
                let look = if path.contains('*') {
                    Look::Missing {
                        reason: "no such file or directory".to_owned(),
                    }
                } else {
                    place_look(&place, &absolute(&place, &path), links)?
                };
                let side = Side::Container(place);
                (side, path.into_bytes(), look, Some(name))
            }
            CopyEnd::Stream(_) => return Err(FilesError::NoSource),
        };
        match with_slash(&typed, look) {
            Look::Found { path, kind } => {
                let is_root = path == b"/";
                let source = Source {
                    path,
                    is_directory: kind == LookedKind::Directory,
                    contents: is_root || is_dot(&typed),
                };
                Ok((side, source))
            }
            Look::Dangling { .. } => Err(not_found(&typed, container, "no such file or directory")),
            Look::Missing { reason } => Err(not_found(&typed, container, &reason)),
        }
    }

    fn target(&self, end: CopyEnd, from: Option<&Side>) -> Result<(Side, Target), FilesError> {
        let (side, typed, name) = match end {
            CopyEnd::Host(path) => (Side::Host, path.as_os_str().as_bytes().to_vec(), None),
            CopyEnd::Container { name, path } => {
                let place = self.copy_place(&name, from)?;
                (Side::Container(place), path.into_bytes(), Some(name))
            }
            CopyEnd::Stream(_) => return Err(FilesError::NoSource),
        };
        let look_at = |path: &[u8]| match &side {
            Side::Host => Ok(host_look(Path::new(OsStr::from_bytes(path)), Links::Follow)),
            Side::Container(place) => {
                let text = String::from_utf8_lossy(path);
                place_look(place, &absolute(place, &text), Links::Follow)
            }
        };
        let missing = |reason: &str| not_found(&typed, name.clone(), reason);
        let above = match with_slash(&typed, look_at(&typed)?) {
            Look::Found { path, kind } => {
                return Ok((side, found_target(path, kind, name.is_none())?));
            }
            Look::Dangling { path } if !typed.ends_with(b"/") => path,
            Look::Dangling { .. } => return Err(missing("no such file or directory")),
            Look::Missing { reason } if typed.ends_with(b"/") => return Err(missing(&reason)),
            Look::Missing { .. } => typed.clone(),
        };
        let base = base_name(&above);
        match look_at(&parent(&above))? {
            Look::Found {
                path,
                kind: LookedKind::Directory,
            } => Ok((
                side,
                Target {
                    directory: path,
                    base,
                    is_directory: true,
                    is_new: true,
                },
            )),
            Look::Found { .. } => Err(missing("not a directory")),
            Look::Dangling { .. } => Err(missing("no such file or directory")),
            Look::Missing { reason } => Err(missing(&reason)),
        }
    }
}

fn found_target(path: Vec<u8>, kind: LookedKind, on_host: bool) -> Result<Target, FilesError> {
    if kind == LookedKind::Directory {
        return Ok(Target {
            base: base_name(&path),
            directory: path,
            is_directory: true,
            is_new: false,
        });
    }
    if on_host && kind != LookedKind::File {
        let path = String::from_utf8_lossy(&path).into_owned();
        return Err(FilesError::SpecialDestination { path });
    }
    Ok(Target {
        base: base_name(&path),
        directory: parent(&path),
        is_directory: false,
        is_new: false,
    })
}

fn not_found(typed: &[u8], container: Option<String>, reason: &str) -> FilesError {
    let path = String::from_utf8_lossy(typed).into_owned();
    let reason = reason.to_owned();
    match container {
        Some(container) => FilesError::NotInContainer {
            path,
            container,
            reason,
        },
        None => FilesError::NotOnHost { path, reason },
    }
}

/// A name with a slash behind it means a directory.
fn with_slash(typed: &[u8], look: Look) -> Look {
    match look {
        Look::Found { kind, .. } if kind != LookedKind::Directory && typed.ends_with(b"/") => {
            Look::Missing {
                reason: "not a directory".to_owned(),
            }
        }
        other => other,
    }
}

/// Whether a path's last part is `.`.
fn is_dot(typed: &[u8]) -> bool {
    let trimmed = typed.strip_suffix(b"/").unwrap_or(typed);
    trimmed == b"." || trimmed.ends_with(b"/.")
}

fn base_name(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|&byte| byte == b'/');
    let mut named = parts.filter(|part| !matches!(*part, b"" | b"."));
    named.next_back().unwrap_or(b".").to_vec()
}

/// The directory above; of a relative name the current one.
fn parent(path: &[u8]) -> Vec<u8> {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => b"/".to_vec(),
        Some(slash) => path[..slash].to_vec(),
        None => b".".to_vec(),
    }
}

/// A relative path starts at the container's working directory.
fn absolute(place: &Place, path: &str) -> Vec<u8> {
    if path.starts_with('/') {
        return path.as_bytes().to_vec();
    }
    let workdir = &place.record.resolved.workdir;
    format!("/{workdir}/{path}").into_bytes()
}

fn host_look(path: &Path, links: Links) -> Look {
    let missing = |error: std::io::Error| Look::Missing {
        reason: super::error::go_reason(&error),
    };
    let current = env::current_dir().unwrap_or_default();
    let path = current.join(path);
    let is_link = path.is_symlink();
    if links == Links::Keep && is_link {
        let above = path.parent().unwrap_or(Path::new("/")).canonicalize();
        return match (above, path.file_name()) {
            (Ok(above), Some(name)) => Look::Found {
                path: above.join(name).as_os_str().as_bytes().to_vec(),
                kind: LookedKind::Link,
            },
            (Err(error), _) => missing(error),
            (Ok(_), None) => missing(std::io::ErrorKind::NotFound.into()),
        };
    }
    let resolved = match path.canonicalize() {
        Ok(resolved) => resolved,
        // A pipe or terminal that /dev/stdin leads to has no path of its own.
        Err(_) if path.exists() => path,
        Err(_) if is_link => {
            // A link that leads to nothing yet.
            let target = std::fs::read_link(&path).unwrap_or_default();
            let target = path.parent().unwrap_or(Path::new("/")).join(target);
            let path = target.as_os_str().as_bytes().to_vec();
            return Look::Dangling { path };
        }
        Err(error) => return missing(error),
    };
    match resolved.metadata() {
        Err(error) => missing(error),
        Ok(metadata) => Look::Found {
            path: resolved.as_os_str().as_bytes().to_vec(),
            kind: match metadata.file_type() {
                kind if kind.is_dir() => LookedKind::Directory,
                kind if kind.is_file() => LookedKind::File,
                _ => LookedKind::Special,
            },
        },
    }
}

fn place_look(place: &Place, path: &[u8], links: Links) -> Result<Look, FilesError> {
    let failed = |words| FilesError::transfer("looking into container", words);
    let answer = place
        .run(|root| {
            let found = look(root, path, links);
            Ok(serde_json::to_vec(&found).expect("paths and words"))
        })
        .map_err(failed)?;
    serde_json::from_slice(&answer).map_err(|error| failed(error.to_string()))
}

/// Puts a stream down in a container, in a child.
fn put(
    place: &Place,
    directory: &[u8],
    stream: File,
    owner: CopyOwner,
    placement: Placement,
) -> Result<Worker, String> {
    let user = Engine::program_user(&place.record);
    let kept = [stream.as_raw_fd()];
    let worker = place.start(&kept, |root| {
        let owner = match owner {
            CopyOwner::Source => None,
            CopyOwner::Root => Some((0, 0)),
            CopyOwner::ContainerUser => {
                let databases = ["/etc/passwd", "/etc/group"].map(|path| read_database(root, path));
                let found = resolve(&user, &[], &databases[0], &databases[1]);
                let found = found.map_err(|failure| failure.message)?;
                Some((found.uid, found.gid))
            }
        };
        let placement = Placement { owner, ..placement };
        receive(root, directory, &stream, placement).map_err(|error| error.to_string())?;
        place.sync(root);
        Ok(Vec::new())
    });
    // A child that ends early is noticed only when nobody else can read the stream.
    drop(stream);
    worker
}

/// Writes the stream of `source`: in a child for a container, here for the host.
fn send_to(side: &Side, source: &Source, top: &Top, stream: File) -> Result<(), FilesError> {
    match side {
        Side::Host => {
            let root = File::open("/")
                .map_err(|error| FilesError::transfer("copying from host", error.to_string()))?;
            let owners = if nix::unistd::geteuid().is_root() {
                Owners::AsSeen
            } else {
                Owners::CallerIsRoot
            };
            send(root.as_fd(), &source.path, top, owners, stream)
                .map_err(|error| FilesError::copy("copying from host", &error))
        }
        Side::Container(place) => take(place, source, top, stream)
            .and_then(Worker::finish)
            .map(drop)
            .map_err(|words| FilesError::transfer("copying from container", words)),
    }
}

/// Writes the stream of a container's files, in a child.
fn take(place: &Place, source: &Source, top: &Top, stream: File) -> Result<Worker, String> {
    let kept = [stream.as_raw_fd()];
    let worker = place.start(&kept, |root| {
        send(root, &source.path, top, Owners::AsSeen, &stream)
            .map(|()| Vec::new())
            .map_err(|error| error.to_string())
    });
    // The other side sees the stream end when the child alone has it and ends.
    drop(stream);
    worker
}

fn transfer(
    from: &Side,
    source: &Source,
    to: &Side,
    target: Target,
    owner: CopyOwner,
    placement: Placement,
) -> Result<(), FilesError> {
    let renamed = target.is_new || (!source.is_directory && !target.is_directory);
    let top = if source.is_directory && source.contents && !target.is_new {
        Top::Contents
    } else if renamed {
        Top::Named(target.base)
    } else {
        Top::Named(base_name(&source.path))
    };
    let pipe = wide_pipe();
    let (reader, writer) = pipe.map_err(|error| FilesError::transfer("cp", error.to_string()))?;
    match to {
        Side::Host => {
            let Side::Container(place) = from else {
                return Err(FilesError::NoSource);
            };
            let worker = take(place, source, &top, writer)
                .map_err(|words| FilesError::transfer("copying from container", words))?;
            let directory = Path::new(OsStr::from_bytes(&target.directory));
            let placed = File::open(directory)
                .map_err(|error| FilesError::transfer("copying to host", error.to_string()))
                .and_then(|root| {
                    receive(root.as_fd(), b"", &reader, placement)
                        .map_err(|error| FilesError::copy("copying to host", &error))
                });
            drop(reader);
            let sent = worker.finish();
            match (placed, sent) {
                // What broke first says why: a stream that ends early is the other side's fault.
                (Err(FilesError::Transfer { words, .. }), Err(reason))
                    if words.starts_with("the archive") =>
                {
                    Err(FilesError::transfer("copying from container", reason))
                }
                (Err(error), _) => Err(error),
                (Ok(()), Err(words)) => Err(FilesError::transfer("copying from container", words)),
                (Ok(()), Ok(_)) => Ok(()),
            }
        }
        Side::Container(place) => {
            let worker = put(place, &target.directory, reader, owner, placement)
                .map_err(|words| FilesError::transfer("copying to container", words))?;
            let sent = send_to(from, source, &top, writer);
            match (worker.finish(), sent) {
                (Err(words), sent) if words.starts_with("the archive") && sent.is_err() => sent,
                (Err(words), _) => Err(FilesError::transfer("copying to container", words)),
                (Ok(_), sent) => sent,
            }
        }
    }
}

fn wide_pipe() -> SysResult<(File, File)> {
    const WIDE: i32 = 1 << 20;
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).called(|| "pipe2")?;
    // Where the user's pipes hold much already it stays narrow.
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(WIDE)).ignored();
    Ok((reader.into(), writer.into()))
}

impl FilesError {
    fn transfer(action: &'static str, words: String) -> Self {
        Self::Transfer { action, words }
    }

    fn copy(action: &'static str, error: &TransferError) -> Self {
        Self::transfer(action, error.to_string())
    }
}
