// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which containers a command is about: the check of flags that exclude each other, and what all
//! commands on several containers print.

use std::path::PathBuf;

use crate::cli::{CommandResult, Context, Failure};
use crate::engine::error::EngineError;
use crate::engine::selection::{self, ItemResult, Missing, Scope, Selection};
use crate::engine::signal;
use crate::engine::stop::{Grace, StopOptions};

/// What stood on the command line about which containers are meant.
#[derive(Debug, Default)]
pub(crate) struct Which {
    /// Names and ids.
    pub(crate) words: Vec<String>,
    /// `--all`.
    pub(crate) all: bool,
    /// `--latest`.
    pub(crate) latest: bool,
    /// `--running` of restart.
    pub(crate) running: bool,
    /// `--filter`.
    pub(crate) filters: Vec<String>,
    /// `--cidfile`.
    pub(crate) cidfiles: Vec<PathBuf>,
    /// `--ignore`.
    pub(crate) ignore: bool,
}

/// Flags of commands that act on containers which filters can choose.
#[derive(Debug, clap::Args)]
pub(super) struct WhichFlags {
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Filter output based on conditions given
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl From<WhichFlags> for Which {
    fn from(flags: WhichFlags) -> Self {
        Self {
            words: flags.containers,
            latest: flags.latest,
            filters: flags.filter,
            cidfiles: flags.cidfile,
            ..Self::default()
        }
    }
}

/// Flags of commands that stop containers.
#[derive(Debug, clap::Args)]
pub(super) struct StopFlags {
    /// Signal to send in place of the container's own
    #[arg(long, short, hide = true)]
    signal: Option<String>,
    /// Seconds to wait for stop before killing the container
    #[arg(
        long,
        short,
        alias = "timeout",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    time: Option<i64>,
}

impl StopFlags {
    /// How the engine is to stop.
    ///
    /// # Errors
    ///
    /// No such signal.
    pub(super) fn options(&self) -> Result<StopOptions, Failure> {
        Ok(StopOptions {
            grace: self.time.map(Grace::from_seconds),
            signal: self.signal.as_deref().map(signal::parse).transpose()?,
        })
    }
}

impl Which {
    /// The selection that the engine is given.
    ///
    /// # Errors
    ///
    /// Flags that exclude each other, nothing named, an id file that cannot be read.
    pub(crate) fn selection(mut self) -> Result<Selection, Failure> {
        if self.names_nothing() {
            return Err(Failure::no_names(
                "you must provide at least one name or id",
            ));
        }
        self.check().map_err(Failure::usage)?;
        let missing = if self.ignore {
            Missing::Ignore
        } else {
            Missing::Report
        };
        let words = std::mem::take(&mut self.words);
        let mut words: Vec<String> = words.iter().map(|word| without_slash(word)).collect();
        words.extend(selection::read_id_files(&self.cidfiles, missing)?);
        Ok(Selection {
            scope: self.scope(),
            words,
            filters: self.filters,
            missing,
        })
    }

    fn scope(&self) -> Scope {
        if self.running {
            Scope::Running
        } else if self.all || (self.words.is_empty() && !self.filters.is_empty()) {
            Scope::All
        } else if self.latest {
            Scope::Latest
        } else {
            Scope::Named
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let (named, files) = (!self.words.is_empty(), !self.cidfiles.is_empty());
        if !self.filters.is_empty() {
            return refuse_if(named, "--filter takes no arguments");
        }
        refuse_if(
            files && (self.all || self.latest),
            "--all, --latest, and --cidfile cannot be used together",
        )?;
        refuse_if(
            self.all && self.latest,
            "--all and --latest cannot be used together",
        )?;
        refuse_if(named && self.all, "no arguments are needed with --all")?;
        refuse_if(
            named && self.latest,
            "--latest and containers cannot be used together",
        )?;
        refuse_if(
            named && files,
            "no arguments are needed with --latest or --cidfile",
        )
    }

    fn names_nothing(&self) -> bool {
        let any_flag = self.all || self.latest || self.running;
        let lists = self.words.len() + self.cidfiles.len() + self.filters.len();
        !any_flag && lists == 0
    }
}

fn refuse_if(wrong: bool, message: &'static str) -> Result<(), &'static str> {
    if wrong { Err(message) } else { Ok(()) }
}

/// Docker shows names with a slash in front, and takes them back.
pub(in crate::cli) fn without_slash(word: &str) -> String {
    word.strip_prefix('/').unwrap_or(word).to_owned()
}

/// Prints each container as it was typed, then one line for each that failed; `code` is the exit
/// code of what failed.
pub(super) fn print_items(
    context: &Context,
    items: Result<Vec<ItemResult>, EngineError>,
    code: impl Fn(&[EngineError]) -> u8,
) -> CommandResult {
    let mut errors = Vec::new();
    let items = items.unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    for item in items {
        match item.result {
            Ok(()) => context.ui.line(item.typed)?,
            Err(error) => errors.push(error),
        }
    }
    print_errors(context, errors, code)
}

/// Prints one line for each error; the last becomes the command's own.
pub(crate) fn print_errors(
    context: &Context,
    errors: Vec<EngineError>,
    code: impl Fn(&[EngineError]) -> u8,
) -> CommandResult {
    let code = code(&errors);
    let failures = errors.into_iter().map(Failure::from).collect();
    context
        .end(failures)
        .map_err(|last| Failure { code, ..last })
}

/// The exit code of commands that know no other than the tool's own.
pub(crate) fn tool_error(_errors: &[EngineError]) -> u8 {
    crate::cli::failure::TOOL_ERROR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which(words: &[&str], flags: &str) -> Which {
        let has = |flag: &str| flags.split(' ').any(|given| given == flag);
        Which {
            words: words.iter().map(|&word| word.to_owned()).collect(),
            all: has("all"),
            latest: has("latest"),
            running: has("running"),
            filters: if has("filter") {
                vec!["name=x".into()]
            } else {
                Vec::new()
            },
            cidfiles: if has("cidfile") {
                vec!["f".into()]
            } else {
                Vec::new()
            },
            ignore: false,
        }
    }

    #[test]
    fn flags_that_exclude_each_other_are_told() {
        let cases = [
            (vec!["a"], "", Ok(())),
            (vec![], "all", Ok(())),
            (vec![], "latest", Ok(())),
            (vec![], "running", Ok(())),
            (vec![], "cidfile", Ok(())),
            (vec![], "filter", Ok(())),
            (vec!["a"], "filter", Err("--filter takes no arguments")),
            (vec!["a"], "all", Err("no arguments are needed with --all")),
            (
                vec!["a"],
                "latest",
                Err("--latest and containers cannot be used together"),
            ),
            (
                vec![],
                "all latest",
                Err("--all and --latest cannot be used together"),
            ),
            (
                vec![],
                "all cidfile",
                Err("--all, --latest, and --cidfile cannot be used together"),
            ),
        ];
        for (words, flags, expected) in cases {
            let which = which(&words, flags);
            assert_eq!(which.check(), expected, "{words:?} {flags}");
            assert!(!which.names_nothing(), "{words:?} {flags}");
        }
        assert!(which(&[], "").names_nothing());
    }

    #[test]
    fn filters_alone_look_at_all_containers() {
        assert_eq!(which(&[], "filter").scope(), Scope::All);
        assert_eq!(which(&[], "all running").scope(), Scope::Running);
        assert_eq!(which(&["a"], "").scope(), Scope::Named);
        assert_eq!(without_slash("/web"), "web");
    }
}
