// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every handler is given: the engine and the streams, the program's flags and how the
//! command was called.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::description::container_as_json;
use super::globals::Globals;
use super::{CommandResult, Failure};
use crate::config::containers_conf::{self, EngineSection};
use crate::config::storage_conf::{StorageConf, additional_store};
use crate::engine::events::install_description;
use crate::engine::external::ExternalStore;
use crate::engine::run::NamespaceAhead;
use crate::engine::steps::{self, Form, line};
use crate::engine::{Dialect, Engine, Report};
use crate::output::ui::Ui;
use crate::output::units::size::parse_size;
use crate::runtime::failure::chain;
use crate::state::dirs::Dirs;
use crate::state::events::{CreateDetail, EventLog, LOG_BYTES_MAX};

/// What every handler is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The user's store, configuration and dialect.
    pub(crate) engine: Engine,
    /// Standard output and standard error.
    pub(crate) ui: Ui,
    /// The program's flags.
    pub(crate) globals: Globals,
    /// How the command was called.
    pub(crate) call: Call,
    /// From which level on messages are shown.
    pub(crate) log_level: LogLevel,
    /// The user's namespace, once it is begun.
    namespace: Mutex<Option<NamespaceAhead>>,
}

/// How the command was called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    /// The base name of `argv[0]`: `coracle`, `podman`, `docker`.
    pub(crate) program: String,
    /// Whose defaults apply where podman's words do.
    pub(crate) habits: Habits,
    /// The command as typed, without the program: `container ls`.
    pub(crate) path: String,
    /// The whole line, with what is not UTF-8 replaced; inspect shows it.
    pub(crate) argv: Vec<String>,
}

/// Whose defaults apply where podman's words do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Habits {
    /// Our own.
    #[default]
    Own,
    /// Podman's: `argv[0]` is `podman`, or `CORACLE_MODE=podman`.
    Podman,
}

/// `--log-level`, the chattiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Fatal,
    Panic,
}

impl LogLevel {
    /// Reads the name of a level; `None` for a name that nobody knows.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" | "warning" => Self::Warning,
            "error" => Self::Error,
            "fatal" => Self::Fatal,
            "panic" => Self::Panic,
            _ => return None,
        })
    }

    /// The level that the program's flags ask for.
    pub(crate) fn asked(globals: &Globals) -> Result<Self, Failure> {
        let Some(name) = globals.inherited.log_level.as_deref() else {
            return Ok(if globals.debug {
                Self::Debug
            } else {
                Self::Warning
            });
        };
        if globals.debug {
            return Err(Failure::bare(
                1,
                "Setting --log-level and --debug is not allowed",
            ));
        }
        Self::parse(name).ok_or_else(|| {
            Failure::bare(
                1,
                format!(
                    "Log Level \"{name}\" is not supported, choose from: \
                     trace, debug, info, warn, warning, error, fatal, panic"
                ),
            )
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
            Self::Panic => "panic",
        }
    }
}

impl Context {
    /// The driver of networks that the flags or the configuration name.
    pub(crate) fn network_driver(&self) -> Result<Option<&str>, Failure> {
        let named = self.globals.inherited.network_driver.as_deref();
        if named.is_some() {
            return Ok(named);
        }
        let conf = self.engine.containers_conf();
        let conf = conf.map_err(|error| Failure::from_error(125, &error))?;
        Ok(conf.network.default_rootless_network_cmd.as_deref())
    }

    /// The driver where none is named: podman's without root is pasta.
    pub(crate) fn usual_network_driver(&self) -> Option<&'static str> {
        let by_pasta = self.call.habits == Habits::Podman && !nix::unistd::geteuid().is_root();
        by_pasta.then_some("pasta")
    }

    /// The context of one call.
    pub(crate) fn open(
        dialect: Dialect,
        globals: Globals,
        call: Call,
        log_level: LogLevel,
    ) -> Result<Self, Failure> {
        let ui = Ui;
        let output = match &globals.out {
            _ if globals.noout => Some(Path::new("/dev/null")),
            asked => asked.as_deref(),
        };
        if let Some(path) = output {
            ui.divert(path).map_err(|error| {
                Failure::tool(format_args!("open {} for output: {error}", path.display()))
            })?;
        }
        Ok(Self {
            engine: Engine {
                dirs: dirs(&globals)?,
                dialect,
                // Who names a store means that one alone.
                external: match globals.inherited.root {
                    Some(_) => None,
                    None => Some(ExternalStore::usual(&|name| std::env::var_os(name))),
                },
                runtime_flags: globals.inherited.runtime_flag.clone(),
            },
            ui,
            globals,
            call,
            log_level,
            namespace: Mutex::default(),
        })
    }

    /// Begins to make the user's namespace; the handler takes it.
    pub(crate) fn begin_namespace(&self) {
        let begun = self.engine.begin_namespace();
        *self
            .namespace
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(begun);
    }

    /// The user's namespace, begun before or now.
    pub(crate) fn take_namespace(&self) -> NamespaceAhead {
        let mut namespace = self
            .namespace
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let begun = namespace.take();
        begun.unwrap_or_else(|| self.engine.begin_namespace())
    }

    /// How a command on several things ends: a line for each failure, of which the last is the
    /// command's own.
    pub(crate) fn end(&self, mut failures: Vec<Failure>) -> CommandResult {
        let Some(last) = failures.pop() else {
            return Ok(0);
        };
        for failure in failures {
            failure.print(self.ui, self.engine.dialect, &self.call.path);
        }
        Err(last)
    }

    /// As [`Context::end`], with the gravest exit code.
    pub(crate) fn end_gravest(&self, failures: Vec<Failure>) -> CommandResult {
        let gravest = failures.iter().map(|failure| failure.code).max();
        self.end(failures).map_err(|last| Failure {
            code: gravest.unwrap_or(last.code),
            ..last
        })
    }

    /// The first messages of a call.
    pub(crate) fn log_start(&self) {
        if self.log_level <= LogLevel::Debug {
            // Who cannot be told the steps is told all else.
            drop(steps::show(std::io::stderr(), Form::Text));
        }
        let dirs = &self.engine.dirs;
        self.log(
            LogLevel::Info,
            concat!("coracle ", env!("CARGO_PKG_VERSION")),
        );
        self.log(
            LogLevel::Debug,
            &format!(
                "data root {}, run root {}",
                dirs.data_root.display(),
                dirs.run_root.display()
            ),
        );
        if self.globals.wants_bolt_database() {
            let text =
                "Allowing deprecated database backend boltdb: records are files all the same";
            self.log(LogLevel::Debug, text);
        }
        self.log(LogLevel::Trace, &format!("arguments {:?}", self.call.argv));
    }

    /// Prints `text` on standard error if `level` is shown, with the time and in the form that
    /// scripts look for: `time="…" level=debug msg="…"`.
    pub(crate) fn log(&self, level: LogLevel, text: &str) {
        if level < self.log_level {
            return;
        }
        self.ui.note(line(Form::Text, level.name(), text));
    }
}

