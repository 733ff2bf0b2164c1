// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table of what a host can lack: what it is, what it costs, what mends it. `doctor` prints
//! it, and every error that comes of such a lack says the same words.

use std::path::PathBuf;

use super::packages::{Package, install_command};
use crate::sys::fuse::FuseDeviceError;

/// One thing that the host lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// The kernel was built without user namespaces.
    NoUserNamespaces,
    /// `user.max_user_namespaces` is 0, or all of them are in use.
    UserNamespaceLimit {
        /// The value of the limit.
        limit: u64,
    },
    /// `kernel.unprivileged_userns_clone` is 0.
    UserNamespacesForRootOnly,
    /// AppArmor takes the rights inside a user namespace from programs that it does not know.
    AppArmorRestriction {
        /// The program that it must know.
        program: PathBuf,
    },
    /// Something else keeps user namespaces away.
    UserNamespacesRefused {
        /// What the kernel said.
        reason: String,
    },
    /// The user has no range of subordinate ids.
    NoSubordinateIds {
        /// The login name, or the uid where there is none.
        user: String,
        /// The first id that no one has.
        free: u32,
    },
    /// The user's ranges are too small for the ids of usual images.
    FewSubordinateIds {
        /// The login name, or the uid where there is none.
        user: String,
        /// How many ids there are in the smaller of the two files.
        count: u64,
        /// The first id that no one has.
        free: u32,
    },
    /// newuidmap or newgidmap is not installed.
    HelperMissing {
        /// Which of them.
        program: &'static str,
    },
    /// newuidmap or newgidmap is there and may not write the map.
    HelperPowerless {
        /// Where it is.
        path: String,
    },
    /// The kernel's overlay cannot be mounted in a user namespace on the store's file system.
    NoKernelOverlay {
        /// What the kernel said.
        reason: String,
    },
    /// /dev/fuse is of no use.
    Fuse(FuseDeviceError),
    /// /dev/net/tun does not exist.
    NoTun,
    /// /dev/net/tun is closed to this user.
    TunRefused,
    /// The kernel refuses what bridges and their rules need.
    NoBridges {
        /// The call, and what the kernel said.
        reason: String,
    },
    /// Neither pasta nor slirp4netns is installed.
    NoNetworkProgram,
    /// No cgroup v2 tree is mounted.
    NoCgroup2,
    /// The controllers belong to cgroup v1.
    CgroupV1Controllers {
        /// Whether systemd is the init system and decides about the layout.
        systemd: bool,
    },
    /// No cgroup was given to this user.
    CgroupNotDelegated {
        /// Whether systemd is the init system and delegates.
        systemd: bool,
    },
    /// A cgroup was given, some controllers were not.
    CgroupControllers {
        /// Those that are missing.
        missing: Vec<&'static str>,
        /// Whether systemd is the init system and delegates.
        systemd: bool,
    },
    /// The kernel has no seccomp filters.
    NoSeccomp,
    /// The store cannot be opened.
    StoreUnusable {
        /// Why, in the words of the store.
        reason: String,
    },
    /// The store is on a network file system.
    StoreOnNetwork {
        /// The type of the file system.
        kind: &'static str,
        /// The data root.
        data_root: PathBuf,
    },
    /// The store is in memory.
    StoreInMemory {
        /// The data root.
        data_root: PathBuf,
    },
    /// The store's file system keeps no extended attributes of users.
    StoreWithoutXattrs {
        /// The data root.
        data_root: PathBuf,
        /// The type of the file system.
        kind: &'static str,
    },
    /// The user's processes end at the last logout.
    NoLinger {
        /// The login name.
        user: String,
    },
    /// There is no private runtime directory.
    NoRuntimeDirectory {
        /// The directory that is used instead.
        used: PathBuf,
        /// The user's id.
        uid: u32,
    },
}

/// Who must run a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The administrator.
    Root,
    /// The caller.
    You,
}

/// One command that mends a lack, or a part of the mending.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Cure {
    /// Who must run it.
    pub by: By,
    /// The command, ready to paste.
    pub command: String,
}

