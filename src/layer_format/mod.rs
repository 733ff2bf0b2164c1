// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a layer looks like on disk: whiteouts, opaque marks and ownership metadata, in every form
//! that the kernel, Podman, Docker and fuse-overlayfs write. Shared by `storage` and `overlay_fuse`.
