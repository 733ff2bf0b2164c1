// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags of the program itself, which may stand before or after the command.

use std::path::{Path, PathBuf};

use clap::{Args, Command, FromArgMatches};

use super::failure::{Failure, usage_error};
use super::pflag::parse_bool;
use crate::engine::{Dialect, oci_runtime};

/// Flags of the program, as typed.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct Globals {
    /// Directory with the docker configuration file
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
    /// Connection to use for a remote service
    #[arg(long, short = 'c')]
    pub(crate) connection: Option<String>,
    /// Docker context; only "default" exists
    #[arg(long, hide = true)]
    pub(crate) context: Option<String>,
    /// Docker compatibility: sets the log level to debug
    #[arg(long, short = 'D', hide = true)]
    pub(crate) debug: bool,
    /// Docker compatibility: socket to connect to
    #[arg(long, short = 'H', hide = true)]
    pub(crate) host: Vec<String>,
    /// Accepted: matters for remote connections only
    #[arg(long, hide = true)]
    pub(crate) identity: Option<String>,
    /// Do not output to stdout
    #[arg(long, hide = true)]
    pub(crate) noout: bool,
    /// Send output (stdout) to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Access a remote service
    #[arg(long, short)]
    pub(crate) remote: bool,
    /// Accepted: matters for remote connections only
    #[arg(long, hide = true)]
    pub(crate) ssh: Option<String>,
    /// Accepted: matters for remote connections only
    #[arg(long, hide = true)]
    pub(crate) tls_ca: Option<String>,
    /// Accepted: matters for remote connections only
    #[arg(long, hide = true)]
    pub(crate) tls_cert: Option<String>,
    /// Accepted: matters for remote connections only
    #[arg(long, hide = true)]
    pub(crate) tls_key: Option<String>,
    /// URL to access a remote service
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Print the version
    #[arg(long, short)]
    pub(crate) version: bool,
    #[command(flatten)]
    pub(crate) inherited: Inherited,
}

/// Flags of the program that every command takes as well.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct Inherited {
    /// Cgroup manager to use ("cgroupfs"|"systemd")
    #[arg(long)]
    pub(crate) cgroup_manager: Option<String>,
    /// Accepted: coracle has a monitor of its own
    #[arg(long, hide = true)]
    pub(crate) conmon: Option<PathBuf>,
    /// Accepted: records are files
    #[arg(long, hide = true)]
    pub(crate) db_backend: Option<String>,
    /// Path to a file that lists mounts of every container, in place of mounts.conf
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) default_mounts_file: Option<PathBuf>,
    /// Events backend to use ("file"|"none")
    #[arg(long)]
    pub(crate) events_backend: Option<String>,
    /// Directory of hooks that containers get, in place of the usual ones
    #[arg(long, value_name = "DIR")]
    pub(crate) hooks_dir: Vec<PathBuf>,
    /// Log messages above specified level (trace, debug, info, warn, warning, error, fatal, panic)
    #[arg(long)]
    pub(crate) log_level: Option<String>,
    /// What connects containers for which no network is named ("auto"|"native"|"pasta"|"slirp4netns"|"none")
    #[arg(long)]
    pub(crate) network_driver: Option<String>,
    /// Path to a registries.conf to use for image processing
    #[arg(long, hide = true)]
    pub(crate) registries_conf: Option<PathBuf>,
    /// Path to the root directory in which data, including images, is stored
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Path to the directory where all state of running containers is stored
    #[arg(long, value_name = "DIR")]
    pub(crate) runroot: Option<PathBuf>,
    /// OCI runtime used to run containers: coracle, or the path of a copy of it
    #[arg(long)]
    pub(crate) runtime: Option<String>,
    /// Flag for the OCI runtime, without the dashes; coracle takes none
    #[arg(long)]
    pub(crate) runtime_flag: Vec<String>,
    /// Select which storage driver is used to manage storage of images and containers
    #[arg(long)]
    pub(crate) storage_driver: Option<String>,
    /// Pass an option to the storage driver, such as engine=fuse
    #[arg(long)]
    pub(crate) storage_opt: Vec<String>,
    /// Accepted: messages go to standard error only
    #[arg(long, hide = true)]
    pub(crate) syslog: bool,
    /// Path to the directory for temporary state
    #[arg(long, value_name = "DIR")]
    pub(crate) tmpdir: Option<PathBuf>,
    /// Path to the directory in which volumes are stored
    #[arg(long, value_name = "DIR")]
    pub(crate) volumepath: Option<PathBuf>,
}

/// The clap definition of all flags of the program, without commands.
pub(crate) fn definition() -> Command {
    Globals::augment_args(bare_command("coracle"))
}

/// The flags of the program that may stand after the command, too.
pub(crate) fn inherited() -> Command {
    Inherited::augment_args(bare_command("coracle"))
}

