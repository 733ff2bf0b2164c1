// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a container's cgroup is made. Without limits: below the caller's own, where that is the
//! caller's to divide. With limits the controllers must be handed down to it: systemd makes a
//! scope where there is one, elsewhere the tree that was delegated is divided.

use std::fs;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::LinuxResources;

use super::divide::{hand_down, is_ours, move_aside};
use super::near::MONITOR;
use super::pod::{PodCgroup, Starter};
use super::{ContainerCgroup, mount_point, own_cgroup, systemd, write};
use crate::engine::host::{self, Lack};
use crate::engine::limits::{LimitError, flags_of, is_a_limit, resources};
use crate::runtime::resources::{Setting, bfq, settings};
use crate::state::id::ContainerId;
use crate::state::limits::Limits;
use crate::state::record::ContainerRequest;
use crate::sys::Called;

/// The controllers that are handed down where that costs nothing: what `stats` reads.
pub(super) const COUNTED: [&str; 4] = ["cpu", "io", "memory", "pids"];

/// The cgroup that a container is to have.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Wanted {
    id: ContainerId,
    pub(super) settings: Vec<Setting>,
    /// What settings become where the kernel knows another file.
    instead: Vec<Setting>,
    parent: Option<String>,
    own: OwnCgroup,
    /// The one that it is in, with others.
    pod: Option<PodCgroup>,
}

/// Whether a container has a cgroup at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnCgroup {
    Wanted,
    /// `--cgroups split` and `no-conmon`: where the caller is, with the monitor. A service of
    /// systemd knows its main process only there.
    Beside,
    /// `--cgroups disabled`.
    Refused,
}

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
    /// What the container `id` was asked to have, in the cgroup of its pod if that has one.
    pub(in crate::engine) fn of(
        id: &ContainerId,
        request: &ContainerRequest,
        pod: Option<PodCgroup>,
    ) -> Result<Self, LimitError> {
        let own = match request.cgroups.as_deref() {
            Some("disabled") => OwnCgroup::Refused,
            Some("split" | "no-conmon") => OwnCgroup::Beside,
            _ => OwnCgroup::Wanted,
        };
        let (settings, instead) = settings_of(&request.limits)?;
        let parent = match &pod {
            Some(pod) => pod.parent.clone(),
            None => request.cgroup_parent.clone(),
        };
        Ok(Self {
            id: id.clone(),
            settings,
            instead,
            parent,
            own,
            pod,
        })
    }

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

    /// The controllers that it needs, or its pod.
    pub(super) fn controllers(&self) -> Vec<&str> {
        let of_pod = self.pod.iter().flat_map(|pod| &pod.settings);
        controllers(self.settings.iter().chain(of_pod))
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

    /// What it is called.
    pub(super) fn name(&self) -> String {
        name_of(&self.id)
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

    pub(super) fn limit(&self, directory: &Path) -> Result<(), LimitError> {
        apply(directory, &self.settings, &self.instead)
    }

    pub(super) fn lacking(&self, needed: &[&str]) -> LimitError {
        let mut settings = self.settings.clone();
        settings.extend(self.pod.iter().flat_map(|pod| pod.settings.clone()));
        LimitError::Lacking {
            flags: flags_of(&settings),
            lack: host::lack_of_controllers(needed),
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

/// What the cgroup of a container is called, but in a scope of its own.
pub(super) fn name_of(id: &ContainerId) -> String {
    format!("coracle-{}", id.short())
}

/// What limits are written as, and what of it is written where the kernel knows another file.
pub(super) fn settings_of(limits: &Limits) -> Result<(Vec<Setting>, Vec<Setting>), LimitError> {
    if limits.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let resources = resources(limits)?;
    let settings = settings(&resources)?;
    let others = settings.iter();
    let instead = others.filter_map(|one| bfq(one, &resources)).collect();
    Ok((settings, instead))
}

/// The controllers without which limits do not hold.
pub(super) fn controllers<'s>(settings: impl IntoIterator<Item = &'s Setting>) -> Vec<&'s str> {
    let limits = settings.into_iter().filter(|setting| is_a_limit(setting));
    let mut needed: Vec<&str> = limits.filter_map(Setting::controller).collect();
    needed.sort_unstable();
    needed.dedup();
    needed
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

/// Has controllers handed down to a cgroup that is there; the value is those that are not.
pub(super) fn bring<'c>(directory: &Path, needed: &[&'c str]) -> Vec<&'c str> {
    let absent = || -> Vec<&'c str> {
        let text = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
        let has = |name: &str| text.split_whitespace().any(|each| each == name);
        needed.iter().copied().filter(|name| !has(name)).collect()
    };
    let before = absent();
    if before.is_empty() {
        return before;
    }
    let mut above: Vec<&Path> = directory.ancestors().skip(1).collect();
    above.reverse();
    for place in above {
        // Those that are not ours may hand them down already.
        drop(hand_down(place, &before));
    }
    absent()
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

