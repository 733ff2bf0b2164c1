// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The server's life: from the open device to the unmount.
//!
//! One thread serves all requests. A round trip costs 6-11 microseconds where the server runs on
//! the client's CPU and many times that where it does not, so more threads make most work slower.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use fuser::{Config, Session, SessionACL};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, close, setsid};

use super::OverlayError;
use super::linger::Lingering;
use super::overlay::Overlay;
use super::shortcut::Shortcut;
use crate::sys::schedule::Processors;
use crate::sys::stream::drop_standard_streams;
use crate::sys::{Called, Ignored, SysResult};

/// Lets go of everything of the caller's: streams, terminal, working directory.
pub(super) fn detach() -> SysResult<()> {
    match setsid() {
        // A process that leads its group has its own session, or was made by someone who
        // thought of that.
        Ok(_) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno).called(|| "setsid()"),
    }
    chdir("/").called(|| "chdir(\"/\")")?;
    drop_standard_streams()
}

/// Answers requests until the file system is unmounted; `on_ready` is called when the first one
/// was answered. The overlay may come with processors that are taken back some requests later.
pub(super) fn run(
    device: OwnedFd,
    (mut overlay, processors): (Overlay, Option<Processors>),
    on_ready: impl FnOnce() -> Result<(), OverlayError>,
) -> Result<(), OverlayError> {
    // Callers' masks come with their requests.
    umask(Mode::empty());
    make_room_for_descriptors(&device);
    let notifier = overlay.notifier.clone();
    let spare = device.try_clone().ok().map(Arc::new);
    overlay.shortcut = spare.clone().map(Shortcut::to);
    let server = Server {
        served: Mutex::new(Served {
            overlay,
            kept: processors.map(|processors| (processors, REQUESTS_OF_A_START)),
            lingering: spare.map(Lingering::on),
        }),
    };
    let failed = |source| OverlayError::Session { source };
    let session = Session::from_fd(server, device, SessionACL::All, Config::default());
    let session = session.map_err(failed)?;
    drop(notifier.set(session.notifier()));
    on_ready()?;
    session.run().map_err(failed)
}

/// Lets the kernel make its table of our descriptors as large as it will be: in a process with
/// threads it waits for all processors, some 10 ms, each time that the table grows.
fn make_room_for_descriptors(any: &OwnedFd) {
    let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let highest = i32::try_from(limit.min(ROOM)).unwrap_or(0) - 1;
    if let Ok(high) = fcntl(any, FcntlArg::F_DUPFD_CLOEXEC(highest)) {
        // The table keeps its size.
        close(high).ok();
    }
}

/// More than most containers have directories in use.
const ROOM: u64 = 16384;

/// More than most containers cause before they run their program.
const REQUESTS_OF_A_START: u32 = 128;

/// The overlay behind the lock that the library's threads ask for; there is one thread.
pub(super) struct Server {
    served: Mutex<Served>,
}

struct Served {
    overlay: Overlay,
    /// What is taken back after so many requests.
    kept: Option<(Processors, u32)>,
    lingering: Option<Lingering>,
}

impl Served {
    fn count_request(&mut self) {
        match &mut self.kept {
            None => {}
            Some((_, left @ 1..)) => *left -= 1,
            Some((processors, 0)) => {
                processors.give_back().ignored();
                self.kept = None;
            }
        }
    }
}

impl Server {
    /// After an answer: the next request may come at once.
    pub(super) fn linger(&self) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is kept to one processor would only be in the way.
        if served.kept.is_none()
            && let Some(lingering) = &mut served.lingering
        {
            lingering.look();
        }
    }

    /// Calls the overlay. A panic costs the request and not the mount.
    pub(super) fn call<T>(
        &self,
        request: impl FnOnce(&mut Overlay) -> nix::Result<T>,
    ) -> nix::Result<T> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.count_request();
        let overlay = &mut served.overlay;
        let outcome = catch_unwind(AssertUnwindSafe(|| request(overlay)));
        outcome.unwrap_or(Err(Errno::EIO))
    }
}
