// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the overlay without a mount.
