// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What will be mounted, as data: computed from the OCI spec without touching the host.

use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use oci_spec::runtime::Mount;

use crate::runtime::idmap::{IdMapping, IdMaps};
use crate::sys::mount::{Depth, MountAttr};

/// One mount of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOp {
    /// Absolute path in the container.
    pub container_path: PathBuf,
    /// What is mounted there.
    pub source: MountSource,
    /// Attributes to set before it is attached.
    pub set: MountAttr,
    /// Attributes to clear, over what the source has (`rw`, `exec`…).
    pub clear: MountAttr,
    /// Whether `set` reaches the mounts below (`rro`, `rbind` with `ro` does not).
    pub attr_depth: Depth,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED` or `MS_UNBINDABLE`.
    pub propagation: u64,
    /// Whether that reaches the mounts below (`rslave` does, `slave` does not).
    pub propagation_depth: Depth,
    /// Copies what the root has there into a fresh tmpfs (`tmpcopyup`).
    pub copy_up: bool,
    /// Changes the owner of the source to the container's user (`U`).
    pub chown: bool,
    /// A bind whose source is a link becomes the same link (`copy-symlink`, `no-dereference`).
    pub copy_link: bool,
    /// What a link as the source of a bind stands for (`src-nofollow`).
    pub source_link: LastLink,
    /// What a link in the mount's place stands for (`dest-nofollow`).
    pub place_link: LastLink,
    /// What of a bind's source or of an image is meant, if not all of it: no link in it leads further
    /// than the source (`x-coracle.beneath`).
    pub beneath: Option<PathBuf>,
    /// The name that a file is bound to where its place is a directory (`x-coracle.into`).
    pub into: Option<String>,
    /// How a bind shows the ids of its files (`idmap`, `ridmap`, mappings of the mount itself).
    pub idmap: Option<Idmap>,
    /// The first use of a bind that is a new volume.
    pub first_use: Option<FirstUse>,
}

/// How a mount shows the ids of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idmap {
    /// From the ids in the file system to those of the caller; `None` is the container's own map.
    pub maps: Option<IdMaps>,
    /// Whether those of the mounts below, too.
    pub depth: Depth,
}

/// What a link at the end of a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    /// What it leads to.
    Followed,
    /// Itself.
    Itself,
}

impl MountOp {
    /// Whether its files get another owner, or come from the image: it is written before it may
    /// become read-only.
    pub fn is_given(&self) -> bool {
        self.chown || self.first_use.is_some()
    }

    /// Whether it becomes read-only last of all: its files are given away first, or places for
    /// other mounts are made in it.
    pub fn closes_late(&self) -> bool {
        let is_tmpfs = matches!(&self.source, MountSource::New { kind, .. } if kind == "tmpfs");
        self.is_given() || is_tmpfs && self.set.holds(MountAttr::RDONLY)
    }
}

/// What the first container that uses a volume does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstUse {
    /// It copies what its image has there, and gives it the owner of that.
    Fill,
    /// It gives it the owner of what its image has there.
    Own,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A path of the host.
    Bind {
        /// Absolute.
        host_path: PathBuf,
        /// `rbind` or `bind`.
        depth: Depth,
    },
    /// A new file system.
    New {
        /// Its type: `proc`, `tmpfs`…
        kind: String,
        /// What mount(8) and df(1) show in their first column.
        shown: String,
        /// Its parameters, a flag without a value.
        parameters: Vec<(String, Option<String>)>,
    },
}

/// A mount of the spec that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The destination is not absolute.
    #[error("mount destination {} is not absolute", .0.display())]
    RelativeDestination(PathBuf),
    /// Mappings of a mount that cannot be read, or that are half there.
    #[error("mount on {}: want user and group mappings, as in idmap=uids=0-1000-1;gids=0-1000-1", .0.display())]
    Idmap(PathBuf),
    /// It would hide the root, and with it every other mount.
    #[error("{} cannot be mounted over: it is the container's root", .0.display())]
    Root(PathBuf),
    /// A bind mount without a source.
    #[error("bind mount on {} has no source", .0.display())]
    NoSource(PathBuf),
    /// proc or sysfs in another place than its own, or a mount into /proc.
    #[error("{} cannot be mounted over: it is inside the container's /proc", .0.display())]
    InsideProc(PathBuf),
    /// A file system type that has no place in a container.
    #[error("a file system of type {kind} belongs on {place}, not on {}", container_path.display())]
    Misplaced {
        /// Its type.
        kind: String,
        /// Where it may be.
        place: &'static str,
        /// Where it was asked for.
        container_path: PathBuf,
    },
}

/// Files below /proc that may be covered, as lxcfs does (runc's list).
const PROC_FILES: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/diskstats",
    "/proc/swaps",
    "/proc/net/dev",
    "/proc/slabinfo",
];

/// The plan for the spec's mounts, in their order.
///
/// # Errors
///
/// See [`PlanError`].
pub fn plan(mounts: &[Mount]) -> Result<Vec<MountOp>, PlanError> {
    mounts.iter().map(plan_one).collect()
}

fn plan_one(mount: &Mount) -> Result<MountOp, PlanError> {
    let container_path = mount.destination().clone();
    if !container_path.is_absolute() {
        return Err(PlanError::RelativeDestination(container_path));
    }
    if container_path.components().count() == 1 {
        return Err(PlanError::Root(container_path));
    }
    let options = mount.options().as_deref().unwrap_or_default();
    let parsed = Options::parse(options);
    let kind = mount.typ().as_deref().unwrap_or("none");
    let source = if let Some(depth) = parsed.bind.or((kind == "bind").then_some(Depth::One)) {
        let source = mount.source().clone().filter(|path| path.is_absolute());
        let host_path = source.ok_or_else(|| PlanError::NoSource(container_path.clone()))?;
        MountSource::Bind { host_path, depth }
    } else {
        let source = mount.source().as_ref().map(|path| path.to_string_lossy());
        MountSource::New {
            kind: kind.to_owned(),
            shown: source.map_or_else(|| kind.to_owned(), Into::into),
            parameters: parsed.parameters,
        }
    };
    check_place(&container_path, &source)?;
    let idmap = idmap(mount)?;
    Ok(MountOp {
        container_path,
        source,
        set: parsed.set,
        clear: parsed.clear,
        attr_depth: parsed.attr_depth,
        propagation: parsed.propagation,
        propagation_depth: parsed.propagation_depth,
        copy_up: parsed.copy_up,
        chown: parsed.chown,
        copy_link: parsed.copy_link,
        source_link: parsed.source_link,
        place_link: parsed.place_link,
        beneath: parsed.beneath,
        into: parsed.into,
        idmap,
        first_use: parsed.first_use,
    })
}

/// The id mapping of a mount, if it is to have one.
fn idmap(mount: &Mount) -> Result<Option<Idmap>, PlanError> {
    let options = mount.options().iter().flatten();
    let mut asked = options.filter_map(|option| {
        let (word, list) = option.split_once('=').unwrap_or((option, ""));
        match word {
            "idmap" => Some((Depth::One, list)),
            "ridmap" => Some((Depth::Recursive, list)),
            _ => None,
        }
    });
    let asked = asked.next_back();
    let maps = IdMaps::of_spec(mount.uid_mappings().as_ref(), mount.gid_mappings().as_ref());
    let depth = asked.map_or(Depth::One, |(depth, _)| depth);
    let wrong = || PlanError::Idmap(mount.destination().clone());
    let maps = match (asked, maps.uids.is_empty(), maps.gids.is_empty()) {
        (None, true, true) => return Ok(None),
        (Some((_, "")), true, true) => None,
        (Some((_, list)), true, true) => Some(idmap_list(list).ok_or_else(wrong)?),
        (Some((_, "")) | None, false, false) => Some(maps),
        _ => return Err(wrong()),
    };
    Ok(Some(Idmap { maps, depth }))
}

/// `uids=0-1000-1#1-2000-9;gids=0-1000-1`.
fn idmap_list(list: &str) -> Option<IdMaps> {
    let (uids, gids) = list.split_once(';')?;
    let extents = |list: &str| {
        let extent = |extent: &str| {
            let mut numbers = extent.split('-').map(str::parse);
            let mapping = IdMapping {
                inside: numbers.next()?.ok()?,
                outside: numbers.next()?.ok()?,
                count: numbers.next()?.ok()?,
            };
            numbers.next().is_none().then_some(mapping)
        };
        list.split('#').map(extent).collect::<Option<Vec<_>>>()
    };
    Some(IdMaps {
        uids: extents(uids.strip_prefix("uids=")?)?,
        gids: extents(gids.strip_prefix("gids=")?)?,
    })
}

