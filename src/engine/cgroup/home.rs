// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a container's cgroup is made. Without limits: below the caller's own, where that is the
//! caller's to divide. With limits the controllers must be handed down to it: systemd makes a
//! scope where there is one, elsewhere the tree that was delegated is divided.

use std::fs;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::LinuxResources;

use super::divide::{hand_down, is_ours, move_aside};
use super::limits::{COUNTED, apply, bring, controllers};
use super::near::MONITOR;
use super::pod::Starter;
use super::wanted::{OwnCgroup, PodCgroup, Wanted, name_of};
use super::{ContainerCgroup, mount_point, own_cgroup, systemd, write};
use crate::engine::host::{self, Lack};
use crate::engine::limits::{LimitError, flags_of};
use crate::runtime::resources::{Setting, bfq, settings};
use crate::state::id::ContainerId;
use crate::state::record::ContainerRequest;
use crate::sys::Called;

/// Where it is.
#[derive(Debug)]
pub(in crate::engine) enum Home {
    /// The caller's cgroup: there is none of its own.
    Callers,
    /// It is there.
    Made(ContainerCgroup),
    /// In a scope that is made around the monitor.
    Scope(Box<Wanted>),
}

impl Wanted {
    /// Finds or makes its place.
    pub(in crate::engine) fn find(self) -> Result<Home, LimitError> {
        if self.own == OwnCgroup::Refused {
            return Ok(Home::Callers);
        }
        let needed = self.controllers();
        if needed.is_empty() && self.parent.is_none() {
            return Ok(self.without_limits());
        }
        if !self.is_for_systemd() {
            return self.make(&needed).map(Home::Made);
        }
        if self.is_of_service() {
            match self.make(&needed) {
                Err(LimitError::Lacking { .. }) => {}
                made => return made.map(Home::Made),
            }
        }
        if self.own == OwnCgroup::Beside && self.pod.is_none() && self.parent.is_none() {
            match self.in_own_tree(&needed) {
                // Outside of a service nothing may have been delegated.
                Err(LimitError::Lacking { .. }) => {}
                place => return self.make_at(&place?.join(self.name())).map(Home::Made),
            }
        }
        Ok(Home::Scope(Box::new(self)))
    }

    fn without_limits(self) -> Home {
        match ContainerCgroup::make(&self.id) {
            Some(made) => Home::Made(made),
            None if has_systemd() => Home::Scope(Box::new(self)),
            None => Home::Callers,
        }
    }

    /// Whether systemd makes its place, since it is there and nobody named another.
    fn is_for_systemd(&self) -> bool {
        self.parent.as_deref().is_none_or(is_slice) && has_systemd()
    }

    /// Whether a service of systemd starts its pod: that has to find the monitor of the infra
    /// container in itself.
    fn is_of_service(&self) -> bool {
        let is_infra = self.pod.as_ref().is_some_and(|pod| pod.is_infra(&self.id));
        is_infra && self.parent.is_none() && own_cgroup().is_some_and(|own| is_service(&own))
    }

    fn make(&self, needed: &[&str]) -> Result<ContainerCgroup, LimitError> {
        let find = || match &self.parent {
            Some(parent) => self.below(parent, needed),
            None => self.in_own_tree(needed),
        };
        match &self.pod {
            Some(pod) => pod.enter(self, self.starter(), find),
            None => self.make_at(&find()?.join(self.name())),
        }
    }

    /// The caller's own cgroup or the nearest one above it that can hand down what is needed; the
    /// caller's processes move aside as the last resort, since a cgroup that has processes hands
    /// down nothing.
    fn in_own_tree(&self, needed: &[&str]) -> Result<PathBuf, LimitError> {
        let (Some(mounted), Some(own)) = (mount_point(), own_cgroup()) else {
            return Err(self.lacking(needed));
        };
        let relative = own.trim_start_matches('/');
        let divisible = |directory: &&Path| is_ours(&mounted.join(directory));
        let beside = self.own == OwnCgroup::Beside && self.pod.is_none();
        let above = if beside || self.is_of_service() {
            1
        } else {
            usize::MAX
        };
        let places = Path::new(relative).ancestors().take(above);
        let mut places = places.take_while(divisible);
        let found = places.find(|place| hand_down(&mounted.join(place), needed).is_ok());
        let place = found.unwrap_or(Path::new(relative));
        if found.is_none() {
            let directory = mounted.join(relative);
            // For what it does not have itself, nobody moves.
            let moved = is_ours(&directory)
                && bring(&directory, needed).is_empty()
                && move_aside(&directory).is_ok()
                && hand_down(&directory, needed).is_ok();
            if !moved {
                return Err(self.lacking(needed));
            }
        }
        Ok(Path::new("/").join(place))
    }

