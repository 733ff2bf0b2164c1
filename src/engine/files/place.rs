// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Work in a container's tree as the container sees it: in a child process that joins the
//! container's namespaces where it runs, and mounts its root for itself where it does not.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2, syncfs};

use super::error::FilesError;
use crate::engine::Engine;
use crate::engine::launch::start_overlay_server;
use crate::engine::roots::{self, Circumstances, EngineChoice, FuseRoot};
use crate::engine::volume::{beneath, host_mounts};
use crate::runtime::exec::enter_files;
use crate::runtime::failure::chain;
use crate::runtime::holder::enter_holder;
use crate::runtime::idmap::{HolderMap, IdMaps};
use crate::runtime::launch::Root;
use crate::runtime::mounts::sources::Sources;
use crate::runtime::mounts::target::{self, Links, TargetKind};
use crate::runtime::rootfs::{Fallback, mount_root};
use crate::runtime::subid::holder_map;
use crate::state::liveness::Observed;
use crate::state::record::{ContainerRecord, ContainerState, MountKind, MountRequest};
use crate::state::store::{ContainerLock, Store};
use crate::sys::fuse;
use crate::sys::mount::{Depth, MountAttr, attach, clone_tree, current_dir, set_attr};
use crate::sys::pidfd::Pidfd;
use crate::sys::process::{CloneRequest, Forked, clone3, close_all_but, exit_now};
use crate::sys::{Called, Ignored, SysResult};

/// A container's tree, and the way into it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) record: ContainerRecord,
    way: Way,
    /// The upper layer, to be brought to the disk after a change.
    upper: Option<File>,
}

#[derive(Debug)]
enum Way {
    /// Its namespaces are there.
    Join { process: Pidfd, pid: i32 },
    /// Its root is mounted for the moment; nobody starts it meanwhile.
    Mount {
        stopped: Box<Stopped>,
        _lock: ContainerLock,
    },
}

/// What it takes to mount a root.
#[derive(Debug)]
struct Stopped {
    root: Root,
    fuse: Option<FuseRoot>,
    holder: HolderMap,
    run_root: PathBuf,
    binds: Vec<Bind>,
}

/// A directory or file of the host that the container has mounted.
#[derive(Debug)]
struct Bind {
    source: PathBuf,
    /// What of it is shown, if not all of it.
    beneath: Option<PathBuf>,
    container_path: PathBuf,
    read_only: bool,
}

impl Engine {
    /// Finds the way into the tree of the container that `name` means.
    pub(super) fn place(&self, name: &str) -> Result<Place, FilesError> {
        let store = self.store()?;
        let id = store.resolve(name)?;
        let record = store.load(&id)?;
        let upper = File::open(self.dirs.container(&id).join("upper")).ok();
        if let Some(way) = running(&store, &record)? {
            return Ok(Place { record, way, upper });
        }
        let lock = store.lock(&id)?;
        // It may have been started while we waited.
        let way = match running(&store, &record)? {
            Some(way) => way,
            None => Way::Mount {
                stopped: Box::new(self.stopped(&record)?),
                _lock: lock,
            },
        };
        let upper = File::open(self.dirs.container(&id).join("upper")).ok();
        Ok(Place { record, way, upper })
    }