/// A container must not be given a false /proc: what we write there would go astray
/// (CVE-2019-16884, CVE-2019-19921).
fn check_place(container_path: &Path, source: &MountSource) -> Result<(), PlanError> {
    let proc_file = || {
        PROC_FILES
            .iter()
            .any(|file| container_path == Path::new(file))
    };
    if container_path.starts_with("/proc") && container_path != Path::new("/proc") && !proc_file() {
        return Err(PlanError::InsideProc(container_path.to_owned()));
    }
    let kind = match source {
        MountSource::New { kind, .. } => kind,
        MountSource::Bind { host_path, .. } => {
            let is_false = container_path == Path::new("/proc") && host_path != Path::new("/proc");
            return if is_false {
                Err(PlanError::InsideProc(container_path.to_owned()))
            } else {
                Ok(())
            };
        }
    };
    if container_path == Path::new("/proc") && kind != "proc" {
        return Err(PlanError::InsideProc(container_path.to_owned()));
    }
    let place = match kind.as_str() {
        "proc" => "/proc",
        "sysfs" => "/sys",
        _ => return Ok(()),
    };
    if container_path == Path::new(place) {
        return Ok(());
    }
    Err(PlanError::Misplaced {
        kind: kind.clone(),
        place,
        container_path: container_path.to_owned(),
    })
}

