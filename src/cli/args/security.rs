// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about what the container may do: capabilities, profiles, sysctls.

use clap::Args;

use super::Namespace;
use crate::cli::pflag::parse_bool;
use crate::config::containers_conf::ContainersSection;
use crate::state::record::ContainerRequest;

/// Flags about rights.
#[derive(Debug, Default, Args)]
pub(crate) struct SecurityArgs {
    /// Add capabilities to the container
    #[arg(long, value_delimiter = ',')]
    cap_add: Vec<String>,
    /// Drop capabilities from the container
    #[arg(long, value_delimiter = ',')]
    cap_drop: Vec<String>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, hide = true)]
    device_cgroup_rule: Vec<String>,
    /// Accepted: images are not signed for docker
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    disable_content_trust: Option<bool>,
    /// Give extended privileges to the container: all of the caller's, with no filter and no mask
    #[arg(long)]
    privileged: bool,
    /// Policy for selecting a seccomp profile; only "default" exists
    #[arg(long, hide = true)]
    seccomp_policy: Option<String>,
    /// Security options
    #[arg(long)]
    pub(super) security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_delimiter = ',')]
    pub(super) sysctl: Vec<String>,
}

/// What is wrong with a flag about rights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecurityError {
    #[error("\"{name}\": unknown capability")]
    UnknownCapability { name: String },
    #[error("capability \"{name}\" cannot be dropped and added")]
    AddedAndDropped { name: String },
    #[error("adding all caps and removing all caps not allowed")]
    AllAndNothing,
    #[error("device cgroup rules are not supported in rootless mode or in a user namespace")]
    DeviceRules,
    #[error("--seccomp-policy {policy}: not supported yet")]
    SeccompPolicy { policy: String },
    #[error("invalid --security-opt: \"{option}\"")]
    Option { option: String },
    #[error("invalid systempaths option \"{value}\", only `unconfined` is supported")]
    SystemPaths { value: String },
    #[error("{text} is invalid, sysctl values must be in the form of KEY=VALUE")]
    SysctlForm { text: String },
    #[error("'{text}' is invalid, extra spaces found")]
    SysctlSpaces { text: String },
    #[error("sysctl '{name}' is not allowed")]
    SysctlName { name: String },
}

