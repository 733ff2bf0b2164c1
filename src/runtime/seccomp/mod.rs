// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System call filters: the default profile, and a compiler from profiles to BPF.
