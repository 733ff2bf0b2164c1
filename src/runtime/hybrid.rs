// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A root of the hybrid engine: the kernel's overlay, whose one lower layer is a FUSE mount of ours
//! that shows the image with the container's owners and, for larger files, says where their data
//! is; the kernel reads it there (overlayfs documentation, "Data-only lower layers"; in a user
//! namespace since Linux 6.16).
//!
//! It is made by a child of the monitor in the user's namespace, not by the container's stage in
//! its own: an overlay reads and writes its layers with the rights of whoever mounted it, and the
//! owners of an image's files need have no id in the container. The stage is sent the mount.
//!
//! What is changed is written by the kernel, so that files of the upper layer belong to the
//! ids that the container's map leads to. That map is kept on the layer
//! ([`crate::layer_format::LayerOwners`]), for everybody who reads it later. The kernel copies the
//! data of what is changed (it refuses `metacopy=on` in a user namespace), so nothing in the
//! upper layer leads elsewhere.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::handshake;
use super::launch::{HybridRoot, OverlayLayers, StageFailure};
use super::rootfs::{Access, fuse_mount, kernel_overlay_with_data};
use crate::layer_format::{read_layer_owners, write_layer_owners};
use crate::sys::channel::Channel;
use crate::sys::process::{CloneRequest, Forked, clone3, exit_now};
use crate::sys::xattr::{self, Place, SetMode};
use crate::sys::{Called, Ignored, SysError, SysResult};

/// The name under which the stage finds the mount among what was opened for it: no path of a plan
/// begins like that.
pub const ROOT: &str = "//root";

/// What the child says: that it sends the FUSE device, the mount, or words.
const DEVICE: u8 = b'd';
const MOUNT: u8 = b'm';

/// Makes the root in a child, lets `serve` start the server of its device, and sends the mount
/// over the stage's `line`.
///
/// # Errors
///
/// What the child says, or why it says nothing.
pub fn lend(
    root: &HybridRoot,
    line: &Channel,
    serve: &mut dyn FnMut(OwnedFd) -> SysResult<()>,
) -> Result<(), StageFailure> {
    let setup = |error: SysError| StageFailure::setup(error.to_string());
    let (ours, theirs) = Channel::pair().map_err(setup)?;
    match clone3(&CloneRequest::default()).map_err(setup)? {
        Forked::Child => {
            drop(ours);
            if let Err(error) = make(root, &theirs) {
                theirs.send(error.to_string().as_bytes(), None).ignored();
            }
            exit_now(0)
        }
        Forked::Parent { pid, .. } => {
            drop(theirs);
            let lent = pass_on(&ours, line, serve);
            drop(ours);
            waitpid(Pid::from_raw(pid), None).ignored();
            lent.map_err(|words| {
                StageFailure::setup(format!("mount the root file system: {words}"))
            })
        }
    }
}

fn pass_on(
    child: &Channel,
    line: &Channel,
    serve: &mut dyn FnMut(OwnedFd) -> SysResult<()>,
) -> Result<(), String> {
    let words = |error: SysError| error.to_string();
    loop {
        let message = child.receive().map_err(words)?;
        match (&message.bytes[..], message.fd) {
            ([DEVICE], Some(device)) => serve(device).map_err(words)?,
            ([MOUNT], Some(mount)) => {
                return handshake::send_source(line, Path::new(ROOT), &mount).map_err(words);
            }
            ([], _) => return Err("the process that mounts it died".to_owned()),
            (text, _) => return Err(String::from_utf8_lossy(text).into_owned()),
        }
    }
}

/// In the child.
fn make(root: &HybridRoot, line: &Channel) -> SysResult<()> {
    own_mounts()?;
    claim(root)?;
    let (metadata, device) = fuse_mount(Access::Read)?;
    line.send(&[DEVICE], Some(device.as_fd()))?;
    // A server that dies must be the last who had the device: requests fail then.
    drop(device);
    let mount = kernel_overlay_with_data(&root.layers, &by_number(&metadata), &root.data)?;
    line.send(&[MOUNT], Some(mount.as_fd()))
}

