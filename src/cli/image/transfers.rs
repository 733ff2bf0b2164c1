// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What people see of a pull or push: Podman's lines on standard error, Docker's where Docker has
//! them, and bars where a terminal is.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use crate::cli::Context;
use crate::engine::image::{Step, TransferReport};
use crate::engine::{Dialect, Report, terminal};
use crate::oci::{Digest, Reference};
use crate::output::progress::{Bars, Screen};

/// Whether steps are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Volume {
    /// Each one.
    Normal,
    /// None (`--quiet`).
    Quiet,
}

/// The flag of each command that moves images.
#[derive(Debug, Default, Clone, Copy, clap::Args)]
pub(crate) struct QuietArgs {
    /// Suppress the progress output
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl QuietArgs {
    /// What it asks for.
    pub(crate) fn volume(self) -> Volume {
        if self.quiet {
            Volume::Quiet
        } else {
            Volume::Normal
        }
    }
}

/// For which command a transfer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `pull` itself.
    Pull,
    /// `push` itself.
    Push,
    /// A container that needs the image.
    Container,
}

/// Tells the steps of transfers.
#[derive(Debug)]
pub(crate) struct Transfers<'a> {
    context: &'a Context,
    volume: Volume,
    purpose: Purpose,
    screen: Screen,
    bars: Option<Bars>,
}

impl<'a> Transfers<'a> {
    /// Tells nothing yet.
    pub(crate) fn new(context: &'a Context, purpose: Purpose, volume: Volume) -> Self {
        let screen = match (context.engine.dialect, purpose) {
            (Dialect::Docker, Purpose::Pull | Purpose::Push) => Screen::Stdout,
            (Dialect::Docker, Purpose::Container) | (Dialect::Podman, _) => Screen::Stderr,
        };
        let bars = match volume {
            Volume::Quiet => None,
            Volume::Normal => bars(screen),
        };
        Self {
            context,
            volume,
            purpose,
            screen,
            bars,
        }
    }

    fn say(&self, text: &str) {
        if let Some(bars) = &self.bars {
            bars.line(text);
            return;
        }
        match self.screen {
            Screen::Stderr => self.context.ui.note(text),
            // A closed pipe does not stop a transfer.
            Screen::Stdout => drop(self.context.ui.line(text)),
        }
    }

    fn podman(&self, step: Step<'_>) {
        match step {
            Step::Resolved(words) => self.say(words),
            Step::Trying(name) if self.purpose != Purpose::Push => {
                self.say(&format!("Trying to pull {name}..."));
            }
            Step::Found { .. } => self.say("Getting image source signatures"),
            Step::Layer { digest, size_bytes } => match &self.bars {
                Some(bars) => bars.begin(&blob_label(digest), size_bytes),
                None => self.say(&format!("Copying blob {digest}")),
            },
            Step::LayerExists { digest } => {
                self.say(&format!("Copying blob {digest} skipped: already exists"));
            }
            Step::AllThere { layers, config } => {
                for layer in layers {
                    self.podman(Step::LayerExists {
                        digest: &layer.digest,
                    });
                }
                self.podman(Step::Config { digest: config });
                self.podman(Step::Manifest);
            }
            Step::Config { digest } => self.say(&format!("Copying config {digest}")),
            Step::Manifest => self.say("Writing manifest to image destination"),
            Step::Bytes { digest, count } => self.advance(&blob_label(digest), count),
            Step::LayerDone { digest } => self.finish(&blob_label(digest)),
            Step::Trying(_) => {}
        }
    }

    fn docker(&self, step: Step<'_>) {
        let (began, there, done) = match self.purpose {
            Purpose::Push => ("Preparing", "Layer already exists", "Pushed"),
            Purpose::Pull | Purpose::Container => {
                ("Pulling fs layer", "Already exists", "Pull complete")
            }
        };
        match step {
            Step::Trying(name) => self.docker_trying(name),
            Step::Found {
                name: Some(name), ..
            } if self.purpose != Purpose::Push => self.docker_found(name),
            Step::Layer { digest, size_bytes } => match &self.bars {
                Some(bars) => bars.begin(digest.short(), size_bytes),
                None => self.say(&format!("{}: {began}", digest.short())),
            },
            Step::LayerExists { digest } => self.say(&format!("{}: {there}", digest.short())),
            Step::Bytes { digest, count } => self.advance(digest.short(), count),
            Step::LayerDone { digest } => {
                self.finish(digest.short());
                if self.bars.is_none() {
                    self.say(&format!("{}: {done}", digest.short()));
                }
            }
            Step::Resolved(_)
            | Step::Found { .. }
            | Step::AllThere { .. }
            | Step::Config { .. }
            | Step::Manifest => {}
        }
    }

    fn docker_trying(&self, name: &str) {
        let Ok(reference) = Reference::parse(name) else {
            return;
        };
        match self.purpose {
            Purpose::Push => self.say(&format!(
                "The push refers to repository [{}]",
                reference.repository()
            )),
            Purpose::Container => {
                let familiar = reference.familiar();
                self.say(&format!("Unable to find image '{familiar}' locally"));
            }
            Purpose::Pull => {}
        }
    }

    /// Docker says this when the registry has answered.
    fn docker_found(&self, name: &Reference) {
        let part = match (name.digest(), name.tag()) {
            (Some(_), _) => name.to_string(),
            (None, tag) => tag.unwrap_or_default().to_owned(),
        };
        self.say(&format!("{part}: Pulling from {}", name.path()));
    }

    fn advance(&self, label: &str, count: usize) {
        if let Some(bars) = &self.bars {
            bars.advance(label, count as u64);
        }
    }

    fn finish(&self, label: &str) {
        if let Some(bars) = &self.bars {
            bars.finish(label);
        }
    }
}

impl Drop for Transfers<'_> {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            bars.end();
        }
    }
}

impl Report for Transfers<'_> {
    fn warning(&self, text: &str) {
        self.context.warning(text);
    }

    fn caution(&self, text: &str) {
        match self.volume {
            Volume::Normal => self.say(&format!("WARNING: {text}")),
            Volume::Quiet => self.warning(text),
        }
    }

    fn progress(&self, text: &str) {
        if self.volume == Volume::Normal {
            self.say(text);
        }
    }
}

impl TransferReport for Transfers<'_> {
    fn step(&self, step: Step<'_>) {
        if self.volume == Volume::Quiet {
            return;
        }
        match self.context.engine.dialect {
            Dialect::Podman => self.podman(step),
            Dialect::Docker => self.docker(step),
        }
    }
}

fn blob_label(digest: &Digest) -> String {
    format!("Copying blob {}", digest.short())
}

fn bars(screen: Screen) -> Option<Bars> {
    let size = match screen {
        Screen::Stdout if std::io::stdout().is_terminal() => {
            terminal::size_of(std::io::stdout().as_fd())
        }
        Screen::Stderr if std::io::stderr().is_terminal() => {
            terminal::size_of(std::io::stderr().as_fd())
        }
        Screen::Stdout | Screen::Stderr => None,
    }?;
    Some(Bars::new(screen, size.rows, size.columns))
}
