// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Data root and run root, and every path below them.
//!
//! ```text
//! $XDG_DATA_HOME/coracle/            --root
//!   version                          format of the tree: a link, so that one call reads it
//!   blobs/sha256/<hex>               manifests, indexes, configurations
//!   artifacts/<hex>                  files that are no images, and their manifests
//!   layers/<chain id>/               diff/ (unpacked tree), layer.json
//!   images/<id>.json                 configuration digest, layers, names
//!   containers/<id>/                 container.json, state.json, upper/ work/, ctr.log
//!   events/events.log                what has happened, a line each
//!   pods/<id>.json                   what each pod is; its containers name it
//!   names/<kind>/<name>              a link to the object, created exclusively: that is the
//!                                    uniqueness of names
//!   tmp/                             everything unfinished; swept under a lock
//! $XDG_RUNTIME_DIR/coracle/          --runroot: sockets, mount points; gone at boot
//!   c/<first 16 digits of id>/       attach.sock and friends of one container
//!   p/<first 16 digits of id>/       where the cgroup of a pod is, if it has one
//! ```

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::error::{RootKind, StateError};
use super::events::EventLog;
use super::id::{ContainerId, PodId};
use crate::sys::account::{Environment, absolute_variable, is_owned_by_caller, xdg_directory};
use crate::sys::fs::private_directories;
use crate::sys::namespace::meeting_place;
use crate::sys::{Called, SysError};

/// The two roots of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// `--root`.
    pub data_root: PathBuf,
    /// `--runroot`.
    pub run_root: PathBuf,
    /// Where images are, beside the data root or in its place.
    pub images: ImageDirs,
    /// Where events are kept; nowhere, unless somebody says so.
    pub events: EventLog,
}

/// Stores of images apart from the data root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageDirs {
    /// The store that images are kept in, if it is not the data root: containers of another
    /// `static_dir` share the images of the usual one.
    pub root: Option<PathBuf>,
    /// Other stores whose images can be used and are never changed.
    pub additional: Vec<PathBuf>,
}

impl Dirs {
    /// Finds the two roots: `root` and `runroot` where they are given, else the XDG directories of
    /// `env`, else the caller's home and a private directory that outlives no boot.
    ///
    /// Makes nothing. A runtime directory that is another user's (as `sudo` leaves it), or that
    /// others can look into, is not used.
    pub fn resolve(root: Option<&Path>, runroot: Option<&Path>, env: Environment<'_>) -> Self {
        let data_home = || xdg_directory(env, "XDG_DATA_HOME", ".local/share");
        let data_root = root.map_or_else(|| data_home().join("coracle"), absolute);
        let run_root = runroot.map_or_else(|| default_run_root(env), absolute);
        // Decided before any namespace is entered.
        meeting_place(&run_root);
        Self::new(data_root, run_root)
    }

    /// A store that is in one place.
    pub fn new(data_root: PathBuf, run_root: PathBuf) -> Self {
        Self {
            data_root,
            run_root,
            images: ImageDirs::default(),
            events: EventLog::none(),
        }
    }

    /// Keeps containers in `static_dir` and leaves images where they are.
    #[must_use]
    pub fn with_static_dir(self, static_dir: &Path) -> Self {
        let root = self.data_root;
        Self {
            data_root: absolute(static_dir),
            images: ImageDirs {
                root: Some(root),
                ..self.images
            },
            ..self
        }
    }

    /// The store that images are kept in.
    pub fn image_root(&self) -> &Path {
        self.images.root.as_deref().unwrap_or(&self.data_root)
    }

    /// The same store as the images see it: everything is below the image root.
    #[must_use]
    pub fn of_images(&self) -> Self {
        Self::new(self.image_root().to_owned(), self.run_root.clone())
    }