    /// `parent`, a path in the tree.
    fn below(&self, parent: &str, needed: &[&str]) -> Result<PathBuf, LimitError> {
        let refused = |reason: &str| LimitError::Parent {
            parent: parent.to_owned(),
            reason: reason.to_owned(),
        };
        let path = Path::new(parent);
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(refused("leads upwards"));
        }
        let Some(mounted) = mount_point() else {
            return Err(refused("no cgroup v2 tree is mounted"));
        };
        if is_slice(parent) {
            return Err(refused("a slice is systemd's, which does not run here"));
        }
        let path = Path::new(&own_cgroup().unwrap_or_default()).join(path);
        let directory = mounted.join(path.strip_prefix("/").unwrap_or(&path));
        let made =
            fs::create_dir_all(&directory).called(|| format!("mkdir({})", directory.display()));
        made.map_err(|error| refused(&error.to_string()))?;
        let below = path.strip_prefix("/").unwrap_or(&path);
        let mut chain: Vec<&Path> = below.ancestors().collect();
        chain.reverse();
        let (last, above) = chain.split_last().expect("a path is one of its ancestors");
        for place in above {
            // Those that hand it down already need not be ours.
            drop(hand_down(&mounted.join(place), needed));
        }
        if hand_down(&mounted.join(last), needed).is_err() {
            return Err(self.lacking(needed));
        }
        Ok(path)
    }

    fn make_at(&self, path: &Path) -> Result<ContainerCgroup, LimitError> {
        let Some(mounted) = mount_point() else {
            return Err(self.lacking(&self.controllers()));
        };
        let directory = mounted.join(path.strip_prefix("/").unwrap_or(path));
        let made = ContainerCgroup::at(&directory, path.to_string_lossy().into_owned())
            .map_err(LimitError::Make)?;
        match self.limit(&directory) {
            Ok(()) => Ok(made),
            Err(error) => {
                drop(fs::remove_dir(&directory));
                Err(error)
            }
        }
    }

    /// Puts this process, the monitor, into a scope of its own or its pod's, with the container's
    /// cgroup beside it. `None` where that fails and nobody asked for it.
    pub(in crate::engine) fn enter_scope(&self) -> Result<Option<ContainerCgroup>, LimitError> {
        let needed = self.controllers();
        let make_scope = || self.make_scope(&needed);
        let made = match &self.pod {
            Some(pod) => pod.enter(self, self.starter(), make_scope),
            None => make_scope().and_then(|scope| self.make_at(&scope.join("container"))),
        };
        match made {
            Err(_) if needed.is_empty() && self.parent.is_none() => Ok(None),
            made => made.map(Some),
        }
    }

    fn starter(&self) -> Starter {
        match self.own {
            OwnCgroup::Beside => Starter::Stays,
            OwnCgroup::Wanted | OwnCgroup::Refused if self.is_of_service() => Starter::Stays,
            OwnCgroup::Wanted | OwnCgroup::Refused => Starter::Comes,
        }
    }

    /// A scope around this process that can be divided.
    fn make_scope(&self, needed: &[&str]) -> Result<PathBuf, LimitError> {
        let monitor = std::process::id();
        let name = self
            .pod
            .as_ref()
            .map_or_else(|| self.name(), PodCgroup::name);
        // A container that starts again may find the scope of its last run on its way out.
        let unit = format!("{name}-{monitor}.scope");
        systemd::start_scope(&unit, self.parent.as_deref(), monitor)?;
        let (Some(mounted), Some(scope)) = (mount_point(), own_cgroup()) else {
            return Err(self.lacking(needed));
        };
        let directory = mounted.join(scope.trim_start_matches('/'));
        let beside = directory.join(MONITOR.trim_start_matches('/'));
        fs::create_dir(&beside)
            .called(|| format!("mkdir({})", beside.display()))
            .and_then(|()| write(&beside.join("cgroup.procs"), "0"))
            .map_err(LimitError::Make)?;
        for counted in COUNTED {
            drop(hand_down(&directory, &[counted]));
        }
        if hand_down(&directory, needed).is_err() {
            return Err(self.lacking(needed));
        }
        Ok(PathBuf::from(scope))
    }
}

