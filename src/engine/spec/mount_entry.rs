// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An entry of the spec's mounts.

use oci_spec::runtime::{Mount, MountBuilder};

pub(super) fn mount(container_path: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    MountBuilder::default()
        .destination(container_path)
        .typ(kind)
        .source(source)
        .options(options.iter().map(ToString::to_string).collect::<Vec<_>>())
        .build()
        .expect("every field of a mount is optional or set")
}
