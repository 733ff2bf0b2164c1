// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `inspect` and `container inspect`: documents of whatever the names mean. The groups of the other
//! kinds look at theirs through here.

mod volume;

use clap::ValueEnum;

use crate::cli::network::document::inspected;
use crate::cli::{CommandResult, Context, Entry, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::error::EngineError;
use crate::engine::image::ImageDocument;
use crate::engine::list::Sizes;
use crate::engine::pod::{PodScope, PodSelection};
use crate::engine::volume::VolumeFailure;
use crate::output::listing::{Headings, RowTemplate, Style, is_json};
use crate::output::value::{JsonStyle, Value, to_json};
use crate::state::StateError;
use crate::state::volumes::VolumeError;

pub(super) use volume::{docker_row as docker_volume_row, value_of as volume_value};

/// What looks at more than one kind, and at containers.
pub(super) const COMMANDS: &[Entry] = &[Entry::of::<ContainerInspect>(), Entry::of::<Inspect>()];

/// Flags of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    flags: Flags,
    /// Specify inspect-object type
    #[arg(
        long,
        short,
        value_enum,
        default_value = "all",
        hide_possible_values = true
    )]
    r#type: Kind,
}

/// Flags of `container inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct ContainerInspect {
    #[command(flatten)]
    flags: Flags,
}

/// What both have.
#[derive(Debug, clap::Args)]
struct Flags {
    /// Format the output to a Go template or json
    #[arg(long, short, default_value = "json", hide_default_value = true)]
    format: String,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Display total file size
    #[arg(long, short)]
    size: bool,
    /// Names or ids
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What a name may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    All,
    Container,
    Image,
    Network,
    Pod,
    Volume,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::All => "object",
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Pod => "pod",
            Self::Volume => "volume",
        }
    }
}

impl Subcommand for Inspect {
    const PATHS: &'static [&'static str] = &["inspect"];
    const ABOUT: &'static str = "Display the configuration of object denoted by ID";
    const USAGE: Option<&'static str> = Some("{CONTAINER|IMAGE} [CONTAINER|IMAGE...]");
    const EXAMPLES: &'static [&'static str] = &[
        "inspect busybox",
        "inspect --format '{{.State.Status}}' web",
        "inspect --type container --size web",
    ];

    fn run(self, context: &Context) -> CommandResult {
        self.flags.run(self.r#type, context)
    }
}

impl Subcommand for ContainerInspect {
    const PATHS: &'static [&'static str] = &["container inspect"];
    const ABOUT: &'static str = "Display the configuration of a container";
    const USAGE: Option<&'static str> = Some("CONTAINER [CONTAINER...]");
    const EXAMPLES: &'static [&'static str] = &[
        "container inspect web",
        "container inspect --latest",
        "container inspect --format '{{.NetworkSettings.Ports}}' web",
    ];

    fn run(self, context: &Context) -> CommandResult {
        self.flags.run(Kind::Container, context)
    }
}

/// Looks at images, as `image inspect` does.
pub(super) fn inspect_images(
    format: String,
    names: Vec<String>,
    context: &Context,
) -> CommandResult {
    Flags::of_names(format, names).run(Kind::Image, context)
}

/// Looks at pods, as `pod inspect` does.
pub(super) fn inspect_pods(
    format: String,
    latest: bool,
    names: Vec<String>,
    context: &Context,
) -> CommandResult {
    let flags = Flags {
        latest,
        ..Flags::of_names(format, names)
    };
    flags.run(Kind::Pod, context)
}

/// Looks at volumes, as `volume inspect` does.
pub(super) fn inspect_volumes(
    format: String,
    names: Vec<String>,
    context: &Context,
) -> CommandResult {
    let flags = Flags::of_names(format, names);
    if flags.names.is_empty() {
        context.ui.line("[]")?;
        return Ok(0);
    }
    flags.run(Kind::Volume, context)
}

impl Flags {
    fn of_names(format: String, names: Vec<String>) -> Self {
        Self {
            format,
            latest: false,
            size: false,
            names,
        }
    }

    fn run(self, kind: Kind, context: &Context) -> CommandResult {
        self.check(kind)?;
        let dialect = context.engine.dialect;
        let template = self.template(kind, dialect)?;
        let mut found = Vec::new();
        let mut failures = Vec::new();
        if self.latest && kind == Kind::Pod {
            let latest = PodSelection {
                scope: PodScope::Latest,
                ..PodSelection::default()
            };
            found.push(Value::of(&context.engine.inspect_pod(&latest)?));
        } else if self.latest {
            let document = context.engine.inspect_latest(self.sizes())?;
            found.push(Value::of(&document));
        }
        for name in &self.names {
            match self.look_up(name, kind, context) {
                Ok(value) => found.push(value),
                Err(failure) => failures.push(failure),
            }
        }
        let text = render(template, &self.format, found, dialect);
        match text {
            Ok(text) => context.ui.raw(text.as_bytes())?,
            Err(failure) => failures.push(failure),
        }
        end(failures, context)
    }

