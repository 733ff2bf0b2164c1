// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program that systemd calls: `GENERATOR [--user] [--dryrun] [-v] [--no-kmsg-log] DIRECTORY`.
//! It has a log of its own, the kernel's: nobody sees what a generator prints.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::convert::convert;
use super::directories::{self, Variables};
use super::draft::{Database, Host, Links, Session};
use super::install::links;
use super::kind::Kind;
use super::load::load;
use super::unit::Unit;
use super::{ROLE, WAIT_UNIT};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    session: Session,
    /// Where services are written; `None` shows them.
    output: Option<PathBuf>,
    verbose: bool,
    kernel_log: bool,
    version: bool,
}

/// A command line that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum AskedError {
    #[error("missing output directory argument")]
    NoDirectory,
    #[error("flag provided but not defined: {flag}")]
    Flag { flag: String },
}

/// The generator: argv with the program's name, and perhaps that of the role, first.
pub fn main(argv: &[OsString]) -> ExitCode {
    let words: Vec<String> = argv
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let name = words.first().map_or("", String::as_str);
    let name = name.rsplit('/').next().unwrap_or_default();
    let rest = match words.get(1..) {
        Some([role, rest @ ..]) if role == ROLE => rest,
        Some(rest) => rest,
        None => &[],
    };
    let mut log = Log::default();
    let done = match asked(name, rest) {
        Ok(asked) if asked.version => show(concat!(env!("CARGO_PKG_VERSION"), "\n")),
        Ok(asked) => {
            log.kernel = asked.kernel_log;
            log.verbose = asked.verbose;
            generate(&asked, &mut log)
        }
        Err(error) => Err(error.to_string()),
    };
    if let Err(message) = done {
        log.say(&message);
        log.failed = true;
    }
    if log.failed {
        log.say("processing encountered some errors");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn asked(name: &str, words: &[String]) -> Result<Asked, AskedError> {
    let mut asked = Asked {
        session: if name.contains("user") {
            Session::User
        } else {
            Session::System
        },
        output: None,
        verbose: false,
        kernel_log: true,
        version: false,
    };
    let mut dry_run = false;
    let mut words = words.iter();
    for word in words.by_ref() {
        let Some(flag) = word.strip_prefix('-') else {
            asked.output = Some(word.into());
            break;
        };
        match flag.strip_prefix('-').unwrap_or(flag) {
            "user" => asked.session = Session::User,
            "dryrun" => dry_run = true,
            "v" => asked.verbose = true,
            "no-kmsg-log" => asked.kernel_log = false,
            "version" => asked.version = true,
            flag => {
                let flag = format!("-{flag}");
                return Err(AskedError::Flag { flag });
            }
        }
    }
    if dry_run {
        (asked.output, asked.verbose, asked.kernel_log) = (None, true, false);
    } else if asked.output.is_none() && !asked.version {
        return Err(AskedError::NoDirectory);
    }
    Ok(asked)
}

/// Does it; an error of one file keeps no other from being done.
fn generate(asked: &Asked, log: &mut Log) -> Result<(), String> {
    let found = directories::find(&Variables::of_process(), asked.session);
    let loaded = load(&found);
    for error in &loaded.errors {
        log.fail(&error.to_string());
    }
    if loaded.units.is_empty() {
        log.debug(&format!("No files parsed from {found:?}"));
        return Ok(());
    }
    if let Some(directory) = &asked.output {
        fs::create_dir_all(directory)
            .map_err(|error| format!("mkdir {}: {error}", directory.display()))?;
    }
    let host = Host {
        program: program(),
        session: asked.session,
        exists: Path::exists,
        id,
    };
    let mut links = Links::of(loaded.units.iter().map(|(unit, kind)| (unit, *kind)));
    for (unit, kind) in &loaded.units {
        log.debug(&format!("Loaded {}", unit.path.display()));
        warn_of(unit, *kind, log);
        match convert(unit, *kind, &mut links, &host) {
            Ok(converted) => {
                for warning in converted.warnings {
                    log.say(&format!("{}: {warning}", unit.name));
                }
                put(asked.output.as_deref(), &converted.service, log)?;
            }
            Err(error) => log.fail(&format!("converting {:?}: {error}", unit.name)),
        }
    }
    if asked.session == Session::User && !has_wait_unit() {
        put(asked.output.as_deref(), &wait_unit(), log)?;
    }
    Ok(())
}

/// The program that the services call: the one that `PODMAN` names, or this one.
pub fn program() -> String {
    let named = std::env::var("PODMAN").ok().filter(|path| !path.is_empty());
    named.unwrap_or_else(|| {
        let own = std::env::current_exe().unwrap_or_else(|_| "/usr/bin/coracle".into());
        own.to_string_lossy().into_owned()
    })
}

/// Systemd starts generators before anything that answers for other databases.
fn id(database: Database, name: &str) -> Option<u32> {
    let file = match database {
        Database::Users => "/etc/passwd",
        Database::Groups => "/etc/group",
    };
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        is_it.then(|| fields.nth(1)?.parse().ok())?
    })
}

