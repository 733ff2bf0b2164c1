// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a layer looks like on disk: whiteouts, opaque marks and ownership metadata, in every form
//! that the kernel, Podman, Docker and fuse-overlayfs write. Shared by `storage` and `overlay_fuse`.
//!
//! Read is every form; written is what the kernel's overlay writes inside a user namespace, so
//! that a layer mounts under either engine and under other tools:
//!
//! ```text
//! whiteout   character device 0:0                    (read too: `.wh.NAME`; an empty file with
//!                                                     an overlay.whiteout attribute in a
//!                                                     directory whose opaque mark is `x`)
//! opaque     user.overlay.opaque = y                 (read too: trusted.overlay.opaque,
//!                                                     user.fuseoverlayfs.opaque, `.wh..wh..opq`)
//! ownership  user.containers.override_stat           (read too: user.fuseoverlayfs.override_stat,
//!            = uid:gid:0MODE:KIND                      security.fuseoverlayfs.override_stat)
//! map        user.overlay.coracle.owners           (ours alone, on the root of an upper layer
//!                                                     whose files are owned by an id map)
//! ```
//!
//! A layer whose files carry ownership metadata has it on its root directory as well: that is how
//! a reader knows that it must look ([`has_ownership_metadata`]), as in fuse-overlayfs.
//!
//! Symbolic links, pipes, sockets and devices cannot carry `user.` attributes. Where their
//! metadata cannot be real they are kept as a regular file whose `override_stat` names the kind;
//! a link's target is the content of that file.
//!
//! # Security
//!
//! None of these attributes may be taken from an image or set by a container: see
//! [`is_reserved_xattr`].

mod opaque;
mod override_stat;
mod owners;
mod whiteout;

pub use opaque::{
    OPAQUE_XATTRS, Opaque, XATTR_OPAQUE, read_opaque, read_opaque_forms, write_opaque,
};
pub use override_stat::{
    FileKind, OverrideStat, OverrideStatError, XATTR_OVERRIDE_PREFIX, XATTR_OVERRIDE_STAT,
    XATTR_OVERRIDE_STAT_FORMS, has_ownership_metadata, read_override_stat, write_override_stat,
};
pub use owners::{
    LayerOwners, OwnerRange, XATTR_OWNERS, capabilities_of_any_root, capabilities_of_root,
    read_layer_owners, write_layer_owners,
};
pub use whiteout::{
    DOT_WH_OPAQUE, DOT_WH_PREFIX, DotWh, WhiteoutForm, XATTR_WHITEOUT_FORMS, is_whiteout_device,
    is_xattr_whiteout, write_whiteout,
};

/// Whether an extended attribute belongs to the layer format and so may come neither from an
/// image's archive nor from a process in a container.
pub fn is_reserved_xattr(name: &[u8]) -> bool {
    const PREFIXES: [&[u8]; 6] = [
        b"user.overlay.",
        b"trusted.overlay.",
        b"user.fuseoverlayfs.",
        b"security.fuseoverlayfs.",
        b"user.containers.override_",
        b"user.coracle.",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_attributes() {
        let table = [
            ("user.overlay.opaque", true),
            ("trusted.overlay.redirect", true),
            ("user.containers.override_stat", true),
            ("user.containers.override_security.capability", true),
            ("security.fuseoverlayfs.override_stat", true),
            ("user.containers.other", false),
            ("user.overlayed", false),
            ("security.capability", false),
            ("user.comment", false),
        ];
        for (name, reserved) in table {
            assert_eq!(is_reserved_xattr(name.as_bytes()), reserved, "{name}");
        }
    }
}