/// The names of [`Inherited`], which are asked for before its definition is built.
const INHERITED: &[&str] = &[
    "cgroup-manager",
    "conmon",
    "db-backend",
    "default-mounts-file",
    "events-backend",
    "hooks-dir",
    "log-level",
    "network-driver",
    "registries-conf",
    "root",
    "runroot",
    "runtime",
    "runtime-flag",
    "storage-driver",
    "storage-opt",
    "syslog",
    "tmpdir",
    "volumepath",
];

/// Whether a word after a command may be one of the program's flags, or asks for help.
pub(crate) fn may_be_inherited(word: &[u8]) -> bool {
    let Some(flag) = word.strip_prefix(b"--") else {
        return false;
    };
    let name = flag.split(|byte| *byte == b'=').next().unwrap_or(flag);
    let mut names = INHERITED.iter().chain(&["help"]);
    names.any(|known| known.as_bytes() == name)
}

/// A clap command that brings no flags of its own and lets the last value win.
pub(crate) fn bare_command(name: impl Into<clap::builder::Str>) -> Command {
    Command::new(name)
        // Sorted by name in manual pages.
        .next_display_order(None)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
}

impl Globals {
    /// Reads the `--name=value` words that the flag reader found.
    pub(crate) fn from_flags(flags: &[std::ffi::OsString]) -> Result<Self, Failure> {
        if flags.is_empty() {
            return Ok(Self::default());
        }
        let argv = std::iter::once("coracle".into()).chain(flags.iter().cloned());
        let matches = definition()
            .try_get_matches_from(argv)
            .map_err(|error| usage_error(&definition(), &error))?;
        Self::from_arg_matches(&matches).map_err(|error| usage_error(&definition(), &error))
    }

    /// Refuses what only a remote service could do, and values that mean nothing here.
    pub(crate) fn check(&self, dialect: Dialect) -> Result<(), Failure> {
        self.refuse_remote()?;
        refuse_remote_environment(dialect)?;
        known(
            "--cgroup-manager",
            self.inherited.cgroup_manager.as_deref(),
            &["cgroupfs", "systemd"],
        )?;
        known(
            "--events-backend",
            self.inherited.events_backend.as_deref(),
            &["file", "none"],
        )?;
        known(
            "--network-driver",
            self.inherited.network_driver.as_deref(),
            &["auto", "native", "pasta", "slirp4netns", "none"],
        )?;
        if let Some(runtime) = &self.inherited.runtime {
            oci_runtime::check(runtime).map_err(|error| Failure::from_error(125, &error))?;
        }
        self.check_database()?;
        known(
            "--storage-driver",
            self.inherited.storage_driver.as_deref(),
            &["overlay", "vfs"],
        )?;
        self.inherited
            .storage_opt
            .iter()
            .try_for_each(|option| check_storage_option(option))
    }

    /// The engine that `--storage-opt engine=…` asks for; the last one wins.
    pub(crate) fn storage_engine(&self) -> Option<&str> {
        self.inherited
            .storage_opt
            .iter()
            .rev()
            .find_map(|option| option.strip_prefix("engine="))
    }

    /// The additional stores of images that `--storage-opt overlay.imagestore=…` names.
    pub(crate) fn image_stores(&self) -> Vec<PathBuf> {
        let options = self.inherited.storage_opt.iter();
        let values = options.filter_map(|option| {
            let (key, value) = option.split_once('=')?;
            (bare_key(key) == IMAGE_STORE).then(|| PathBuf::from(value))
        });
        values.collect()
    }

    /// Podman's databases: a new one of the older kind is only for who asks twice.
    pub(crate) fn wants_bolt_database(&self) -> bool {
        self.inherited.db_backend.as_deref() == Some("boltdb")
    }

    fn check_database(&self) -> Result<(), Failure> {
        let asked_twice =
            || std::env::var("CI_DESIRED_DATABASE").is_ok_and(|value| value == "boltdb");
        if self.wants_bolt_database() && !asked_twice() {
            return Err(Failure::tool(
                "--db-backend boltdb: deprecated, no new BoltDB databases can be created; coracle \
                 keeps its records in files",
            ));
        }
        let backend = self.inherited.db_backend.as_deref();
        known("--db-backend", backend, &["", "sqlite", "boltdb"])
    }

    fn refuse_remote(&self) -> Result<(), Failure> {
        let context = self.context.as_deref().filter(|name| *name != "default");
        let asked = [
            ("--connection", self.connection.as_deref()),
            ("--context", context),
            ("--host", self.host.first().map(String::as_str)),
            ("--url", self.url.as_deref()),
        ];
        if let Some((flag, Some(value))) = asked.into_iter().find(|(_, value)| value.is_some()) {
            return Err(no_remote(&format!("{flag} {value}")));
        }
        if self.remote {
            return Err(no_remote("--remote"));
        }
        Ok(())
    }
}

