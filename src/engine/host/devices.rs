// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that must open for this user.

use std::fs::OpenOptions;
use std::io;

use super::{Feature, Finding, Lack};
use crate::sys::fuse;

enum Opens {
    Yes,
    NotThere,
    Refused,
}

pub(super) fn fuse() -> Finding {
    match fuse::open_device() {
        Ok(_) => Finding::ok(Feature::Fuse, "/dev/fuse opens"),
        Err(error) => Finding::lacking(Feature::Fuse, Lack::Fuse(error)),
    }
}

pub(super) fn tun() -> Finding {
    match open("/dev/net/tun") {
        Opens::Yes => Finding::ok(Feature::Tun, "/dev/net/tun opens"),
        Opens::NotThere => Finding::lacking(Feature::Tun, Lack::NoTun),
        Opens::Refused => Finding::lacking(Feature::Tun, Lack::TunRefused),
    }
}

/// A node without its driver says ENODEV or ENXIO.
fn open(path: &str) -> Opens {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Opens::Yes,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Opens::Refused,
        Err(_) => Opens::NotThere,
    }
}