impl Lack {
    /// What is missing, as one clause.
    pub fn what(&self) -> String {
        match self {
            Self::NoUserNamespaces => "this kernel was built without user namespaces".to_owned(),
            Self::UserNamespaceLimit { limit } => {
                format!("user.max_user_namespaces is {limit}: no more user namespaces can be made")
            }
            Self::UserNamespacesForRootOnly => {
                "kernel.unprivileged_userns_clone is 0: only root can make user namespaces".into()
            }
            Self::AppArmorRestriction { program } => format!(
                "AppArmor takes all rights inside user namespaces from {}",
                program.display()
            ),
            Self::UserNamespacesRefused { reason } => {
                format!("user namespaces are refused ({reason})")
            }
            Self::NoSubordinateIds { user, .. } => {
                format!("user \"{user}\" has no range in /etc/subuid and /etc/subgid")
            }
            Self::FewSubordinateIds { user, count, .. } => {
                format!("user \"{user}\" has a range of {count} subordinate ids only")
            }
            Self::HelperMissing { program } => format!("{program} is not installed"),
            Self::HelperPowerless { path } => {
                format!("{path} has neither the setuid bit nor a capability")
            }
            Self::NoKernelOverlay { reason } => {
                format!("the kernel's overlay does not work in a user namespace here ({reason})")
            }
            Self::Fuse(error) => error.to_string(),
            Self::NoTun => "/dev/net/tun does not exist".to_owned(),
            Self::TunRefused => "/dev/net/tun is closed to this user".to_owned(),
            Self::NoBridges { reason } => format!("the kernel refused: {reason}"),
            Self::NoNetworkProgram => "neither pasta nor slirp4netns is installed".to_owned(),
            Self::NoCgroup2 => "no cgroup v2 tree is mounted".to_owned(),
            Self::CgroupV1Controllers { .. } => "the controllers belong to cgroup v1".to_owned(),
            Self::CgroupNotDelegated { .. } => "no cgroup was delegated to this user".to_owned(),
            Self::CgroupControllers { missing, .. } => {
                format!(
                    "these controllers were not delegated: {}",
                    missing.join(" ")
                )
            }
            Self::NoSeccomp => "this kernel was built without seccomp filters".to_owned(),
            Self::StoreUnusable { reason } => reason.clone(),
            Self::StoreOnNetwork { kind, data_root } => {
                format!(
                    "{} is on a network file system ({kind})",
                    data_root.display()
                )
            }
            Self::StoreInMemory { data_root } => {
                format!("{} is in memory (tmpfs)", data_root.display())
            }
            Self::StoreWithoutXattrs { data_root, kind } => format!(
                "the file system of {} ({kind}) keeps no extended attributes of users",
                data_root.display()
            ),
            Self::NoLinger { user } => format!("lingering is off for user \"{user}\""),
            Self::NoRuntimeDirectory { used, .. } => format!(
                "XDG_RUNTIME_DIR names no private directory of yours; {} is used",
                used.display()
            ),
        }
    }

    /// What it costs, as one clause.
    pub fn costs(&self) -> &'static str {
        match self {
            Self::NoUserNamespaces
            | Self::UserNamespaceLimit { .. }
            | Self::UserNamespacesForRootOnly
            | Self::AppArmorRestriction { .. }
            | Self::UserNamespacesRefused { .. } => "no container can be made",
            Self::NoSubordinateIds { .. } => {
                "containers have one id of the kernel; other owners are kept as metadata and shown \
                 by the FUSE overlay, and programs that change to another user fail"
            }
            Self::FewSubordinateIds { .. } => {
                "ids above the range are kept as metadata, and programs that change to them fail"
            }
            Self::HelperMissing { .. } | Self::HelperPowerless { .. } => {
                "the range of subordinate ids cannot be used"
            }
            Self::NoKernelOverlay { .. } => "the FUSE overlay serves every container; it is slower",
            Self::Fuse(_) => {
                "owners that are not mapped cannot be shown, changed ids need a copy of the image, \
                 and `--rootfs /:O` shows the system's files as they are"
            }
            Self::NoTun | Self::TunRefused => {
                "`--network pasta` and `--network slirp4netns` do not work"
            }
            Self::NoBridges { .. } => {
                "no networks of your own with names; containers reach out by pasta or slirp4netns"
            }
            Self::NoNetworkProgram => {
                "containers have no way out to the network unless they share the host's"
            }
            Self::NoCgroup2
            | Self::CgroupV1Controllers { .. }
            | Self::CgroupNotDelegated { .. } => {
                "no limits on memory, processors and processes, and no pause"
            }
            Self::CgroupControllers { .. } => "no limits on what these controllers count",
            Self::NoSeccomp => "containers run with `--security-opt seccomp=unconfined` only",
            Self::StoreUnusable { .. } => "nothing can be kept, so no container can be made",
            Self::StoreOnNetwork { .. } => {
                "files cannot have owners of your range there: images are served by the FUSE \
                 overlay, slowly, and locks may not hold between machines"
            }
            Self::StoreInMemory { .. } => "images and containers use memory and are gone at boot",
            Self::StoreWithoutXattrs { .. } => {
                "owners outside your range and the marks of layers cannot be kept"
            }
            Self::NoLinger { .. } => "containers end when you log out for the last time",
            Self::NoRuntimeDirectory { .. } => {
                "commands with and without it do not find each other's sockets"
            }
        }
    }

    /// The commands that mend it; none where no command can.
    pub fn cures(&self) -> Vec<Cure> {
        match self {
            Self::NoUserNamespaces
            | Self::UserNamespacesRefused { .. }
            | Self::NoSeccomp
            | Self::StoreUnusable { .. } => Vec::new(),
            Self::UserNamespaceLimit { .. } => sysctl("user.max_user_namespaces", 28633),
            Self::UserNamespacesForRootOnly => sysctl("kernel.unprivileged_userns_clone", 1),
            Self::AppArmorRestriction { program } => app_armor_profile(&program.to_string_lossy()),
            Self::NoSubordinateIds { user, free } | Self::FewSubordinateIds { user, free, .. } => {
                vec![root(add_ranges(user, *free))]
            }
            Self::HelperMissing { .. } => vec![root(install_command(Package::IdMapHelpers))],
            Self::HelperPowerless { path } => vec![root(format!("chmod u+s {path}"))],
            Self::NoKernelOverlay { .. } => vec![root("modprobe overlay".to_owned())],
            Self::Fuse(error) => {
                let command = error.cure();
                command
                    .map(|command| root(command.to_owned()))
                    .into_iter()
                    .collect()
            }
            Self::NoTun => vec![root("modprobe tun".to_owned())],
            Self::TunRefused => vec![root("chmod 666 /dev/net/tun".to_owned())],
            Self::NoBridges { .. } => vec![root(
                "modprobe -a bridge veth nf_tables nft_tproxy nfnetlink_queue".to_owned(),
            )],
            Self::NoNetworkProgram => vec![root(install_command(Package::NetworkProgram))],
            Self::NoCgroup2 => vec![root("mount -t cgroup2 none /sys/fs/cgroup".to_owned())],
            Self::CgroupV1Controllers { systemd } => cgroup2_at_boot(*systemd),
            Self::CgroupNotDelegated { systemd } | Self::CgroupControllers { systemd, .. } => {
                delegate(*systemd)
            }
            Self::StoreOnNetwork { .. }
            | Self::StoreInMemory { .. }
            | Self::StoreWithoutXattrs { .. } => vec![you(local_store())],
            Self::NoLinger { user } => vec![you(format!("loginctl enable-linger {user}"))],
            Self::NoRuntimeDirectory { uid, .. } => runtime_directory(*uid),
        }
    }

    /// The lines to print below an error that comes of this lack.
    pub fn hints(&self) -> Vec<String> {
        let mut lines = vec![self.what()];
        lines.extend(self.cures().iter().map(Cure::sentence));
        lines
    }
}