    /// The additional stores, each as one of its own.
    pub fn of_additional_images(&self) -> impl Iterator<Item = Self> + '_ {
        let stores = self.images.additional.iter();
        stores.map(|store| Self::new(store.clone(), self.run_root.clone()))
    }

    /// Makes the run root where it is missing, and refuses one that others could look into.
    ///
    /// # Errors
    ///
    /// [`StateError::ForeignRoot`], [`StateError::OpenRoot`] and what mkdir(2) says.
    pub fn open_run_root(&self) -> Result<(), StateError> {
        open_root(RootKind::Run, &self.run_root).map(drop)
    }

    /// Makes the run directory of one pod, and the run root where it is missing.
    ///
    /// # Errors
    ///
    /// As [`Dirs::open_run_root`].
    pub fn make_pod_run(&self, id: &PodId) -> Result<PathBuf, StateError> {
        self.make_run(self.pod_run(id))
    }

    /// Makes the run directory of one container, and the run root where it is missing.
    ///
    /// # Errors
    ///
    /// As [`Dirs::open_run_root`].
    pub fn make_container_run(&self, id: &ContainerId) -> Result<PathBuf, StateError> {
        self.make_run(self.container_run(id))
    }

    fn make_run(&self, path: PathBuf) -> Result<PathBuf, StateError> {
        self.open_run_root()?;
        private_directories()
            .create(&path)
            .called(|| format!("mkdir({})", path.display()))
            .map_err(|source| root_error(RootKind::Run, &self.run_root, source))?;
        Ok(path)
    }
    /// `containers/`.
    pub fn containers(&self) -> PathBuf {
        self.data_root.join("containers")
    }

    /// `containers/<id>/`.
    pub fn container(&self, id: &ContainerId) -> PathBuf {
        self.containers().join(id.as_str())
    }

    /// `pods/`.
    pub fn pods(&self) -> PathBuf {
        self.data_root.join("pods")
    }

    /// `names/<kind>/`, where kind is `containers`, `volumes`…
    pub fn names(&self, kind: &str) -> PathBuf {
        self.data_root.join("names").join(kind)
    }

    /// `names/stores/`: links to the stores of containers that use the images of this one.
    pub fn sharers(&self) -> PathBuf {
        self.names("stores")
    }

    /// `blobs/sha256/`.
    pub fn blobs(&self) -> PathBuf {
        self.data_root.join("blobs/sha256")
    }

    /// `artifacts/`.
    pub fn artifacts(&self) -> PathBuf {
        self.data_root.join("artifacts")
    }

    /// `layers/`.
    pub fn layers(&self) -> PathBuf {
        self.data_root.join("layers")
    }

    /// `images/`.
    pub fn images(&self) -> PathBuf {
        self.data_root.join("images")
    }

    /// `places/`: an empty layer below all others with the places that a container's mounts cover.
    pub fn places(&self) -> PathBuf {
        self.data_root.join("places")
    }

    /// `spare/`: directories of removed containers that wait to be another's.
    pub fn spare(&self) -> PathBuf {
        self.data_root.join("spare")
    }

    /// `volumes/`.
    pub fn volumes(&self) -> PathBuf {
        self.data_root.join("volumes")
    }

    /// `networks/`.
    pub fn networks(&self) -> PathBuf {
        self.data_root.join("networks")
    }

    /// `events/events.log`.
    pub fn event_log(&self) -> PathBuf {
        self.data_root.join("events/events.log")
    }

    /// `secrets/`.
    pub fn secrets(&self) -> PathBuf {
        self.data_root.join("secrets")
    }

    /// `tmp/`.
    pub fn tmp(&self) -> PathBuf {
        self.data_root.join("tmp")
    }

    /// The run directory of one container: short, because socket paths end at 107 bytes.
    pub fn container_run(&self, id: &ContainerId) -> PathBuf {
        self.run_root.join("c").join(&id.as_str()[..16])
    }

    /// The run directory of one pod: where its cgroup is. Locked by whoever makes that.
    pub fn pod_run(&self, id: &PodId) -> PathBuf {
        self.run_root.join("p").join(&id.as_str()[..16])
    }

    /// Where a service finds the process id of a container's monitor.
    pub fn monitor_pid_file(&self, id: &ContainerId) -> PathBuf {
        self.container_run(id).join("monitor.pid")
    }
}

