// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Our overlay filesystem over FUSE: a hidden role of the binary.
