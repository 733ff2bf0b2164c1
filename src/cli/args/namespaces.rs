// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about namespaces and id maps. Values stay as typed; only their grammar is checked here,
//! since what they name is known when the container starts.

use std::path::PathBuf;

use clap::Args;

use super::Namespace;
use crate::config::containers_conf::ContainersSection;
use crate::state::record::ContainerRequest;

/// Flags about namespaces and cgroups.
#[derive(Debug, Default, Args)]
pub(crate) struct NamespaceArgs {
    /// Cgroup namespace to use ("host"|"private"|"container:ID"|"ns:PATH")
    #[arg(long)]
    cgroupns: Option<String>,
    /// Control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")
    #[arg(long)]
    cgroups: Option<String>,
    /// Cgroup below which the container's own is made: a path, or a slice of systemd's
    #[arg(long, value_name = "PATH")]
    pub(super) cgroup_parent: Option<String>,
    /// GID map to use for the user namespace
    #[arg(long, value_delimiter = ',')]
    pub(super) gidmap: Vec<String>,
    /// Set the container's host name
    #[arg(long, short = 'h')]
    pub(super) hostname: Option<String>,
    /// IPC namespace to use
    #[arg(long)]
    ipc: Option<String>,
    /// PID namespace to use; with host it sees the caller's processes, and may end them
    #[arg(long)]
    pub(super) pid: Option<String>,
    /// Run container in an existing pod, or in a new one with new:NAME
    #[arg(long, value_name = "POD")]
    pod: Option<String>,
    /// Read the pod ID from the file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Option<PathBuf>,
    /// UID map to use for the user namespace
    #[arg(long, value_delimiter = ',')]
    pub(super) uidmap: Vec<String>,
    /// User namespace to use ("keep-id"|"auto"|"nomap"|"host"|"container:NAME")
    #[arg(long)]
    pub(super) userns: Option<String>,
    /// UTS namespace to use
    #[arg(long)]
    pub(super) uts: Option<String>,
}

/// What is wrong with a flag about namespaces.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NamespaceError {
    #[error("unrecognized namespace mode {value} passed")]
    Mode { value: String },
    #[error("namespace mode {mode} requires a value: --{flag} {prefix}{value}")]
    NoValue {
        mode: &'static str,
        flag: &'static str,
        prefix: &'static str,
        value: &'static str,
    },
    #[error("invalid cgroup mode \"{value}\", want enabled, disabled, no-conmon or split")]
    Cgroups { value: String },
    #[error(
        "--{flag} pod: cannot join pod namespace as container is not part of a pod: invalid argument"
    )]
    NoPod { flag: &'static str },
    #[error("cannot specify both --pod and --pod-id-file")]
    PodTwice,
    #[error("reading pod ID file {}: {reason}", path.display())]
    PodIdFile { path: PathBuf, reason: String },
    #[error("invalid option specified: \"{option}\"")]
    UsernsOption { option: String },
    #[error("unknown option specified: \"{option}\"")]
    UnknownUsernsOption { option: String },
    #[error("--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive")]
    MapTwice,
    #[error(
        "initializing ID mappings: {kind} setting is malformed expected [\"[+ug]uint32:[@]uint32[:uint32]\"] : [\"{map}\"]"
    )]
    Map { kind: &'static str, map: String },
    #[error("--userns ns:PATH is not supported: --userns container:NAME joins that of a container")]
    UsernsPath,
    #[error("cannot set hostname when running in the host UTS namespace: invalid configuration")]
    HostnameOfHost,
}

impl NamespaceArgs {
    /// Whether the container is to be in a pod.
    pub(super) fn names_pod(&self) -> bool {
        self.pod.is_some() || self.pod_id_file.is_some()
    }

    /// Takes from containers.conf what the flags leave open: in a pod, what that leaves open.
    pub(super) fn default_from(&mut self, conf: &ContainersSection) {
        if self.names_pod() {
            return;
        }
        let fill = |flag: &mut Option<String>, value: &Option<String>| {
            if flag.is_none() {
                flag.clone_from(value);
            }
        };
        fill(&mut self.cgroupns, &conf.cgroupns);
        fill(&mut self.cgroups, &conf.cgroups);
        fill(&mut self.ipc, &conf.ipcns);
        fill(&mut self.pid, &conf.pidns);
        if self.hostname.is_none() {
            fill(&mut self.uts, &conf.utsns);
        }
    }

    /// Whether a namespace is another container's, whose processes hide from network programs.
    pub(super) fn joins_container(&self) -> bool {
        let modes = [&self.pid, &self.ipc, &self.uts];
        let mut modes = modes.into_iter().flatten();
        modes.any(|mode| mode.starts_with("container:"))
    }

