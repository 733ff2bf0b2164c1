// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `mount` and `unmount`, of containers and images.

use super::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::files::{FilesError, MountedTree, TreeKind};

/// Flags of `mount`.
#[derive(Debug, clap::Args)]
pub(crate) struct MountArgs {
    /// Mount all
    #[arg(long, short)]
    all: bool,
    /// Print the mounts as a table, or as JSON (json)
    #[arg(long)]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Names or ids; without any, what is mounted is listed
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Flags of `unmount`.
#[derive(Debug, clap::Args)]
pub(crate) struct UnmountArgs {
    /// Unmount all
    #[arg(long, short)]
    all: bool,
    /// Accepted: a mount is taken away whoever uses it
    #[arg(long, short)]
    force: bool,
    /// Names or ids
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// `mount`.
#[derive(Debug, clap::Args)]
pub(crate) struct Mount {
    #[command(flatten)]
    args: MountArgs,
}

/// `unmount`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unmount {
    #[command(flatten)]
    args: UnmountArgs,
}

/// `image mount`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImageMount {
    #[command(flatten)]
    args: MountArgs,
}

/// `image unmount`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImageUnmount {
    #[command(flatten)]
    args: UnmountArgs,
}

impl Subcommand for Mount {
    const PATHS: &'static [&'static str] = &["mount", "container mount"];
    const ABOUT: &'static str = "Mount a container's root filesystem, inside unshare";
    const USAGE: Option<&'static str> = Some("[CONTAINER...]");
    const EXAMPLES: &'static [&'static str] = &["unshare sh -c 'ls $(coracle mount web)'"];

    fn run(self, context: &Context) -> CommandResult {
        self.args.run(context, TreeKind::Containers)
    }
}

impl Subcommand for Unmount {
    const PATHS: &'static [&'static str] =
        &["unmount", "umount", "container unmount", "container umount"];
    const ABOUT: &'static str = "Unmount a container's root filesystem";
    const USAGE: Option<&'static str> = Some("CONTAINER [CONTAINER...]");
    const EXAMPLES: &'static [&'static str] = &["unmount web", "unmount --all"];

    fn run(self, context: &Context) -> CommandResult {
        self.args.run(context, TreeKind::Containers)
    }
}

impl Subcommand for ImageMount {
    const PATHS: &'static [&'static str] = &["image mount"];
    const ABOUT: &'static str = "Mount an image's root filesystem read-only, inside unshare";
    const USAGE: Option<&'static str> = Some("[IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &["unshare sh -c 'ls $(coracle image mount web)'"];

    fn run(self, context: &Context) -> CommandResult {
        self.args.run(context, TreeKind::Images)
    }
}

impl Subcommand for ImageUnmount {
    const PATHS: &'static [&'static str] = &["image unmount", "image umount"];
    const ABOUT: &'static str = "Unmount an image's root filesystem";
    const USAGE: Option<&'static str> = Some("IMAGE [IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &["image unmount web", "image unmount --all"];

    fn run(self, context: &Context) -> CommandResult {
        self.args.run(context, TreeKind::Images)
    }
}

impl MountArgs {
    fn run(self, context: &Context, kind: TreeKind) -> CommandResult {
        let engine = &context.engine;
        if self.all && !self.names.is_empty() {
            return Err(Failure::usage(
                "when using the --all switch, you may not pass any names or IDs",
            ));
        }
        let names = if self.all {
            all(context, kind)?
        } else {
            self.names
        };
        let named = !names.is_empty();
        let mut mounted = Vec::new();
        for name in &names {
            mounted.push(engine.mount_tree(kind, &without_slash(name))?);
        }
        if !named {
            mounted = engine.mounted_trees(kind)?;
        }
        match self.format.as_deref() {
            Some("json") => context.ui.line(json(&mounted))?,
            Some(other) if !other.is_empty() => {
                return Err(Failure::tool(format_args!(
                    "unknown --format argument: {other:?}"
                )));
            }
            Some(_) | None => {
                for MountedTree { id, path } in &mounted {
                    let path = path.display();
                    let id = if self.no_trunc { id } else { &id[..12] };
                    if named && !self.all {
                        context.ui.line(path)?;
                    } else {
                        context.ui.line(format_args!("{id}  {path}"))?;
                    }
                }
            }
        }
        Ok(0)
    }
}

impl UnmountArgs {
    fn run(self, context: &Context, kind: TreeKind) -> CommandResult {
        let engine = &context.engine;
        if !self.all && self.names.is_empty() {
            return Err(Failure::usage("you must provide at least one name or id"));
        }
        if self.all {
            for mounted in engine.mounted_trees(kind)? {
                engine.unmount_tree(kind, &mounted.id)?;
                context.ui.line(mounted.id)?;
            }
            return Ok(0);
        }
        for name in &self.names {
            let name = without_slash(name);
            if let Some(mounted) = engine.unmount_tree(kind, &name)? {
                match kind {
                    TreeKind::Containers => context.ui.line(name)?,
                    TreeKind::Images => context.ui.line(mounted.id)?,
                }
            }
        }
        Ok(0)
    }
}

/// Every container or image.
fn all(context: &Context, kind: TreeKind) -> Result<Vec<String>, Failure> {
    use crate::engine::error::EngineError;
    Ok(match kind {
        TreeKind::Containers => {
            let store = context.engine.store().map_err(EngineError::from)?;
            let ids = store.list().map_err(EngineError::from)?;
            ids.iter().map(ToString::to_string).collect()
        }
        TreeKind::Images => context
            .engine
            .image_ids()
            .map_err(FilesError::from)?
            .iter()
            .map(|id| id.hex().to_owned())
            .collect(),
    })
}

fn json(mounted: &[MountedTree]) -> String {
    let rows = mounted.iter().map(|mounted| {
        serde_json::json!({"id": mounted.id, "mountpoint": mounted.path.display().to_string()})
    });
    let rows = serde_json::Value::from(rows.collect::<Vec<_>>());
    serde_json::to_string_pretty(&rows).expect("texts")
}