/// The names of capabilities(7), without `CAP_`.
const CAPABILITIES: &[&str] = &[
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

impl SecurityArgs {
    /// Takes from containers.conf what the flags leave open. Sysctls of namespaces that the
    /// container shares are left out.
    pub(super) fn default_from(
        &mut self,
        conf: &ContainersSection,
        network: Namespace,
        ipc: Namespace,
    ) {
        self.privileged |= conf.privileged == Some(true);
        let fits = |text: &&String| match text.split('.').next() {
            Some("net") => network == Namespace::Own,
            Some("kernel" | "fs") => ipc == Namespace::Own,
            _ => true,
        };
        let sysctls = conf.default_sysctls.iter().flatten().filter(fits);
        self.sysctl.splice(0..0, sysctls.cloned());
        let profile = conf.seccomp_profile.iter().filter(|path| !path.is_empty());
        let has_profile = |option: &String| option.starts_with("seccomp=");
        if !self.security_opt.iter().any(has_profile) {
            self.security_opt
                .extend(profile.map(|path| format!("seccomp={path}")));
        }
    }

    /// Writes what these flags ask for into `request`.
    pub(crate) fn fill(self, request: &mut ContainerRequest) -> Result<(), SecurityError> {
        if !self.device_cgroup_rule.is_empty() {
            return Err(SecurityError::DeviceRules);
        }
        let policy = self.seccomp_policy.filter(|policy| policy != "default");
        if let Some(policy) = policy {
            return Err(SecurityError::SeccompPolicy { policy });
        }
        request.cap_add = capabilities(&self.cap_add)?;
        request.cap_drop = capabilities(&self.cap_drop)?;
        check_contradiction(&request.cap_add, &request.cap_drop)?;
        self.security_opt
            .iter()
            .try_for_each(|option| check_security_option(option))?;
        request.security_opt = self.security_opt;
        for text in &self.sysctl {
            let (name, value) = sysctl(text)?;
            request.sysctls.insert(name.to_owned(), value.to_owned());
        }
        request.privileged = self.privileged;
        Ok(())
    }
}

/// Names as the kernel has them, `CAP_NET_ADMIN` for `net_admin`; `ALL` stays.
fn capabilities(names: &[String]) -> Result<Vec<String>, SecurityError> {
    let mut normal = Vec::new();
    for name in names {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let name = match bare {
            "ALL" => "ALL".to_owned(),
            bare => format!("CAP_{bare}"),
        };
        if bare != "ALL" && !CAPABILITIES.contains(&bare) {
            return Err(SecurityError::UnknownCapability { name });
        }
        if !normal.contains(&name) {
            normal.push(name);
        }
    }
    Ok(normal)
}

fn check_contradiction(added: &[String], dropped: &[String]) -> Result<(), SecurityError> {
    let all = |names: &[String]| names.iter().any(|name| name == "ALL");
    match (all(added), all(dropped)) {
        (true, true) => Err(SecurityError::AllAndNothing),
        (false, false) => match added.iter().find(|name| dropped.contains(name)) {
            Some(name) => Err(SecurityError::AddedAndDropped { name: name.clone() }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// `KEY=VALUE`, or docker's old `KEY:VALUE`.
fn check_security_option(option: &str) -> Result<(), SecurityError> {
    let separator = if option.contains('=') { '=' } else { ':' };
    let (key, value) = match option.split_once(separator) {
        Some((key, value)) => (key, Some(value)),
        None => (option, None),
    };
    let invalid = || SecurityError::Option {
        option: option.to_owned(),
    };
    match (key, value) {
        ("no-new-privileges", None) | ("systempaths", Some("unconfined")) => Ok(()),
        ("no-new-privileges", Some(value)) => parse_bool(value).map(|_| ()).ok_or_else(invalid),
        ("systempaths", Some(value)) => Err(SecurityError::SystemPaths {
            value: value.to_owned(),
        }),
        ("apparmor" | "label" | "mask" | "proc-opts" | "seccomp" | "unmask", Some(value)) => {
            if value.is_empty() {
                Err(invalid())
            } else {
                Ok(())
            }
        }
        _ => Err(invalid()),
    }
}

/// Sysctls of a namespace of the container's own; the others are the host's.
const SYSCTLS: &[&str] = &[
    "kernel.domainname",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

fn sysctl(text: &str) -> Result<(&str, &str), SecurityError> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(SecurityError::SysctlForm {
            text: text.to_owned(),
        });
    };
    if name.trim() != name || value.trim() != value {
        return Err(SecurityError::SysctlSpaces {
            text: text.to_owned(),
        });
    }
    let ours =
        SYSCTLS.contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue.");
    if !ours || name.contains('/') || name.contains("..") {
        return Err(SecurityError::SysctlName {
            name: name.to_owned(),
        });
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn fill(args: SecurityArgs) -> Result<ContainerRequest, String> {
        let mut request = ContainerRequest::default();
        args.fill(&mut request)
            .map(|()| request)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn capabilities_get_the_kernels_names() {
        let args = SecurityArgs {
            cap_add: strings(&["net_admin", "CAP_CHOWN", "Net_Admin"]),
            cap_drop: strings(&["all"]),
            ..SecurityArgs::default()
        };
        let request = fill(args).unwrap();
        assert_eq!(request.cap_add, ["CAP_NET_ADMIN", "CAP_CHOWN"]);
        assert_eq!(request.cap_drop, ["ALL"]);
    }

    #[test]
    fn contradictions_are_refused() {
        let cases = [
            (
                &["chown"][..],
                &["chown"][..],
                "capability \"CAP_CHOWN\" cannot be dropped and added",
            ),
            (
                &["all"],
                &["all"],
                "adding all caps and removing all caps not allowed",
            ),
            (&["bogus"], &[], "\"CAP_BOGUS\": unknown capability"),
        ];
        for (add, drop, message) in cases {
            let args = SecurityArgs {
                cap_add: strings(add),
                cap_drop: strings(drop),
                ..SecurityArgs::default()
            };
            assert_eq!(fill(args).unwrap_err(), message);
        }
    }

    #[test]
    fn rules_for_devices_are_refused() {
        let args = SecurityArgs {
            device_cgroup_rule: strings(&["c 1:3 rwm"]),
            ..SecurityArgs::default()
        };
        assert_eq!(
            fill(args).unwrap_err(),
            SecurityError::DeviceRules.to_string()
        );
    }

    #[test]
    fn security_options_are_checked() {
        for good in [
            "no-new-privileges",
            "no-new-privileges=false",
            "no-new-privileges:true",
            "seccomp=unconfined",
            "label=disable",
            "apparmor:unconfined",
            "mask=/proc/a:/proc/b",
            "unmask=ALL",
            "proc-opts=hidepid=2",
            "systempaths=unconfined",
        ] {
            assert_eq!(check_security_option(good), Ok(()), "{good}");
        }
        for bad in [
            "bogus",
            "bogus=1",
            "seccomp",
            "seccomp=",
            "no-new-privileges=maybe",
        ] {
            assert!(check_security_option(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_sysctls_of_a_namespace_pass() {
        assert_eq!(
            sysctl("net.ipv4.ip_forward=1"),
            Ok(("net.ipv4.ip_forward", "1"))
        );
        assert_eq!(sysctl("kernel.sem=1 2 3 4"), Ok(("kernel.sem", "1 2 3 4")));
        let cases = [
            (
                "kernel.hostname=x",
                "sysctl 'kernel.hostname' is not allowed",
            ),
            (
                "net.ipv4",
                "net.ipv4 is invalid, sysctl values must be in the form of KEY=VALUE",
            ),
            ("net.a = 1", "'net.a = 1' is invalid, extra spaces found"),
            (
                "net.x/../../kernel.y=1",
                "sysctl 'net.x/../../kernel.y' is not allowed",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(sysctl(text).unwrap_err().to_string(), message);
        }
    }
}