    /// Whose the IPC namespace is.
    pub(super) fn ipc_namespace(&self) -> Namespace {
        match self.ipc.as_deref() {
            None | Some("" | "private" | "shareable") => Namespace::Own,
            Some(_) => Namespace::Shared,
        }
    }

    /// Writes what these flags ask for into `request`; `default_userns` is the caller's
    /// `PODMAN_USERNS`, else that of containers.conf.
    pub(crate) fn fill(
        self,
        request: &mut ContainerRequest,
        default_userns: Option<&str>,
    ) -> Result<(), NamespaceError> {
        let maps = !self.uidmap.is_empty() || !self.gidmap.is_empty();
        if maps && self.userns.is_some() {
            return Err(NamespaceError::MapTwice);
        }
        self.check()?;
        let default_userns = default_userns.filter(|_| !self.names_pod());
        request.pod = self.pod()?;
        let userns = self.userns.filter(|userns| !userns.is_empty());
        request.userns = match userns {
            None if !maps => default_userns.map(str::to_owned),
            asked => asked,
        };
        request.uidmap = self.uidmap;
        request.gidmap = self.gidmap;
        request.hostname = self.hostname;
        request.pid = not_empty(self.pid);
        request.ipc = not_empty(self.ipc);
        request.uts = not_empty(self.uts);
        request.cgroupns = not_empty(self.cgroupns);
        request.cgroups = not_empty(self.cgroups);
        request.cgroup_parent = not_empty(self.cgroup_parent);
        Ok(())
    }

    fn check(&self) -> Result<(), NamespaceError> {
        for (flag, value, more) in [
            ("pid", &self.pid, &[][..]),
            ("ipc", &self.ipc, &["shareable", "none"]),
            ("uts", &self.uts, &[]),
            ("cgroupns", &self.cgroupns, &[]),
        ] {
            let of_pod = value.as_deref() == Some("pod") && self.names_pod();
            if !of_pod {
                check_mode(flag, value.as_deref(), more)?;
            }
        }
        check_userns(self.userns.as_deref().unwrap_or_default())?;
        let cgroups = self.cgroups.as_deref().unwrap_or_default();
        if !["", "enabled", "disabled", "no-conmon", "split"].contains(&cgroups) {
            return Err(NamespaceError::Cgroups {
                value: cgroups.to_owned(),
            });
        }
        check_maps("UID", &self.uidmap)?;
        check_maps("GID", &self.gidmap)?;
        if self.hostname.is_some() && self.uts.as_deref() == Some("host") {
            return Err(NamespaceError::HostnameOfHost);
        }
        Ok(())
    }
}