/// The option of [`MountOp::beneath`].
pub const BENEATH: &str = "x-coracle.beneath";

/// The option of [`MountOp::into`].
pub const INTO: &str = "x-coracle.into";

/// Mount options in the words of mount(8) and of the OCI runtime spec.
#[derive(Debug)]
struct Options {
    bind: Option<Depth>,
    set: MountAttr,
    clear: MountAttr,
    attr_depth: Depth,
    propagation: u64,
    propagation_depth: Depth,
    parameters: Vec<(String, Option<String>)>,
    copy_up: bool,
    chown: bool,
    copy_link: bool,
    source_link: LastLink,
    place_link: LastLink,
    beneath: Option<PathBuf>,
    into: Option<String>,
    first_use: Option<FirstUse>,
}

impl Options {
    fn parse(options: &[String]) -> Self {
        let mut parsed = Self {
            bind: None,
            set: MountAttr::NONE,
            clear: MountAttr::NONE,
            attr_depth: Depth::One,
            propagation: MS_PRIVATE,
            propagation_depth: Depth::Recursive,
            parameters: Vec::new(),
            copy_up: false,
            chown: false,
            copy_link: false,
            source_link: LastLink::Followed,
            place_link: LastLink::Followed,
            beneath: None,
            into: None,
            first_use: None,
        };
        for option in options {
            parsed.take(option);
        }
        parsed
    }

    fn take(&mut self, option: &str) {
        if self.take_attribute(option) {
            return;
        }
        if let Some((kind, depth)) = propagation(option) {
            (self.propagation, self.propagation_depth) = (kind, depth);
            return;
        }
        match option {
            "bind" => self.bind = Some(Depth::One),
            "rbind" => self.bind = Some(Depth::Recursive),
            "tmpcopyup" | "copyup" => self.copy_up = true,
            "notmpcopyup" | "nocopyup" => self.copy_up = false,
            "U" => self.chown = true,
            "copy-symlink" | "no-dereference" => self.copy_link = true,
            "src-nofollow" => self.source_link = LastLink::Itself,
            "dest-nofollow" => self.place_link = LastLink::Itself,
            "x-coracle.fill" => self.first_use = Some(FirstUse::Fill),
            "x-coracle.own" => self.first_use = Some(FirstUse::Own),
            // Without SELinux labels change nothing; the others are defaults or mount(8)'s own.
            "z" | "Z" | "defaults" | "async" | "remount" | "copy" | "nocopy" | "nolazytime"
            | "mand" | "nomand" | "silent" | "loud" => {}
            _ => {
                let (key, value) = match option.split_once('=') {
                    Some((key, value)) => (key, Some(value.to_owned())),
                    None => (option, None),
                };
                match (key, value) {
                    ("idmap" | "ridmap", _) => {}
                    (BENEATH, value) => self.beneath = value.map(PathBuf::from),
                    (INTO, value) => self.into = value,
                    (key, value) => self.parameters.push((key.to_owned(), value)),
                }
            }
        }
    }

