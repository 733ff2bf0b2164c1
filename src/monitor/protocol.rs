// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client says to a monitor, and hears from it.
