// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags between `runtime` and the verb, and the log that engines read errors from.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches as _};

use crate::cli::failure::usage_error;
use crate::cli::globals::bare_command;
use crate::cli::{CommandResult, Failure};
use crate::engine::Report;
use crate::engine::bundle::{CgroupManager, Runtime, default_root};
use crate::engine::steps::{self, Form, line};
use crate::output::ui::Ui;

/// Flags of every command of the runtime.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct RuntimeFlags {
    /// How cgroupsPath is read ("cgroupfs"|"systemd"|"disabled")
    #[arg(long)]
    cgroup_manager: Option<String>,
    /// Accepted: there are no checkpoints
    #[arg(long, hide = true)]
    criu: Option<String>,
    /// Tell each step with its time, in the log or on standard error
    #[arg(long)]
    debug: bool,
    /// File to which errors are added
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Form of the errors in that file ("text"|"json")
    #[arg(long, default_value = "text")]
    log_format: String,
    /// With "debug" the same as --debug; errors and warnings are always told
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Directory in which containers are recorded
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Accepted: who the caller is tells what it may do
    #[arg(long, value_name = "true|false|auto")]
    rootless: Option<String>,
    /// The same as --cgroup-manager systemd
    #[arg(long)]
    systemd_cgroup: bool,
    /// Show the version
    #[arg(long, short)]
    pub(crate) version: bool,
}

/// The definition of these flags.
pub(crate) fn definition() -> Command {
    RuntimeFlags::augment_args(bare_command(GROUP))
}

impl RuntimeFlags {
    /// The flags as typed.
    pub(crate) fn read(flags: &[OsString]) -> Result<Self, Failure> {
        let argv = std::iter::once("runtime".into()).chain(flags.iter().cloned());
        let matches = definition()
            .try_get_matches_from(argv)
            .map_err(|error| usage_error(&definition(), &error))?;
        Self::from_arg_matches(&matches).map_err(|error| usage_error(&definition(), &error))
    }

    /// What a handler is given.
    pub(crate) fn call(&self) -> Result<RuntimeCall, Failure> {
        let cgroups = match self.cgroup_manager.as_deref() {
            _ if self.systemd_cgroup => CgroupManager::Systemd,
            None | Some("cgroupfs") => CgroupManager::Cgroupfs,
            Some("systemd") => CgroupManager::Systemd,
            Some("disabled") => CgroupManager::Disabled,
            Some(other) => {
                return Err(Failure::tool(format_args!(
                    "--cgroup-manager {other}: not supported, choose from: cgroupfs, systemd, \
                     disabled"
                )));
            }
        };
        self.check_log()?;
        self.show_steps()?;
        let root = self.root.clone().unwrap_or_else(default_root);
        let root = std::path::absolute(&root)
            .map_err(|error| Failure::tool(format_args!("--root {}: {error}", root.display())))?;
        let runtime = Runtime { root, cgroups };
        Ok(RuntimeCall {
            runtime,
            ui: Ui,
            flags: self.clone(),
        })
    }

    fn form(&self) -> Form {
        match self.log_format.as_str() {
            "json" => Form::Json,
            _ => Form::Text,
        }
    }

    /// Tells each step in the log, or on standard error without one, to who debugs.
    fn show_steps(&self) -> Result<(), Failure> {
        let level = self.log_level.as_deref().unwrap_or_default();
        if !self.debug && !["debug", "trace"].contains(&level) {
            return Ok(());
        }
        let shown = match &self.log {
            Some(path) => {
                let opened = OpenOptions::new().append(true).open(path);
                let log = opened.map_err(|error| {
                    Failure::tool(format_args!("--log {}: {error}", path.display()))
                })?;
                steps::show(log, self.form())
            }
            None => steps::show(std::io::stderr(), self.form()),
        };
        shown.map_err(|error| Failure::tool(format_args!("--debug: {error}")))
    }

    /// An engine that asked for a log waits for what is written there.
    fn check_log(&self) -> Result<(), Failure> {
        let format = self.log_format.as_str();
        if !["text", "json"].contains(&format) {
            return Err(Failure::tool(format_args!(
                "--log-format {format}: not supported, choose from: text, json"
            )));
        }
        let Some(path) = &self.log else { return Ok(()) };
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened
            .map(drop)
            .map_err(|error| Failure::tool(format_args!("--log {}: {error}", path.display())))
    }

    /// Adds an error to the log that the caller asked for: engines show that to the user. Without
    /// one, or where it cannot be written, standard error has it all the same.
    pub(crate) fn log_error(&self, message: &str) {
        self.log("error", message);
    }

    /// Adds a line to the log that the caller asked for.
    pub(super) fn log(&self, level: &str, message: &str) -> Logged {
        let Some(path) = &self.log else {
            return Logged::No;
        };
        let line = line(self.form(), level, message);
        let opened = OpenOptions::new().append(true).create(true).open(path);
        match opened.and_then(|mut file| writeln!(file, "{line}")) {
            Ok(()) => Logged::Yes,
            Err(_) => Logged::No,
        }
    }
}

/// Whether a line is in the caller's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logged {
    Yes,
    No,
}

/// The name of the group.
pub(crate) const GROUP: &str = "runtime";

/// A command of the runtime: a clap struct with its handler.
pub(crate) trait RuntimeCommand: clap::Args {
    /// The path that names it.
    const PATHS: &'static [&'static str];
    /// One line for the list of commands.
    const ABOUT: &'static str;
    /// What stands after `[options]` in the usage line, where the words' own names do not do.
    const USAGE: Option<&'static str> = None;

    /// Runs the command; the value is the exit code of the process.
    fn run(self, call: &RuntimeCall) -> CommandResult;
}

/// What a handler of the runtime is given.
#[derive(Debug)]
pub(crate) struct RuntimeCall {
    /// Where containers are.
    pub(crate) runtime: Runtime,
    /// Standard output and standard error.
    pub(crate) ui: Ui,
    /// As typed.
    pub(crate) flags: RuntimeFlags,
}

/// What an engine that asked for a log finds there is not said again on standard error, which may
/// be the program's.
impl Report for RuntimeCall {
    fn warning(&self, text: &str) {
        if self.flags.log("warning", text) == Logged::No {
            self.ui.note(format_args!("warning: {text}"));
        }
    }

    fn progress(&self, _text: &str) {}
}
