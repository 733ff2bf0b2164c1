// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the init stage cannot open itself: the sources of its mounts, when the container's root is
//! not the caller (`--userns keep-id`, `nomap`, `auto`, `--uidmap`), whose directories may be closed
//! to it, and the /dev/shm of another container, which stands in that one's mount namespace. A child of the monitor, which
//! has the caller's rights, opens them and sends them over the stage's line.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use nix::unistd::{Gid, Uid, getegid, geteuid, setresgid, setresuid};

use super::plan::{Idmap, LastLink, MountOp, MountSource, plan};
use super::sources::{mapped_name, source_name};
use super::target::{self, Links};
use crate::runtime::handshake;
use crate::runtime::idmap::{IdMapping, IdMaps};
use crate::runtime::launch::{Launch, Root};
use crate::runtime::userns;
use crate::sys::channel::Channel;
use crate::sys::mount::{Depth, clone_tree, set_idmap};
use crate::sys::pidfd::Pidfd;
use crate::sys::process::{CloneRequest, Forked, clone3, exit_now};
use crate::sys::{Called, Ignored, SysResult};

/// A path that is opened for the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    /// What the stage looks it up by.
    name: PathBuf,
    /// Where it is in the namespace that it is opened in.
    path: PathBuf,
    /// What of it is meant, if not all of it.
    beneath: Option<PathBuf>,
    /// How it is opened.
    how: How,
    /// To whom it is given, in the ids of the namespace that opens it (`U`): the stage has no
    /// right over files of others.
    owner: Option<Owner>,
    /// How the ids of its files are shown.
    idmap: Option<Idmap>,
}

/// The container's root in the ids of the user's namespace, and all ids of the container there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    ids: (u32, u32),
    maps: IdMaps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// As a location.
    Location,
    /// As a detached copy of its mount.
    Tree(Depth),
    /// The same, of a path that another container may have turned into a link.
    OthersTree(Depth),
}

/// What is opened for a stage.
#[derive(Debug)]
pub struct Loan(Vec<Wanted>);

impl Loan {
    /// What the stage of `launch` cannot open itself.
    pub fn of(launch: &Launch, mountpoint: &Path) -> Self {
        let caller = (geteuid().as_raw(), getegid().as_raw());
        // A plan that makes no sense is the stage's to report.
        let plan = plan(launch.spec.mounts().as_deref().unwrap_or_default()).unwrap_or_default();
        let mut list = Vec::new();
        if root_outside(&launch.maps) != caller {
            list = unreachable_by_stage(launch, mountpoint, &plan);
        }
        list.extend(plan.iter().filter_map(mapped));
        Self(list)
    }

    /// Opens it in a child that joins the stage `pid`, and sends it over `line`.
    ///
    /// # Errors
    ///
    /// What forking says. What cannot be opened is left to the stage, whose own attempt has the
    /// error.
    pub fn lend(&self, pid: i32, line: &Channel) -> SysResult<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        lend_from(pid, CloneFlags::CLONE_NEWNS, &self.0, line)
    }

    /// The same in this process, which is in the mount namespace of the stage for good then.
    ///
    /// # Errors
    ///
    /// What joining and sending says.
    pub(in crate::runtime) fn lend_here(&self, pid: i32, line: &Channel) -> SysResult<()> {
        send_from(pid, CloneFlags::CLONE_NEWNS, &self.0, line)
    }
}

/// Sends the /dev/shm that is shared, if there is one, over the line of the stage.
///
/// # Errors
///
/// As [`Loan::lend`].
pub fn lend_shared_shm(launch: &Launch, line: &Channel) -> SysResult<()> {
    let Some((name, owner)) = &launch.shared_shm else {
        return Ok(());
    };
    let shm = Wanted {
        name: name.clone(),
        path: PathBuf::from("/dev/shm"),
        beneath: None,
        how: How::OthersTree(Depth::One),
        owner: None,
        idmap: None,
    };
    // A FUSE root admits nobody but the processes of its user namespace.
    let both = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    lend_from(*owner, both, &[shm], line)
}

/// Only who has a file system's own user namespace may map the ids of its files, and no stage in
/// another one has.
fn mapped(op: &MountOp) -> Option<Wanted> {
    let (MountSource::Bind { host_path, depth }, Some(_)) = (&op.source, &op.idmap) else {
        return None;
    };
    Some(Wanted {
        name: mapped_name(op),
        path: host_path.clone(),
        beneath: op.beneath.clone(),
        how: How::Tree(*depth),
        owner: None,
        idmap: op.idmap.clone(),
    })
}