    /// Takes `ro`, `nosuid` and their kin, which work on the mount and not on the file system; with
    /// an `r` before them on those below, too.
    fn take_attribute(&mut self, option: &str) -> bool {
        if let Some(change) = Change::named(option) {
            self.apply(change);
            return true;
        }
        let Some(change) = option.strip_prefix('r').and_then(Change::named) else {
            return false;
        };
        self.attr_depth = Depth::Recursive;
        self.apply(change);
        true
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Set(attr) => {
                self.set = self.set.with(attr);
                self.clear = self.clear.without(attr);
            }
            Change::Clear(attr) => self.set = self.set.without(attr),
            // Of the ways to keep access times exactly one holds.
            Change::Times(attr) => {
                self.clear = self.clear.with(MountAttr::ATIME);
                self.set = self.set.without(MountAttr::ATIME).with(attr);
            }
        }
    }
}

/// What an option does to the attributes of a mount.
#[derive(Debug, Clone, Copy)]
enum Change {
    Set(MountAttr),
    Clear(MountAttr),
    Times(MountAttr),
}

impl Change {
    fn named(option: &str) -> Option<Self> {
        Some(match option {
            "ro" => Self::Set(MountAttr::RDONLY),
            "rw" => Self::Clear(MountAttr::RDONLY),
            "nosuid" => Self::Set(MountAttr::NOSUID),
            "suid" => Self::Clear(MountAttr::NOSUID),
            "nodev" => Self::Set(MountAttr::NODEV),
            "dev" => Self::Clear(MountAttr::NODEV),
            "noexec" => Self::Set(MountAttr::NOEXEC),
            "exec" => Self::Clear(MountAttr::NOEXEC),
            "nodiratime" => Self::Set(MountAttr::NODIRATIME),
            "diratime" => Self::Clear(MountAttr::NODIRATIME),
            "nosymfollow" => Self::Set(MountAttr::NOSYMFOLLOW),
            "symfollow" => Self::Clear(MountAttr::NOSYMFOLLOW),
            "noatime" => Self::Times(MountAttr::NOATIME),
            "strictatime" => Self::Times(MountAttr::STRICTATIME),
            "atime" | "relatime" | "norelatime" | "nostrictatime" => Self::Times(MountAttr::NONE),
            _ => return None,
        })
    }
}

/// Nothing travels between the mount and another one.
pub(super) const MS_PRIVATE: u64 = MsFlags::MS_PRIVATE.bits();