    fn stopped(&self, record: &ContainerRecord) -> Result<Stopped, FilesError> {
        self.dirs.open_run_root()?;
        let holder = holder_map();
        let directory = self.dirs.container(&record.id);
        let ids = IdMaps::identity_of(&holder.maps);
        let given = Circumstances {
            choice: match record.request.storage_engine.as_deref() {
                Some("fuse") => EngineChoice::Fuse,
                _ => EngineChoice::Auto,
            },
            ids: &ids,
            reach: holder.reach,
            volatile: record.request.auto_remove,
            fuse: fuse::opens(),
            hybrid: None,
        };
        let source = self.root_source(record)?;
        let plan = roots::plan(&source, &directory, given);
        let (plan, _) = plan.map_err(|error| FilesError::Work {
            action: format!("prepare the root of container {}", record.name),
            words: error.to_string(),
        })?;
        let layers = match (&plan.root, &plan.fuse) {
            (Root::Kernel(layers) | Root::Fuse(layers) | Root::Machine(layers), _) => Some(layers),
            (Root::Hybrid(root), _) => Some(&root.layers),
            (Root::Directory(_), fuse) => fuse.as_ref().map(|fuse| &fuse.layers),
        };
        if let Some(layers) = layers {
            roots::make_directories(layers).map_err(|error| FilesError::Work {
                action: format!("prepare the root of container {}", record.name),
                words: error.to_string(),
            })?;
        }
        Ok(Stopped {
            root: plan.root,
            fuse: plan.fuse,
            holder,
            run_root: self.dirs.run_root.clone(),
            binds: binds(&host_mounts(&self.volumes(), record)),
        })
    }
}

/// The way into a container that runs; `None` if it does not.
fn running(store: &Store, record: &ContainerRecord) -> Result<Option<Way>, FilesError> {
    let (state, observed) = store.observe(&record.id)?;
    let ContainerState {
        container: Some(process),
        ..
    } = state
    else {
        return Ok(None);
    };
    if !matches!(observed, Observed::Running | Observed::Paused) {
        return Ok(None);
    }
    let opened = process.open_pidfd().map_err(|error| FilesError::Work {
        action: format!("enter container {}", record.name),
        words: error.to_string(),
    })?;
    Ok(opened.map(|pidfd| Way::Join {
        process: pidfd,
        pid: process.pid,
    }))
}

fn binds(mounts: &[MountRequest]) -> Vec<Bind> {
    let mounts = mounts.iter();
    let binds = mounts.filter(|mount| mount.kind == MountKind::Bind);
    let mut binds: Vec<Bind> = binds
        .map(|mount| Bind {
            source: PathBuf::from(&mount.source),
            beneath: beneath(mount).map(PathBuf::from),
            container_path: PathBuf::from(&mount.container_path),
            read_only: mount.options.iter().any(|option| option == "ro"),
        })
        .collect();
    // What lies deeper is mounted later.
    binds.sort_by_key(|bind| bind.container_path.components().count());
    binds
}

/// A child that works in a container's tree.
#[derive(Debug)]
pub(super) struct Worker {
    pid: i32,
    answer: OwnedFd,
}

