// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A root of the hybrid engine: the kernel's overlay, whose one lower layer is a FUSE mount of ours
//! that shows the image with the container's owners and, for larger files, says where their data
//! is; the kernel reads it there (overlayfs documentation, "Data-only lower layers"; in a user
//! namespace since Linux 6.16).
//!
//! It is made by a child of the monitor with the rights of the user's namespace, not by the
//! container's stage with its own: an overlay reads and writes its layers with the rights of whoever mounted it, and the
//! owners of an image's files need have no id in the container. The stage is sent the mount.
//!
//! What is changed is written by the kernel, so that files of the upper layer belong to the
//! ids that the container's map leads to. That map is kept on the layer
//! ([`crate::layer_format::LayerOwners`]), for everybody who reads it later. The kernel copies the
//! data of what is changed (it refuses `metacopy=on` in a user namespace), so nothing in the
//! upper layer leads elsewhere.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2, write};

use super::attendant::Attendant;
use super::failure::StageFailure;
use super::handshake;
use super::launch::{HybridRoot, Launch, OverlayLayers, Root};
use super::mounts::loan::Loan;
use super::mounts::sources::ROOT;
use super::overlay_mount::{Access, fuse_device, fuse_mount, kernel_overlay_with_data};
use crate::layer_format::{read_layer_owners, write_layer_owners};
use crate::sys::channel::Channel;
use crate::sys::process::CloneRequest;
use crate::sys::schedule::Processors;
use crate::sys::vfork::run_in_our_memory;
use crate::sys::xattr::{self, Place, SetMode};
use crate::sys::{Called, Ignored, SysError, SysResult};

/// What the child says: the server of the metadata, that it has sent the mount, or words.
const SERVER: &str = "server ";
const SENT: &[u8] = b"sent";

/// Sends what is lent to the stage `pid` over its `line`, and the root, whose server `attendant`
/// forks: all by one child, which stands in the stage's mount namespace.
///
/// # Errors
///
/// What the child says, or why it says nothing.
pub fn lend(
    (root, processors): (&HybridRoot, Option<Processors>),
    loan: &Loan,
    (pid, line): (i32, &Channel),
    attendant: &mut dyn Attendant,
) -> Result<Lender, StageFailure> {
    let setup = |error: SysError| StageFailure::setup(error.to_string());
    let (ours, theirs) = Channel::pair().map_err(setup)?;
    let mut work = || {
        let enter = || loan.lend_here(pid, line);
        let stage = processors.map(|processors| (pid, processors));
        let sent = make((root, stage), &*attendant, &theirs, enter).and_then(|made| {
            handshake::send_source(line, Path::new(ROOT), &made.root)?;
            // Letting go of it takes the kernel milliseconds, which nobody is to wait for.
            let _open_until_the_end = made.metadata.into_raw_fd();
            theirs.send(SENT, None)
        });
        if let Err(error) = sent {
            theirs.send(error.to_string().as_bytes(), None).ignored();
        }
        0
    };
    let child = run_in_our_memory(&CloneRequest::default(), &mut work).map_err(setup)?;
    let lender = Lender(Pid::from_raw(child));
    drop(theirs);
    let lent = hear(&ours, attendant);
    let failure = |words| StageFailure::setup(format!("mount the root file system: {words}"));
    lent.map(|()| lender).map_err(failure)
}

/// The child, which has done its work and may still be ending; waited for when this is dropped.
#[derive(Debug)]
pub struct Lender(Pid);

impl Drop for Lender {
    fn drop(&mut self) {
        waitpid(self.0, None).ignored();
    }
}

fn hear(child: &Channel, attendant: &mut dyn Attendant) -> Result<(), String> {
    let words = |error: SysError| error.to_string();
    loop {
        let message = child.receive().map_err(words)?;
        let text = String::from_utf8_lossy(&message.bytes);
        let server = text.strip_prefix(SERVER).and_then(|pid| pid.parse().ok());
        match (server, message.fd) {
            (Some(pid), Some(pidfd)) => attendant.root_is_served(pid, pidfd).map_err(words)?,
            _ if message.bytes == SENT => return Ok(()),
            _ if text.is_empty() => return Err("the process that mounts it died".to_owned()),
            _ => return Err(text.into_owned()),
        }
    }
}

/// In the child, which `enter` takes to a mount namespace where it may mount. The server is forked
/// before, for it would keep that alive, and has its layers open when it is first asked.
fn make(
    (root, stage): (&HybridRoot, Option<(i32, Processors)>),
    attendant: &dyn Attendant,
    line: &Channel,
    enter: impl FnOnce() -> SysResult<()>,
) -> SysResult<Made> {
    let device = fuse_device()?;
    let (mounted, say_mounted) = pipe2(OFlag::O_CLOEXEC).called(|| "pipe2")?;
    let copy = device.try_clone().called(|| "dup(/dev/fuse)")?;
    let processors = stage.map(|(_, processors)| processors);
    let server = attendant.fork_root_server(copy, mounted, processors)?;
    if let Some((pid, pidfd)) = &server {
        let words = format!("{SERVER}{pid}");
        line.send(words.as_bytes(), Some(pidfd.as_fd()))?;
    }
    claim(root)?;
    enter()?;
    let metadata = fuse_mount(&device, Access::Read)?;
    // A server that dies must be the last who had the device: requests fail then.
    drop(device);
    if let (Some((stage, _)), Some((server, _))) = (stage, &server) {
        // Where that is refused all stay as they are.
        keep_together(stage, *server).ignored();
    }
    write(&say_mounted, b"m").called(|| "write([server])")?;
    let mount = kernel_overlay_with_data(&root.layers, &by_number(&metadata), &root.data)?;
    Ok(Made {
        root: mount,
        metadata,
    })
}

/// The processors that are given back to whoever is kept to one of them while the container starts:
/// the stage and the server wait for each other some fifty times, which takes four times as long
/// where the kernel has to wake another processor each time. `None` where that cannot be had, and
/// where others run in the stage's place (hooks) or the spec has a scheduler that wants them all.
pub(super) fn processors(launch: &Launch) -> Option<Processors> {
    let process = launch.spec.process().as_ref();
    let wanted = matches!(launch.root, Root::Hybrid(_))
        && launch.lifecycle.is_none()
        && launch.hook_state.is_none()
        && process.is_some_and(|process| process.scheduler().is_none());
    wanted.then(|| Processors::own().ok()).flatten()
}

/// Keeps the stage, which waits, the server, which is about to, and this process to the processor
/// that this one runs on.
fn keep_together(stage: i32, server: i32) -> SysResult<()> {
    let here = Processors::here()?;
    // Its cgroup may have others: then nobody is kept.
    here.keep(stage)?;
    here.keep(server)?;
    here.keep(0)
}

/// The mounts, attached nowhere.
struct Made {
    root: OwnedFd,
    metadata: OwnedFd,
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