/// The variables that make the other tools speak to a service elsewhere.
const REMOTE_VARIABLES: &[(Dialect, &str)] = &[
    (Dialect::Podman, "CONTAINER_HOST"),
    (Dialect::Podman, "CONTAINER_CONNECTION"),
    (Dialect::Docker, "DOCKER_HOST"),
];

/// Whether the environment names a service elsewhere; `--remote` has no place in help then.
pub(crate) fn environment_is_remote() -> bool {
    REMOTE_VARIABLES
        .iter()
        .any(|(_, name)| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn refuse_remote_environment(dialect: Dialect) -> Result<(), Failure> {
    for (whose, name) in REMOTE_VARIABLES {
        let value = std::env::var(name).unwrap_or_default();
        if *whose == dialect && !value.is_empty() {
            return Err(no_remote(&format!("{name}={value}")).hint(format!("unset {name}")));
        }
    }
    Ok(())
}

fn no_remote(what: &str) -> Failure {
    Failure::tool(format!(
        "{what}: coracle works on this machine only, remote services are not supported"
    ))
}

fn known(flag: &str, value: Option<&str>, choices: &[&str]) -> Result<(), Failure> {
    match value {
        Some(value) if !choices.contains(&value) => Err(Failure::tool(format!(
            "{flag} {value}: not supported, choose from: {}",
            choices.join(", ")
        ))),
        _ => Ok(()),
    }
}

/// Keys of storage.conf that say nothing about a store of ours: `overlay.mount_program` names a
/// program that coracle does not need.
const ACCEPTED_STORAGE_KEYS: &[&str] = &["ignore_chown_errors", "mount_program", "mountopt"];

/// Names an additional store of images.
const IMAGE_STORE: &str = "imagestore";

/// A key without the name of a driver.
fn bare_key(key: &str) -> &str {
    let bare = key
        .strip_prefix("overlay.")
        .or_else(|| key.strip_prefix("vfs."));
    bare.unwrap_or(key)
}

fn check_storage_option(option: &str) -> Result<(), Failure> {
    let Some((key, value)) = option.split_once('=') else {
        return Err(Failure::tool(format!(
            "--storage-opt {option}: want KEY=VALUE"
        )));
    };
    if key == "engine" {
        return known(
            "--storage-opt engine",
            Some(value),
            &["kernel", "hybrid", "fuse", "copy"],
        );
    }
    let bare = bare_key(key);
    if bare != IMAGE_STORE && !ACCEPTED_STORAGE_KEYS.contains(&bare) {
        return Err(Failure::tool(format!(
            "--storage-opt {key}: not supported yet"
        )));
    }
    match bare {
        IMAGE_STORE if !Path::new(value).is_absolute() => Err(Failure::tool(format!(
            "--storage-opt {option}: want an absolute path"
        ))),
        "ignore_chown_errors" if parse_bool(value).is_none() => Err(Failure::tool(format!(
            "--storage-opt {option}: want true or false"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globals(flags: &[&str]) -> Globals {
        let flags: Vec<_> = flags.iter().map(Into::into).collect();
        Globals::from_flags(&flags).unwrap()
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            (&["--url=unix:///x"][..], "--url unix:///x: coracle works"),
            (&["--remote"], "--remote: coracle works"),
            (&["--context=swarm"], "--context swarm: coracle works"),
            (
                &["--storage-driver=zfs"],
                "--storage-driver zfs: not supported",
            ),
            (&["--runtime=crun"], "--runtime crun: not supported"),
            (
                &["--storage-opt=size=1g"],
                "--storage-opt size: not supported yet",
            ),
            (
                &["--storage-opt=engine=zfs"],
                "--storage-opt engine zfs: not supported",
            ),
        ];
        for (flags, start) in cases {
            let failure = globals(flags).check(Dialect::Podman).unwrap_err();
            assert!(failure.message.starts_with(start), "{}", failure.message);
        }
    }

    #[test]
    fn what_matters_not_is_accepted() {
        let flags = [
            "--context=default",
            "--storage-driver=vfs",
            "--storage-opt=overlay.mount_program=/usr/bin/fuse-overlayfs",
            "--storage-opt=engine=fuse",
            "--cgroup-manager=cgroupfs",
            "--tmpdir=/tmp/x",
            "--root=/a",
            "--root=/b",
        ];
        let globals = globals(&flags);
        assert!(globals.check(Dialect::Podman).is_ok());
        assert_eq!(globals.storage_engine(), Some("fuse"));
        assert_eq!(globals.inherited.root, Some(PathBuf::from("/b")));
    }

    #[test]
    fn the_names_of_inherited_flags_are_those_of_their_definition() {
        let definition = inherited();
        let flags: Vec<&str> = definition
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .collect();
        assert_eq!(flags, INHERITED);
        assert!(may_be_inherited(b"--log-level=debug"));
        assert!(!may_be_inherited(b"--rm"));
    }

    #[test]
    fn no_inherited_flag_has_a_short_name() {
        assert!(
            inherited()
                .get_arguments()
                .all(|arg| arg.get_short().is_none())
        );
    }
}