impl Place {
    /// Runs `work` on the root in a child and returns its answer.
    pub(super) fn run(
        &self,
        work: impl FnOnce(BorrowedFd<'_>) -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        self.start(&[], work)?.finish()
    }

    /// Starts `work` on the root in a child, which has the descriptors `kept` and no others of
    /// ours. This process must be single-threaded.
    pub(super) fn start(
        &self,
        kept: &[RawFd],
        work: impl FnOnce(BorrowedFd<'_>) -> Result<Vec<u8>, String>,
    ) -> Result<Worker, String> {
        let words = |error: crate::sys::SysError| error.to_string();
        let pipe = pipe2(OFlag::O_CLOEXEC).called(|| "pipe2");
        let (answer, ours) = pipe.map_err(words)?;
        match clone3(&CloneRequest::default()).map_err(words)? {
            Forked::Parent { pid, .. } => Ok(Worker { pid, answer }),
            Forked::Child => {
                let mut all = vec![0, 1, 2, ours.as_raw_fd()];
                all.extend_from_slice(kept);
                all.extend(self.upper.as_ref().map(AsRawFd::as_raw_fd));
                if let Way::Join { process, .. } = &self.way {
                    all.push(process.as_fd().as_raw_fd());
                }
                drop(close_all_but(&all));
                let answer = self.enter().and_then(|root| work(root.as_fd()));
                let bytes = match answer {
                    Ok(bytes) => [vec![b'+'], bytes].concat(),
                    Err(words) => [vec![b'-'], words.into_bytes()].concat(),
                };
                let written = File::from(ours).write_all(&bytes);
                exit_now(i32::from(written.is_err()))
            }
        }
    }

    /// Brings what a child changed to the disk: a copy that was acknowledged outlives a power cut.
    pub(super) fn sync(&self, root: BorrowedFd<'_>) {
        syncfs(root).ignored();
        if let Some(upper) = &self.upper {
            syncfs(upper).ignored();
        }
    }

    /// Takes this process to the root, for good.
    fn enter(&self) -> Result<OwnedFd, String> {
        match &self.way {
            Way::Join { process, pid } => {
                enter_files(process.as_fd(), *pid).map_err(|failure| failure.message)?;
                open_directory(Path::new("/")).map_err(|error| error.to_string())
            }
            Way::Mount { stopped, .. } => {
                enter_holder(&stopped.holder, &stopped.run_root).map_err(|error| chain(&error))?;
                stopped.mount().map_err(|error| error.to_string())
            }
        }
    }
}

impl Stopped {
    fn mount(&self) -> SysResult<OwnedFd> {
        unshare(CloneFlags::CLONE_NEWNS).called(|| "unshare(CLONE_NEWNS)")?;
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
            .called(|| "mount(\"/\", MS_PRIVATE)")?;
        let fallback = match (&self.root, &self.fuse) {
            (Root::Kernel(_), Some(_)) => Fallback::Fuse,
            _ => Fallback::None,
        };
        let mut serve = |device| match &self.fuse {
            Some(fuse) => start_overlay_server(device, fuse).map(drop),
            None => Ok(()),
        };
        let mut none = Sources::default();
        let place = (&*self.run_root, &mut none);
        // Over a directory that neither the layers nor the server of a FUSE root need.
        let root = mount_root(&self.root, fallback, place, &mut serve)?;
        for bind in &self.binds {
            bind.mount(root.as_fd())?;
        }
        // A descriptor from before the binds would not show them.
        open_directory(&self.run_root)
    }
}

impl Bind {
    /// A source that is gone is the next start's to complain about.
    fn mount(&self, root: BorrowedFd<'_>) -> SysResult<()> {
        let Ok(mount) = self.tree() else {
            return Ok(());
        };
        let status = fstat(&mount).called(|| format!("stat({:?})", self.source))?;
        let kind = if status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits() {
            TargetKind::Directory
        } else {
            TargetKind::File
        };
        let target = target::open_or_make(root, &self.container_path, kind, Links::Follow)?;
        if self.read_only {
            let (set, clear) = (MountAttr::RDONLY, MountAttr::NONE);
            set_attr(mount.as_fd(), set, clear, 0, Depth::Recursive)?;
        }
        attach(mount.as_fd(), target.as_fd())
    }

    fn tree(&self) -> SysResult<OwnedFd> {
        let Some(beneath) = &self.beneath else {
            return clone_tree(current_dir(), &self.source, Depth::Recursive);
        };
        let source = open_directory(&self.source)?;
        target::clone_below(source.as_fd(), beneath, Links::Follow, Depth::Recursive)
    }
}

impl Worker {
    /// Waits for the child's answer.
    pub(super) fn finish(self) -> Result<Vec<u8>, String> {
        let mut answer = Vec::new();
        let read = File::from(self.answer).read_to_end(&mut answer);
        let ended = match waitpid(Pid::from_raw(self.pid), None) {
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("killed by {signal}"),
            Ok(WaitStatus::Exited(_, code)) => format!("exit code {code}"),
            Ok(_) | Err(_) => "nobody knows how".to_owned(),
        };
        match (read, answer.split_first()) {
            (Ok(_), Some((b'+', rest))) => Ok(rest.to_vec()),
            (Ok(_), Some((_, words))) => Err(String::from_utf8_lossy(words).into_owned()),
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), None) => Err(format!(
                "the process in the container's tree ended without an answer: {ended}"
            )),
        }
    }
}

fn open_directory(path: &Path) -> SysResult<OwnedFd> {
    File::open(path)
        .map(OwnedFd::from)
        .called(|| format!("open({path:?})"))
}