/// Writes or shows a service.
fn put(directory: Option<&Path>, service: &Unit, log: &mut Log) -> Result<(), String> {
    let text = format!("#\n# Automatically generated by coracle {ROLE}\n#\n{service}");
    let Some(directory) = directory else {
        return show(&format!("---{}---\n{text}\n", service.name));
    };
    let path = directory.join(&service.name);
    log.debug(&format!("writing {path:?}"));
    // A directory of systemd's, new at each run, that nobody reads before the end of it.
    #[expect(clippy::disallowed_methods, reason = "there is nothing to replace")]
    let written = fs::write(&path, text);
    if let Err(error) = written {
        log.fail(&format!(
            "generating service file {}: {error}",
            path.display()
        ));
        return Ok(());
    }
    for link in links(service) {
        let path = directory.join(&link.path);
        let made = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| {
                // One of an earlier run.
                fs::remove_file(&path).ok();
                std::os::unix::fs::symlink(&link.target, &path)
            });
        if let Err(error) = made {
            log.say(&format!(
                "Failed creating symlink {}: {error}",
                path.display()
            ));
        }
    }
    Ok(())
}

fn show(text: &str) -> Result<(), String> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| format!("write to standard output: {error}"))
}

fn warn_of(unit: &Unit, kind: Kind, log: &mut Log) {
    for key in ["User", "Group", "DynamicUser"] {
        if unit.has("Service", key) {
            log.say(&format!(
                "Warning: using key {key} in the Service group is not supported - use at your own risk"
            ));
        }
    }
    let has_image = matches!(kind, Kind::Container | Kind::Volume | Kind::Image);
    let image = unit.text(kind.group(), "Image").filter(|_| has_image);
    if let Some(image) = image.filter(|image| Kind::of(image).is_none() && !is_full_name(image)) {
        log.say(&format!(
            "Warning: {} specifies the image \"{image}\" which not a fully qualified image name. \
             This is not ideal for performance and security reasons. See the podman-pull manpage \
             discussion of short-name-aliases.conf for details.",
            unit.name
        ));
    }
}

/// Whether a name of an image can mean one only.
fn is_full_name(name: &str) -> bool {
    let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let domain = name.split_once('/').map(|(domain, _)| domain);
    let has_domain =
        domain.is_some_and(|domain| domain.contains(['.', ':']) || domain == "localhost");
    name.starts_with("sha256:") || is_id || has_domain
}

/// Podman's package has one.
fn has_wait_unit() -> bool {
    let places = ["/etc/systemd/user", "/usr/lib/systemd/user"];
    places
        .iter()
        .any(|place| Path::new(place).join(WAIT_UNIT).exists())
}

/// Waits until the machine's network is up, or the machine without it: where nothing wants
/// `network-online.target` it never comes.
fn wait_unit() -> Unit {
    let mut unit = Unit::default().called(WAIT_UNIT, "");
    let wait = "sh -c 'until systemctl --quiet is-active network-online.target || \
                systemctl is-system-running | grep -qE \"running|degraded\"; do sleep 0.5; done'";
    unit.add("Unit", "Description", "Wait for the network of the machine");
    unit.add("Service", "Type", "oneshot");
    unit.add("Service", "ExecStart", wait);
    unit.add("Service", "TimeoutStartSec", "90s");
    unit.add("Service", "RemainAfterExit", "yes");
    unit
}

/// Where messages go.
#[derive(Debug, Default)]
struct Log {
    kernel: bool,
    verbose: bool,
    failed: bool,
    file: Option<File>,
}

impl Log {
    fn fail(&mut self, message: &str) {
        self.say(message);
        self.failed = true;
    }

    fn debug(&mut self, message: &str) {
        if self.verbose {
            self.say(message);
        }
    }

    fn say(&mut self, message: &str) {
        let line = format!("{ROLE}[{}]: {message}\n", std::process::id());
        if self.kernel && self.file.is_none() {
            self.file = OpenOptions::new().write(true).open("/dev/kmsg").ok();
            self.kernel = self.file.is_some();
        }
        // One message is one write there.
        let told = self
            .file
            .as_mut()
            .map(|file| file.write_all(line.as_bytes()));
        if !matches!(told, Some(Ok(()))) {
            io::stderr().write_all(line.as_bytes()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_podmans_generator() {
        let asked = |name: &str, line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            asked(name, &words)
        };
        let normal = asked("coracle", "-user --no-kmsg-log /run/a /run/b /run/c").unwrap();
        assert_eq!(normal.output, Some("/run/a".into()));
        assert_eq!((normal.session, normal.kernel_log), (Session::User, false));
        let by_name = asked("coracle-user-generator", "/run/a").unwrap();
        assert_eq!((by_name.session, by_name.kernel_log), (Session::User, true));
        let dry = asked("quadlet", "-dryrun /run/a").unwrap();
        assert_eq!((dry.session, dry.output), (Session::System, None));
        assert!(dry.verbose && !dry.kernel_log);
        assert_eq!(asked("quadlet", "-v"), Err(AskedError::NoDirectory));
        let flag = "-x".to_owned();
        assert_eq!(asked("quadlet", "--x"), Err(AskedError::Flag { flag }));
    }

    #[test]
    fn short_names_are_warned_of() {
        for name in ["quay.io/a", "localhost/a", "h:5000/a", "sha256:12"] {
            assert!(is_full_name(name), "{name}");
        }
        assert!(is_full_name(&"a".repeat(64)));
        for name in ["a", "a:1.2", "library/a"] {
            assert!(!is_full_name(name), "{name}");
        }
    }
}