fn unreachable_by_stage(launch: &Launch, mountpoint: &Path, plan: &[MountOp]) -> Vec<Wanted> {
    let want = |path: &Path, how: How| Wanted {
        name: path.to_owned(),
        path: path.to_owned(),
        beneath: None,
        how,
        owner: None,
        idmap: None,
    };
    let owner = Owner {
        ids: root_outside(&launch.maps),
        maps: launch.maps.clone(),
    };
    let mut list = Vec::new();
    if let Root::Directory(path) = &launch.root {
        list.push(want(path, How::Tree(Depth::Recursive)));
    }
    // The same path where a root is mounted on itself, after it has been taken.
    list.push(want(mountpoint, How::Location));
    let plain = plan.iter().filter(|op| op.idmap.is_none());
    list.extend(plain.filter_map(|op| match &op.source {
        MountSource::Bind { host_path, depth } if op.source_link == LastLink::Followed => {
            Some(Wanted {
                name: source_name(op, host_path),
                beneath: op.beneath.clone(),
                owner: (op.chown || op.first_use.is_some()).then(|| owner.clone()),
                ..want(host_path, How::Tree(*depth))
            })
        }
        MountSource::Bind { .. } | MountSource::New { .. } => None,
    }));
    list
}

/// The user and the group of the parent that are the container's root; where it has none, those
/// of the first id that is mapped.
fn root_outside(maps: &IdMaps) -> (u32, u32) {
    let outside = |extents: &[IdMapping]| {
        let root = extents.iter().find(|extent| extent.inside == 0);
        root.or(extents.first()).map_or(0, |extent| extent.outside)
    };
    (outside(&maps.uids), outside(&maps.gids))
}

/// Forks into the mount namespace of `pid`: only there a mount can be copied from.
fn lend_from(pid: i32, namespaces: CloneFlags, list: &[Wanted], line: &Channel) -> SysResult<()> {
    match clone3(&CloneRequest::default())? {
        Forked::Child => exit_now(i32::from(send_from(pid, namespaces, list, line).is_err())),
        Forked::Parent { pid, .. } => {
            nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).ignored();
            Ok(())
        }
    }
}

fn send_from(pid: i32, namespaces: CloneFlags, list: &[Wanted], line: &Channel) -> SysResult<()> {
    let root = enter(pid, namespaces)?;
    list.iter()
        .filter_map(|wanted| Some((wanted, open(&root, wanted, pid).ok()?)))
        .try_for_each(|(wanted, fd)| handshake::send_source(line, &wanted.name, &fd))
}

fn enter(pid: i32, namespaces: CloneFlags) -> SysResult<File> {
    let process = Pidfd::open(pid)?;
    setns(process.as_fd(), namespaces).called(|| format!("setns({namespaces:?})"))?;
    if namespaces.contains(CloneFlags::CLONE_NEWUSER) {
        // FUSE answers nobody whose id is not mapped; where root is not, somebody else is us.
        setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).ignored();
        setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).ignored();
    }
    File::open("/").called(|| "open(\"/\")")
}

fn open(root: &File, wanted: &Wanted, pid: i32) -> SysResult<OwnedFd> {
    let Wanted {
        name: _,
        path,
        beneath,
        how,
        owner,
        idmap,
    } = wanted;
    let opened = match (how, beneath) {
        (How::Location, _) => target::open(root.as_fd(), path, Links::Follow),
        (How::OthersTree(depth), _) => {
            target::clone_below(root.as_fd(), path, Links::Refuse, *depth)
        }
        (How::Tree(depth), None) => clone_tree(root.as_fd(), path, *depth),
        (How::Tree(depth), Some(beneath)) => {
            let whole = target::open(root.as_fd(), path, Links::Follow)?;
            target::clone_below(whole.as_fd(), beneath, Links::Follow, *depth)
        }
    }?;
    if let Some(Idmap { maps, depth }) = idmap {
        let namespace = match maps {
            Some(maps) => userns::namespace_of(maps)?,
            None => userns::open_of(pid)?,
        };
        set_idmap(opened.as_fd(), namespace.as_fd(), *depth)?;
    }
    if let Some(Owner { ids, maps }) = owner
        && !maps.hold_outside(super::copy_up::owner_of(opened.as_fd())?)
    {
        super::copy_up::chown_tree(opened.as_fd(), *ids)?;
    }
    Ok(opened)
}
