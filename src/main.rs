// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `coracle` program: picks a hidden role of the binary or runs the command line.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use coracle::engine::launch::{RootDevice, install_overlay_server};
use coracle::engine::roots::{FuseRoot, Owners, Task};
use coracle::overlay_fuse::{Durability, Options, Ownership, Squash, Start, serve};

/// In place of musl's own.
#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: coracle::sys::heap::Heap = coracle::sys::heap::Heap;

/// Roles of the binary that no help shows, by their name in `argv[1]`.
const ROLES: &[(&str, Role)] = &[
    ("overlay-fuse", coracle::overlay_fuse::command_line::main),
    (coracle::network::helper::ROLE, network_helper),
    (coracle::quadlet::ROLE, coracle::quadlet::main),
];

/// Takes argv, the program's name first.
type Role = fn(&[OsString]) -> ExitCode;

fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let role = argv
        .get(1)
        .and_then(|word| ROLES.iter().find(|(name, _)| word == name));
    // By the name of a link, as systemd calls its generators.
    let name = argv.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| coracle::quadlet::is_generator(&name.to_string_lossy())) {
        return coracle::quadlet::main(&argv);
    }
    install_overlay_server(serve_root);
    if let Some((_, main)) = role {
        return main(&argv);
    }
    coracle::sys::memory::bring_in_stack();
    coracle::cli::main(&argv)
}

/// The network helper, which may live in the holder longer than any container.
fn network_helper(argv: &[OsString]) -> ExitCode {
    let directory = argv.get(2).map(Path::new);
    if let Some(place) = directory.and_then(Path::parent) {
        coracle::runtime::holder::dwell(place);
    }
    coracle::network::helper::main(argv)
}

/// The server of a container's FUSE root, in a process that the monitor forked for it.
fn serve_root(device: RootDevice, root: &FuseRoot) -> i32 {
    let options = match &root.task {
        Task::Everything => options_of_root(root),
        Task::Metadata { owners, paths } => {
            Options::of_metadata(root.layers.lower.clone(), owners, paths.clone())
        }
    };
    let start = device.mounted.map(|mounted| Start {
        mounted,
        processors: device.processors,
    });
    i32::from(serve(device.opened, start, &options).is_err())
}

fn options_of_root(root: &FuseRoot) -> Options {
    let layers = &root.layers;
    Options {
        lower: layers.lower.clone(),
        upper: Some(layers.upper.clone()),
        work: Some(layers.work.clone()),
        ownership: match root.owners {
            Owners::OnFiles => Ownership::Real,
            Owners::AsMetadata | Owners::HostIsRoot => Ownership::Metadata,
        },
        squash: match root.owners {
            Owners::AsMetadata | Owners::HostIsRoot => Squash::UnmappedToRoot,
            Owners::OnFiles => Squash::None,
        },
        durability: if layers.volatile {
            Durability::Volatile
        } else {
            Durability::OnRequest
        },
        places: root.places.clone(),
        ..Options::default()
    }
}