fn has_systemd() -> bool {
    systemd::socket().is_some() && mount_point().is_some()
}

/// Whether a cgroup is that of a service.
fn is_service(path: &str) -> bool {
    let path = Path::new(path);
    path.extension().is_some_and(|kind| kind == "service")
}

fn is_slice(parent: &str) -> bool {
    let path = Path::new(parent);
    path.extension().is_some_and(|kind| kind == "slice") && path.components().count() == 1
}

/// Where a cgroup of the container `id` may be besides the caller's own.
pub(super) fn places(id: &ContainerId, request: &ContainerRequest) -> Vec<String> {
    let own = own_cgroup().unwrap_or_default();
    let name = name_of(id);
    let path = |above: &Path| above.join(&name).to_string_lossy().into_owned();
    match &request.cgroup_parent {
        Some(parent) => vec![path(&Path::new(&own).join(parent))],
        None => Path::new(&own).ancestors().map(path).collect(),
    }
}

/// Sets the limits of a container that runs in the cgroup `path`.
pub(in crate::engine) fn change(
    path: &str,
    id: &ContainerId,
    request: &ContainerRequest,
) -> Result<(), LimitError> {
    let wanted = Wanted::of(id, request, None)?;
    match hold(path, &wanted.settings, &wanted.instead) {
        Err(LimitError::Lacking { flags, lack }) => Err(out_of_reach(flags, lack)),
        held => held,
    }
}

/// Sets the limits that a spec asks for on the cgroup `path`.
pub(in crate::engine) fn hold_resources(
    path: &str,
    resources: &LinuxResources,
) -> Result<(), LimitError> {
    let settings = settings(resources)?;
    let others = settings.iter();
    let instead: Vec<Setting> = others.filter_map(|one| bfq(one, resources)).collect();
    hold(path, &settings, &instead)
}

/// Has the controllers handed down to a cgroup that is there, and sets its limits.
fn hold(path: &str, settings: &[Setting], instead: &[Setting]) -> Result<(), LimitError> {
    let needed = controllers(settings);
    let lacking = |needed: &[&str]| LimitError::Lacking {
        flags: flags_of(settings),
        lack: host::lack_of_controllers(needed),
    };
    let Some(directory) = super::directory(path) else {
        if needed.is_empty() {
            return Ok(());
        }
        return Err(lacking(&needed));
    };
    match bring(&directory, &needed) {
        absent if absent.is_empty() => apply(&directory, settings, instead),
        absent => Err(lacking(&absent)),
    }
}

/// Why a container that runs cannot be limited: the host, or the place that it was given.
fn out_of_reach(flags: String, lack: Lack) -> LimitError {
    let divisible = || {
        let (mounted, own) = (mount_point()?, own_cgroup()?);
        Some(is_ours(&mounted.join(own.trim_start_matches('/'))))
    };
    let elsewhere = systemd::socket().is_some() || divisible() == Some(true);
    match lack {
        Lack::CgroupNotDelegated { .. } if elsewhere => LimitError::WhileItRuns { flags },
        lack => LimitError::Lacking { flags, lack },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_services_are_told_by_their_names() {
        assert!(is_slice("my.slice"));
        assert!(!is_slice("/my.slice") && !is_slice("my.slice/x") && !is_slice("/my"));
        assert!(is_service("/u/user@1.service/app.slice/p-pod.service"));
        assert!(!is_service("/u/user@1.service/app.slice/vte.scope") && !is_service("/"));
    }
}
