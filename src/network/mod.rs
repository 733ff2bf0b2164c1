// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Networks of a container. For now the wrappers of pasta and slirp4netns.