impl Report for Context {
    fn warning(&self, text: &str) {
        match self.engine.dialect {
            Dialect::Docker => self.ui.note(format_args!("WARNING: {text}")),
            Dialect::Podman => self.log(LogLevel::Warning, text),
        }
    }

    fn remark(&self, text: &str) {
        match self.engine.dialect {
            Dialect::Docker => {}
            Dialect::Podman => self.warning(text),
        }
    }

    fn progress(&self, text: &str) {
        self.ui.note(text);
    }
}

/// Where the store is: flags win over `CONTAINERS_GRAPHROOT` and `CONTAINERS_RUNROOT`, these over
/// storage.conf; containers.conf may keep the containers of the usual store apart.
fn dirs(globals: &Globals) -> Result<Dirs, Failure> {
    let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let asked = |flag: &Option<PathBuf>, variable| {
        flag.clone().or_else(|| env(variable).map(PathBuf::from))
    };
    let root = asked(&globals.inherited.root, "CONTAINERS_GRAPHROOT");
    let run_root = asked(&globals.inherited.runroot, "CONTAINERS_RUNROOT");
    let conf = match (&root, &run_root) {
        (Some(_), Some(_)) => StorageConf::default(),
        _ => StorageConf::load(&env).map_err(|error| Failure::tool(chain(&error)))?,
    };
    let static_dir = early_configuration().static_dir.as_deref();
    let static_dir = static_dir.filter(|path| root.is_none() && !path.is_empty());
    let root = root.or(conf.data_root);
    let run_root = run_root.or(conf.run_root);
    let mut dirs = Dirs::resolve(root.as_deref(), run_root.as_deref(), &env);
    if let Some(path) = static_dir {
        dirs = dirs.with_static_dir(Path::new(path));
    }
    let stores = globals.image_stores();
    dirs.images.additional = if stores.is_empty() {
        conf.additional_image_stores
    } else {
        stores.iter().map(|path| additional_store(path)).collect()
    };
    dirs.events = event_log(globals, &dirs)?;
    Ok(dirs)
}

/// Where events go: `--events-backend` wins over containers.conf. What is meant for the journal is
/// kept in the file, which is there everywhere.
fn event_log(globals: &Globals, dirs: &Dirs) -> Result<EventLog, Failure> {
    let conf = early_configuration();
    let asked = globals.inherited.events_backend.as_deref();
    if let Some("none" | "null") = asked.or(conf.events_logger.as_deref()) {
        return Ok(EventLog::none());
    }
    let bytes_max = match conf.events_logfile_max_size.as_deref() {
        None => LOG_BYTES_MAX,
        Some(text) => parse_size(text).ok_or_else(|| {
            Failure::tool(format_args!(
                "containers.conf: events_logfile_max_size {text:?}: want a size such as 1m"
            ))
        })?,
    };
    let asked = conf.events_logfile_path.as_deref();
    let path = asked.filter(|path| !path.is_empty()).map(PathBuf::from);
    let mut log = EventLog::at(path.unwrap_or_else(|| dirs.event_log()), bytes_max);
    if conf.events_container_create_inspect_data == Some(true) {
        log.detail = CreateDetail::Inspect;
        install_description(container_as_json);
    }
    Ok(log)
}

/// What every command asks of containers.conf, read once.
pub(crate) fn early_configuration() -> &'static EngineSection {
    static EARLY: OnceLock<EngineSection> = OnceLock::new();
    EARLY.get_or_init(|| containers_conf::early(&|name| std::env::var_os(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(log_level: Option<&str>, debug: bool) -> Result<LogLevel, String> {
        let mut globals = Globals {
            debug,
            ..Globals::default()
        };
        globals.inherited.log_level = log_level.map(str::to_owned);
        LogLevel::asked(&globals).map_err(|failure| failure.message)
    }

    #[test]
    fn the_log_level_is_the_one_asked_for() {
        assert_eq!(asked(None, false), Ok(LogLevel::Warning));
        assert_eq!(asked(None, true), Ok(LogLevel::Debug));
        assert_eq!(asked(Some("WARN"), false), Ok(LogLevel::Warning));
        assert!(
            asked(Some("telepathic"), false)
                .unwrap_err()
                .starts_with("Log Level \"telepathic\" is not supported")
        );
        assert!(
            asked(Some("panic"), true)
                .unwrap_err()
                .contains("--log-level and --debug is not allowed")
        );
    }
}
