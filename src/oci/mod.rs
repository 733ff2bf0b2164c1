// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of the field: digests, image references, platforms, image configuration.
