// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Blobs, layers and images on disk, and the overlay engine that serves a container's root.