fn by_number(opened: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()))
}

/// Leaves for a mount namespace of this process alone, in which it may mount.
///
/// # Errors
///
/// What unshare(2) and mount(2) say.
pub fn own_mounts() -> SysResult<()> {
    const NO_TEXT: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).called(|| "unshare(CLONE_NEWNS)")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NO_TEXT, "/", NO_TEXT, private, NO_TEXT).called(|| "mount(\"/\", MS_PRIVATE)")
}

/// Gives a new upper layer to the container's root and writes the map on it. One that was written
/// by another map is refused: it would show other owners.
fn claim(root: &HybridRoot) -> SysResult<()> {
    let path = &root.layers.upper;
    let upper = File::open(path).called(|| format!("open({})", path.display()))?;
    let place = Place::Descriptor(upper.as_fd());
    let known = read_layer_owners(place).called(|| format!("getxattr({})", path.display()))?;
    match known {
        Some(owners) if owners == root.owners => return Ok(()),
        Some(_) => {
            let call = format!("{} is owned by another id map", path.display());
            return Err(SysError::new(call, Errno::EPERM));
        }
        None => {}
    }
    let (uid, gid) = root.owners.root_outside();
    let mode = upper.metadata().called(|| "fstat")?.mode();
    fchown(&upper, Some(uid), Some(gid))
        .called(|| format!("fchown({}, {uid}, {gid})", path.display()))?;
    // chown(2) takes set-id bits away.
    fs::set_permissions(
        path,
        std::os::unix::fs::PermissionsExt::from_mode(mode & 0o7777),
    )
    .called(|| format!("chmod({})", path.display()))?;
    write_layer_owners(place, &root.owners).called(|| format!("setxattr({})", path.display()))
}

/// Mounts an overlay as this engine does, in the empty directory `scratch`, with files in place of
/// the FUSE mount, and looks whether data is read where the attributes say and copied when it is
/// changed. For a process in the user's namespace that ends afterwards.
///
/// # Errors
///
/// The call that was refused; EIO if other data came.
pub fn probe(scratch: &Path) -> SysResult<()> {
    own_mounts()?;
    let room = |name: &str| scratch.join(name);
    let write = |path: PathBuf, text: &[u8]| {
        let written = File::create(&path).and_then(|mut file| file.write_all(text));
        written.called(|| format!("write({})", path.display()))
    };
    for name in ["shown", "data", "upper", "work", "merged"] {
        fs::create_dir(room(name)).called(|| format!("mkdir({})", room(name).display()))?;
    }
    write(room("data/real"), b"data")?;
    write(room("shown/file"), b"0000")?;
    let shown = File::open(room("shown/file")).called(|| "open(shown/file)")?;
    for (name, value) in [
        (c"user.overlay.metacopy", &b""[..]),
        (c"user.overlay.redirect", b"/real"),
    ] {
        xattr::set(
            Place::Descriptor(shown.as_fd()),
            name,
            value,
            SetMode::Either,
        )
        .called(|| format!("setxattr({name:?})"))?;
    }
    let layers = OverlayLayers {
        lower: Vec::new(),
        upper: room("upper"),
        work: room("work"),
        volatile: true,
    };
    let mount = kernel_overlay_with_data(&layers, &room("shown"), &[room("data")])?;
    let file = by_number(&mount).join("file");
    let read = || fs::read_to_string(&file).called(|| "read(file with data elsewhere)");
    let before = read()?;
    let opened = fs::OpenOptions::new().append(true).open(&file);
    let changed = opened.and_then(|mut opened| opened.write_all(b" and more"));
    changed.called(|| "write(file with data elsewhere)")?;
    let found = before + &read()?;
    if found == "datadata and more" {
        return Ok(());
    }
    Err(SysError::new("read(file with data elsewhere)", Errno::EIO))
}