    fn check(&self, kind: Kind) -> Result<(), Failure> {
        let wrong = match (self.latest, self.names.is_empty()) {
            (true, false) => "--latest and arguments cannot be used together".to_owned(),
            (false, true) => return Err(Failure::no_names("no names or ids specified")),
            (true, true) if !matches!(kind, Kind::All | Kind::Container | Kind::Pod) => {
                format!("latest is not supported for type {:?}", kind.word())
            }
            (true, true) | (false, false)
                if self.size && matches!(kind, Kind::Image | Kind::Pod) =>
            {
                format!("size is not supported for type {:?}", kind.word())
            }
            (true, true) | (false, false) => return Ok(()),
        };
        Err(Failure::tool(wrong))
    }

    fn sizes(&self) -> Sizes {
        if self.size {
            Sizes::Measured
        } else {
            Sizes::Left
        }
    }

    fn template(&self, kind: Kind, dialect: Dialect) -> Result<Option<RowTemplate>, Failure> {
        let (format, style) = match dialect {
            Dialect::Podman if is_json(&self.format) || self.format.is_empty() => return Ok(None),
            Dialect::Docker if matches!(self.format.as_str(), "json" | "") => return Ok(None),
            Dialect::Podman => (normalized(&self.format, kind), Style::Podman),
            Dialect::Docker => (self.format.clone(), Style::Docker),
        };
        RowTemplate::parse("inspect", &format, style, Headings::Hidden)
            .map(Some)
            .map_err(Failure::tool)
    }

    fn look_up(&self, name: &str, kind: Kind, context: &Context) -> Result<Value, Failure> {
        let dialect = context.engine.dialect;
        if matches!(kind, Kind::All | Kind::Container) {
            match context.engine.inspect_container(name, self.sizes()) {
                Ok(document) => return Ok(Value::of(&document)),
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error.into()),
            }
        }
        if matches!(kind, Kind::All | Kind::Image) {
            match context.engine.inspect_image(name) {
                Ok(detail) => {
                    let document = ImageDocument::of(&detail, context.engine.dialect);
                    return Ok(Value::of(&document));
                }
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error.into()),
            }
        }
        if matches!(kind, Kind::All | Kind::Volume) {
            match context.engine.volume(name) {
                Ok(listed) => return Ok(volume_value(&listed, context.engine.dialect)),
                Err(VolumeFailure::Volume(VolumeError::Missing { .. })) => {}
                Err(error) => return Err(Failure::from_error(125, &error)),
            }
        }
        let network = match kind {
            Kind::All | Kind::Network => inspected(context, name)?,
            Kind::Container | Kind::Image | Kind::Pod | Kind::Volume => None,
        };
        if let Some(network) = network {
            return Ok(network);
        }
        if matches!(kind, Kind::All | Kind::Pod) && dialect == Dialect::Podman {
            let named = PodSelection {
                words: vec![name.to_owned()],
                ..PodSelection::default()
            };
            match context.engine.inspect_pod(&named) {
                Ok(document) => return Ok(Value::of(&document)),
                Err(EngineError::State(StateError::NoSuchPod { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(missing(name, kind, dialect))
    }
}

/// Old names of some fields, which podman replaces in the text before it reads it.
fn normalized(format: &str, kind: Kind) -> String {
    let mut text = format
        .replace(".Src", ".Source")
        .replace(".Dst", ".Destination")
        .replace(".ImageID", ".Image");
    if kind == Kind::Image {
        text = text.replace(".Config.Healthcheck", ".HealthCheck");
    }
    text
}

fn missing(name: &str, kind: Kind, dialect: Dialect) -> Failure {
    let word = kind.word();
    match (dialect, kind) {
        (Dialect::Docker, _) => Failure::with_code(1, format!("Error: No such {word}: {name}")),
        (Dialect::Podman, Kind::All) => Failure::tool(format!("no such object: {name:?}")),
        (Dialect::Podman, Kind::Image) => Failure::tool(format!("{name}: image not known")),
        (Dialect::Podman, Kind::Container) => Failure::tool(format!("no such container {name:?}")),
        (Dialect::Podman, _) => Failure::tool(format!("no such {word} {name}")),
    }
}

fn render(
    template: Option<RowTemplate>,
    format: &str,
    found: Vec<Value>,
    dialect: Dialect,
) -> Result<String, Failure> {
    if let Some(template) = template {
        return template.render(&[], found).map_err(Failure::tool);
    }
    let style = match dialect {
        Dialect::Podman => JsonStyle::Indented(5),
        Dialect::Docker if format == "json" => JsonStyle::Indented(4),
        Dialect::Docker => JsonStyle::Compact,
    };
    Ok(to_json(&Value::List(found), style) + "\n")
}

/// The first failure is the command's own; the others are said before it.
fn end(failures: Vec<Failure>, context: &Context) -> CommandResult {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Ok(0);
    };
    for other in failures {
        context.ui.note(other.message);
    }
    Err(first)
}