/// Whether `open_root` found the directory or made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// It was there.
    Found,
    /// It was made, or it was there and empty.
    Fresh,
}

/// Makes a root where it is missing, and checks that it is the caller's and nobody else's.
pub(super) fn open_root(kind: RootKind, path: &Path) -> Result<Opened, StateError> {
    match fs::metadata(path) {
        Ok(metadata) => check_root(kind, path, &metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_root(kind, path),
        Err(error) => Err(error)
            .called(|| format!("stat({})", path.display()))
            .map_err(|source| root_error(kind, path, source)),
    }
}

fn make_root(kind: RootKind, path: &Path) -> Result<Opened, StateError> {
    let failed = |source| root_error(kind, path, source);
    private_directories()
        .create(path)
        .called(|| format!("mkdir({})", path.display()))
        .map_err(failed)?;
    // Somebody else may have made it first, where the parent is open to all.
    let metadata = fs::metadata(path)
        .called(|| format!("stat({})", path.display()))
        .map_err(failed)?;
    check_root(kind, path, &metadata).map(|_| Opened::Fresh)
}

fn check_root(kind: RootKind, path: &Path, metadata: &Metadata) -> Result<Opened, StateError> {
    if !metadata.is_dir() {
        let path = path.to_owned();
        return Err(StateError::RootNotADirectory { kind, path });
    }
    let uid = geteuid().as_raw();
    if metadata.uid() != uid {
        return Err(StateError::ForeignRoot {
            kind,
            path: path.to_owned(),
            owner: metadata.uid(),
            uid,
        });
    }
    if !others_may_enter(metadata.mode()) {
        return Ok(Opened::Found);
    }
    close_if_empty(kind, path, metadata.mode() & 0o7777)
}

/// A directory that the user has just made with the usual mask is closed; one with something in
/// it may be shared on purpose, and is refused.
fn close_if_empty(kind: RootKind, path: &Path, mode: u32) -> Result<Opened, StateError> {
    let failed = |source| root_error(kind, path, source);
    let mut entries = fs::read_dir(path)
        .called(|| format!("open({})", path.display()))
        .map_err(failed)?;
    if entries.next().is_some() {
        let path = path.to_owned();
        return Err(StateError::OpenRoot { kind, path, mode });
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .called(|| format!("chmod({})", path.display()))
        .map_err(failed)?;
    Ok(Opened::Fresh)
}

fn root_error(kind: RootKind, path: &Path, source: SysError) -> StateError {
    StateError::Root {
        kind,
        path: path.to_owned(),
        source,
    }
}

/// The run root must be the same for every command of a user, or they would not find each other's
/// sockets: so the system's own directory is tried where the variable is missing, and TMPDIR,
/// which people set for single commands, is not.
fn default_run_root(env: Environment<'_>) -> PathBuf {
    let uid = geteuid().as_raw();
    let logins = PathBuf::from(format!("/run/user/{uid}"));
    // Root's own comes and goes with its logins, and sudo makes none.
    let from_env = absolute_variable(env, "XDG_RUNTIME_DIR")
        .filter(|path| is_private(path) && (uid != 0 || *path != logins));
    if let Some(path) = from_env {
        return path.join("coracle");
    }
    if uid != 0 && is_private(&logins) {
        return logins.join("coracle");
    }
    if uid == 0 && is_owned_by_caller(Path::new("/run")) {
        return PathBuf::from("/run/coracle");
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    PathBuf::from(format!("/tmp/coracle-{}", outside(&map, uid)))
}

/// What `uid` is outside of this process's user namespace: root of one is not the machine's, and
/// every user can be root of one.
fn outside(map: &str, uid: u32) -> u32 {
    let extent = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (inside, outside, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let offset = uid.checked_sub(inside.ok()?)?;
        (offset < count.ok()?).then_some(outside.ok()?.checked_add(offset)?)
    };
    map.lines().find_map(extent).unwrap_or(uid)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn others_may_enter(mode: u32) -> bool {
    const GROUP_AND_OTHERS: u32 = 0o077;
    mode & GROUP_AND_OTHERS != 0
}

fn is_private(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| {
        metadata.is_dir()
            && metadata.uid() == geteuid().as_raw()
            && !others_may_enter(metadata.mode())
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn given_roots_win_over_the_environment() {
        let env = |_: &str| Some(OsString::from("/nowhere"));
        let dirs = Dirs::resolve(Some(Path::new("/a")), Some(Path::new("/b")), &env);
        assert_eq!(dirs.data_root, Path::new("/a"));
        assert_eq!(dirs.run_root, Path::new("/b"));
    }

    #[test]
    fn a_runtime_directory_is_only_used_when_it_is_private() {
        let runtime = tempfile::tempdir().unwrap();
        let home = runtime.path().to_owned();
        let env = |name: &str| {
            matches!(name, "XDG_RUNTIME_DIR" | "XDG_DATA_HOME").then(|| home.clone().into())
        };
        let set_mode = |mode| {
            fs::set_permissions(runtime.path(), fs::Permissions::from_mode(mode)).unwrap();
        };
        set_mode(0o700);
        let dirs = Dirs::resolve(None, None, &env);
        assert_eq!(dirs.run_root, runtime.path().join("coracle"));
        assert_eq!(dirs.data_root, runtime.path().join("coracle"));
        set_mode(0o755);
        let dirs = Dirs::resolve(None, None, &env);
        assert!(!dirs.run_root.starts_with(runtime.path()), "{dirs:?}");
    }

    #[test]
    fn relative_variables_are_ignored() {
        let env = |_: &str| Some(OsString::from("relative"));
        let dirs = Dirs::resolve(None, None, &env);
        assert!(
            dirs.data_root.is_absolute() && dirs.run_root.is_absolute(),
            "{dirs:?}"
        );
    }

    #[test]
    fn users_are_known_by_the_id_outside_of_their_namespace() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        for (map, uid, expected) in [
            (map, 0, 1000),
            (map, 7, 100_006),
            (map, 70_000, 70_000),
            ("0 0 4294967295", 1000, 1000),
            ("", 3, 3),
            ("x", 3, 3),
        ] {
            assert_eq!(outside(map, uid), expected, "{uid} in {map}");
        }
    }

    #[test]
    fn roots_are_made_private_and_checked_again() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let open = || open_root(RootKind::Data, &path);
        assert_eq!(open().unwrap(), Opened::Fresh);
        assert_eq!(mode_of(&path), 0o700);
        assert_eq!(open().unwrap(), Opened::Found);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(open().unwrap(), Opened::Fresh, "it is empty");
        assert_eq!(mode_of(&path), 0o700);
        fs::create_dir(path.join("c")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let message = open().unwrap_err().to_string();
        assert!(
            message.contains("is open to other users (mode 0750)"),
            "{message}"
        );
        assert!(message.contains("`chmod 700 "), "{message}");
    }

    #[test]
    fn a_root_that_is_a_file_or_another_users_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::File::create(&file).unwrap();
        let error = open_root(RootKind::Run, &file).unwrap_err();
        assert!(
            matches!(error, StateError::RootNotADirectory { .. }),
            "{error}"
        );
        let foreign = if geteuid().is_root() {
            std::os::unix::fs::chown(parent.path(), Some(12345), None).unwrap();
            parent.path()
        } else {
            Path::new("/")
        };
        let error = open_root(RootKind::Run, foreign).unwrap_err();
        assert!(matches!(error, StateError::ForeignRoot { .. }), "{error}");
    }
}
