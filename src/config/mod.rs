// SPDX-License-Identifier: Apache-2.0 OR MIT
//! containers.conf and storage.conf: what exists is read, what is unknown is ignored.