/// What a propagation word of mount(8) says: the kind, and whether it reaches the mounts below.
pub(crate) fn propagation(word: &str) -> Option<(u64, Depth)> {
    let (kind, depth) = match word {
        "private" => (MsFlags::MS_PRIVATE, Depth::One),
        "rprivate" => (MsFlags::MS_PRIVATE, Depth::Recursive),
        "slave" => (MsFlags::MS_SLAVE, Depth::One),
        "rslave" => (MsFlags::MS_SLAVE, Depth::Recursive),
        "shared" => (MsFlags::MS_SHARED, Depth::One),
        "rshared" => (MsFlags::MS_SHARED, Depth::Recursive),
        "unbindable" => (MsFlags::MS_UNBINDABLE, Depth::One),
        "runbindable" => (MsFlags::MS_UNBINDABLE, Depth::Recursive),
        _ => return None,
    };
    Some((kind.bits(), depth))
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::MountBuilder;

    use super::*;

    fn mount(destination: &str, typ: &str, source: &str, options: &[&str]) -> Mount {
        MountBuilder::default()
            .destination(destination)
            .typ(typ)
            .source(source)
            .options(options.iter().map(ToString::to_string).collect::<Vec<_>>())
            .build()
            .unwrap()
    }

    #[test]
    fn a_tmpfs_keeps_its_parameters_and_gives_its_attributes() {
        let plan = plan(&[mount(
            "/dev",
            "tmpfs",
            "shm",
            &["nosuid", "mode=755", "size=64k"],
        )]);
        let op = &plan.unwrap()[0];
        assert_eq!(op.set, MountAttr::NOSUID);
        let MountSource::New {
            kind,
            shown,
            parameters,
        } = &op.source
        else {
            panic!("{op:?}")
        };
        assert_eq!((kind.as_str(), shown.as_str()), ("tmpfs", "shm"));
        assert_eq!(parameters[1], ("size".to_owned(), Some("64k".to_owned())));
    }

    #[test]
    fn a_bind_mount_knows_depth_and_propagation() {
        let plan = plan(&[mount("/w", "bind", "/src", &["rbind", "rro", "rslave"])]).unwrap();
        let source = MountSource::Bind {
            host_path: "/src".into(),
            depth: Depth::Recursive,
        };
        assert_eq!(plan[0].source, source);
        assert_eq!(
            (plan[0].set, plan[0].attr_depth),
            (MountAttr::RDONLY, Depth::Recursive)
        );
        let propagation = |op: &MountOp| (op.propagation, op.propagation_depth);
        let slave = MsFlags::MS_SLAVE.bits();
        assert_eq!(propagation(&plan[0]), (slave, Depth::Recursive));
        let plan = super::plan(&[mount("/w", "bind", "/src", &["bind", "slave"])]).unwrap();
        assert_eq!(propagation(&plan[0]), (slave, Depth::One));
    }

    #[test]
    fn the_last_word_on_access_times_holds() {
        let attrs = |options: &[&str]| {
            let op = plan(&[mount("/t", "tmpfs", "tmpfs", options)]).unwrap();
            (op[0].set, op[0].clear, op[0].attr_depth)
        };
        let (one, all) = (Depth::One, Depth::Recursive);
        let (atime, none) = (MountAttr::ATIME, MountAttr::NONE);
        let cases: [(&[&str], _); 6] = [
            (
                &["noatime", "strictatime"],
                (MountAttr::STRICTATIME, atime, one),
            ),
            (&["strictatime", "relatime"], (none, atime, one)),
            (&["rnoatime"], (MountAttr::NOATIME, atime, all)),
            (&["nodiratime", "rdiratime"], (none, none, all)),
            (&["relatime"], (none, atime, one)),
            // What mount(2) does without either.
            (&["norelatime"], (none, atime, one)),
        ];
        for (options, wanted) in cases {
            assert_eq!(attrs(options), wanted, "{options:?}");
        }
    }

    #[test]
    fn ids_of_files_are_mapped_by_words_or_by_the_mount() {
        let read = |options: &[&str]| {
            let op = plan(&[mount("/t", "bind", "/x", options)]);
            op.map(|plan| plan[0].idmap.clone())
        };
        assert_eq!(read(&["rbind"]), Ok(None));
        let own = |depth| Ok(Some(Idmap { maps: None, depth }));
        assert_eq!(read(&["rbind", "idmap"]), own(Depth::One));
        assert_eq!(read(&["rbind", "ridmap"]), own(Depth::Recursive));
        let listed = read(&["idmap=uids=0-1000-1#1-2000-9;gids=0-1000-1"])
            .unwrap()
            .unwrap();
        let maps = listed.maps.unwrap();
        assert_eq!(maps.uids_text(","), "0 1000 1,1 2000 9");
        assert_eq!(maps.gids_text(","), "0 1000 1");
        for wrong in ["idmap=uids=0-1-1", "idmap=uids=0-1;gids=0-1-1", "idmap=x"] {
            assert_eq!(
                read(&[wrong]),
                Err(PlanError::Idmap("/t".into())),
                "{wrong}"
            );
        }
        let mut half = mount("/t", "bind", "/x", &[]);
        half.set_uid_mappings(Some(vec![oci_spec::runtime::LinuxIdMapping::default()]));
        assert_eq!(plan(&[half]), Err(PlanError::Idmap("/t".into())));
    }

    #[test]
    fn nothing_false_is_put_into_proc() {
        for (path, typ) in [("/proc/self/attr", "tmpfs"), ("/proc/sys", "bind")] {
            let refused = plan(&[mount(path, typ, "/x", &[])]);
            assert_eq!(refused, Err(PlanError::InsideProc(path.into())));
        }
        assert!(plan(&[mount("/proc/meminfo", "bind", "/x", &[])]).is_ok());
        assert!(plan(&[mount("/mnt", "proc", "proc", &[])]).is_err());
        assert!(plan(&[mount("w", "bind", "/x", &[])]).is_err());
        let root = plan(&[mount("/", "tmpfs", "tmpfs", &[])]);
        assert_eq!(root, Err(PlanError::Root("/".into())));
    }
}
