// SPDX-License-Identifier: Apache-2.0 OR MIT
//! End-to-end tests: they drive the real binary as an unprivileged user.