impl Cure {
    /// The command with who must run it.
    pub fn sentence(&self) -> String {
        match self.by {
            By::Root => format!("as root: {}", self.command),
            By::You => format!("run: {}", self.command),
        }
    }
}

fn root(command: String) -> Cure {
    Cure {
        by: By::Root,
        command,
    }
}

fn you(command: String) -> Cure {
    Cure {
        by: By::You,
        command,
    }
}

/// Now and after the next boot.
fn sysctl(key: &str, value: u32) -> Vec<Cure> {
    vec![root(format!(
        "echo {key}={value} > /etc/sysctl.d/90-coracle.conf && \
         sysctl -p /etc/sysctl.d/90-coracle.conf"
    ))]
}

/// A profile that confines nothing and gives the one right that an unknown program lacks.
fn app_armor_profile(program: &str) -> Vec<Cure> {
    vec![root(format!(
        "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\n\
         profile coracle \"{program}\" flags=(unconfined) {{\\n  userns,\\n}}\\n' \
         > /etc/apparmor.d/coracle && apparmor_parser -r /etc/apparmor.d/coracle"
    ))]
}

fn add_ranges(user: &str, free: u32) -> String {
    let last = free.saturating_add(65535);
    format!("usermod --add-subuids {free}-{last} --add-subgids {free}-{last} {user}")
}

fn cgroup2_at_boot(systemd: bool) -> Vec<Cure> {
    let parameter = if systemd {
        "systemd.unified_cgroup_hierarchy=1"
    } else {
        "cgroup_no_v1=all"
    };
    vec![root(format!(
        "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{parameter} /' /etc/default/grub && update-grub && reboot"
    ))]
}

fn delegate(systemd: bool) -> Vec<Cure> {
    if !systemd {
        return vec![root(delegate_by_hand())];
    }
    vec![root(
        "mkdir -p /etc/systemd/system/user@.service.d && \
         printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' \
         > /etc/systemd/system/user@.service.d/delegate.conf && systemctl daemon-reload"
            .to_owned(),
    )]
}

/// Gives this user a cgroup, and moves the shell that runs us into it.
fn delegate_by_hand() -> String {
    let user = super::Caller::here().name;
    let shell = nix::unistd::getppid();
    format!(
        "cd /sys/fs/cgroup && echo '+cpu +cpuset +io +memory +pids' > cgroup.subtree_control && \
         mkdir -p {user}/shell && chown -R {user} {user} && echo {shell} > {user}/shell/cgroup.procs"
    )
}

fn local_store() -> String {
    "mkdir -p ~/.config/containers && cd ~/.config/containers && test ! -e storage.conf && \
     printf '[storage]\\ngraphroot = \"/var/tmp/containers-%s\"\\n' \"$(id -u)\" > storage.conf"
        .to_owned()
}

fn runtime_directory(uid: u32) -> Vec<Cure> {
    if uid == 0 {
        return Vec::new();
    }
    vec![
        root(format!("loginctl enable-linger {uid}")),
        you(format!("export XDG_RUNTIME_DIR=/run/user/{uid}")),
    ]
}