/// Writes `settings` into the files of a cgroup.
pub(super) fn apply(
    directory: &Path,
    settings: &[Setting],
    instead: &[Setting],
) -> Result<(), LimitError> {
    for setting in settings {
        let path = directory.join(&setting.file);
        let there = path.exists();
        if !there && (!is_a_limit(setting) || holds_anyway(setting)) {
            continue;
        }
        let setting = match instead.first() {
            Some(other) if setting.file == "io.weight" && !there => other,
            _ => setting,
        };
        let path = directory.join(&setting.file);
        write(&path, &setting.value).map_err(|source| LimitError::Write {
            file: setting.file.clone(),
            value: setting.value.clone(),
            source,
        })?;
    }
    Ok(())
}

/// A kernel that does not count swap holds its limit all the same while the host has none.
fn holds_anyway(setting: &Setting) -> bool {
    let swaps = || fs::read_to_string("/proc/swaps").unwrap_or_default();
    setting.file == "memory.swap.max" && swaps().lines().count() < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(request: &ContainerRequest) -> Wanted {
        Wanted::of(&ContainerId::from_random(&[1; 32]), request, None).unwrap()
    }

    #[test]
    fn only_limits_need_controllers() {
        let mut request = ContainerRequest::default();
        assert_eq!(wanted(&request).controllers(), Vec::<&str>::new());
        request.limits.pids = Some(-1);
        assert_eq!(wanted(&request).controllers(), Vec::<&str>::new());
        request.limits.pids = Some(3);
        request.limits.memory_bytes = Some(1 << 20);
        request.limits.cpuset_cpus = Some("0".to_owned());
        let all = wanted(&request);
        assert_eq!(all.controllers(), ["cpuset", "memory", "pids"]);
    }

    #[test]
    fn slices_and_services_are_told_by_their_names() {
        assert!(is_slice("my.slice"));
        assert!(!is_slice("/my.slice") && !is_slice("my.slice/x") && !is_slice("/my"));
        assert!(is_service("/u/user@1.service/app.slice/p-pod.service"));
        assert!(!is_service("/u/user@1.service/app.slice/vte.scope") && !is_service("/"));
    }

    #[test]
    fn settings_are_written_into_the_files_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        for name in ["memory.max", "io.bfq.weight"] {
            fs::File::create(file(name)).unwrap();
        }
        let setting = |file: &str, value: &str| Setting {
            file: file.to_owned(),
            value: value.to_owned(),
        };
        let settings = [
            setting("memory.max", "7"),
            setting("pids.max", "max"),
            setting("io.weight", "889"),
        ];
        let instead = [setting("io.bfq.weight", "98")];
        apply(directory.path(), &settings, &instead).unwrap();
        assert_eq!(fs::read_to_string(file("memory.max")).unwrap(), "7");
        assert_eq!(fs::read_to_string(file("io.bfq.weight")).unwrap(), "98");
        let refused = apply(directory.path(), &[setting("pids.max", "3")], &[]);
        assert_eq!(refused.unwrap_err().to_string(), "set pids.max to \"3\"");
    }
}