impl NamespaceArgs {
    fn pod(&self) -> Result<Option<String>, NamespaceError> {
        match (&self.pod, &self.pod_id_file) {
            (Some(_), Some(_)) => Err(NamespaceError::PodTwice),
            (pod, None) => Ok(not_empty(pod.clone())),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(path);
                let text = read.map_err(|error| NamespaceError::PodIdFile {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                Ok(text.lines().next().map(str::to_owned))
            }
        }
    }
}

fn not_empty(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

/// `host`, `private`, `container:ID`, `ns:PATH` and what the kind of namespace has beside them.
fn check_mode(
    flag: &'static str,
    value: Option<&str>,
    more: &[&str],
) -> Result<(), NamespaceError> {
    let value = value.unwrap_or_default();
    if value == "pod" {
        return Err(NamespaceError::NoPod { flag });
    }
    for (prefix, mode, wanted) in [("container:", "container", "NAME"), ("ns:", "path", "PATH")] {
        match value.strip_prefix(prefix) {
            Some("") => {
                return Err(NamespaceError::NoValue {
                    mode,
                    flag,
                    prefix,
                    value: wanted,
                });
            }
            Some(_) => return Ok(()),
            None => {}
        }
    }
    if ["", "host", "private"].contains(&value) || more.contains(&value) {
        return Ok(());
    }
    Err(NamespaceError::Mode {
        value: value.to_owned(),
    })
}

fn check_userns(value: &str) -> Result<(), NamespaceError> {
    let (mode, options) = value.split_once(':').unwrap_or((value, ""));
    let known: &[&str] = match mode {
        "keep-id" => &["uid", "gid", "size"],
        "auto" => &["uidmapping", "gidmapping", "size"],
        "nomap" if options.is_empty() => return Ok(()),
        "ns" if !options.is_empty() => return Err(NamespaceError::UsernsPath),
        _ => return check_mode("userns", Some(value), &[]),
    };
    let options = options.split(',').filter(|option| !option.is_empty());
    for option in options {
        let Some((name, number)) = option.split_once('=') else {
            return Err(NamespaceError::UsernsOption {
                option: option.to_owned(),
            });
        };
        if !known.contains(&name) {
            return Err(NamespaceError::UnknownUsernsOption {
                option: name.to_owned(),
            });
        }
        if !name.ends_with("mapping") && number.parse::<u32>().is_err() {
            return Err(NamespaceError::UsernsOption {
                option: option.to_owned(),
            });
        }
    }
    Ok(())
}

/// `CONTAINER:HOST[:COUNT]`, with podman's flags in front of the container's id.
fn check_maps(kind: &'static str, maps: &[String]) -> Result<(), NamespaceError> {
    for map in maps {
        let parts: Vec<&str> = map.split(':').collect();
        let number = |text: &str| text.parse::<u32>().is_ok();
        let good = match parts[..] {
            [container, host] => number(unflagged(container)) && number(unhosted(host)),
            [container, host, count] => {
                number(unflagged(container)) && number(unhosted(host)) && number(count)
            }
            _ => false,
        };
        if !good {
            return Err(NamespaceError::Map {
                kind,
                map: map.clone(),
            });
        }
    }
    Ok(())
}

fn unflagged(container: &str) -> &str {
    container.trim_start_matches(['+', 'u', 'g'])
}

fn unhosted(host: &str) -> &str {
    host.strip_prefix('@').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(args: NamespaceArgs) -> Result<ContainerRequest, String> {
        let mut request = ContainerRequest::default();
        args.fill(&mut request, Some("keep-id"))
            .map(|()| request)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn user_namespaces_are_checked_and_kept_as_typed() {
        for good in [
            "keep-id",
            "keep-id:uid=200,gid=210",
            "auto",
            "auto:size=4000",
            "auto:uidmapping=0:0:1",
            "host",
            "nomap",
            "private",
            "container:abc",
        ] {
            let args = NamespaceArgs {
                userns: Some(good.into()),
                ..NamespaceArgs::default()
            };
            assert_eq!(fill(args).unwrap().userns.as_deref(), Some(good), "{good}");
        }
        let cases = [
            ("bogus", "unrecognized namespace mode bogus passed"),
            (
                "container:",
                "namespace mode container requires a value: --userns container:NAME",
            ),
            (
                "ns:",
                "namespace mode path requires a value: --userns ns:PATH",
            ),
            (
                "ns:/proc/1/ns/user",
                "--userns ns:PATH is not supported: --userns container:NAME joins that of a container",
            ),
            ("keep-id:uid", "invalid option specified: \"uid\""),
            ("keep-id:uid=x", "invalid option specified: \"uid=x\""),
            ("keep-id:color=1", "unknown option specified: \"color\""),
        ];
        for (bad, message) in cases {
            let args = NamespaceArgs {
                userns: Some(bad.into()),
                ..NamespaceArgs::default()
            };
            assert_eq!(fill(args).unwrap_err(), message, "{bad}");
        }
    }

    #[test]
    fn the_callers_default_gives_way_to_maps() {
        assert_eq!(
            fill(NamespaceArgs::default()).unwrap().userns.as_deref(),
            Some("keep-id")
        );
        let args = NamespaceArgs {
            uidmap: vec!["0:1:10".into(), "+g10:@1000:1".into(), "5:6".into()],
            ..NamespaceArgs::default()
        };
        assert_eq!(fill(args).unwrap().userns, None);
    }

    #[test]
    fn wrong_values_are_refused() {
        let cases = [
            (
                NamespaceArgs {
                    uidmap: vec!["0:x:1".into()],
                    ..NamespaceArgs::default()
                },
                "initializing ID mappings: UID setting is malformed expected [\"[+ug]uint32:[@]uint32[:uint32]\"] : [\"0:x:1\"]",
            ),
            (
                NamespaceArgs {
                    uidmap: vec!["0:1:1".into()],
                    userns: Some("auto".into()),
                    ..NamespaceArgs::default()
                },
                "--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive",
            ),
            (
                NamespaceArgs {
                    pid: Some("pod".into()),
                    ..NamespaceArgs::default()
                },
                "--pid pod: cannot join pod namespace as container is not part of a pod: invalid argument",
            ),
            (
                NamespaceArgs {
                    ipc: Some("bogus".into()),
                    ..NamespaceArgs::default()
                },
                "unrecognized namespace mode bogus passed",
            ),
            (
                NamespaceArgs {
                    ipc: Some("container:".into()),
                    ..NamespaceArgs::default()
                },
                "namespace mode container requires a value: --ipc container:NAME",
            ),
            (
                NamespaceArgs {
                    uts: Some("host".into()),
                    hostname: Some("web".into()),
                    ..NamespaceArgs::default()
                },
                "cannot set hostname when running in the host UTS namespace: invalid configuration",
            ),
        ];
        for (args, message) in cases {
            assert_eq!(fill(args).unwrap_err(), message);
        }
    }
}
