// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--security-opt`, and the paths that a container does not see or cannot write.

use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxNamespaceType;

use super::{NamespaceSource, SpecContext};
use crate::state::record::ContainerRecord;

/// Covered in every container: what leaks of the host through /proc and /sys.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/interrupts",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
    "/sys/dev/block",
];

/// Covered too when /sys is the host's.
const MASKED_OF_HOST_SYS: &[&str] = &["/sys/kernel"];

/// Shown, and not to be written.
const READ_ONLY: &[&str] = &[
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A `--security-opt` that cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// Not an option.
    #[error("invalid --security-opt 1: {0:?}")]
    Unknown(String),
    /// A value that is none of the option's.
    #[error("invalid --security-opt 2: {0:?}")]
    Value(String),
    /// Something that this host does not have.
    #[error("--security-opt {option}: {reason}")]
    Unavailable {
        /// As typed.
        option: String,
        /// Why it cannot be.
        reason: &'static str,
    },
}

/// `--security-opt`, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityOptions {
    /// A program cannot gain rights by exec.
    pub no_new_privileges: bool,
    /// `None` is the default profile; `Some(None)` none at all; else a file.
    pub seccomp: Option<Option<PathBuf>>,
    /// More paths to cover.
    pub mask: Vec<String>,
    /// Paths that stay visible; `ALL` uncovers everything.
    pub unmask: Vec<String>,
    /// Options of the /proc mount.
    pub proc_options: Vec<String>,
}

impl SecurityOptions {
    /// Reads the options as typed.
    ///
    /// # Errors
    ///
    /// See [`SecurityError`].
    pub fn parse(options: &[String]) -> Result<Self, SecurityError> {
        let mut parsed = Self::default();
        for option in options {
            parsed.take(option)?;
        }
        Ok(parsed)
    }

    fn take(&mut self, option: &str) -> Result<(), SecurityError> {
        let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
        let paths = |text: &str| text.split(':').map(str::to_owned).collect::<Vec<_>>();
        let unavailable = |reason| SecurityError::Unavailable {
            option: option.to_owned(),
            reason,
        };
        match key {
            "no-new-privileges" => match value {
                "" | "true" => self.no_new_privileges = true,
                "false" => self.no_new_privileges = false,
                _ => return Err(SecurityError::Value(option.to_owned())),
            },
            "seccomp" if value == "unconfined" => self.seccomp = Some(None),
            "seccomp" if value == "builtin" || value == "default" => self.seccomp = None,
            "seccomp" if !value.is_empty() => self.seccomp = Some(Some(PathBuf::from(value))),
            "mask" if !value.is_empty() => self.mask.extend(paths(value)),
            "unmask" if !value.is_empty() => self.unmask.extend(paths(value)),
            "systempaths" if value == "unconfined" => self.unmask.push("ALL".to_owned()),
            "proc-opts" => self.proc_options = value.split(',').map(str::to_owned).collect(),
            // Labels change nothing on a host without SELinux, and Podman takes them there too.
            "label" if value == "disable" || !Path::new(SELINUX).exists() => {}
            "label" => return Err(unavailable("coracle sets no SELinux labels")),
            "apparmor" if value == "unconfined" => {}
            "apparmor" if apparmor_is_on() => {
                return Err(unavailable("coracle applies no AppArmor profiles"));
            }
            "apparmor" => return Err(unavailable("AppArmor is not enabled on this system")),
            _ => return Err(SecurityError::Unknown(option.to_owned())),
        }
        Ok(())
    }
}

/// There where SELinux is on.
const SELINUX: &str = "/sys/fs/selinux/enforce";

fn apparmor_is_on() -> bool {
    let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    enabled.is_ok_and(|text| text.trim() == "Y")
}

/// Masked and read-only paths.
pub(super) fn hidden_paths(
    record: &ContainerRecord,
    context: &SpecContext,
) -> (Vec<String>, Vec<String>) {
    let options = &context.security;
    if record.request.privileged {
        return (options.mask.clone(), Vec::new());
    }
    let uncovered = |path: &str| {
        options
            .unmask
            .iter()
            .any(|each| each == "ALL" || matches_path(each, path))
    };
    let mut masked: Vec<&str> = MASKED.to_vec();
    if *context.source(LinuxNamespaceType::Network) != NamespaceSource::Private {
        masked.extend(MASKED_OF_HOST_SYS);
    }
    let keep = |paths: &[&str]| -> Vec<String> {
        paths
            .iter()
            .filter(|path| !uncovered(path))
            .map(ToString::to_string)
            .collect()
    };
    let mut masked = keep(&masked);
    masked.extend(options.mask.iter().cloned());
    (masked, keep(READ_ONLY))
}

/// Whether `pattern` is the path, one above it, or a pattern with a `*` as its last part.
fn matches_path(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(parent) => path.starts_with(&format!("{parent}/")),
        None => pattern.trim_end_matches('/') == path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_with_both_separators() {
        let options = [
            "no-new-privileges",
            "seccomp=unconfined",
            "mask=/a:/b",
            "unmask=ALL",
        ];
        let parsed = SecurityOptions::parse(&options.map(str::to_owned)).unwrap();
        assert!(parsed.no_new_privileges);
        assert_eq!(parsed.seccomp, Some(None));
        assert_eq!(parsed.mask, ["/a", "/b"]);
        let docker = SecurityOptions::parse(&["no-new-privileges:true".to_owned()]).unwrap();
        assert!(docker.no_new_privileges);
    }

    #[test]
    fn what_is_unknown_is_named() {
        for option in [
            "seccomp",
            "nonsense=1",
            "no-new-privileges=maybe",
            "apparmor=x",
        ] {
            assert!(
                SecurityOptions::parse(&[option.to_owned()]).is_err(),
                "{option}"
            );
        }
    }

    #[test]
    fn patterns_uncover_what_they_name() {
        assert!(matches_path("/proc/*", "/proc/acpi"));
        assert!(matches_path("/proc/acpi", "/proc/acpi"));
        assert!(!matches_path("/proc/a", "/proc/acpi"));
    }
}
