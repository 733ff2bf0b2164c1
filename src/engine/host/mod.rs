// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the host offers to containers of this user, found by trying, and the words for what it
//! lacks. Changes nothing.

mod cgroups;
mod devices;
mod hints;
mod lack;
mod namespaces;
mod networks;
mod packages;
mod session;
mod store;

use nix::unistd::geteuid;

use super::Engine;
use crate::state::tree::remove_tree;
use crate::sys::account::account_of;

pub use hints::hints;
pub use lack::{By, Cure, Lack};
pub(super) use namespaces::explain_userns;
pub use namespaces::why_no_user_namespace;
pub(in crate::engine) use store::check_xattrs;

/// What is looked at, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Feature {
    /// User namespaces with all rights inside.
    UserNamespaces,
    /// AppArmor's restriction of user namespaces.
    AppArmor,
    /// The ranges in /etc/subuid and /etc/subgid.
    SubordinateIds,
    /// newuidmap and newgidmap.
    IdMapHelpers,
    /// The kernel's overlay in a user namespace.
    KernelOverlay,
    /// /dev/fuse.
    Fuse,
    /// /dev/net/tun.
    Tun,
    /// Bridges of our own in a namespace.
    Networks,
    /// pasta or slirp4netns.
    NetworkProgram,
    /// The layout of cgroups, and what of them is the user's.
    Cgroups,
    /// Filters of system calls.
    Seccomp,
    /// The file system of the store.
    Store,
    /// Whether containers outlive the last logout.
    Lingering,
    /// XDG_RUNTIME_DIR.
    RuntimeDirectory,
}

impl Feature {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::UserNamespaces => "user namespaces",
            Self::AppArmor => "AppArmor",
            Self::SubordinateIds => "subordinate ids",
            Self::IdMapHelpers => "newuidmap, newgidmap",
            Self::KernelOverlay => "overlay in a namespace",
            Self::Fuse => "FUSE",
            Self::Tun => "tun devices",
            Self::Networks => "networks",
            Self::NetworkProgram => "network program",
            Self::Cgroups => "cgroups",
            Self::Seccomp => "seccomp",
            Self::Store => "store",
            Self::Lingering => "lingering",
            Self::RuntimeDirectory => "runtime directory",
        }
    }
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is there.
    Ok,
    /// Containers run without it, at a price.
    Lacking,
    /// No container runs without it.
    Fatal,
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub feature: Feature,
    /// How much it matters.
    pub verdict: Verdict,
    /// What there is, or what is missing.
    pub found: String,
    /// What is lacking; `None` where nothing is.
    pub lack: Option<Lack>,
}

impl Finding {
    fn ok(feature: Feature, found: impl Into<String>) -> Self {
        Self {
            feature,
            verdict: Verdict::Ok,
            found: found.into(),
            lack: None,
        }
    }

    fn lacking(feature: Feature, lack: Lack) -> Self {
        Self {
            feature,
            verdict: Verdict::Lacking,
            found: lack.what(),
            lack: Some(lack),
        }
    }

    /// What could not be tried for a reason that another row tells.
    fn untried(feature: Feature, reason: &str) -> Self {
        Self {
            verdict: Verdict::Lacking,
            ..Self::ok(feature, format!("not tried: {reason}"))
        }
    }

    fn fatal(feature: Feature, lack: Lack) -> Self {
        Self {
            verdict: Verdict::Fatal,
            ..Self::lacking(feature, lack)
        }
    }
}

/// Who is asking.
#[derive(Debug, Clone)]
struct Caller {
    uid: u32,
    /// The login name, or the uid where there is none.
    name: String,
}

impl Caller {
    fn here() -> Self {
        let uid = geteuid().as_raw();
        let name = account_of(uid).map_or_else(|| uid.to_string(), |account| account.name);
        Self { uid, name }
    }
}

/// Why limits that need `controllers` cannot be held here.
pub(super) fn lack_of_controllers(controllers: &[&str]) -> Lack {
    cgroups::lack_of(controllers, &Caller::here())
}

impl Engine {
    /// Looks at everything that containers need of this host.
    ///
    /// The caller must be single-threaded: a child is forked into a namespace.
    pub fn examine_host(&self) -> Vec<Finding> {
        let caller = Caller::here();
        let (store, scratch) = store::examine(&self.dirs);
        let namespace = namespaces::examine(&self.dirs, scratch.as_deref());
        if let Some(scratch) = scratch {
            // What cannot be removed now is swept with everything unfinished.
            drop(remove_tree(&scratch));
        }
        let mut findings = vec![namespace.user_namespaces, namespaces::app_armor()];
        findings.extend(namespaces::subordinate_ids(&caller));
        findings.push(namespace.overlay);
        findings.push(devices::fuse());
        findings.push(devices::tun());
        findings.extend(networks::examine(&self.dirs));
        findings.push(cgroups::examine(&caller));
        findings.push(session::seccomp());
        findings.push(store);
        findings.push(session::lingering(&caller));
        findings.push(session::runtime_directory(&self.dirs, &caller));
        findings
    }
}

/// Whether containers can run.
pub fn can_run(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| finding.verdict != Verdict::Fatal)
}
