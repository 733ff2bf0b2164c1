// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that is decided before the fork: maps, namespaces, spec, root, files, sockets.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::error::PrepareError;
use super::ids;
use super::passwd::passwd_policy;
use super::places;
use super::ports::{give_sockets, ping_groups};
use super::prepared::Prepared;
use super::time_zone::local_time;
use super::variables::add_variables;
use super::{cdi, default_mounts};
use super::{hooks, overlays};
use crate::config::containers_conf::ContainersConf;
use crate::engine::cgroup::{self, Home, Wanted};
use crate::engine::connect::{self, ConnectError, Connection, Reached};
use crate::engine::maps::{Caller, ContainerIds, container_ids};
use crate::engine::namespaces::{self, Namespaces};
use crate::engine::network::{self, JoinNetworkError};
use crate::engine::notify::{self, OwnSocket};
use crate::engine::pod::pause;
use crate::engine::root_source::RootSource;
use crate::engine::roots::{self, Circumstances, EngineChoice, Owners, RootPlan};
use crate::engine::secret::{self, SecretFile};
use crate::engine::spec::{SecurityOptions, SpecContext, bounding_set, runtime_spec};
use crate::engine::terminal::size_of;
use crate::engine::{Engine, Report};
use crate::engine::{groups, host};
use crate::monitor::protocol::SOCKET_NAME;
use crate::network::activation::Activation;
use crate::network::helper::client::Listener;
use crate::runtime::failure::chain;
use crate::runtime::idmap::{HolderMap, Reach, Setgroups, is_mapped};
use crate::runtime::launch::{
    GroupPolicy, Join, Launch, MapWriter, Root, UserChoice, WorkdirPolicy,
};
use crate::runtime::seccomp::{self, Host, Profile};
use crate::runtime::subid::holder_map;
use crate::runtime::userns::setgroups_of;
use crate::state::dirs::Dirs;
use crate::state::record::{ContainerRecord, ContainerRequest, MountRequest, PodRole};
use crate::state::secrets::GivenSecret;
use crate::state::store::Store;
use crate::sys::fuse;
use crate::sys::seccomp::Instruction;
use crate::sys::{Called, SysError, fdpass};

impl Engine {
    pub(super) fn prepare(
        &self,
        store: &Store,
        record: ContainerRecord,
        report: &dyn Report,
    ) -> Result<Prepared, PrepareError> {
        let holder = holder_map();
        let caller = crate::engine::caller();
        let directory = self.dirs.container(&record.id);
        let source = self.root_source(&record)?;
        let namespaces = namespaces::resolve(&record.request, store)?;
        let ids = ids::of(&record, &namespaces, (&holder, &caller), &source, report)?;
        let place = (&self.dirs, &*directory);
        let root = root_plan(&record, &source, place, (&ids, &holder), report)?;
        warn_of_single_id(&record, &holder, report);
        let record = with_possible_oom_score(record, report);
        // Before anything is taken that would have to be given back.
        let pod = self.cgroup_of_pod(&record)?;
        let (made, scope) = match Wanted::of(&record.id, &record.request, pod)?.find()? {
            Home::Callers => (None, None),
            Home::Made(made) => (Some(made), None),
            Home::Scope(wanted) => (None, Some(*wanted)),
        };
        let run_directory = self.make_run_directory(&record)?;
        let mut activation = Activation::of_process();
        let (connection, listeners) = self.connection(store, &record, &mut activation, report)?;
        connect::write_files(&run_directory, &record, &connection, &Reached::default())?;
        make_upper(&root)?;
        write_pause_program(&root, &record)?;
        let listener = listen_on(&run_directory)?;
        let (mut mounts, filling) = self.mounts_to_make(&record)?;
        let overlays = overlays::plan(&mut mounts, &directory);
        let notify = notify::listen(&record.request, &run_directory).map_err(|source| {
            let path = run_directory.clone();
            PrepareError::NotifySocket { path, source }
        })?;
        mounts.extend(notify.as_ref().map(OwnSocket::mount));
        let given = self.secrets_of(&record)?;
        let secrets = secret::write_files(&record, &given, &run_directory)?;
        let joined_monitor = namespaces.monitor;
        let mut launch = launch(
            self,
            &record,
            &holder,
            &ids,
            namespaces,
            &root,
            &caller,
            (&run_directory, &connection),
            mounts,
            (&given, &secrets),
        )?;
        give_sockets(&mut launch, &record, &activation)?;
        self.complete(&mut launch, &record, &run_directory, notify.as_ref())?;
        let fuse = places::give(root.fuse, &launch);
        let prepared = Prepared {
            notify,
            joined_monitor,
            dirs: self.dirs.clone(),
            dialect: self.dialect,
            launch,
            fuse,
            why: root.why,
            holder,
            run_root: self.dirs.run_root.clone(),
            run_directory,
            mountpoint: directory,
            listener: Some(listener),
            otherwise: self.other_connections(&connection, &record)?,
            connection,
            listeners: RefCell::new(listeners),
            cgroup: made.map(OnceCell::from).unwrap_or_default(),
            scope,
            terminal_size: terminal_size(),
            record,
            filling,
            overlays,
            secrets,
        };
        Ok(prepared)
    }

    /// Writes into the specification what others have to say about it.
    fn complete(
        &self,
        launch: &mut Launch,
        record: &ContainerRecord,
        run_directory: &Path,
        notify: Option<&OwnSocket>,
    ) -> Result<(), PrepareError> {
        let of_devices = cdi::apply(&self.cdi_edits(&record.request)?, &mut launch.spec);
        hooks::give(launch, record, run_directory, of_devices)?;
        let variables = notify.map(|_| OwnSocket::variable());
        add_variables(&mut launch.spec, variables.as_slice());
        Ok(())
    }

    /// Who runs the programs of a container, as `USER[:GROUP]`: with `keep-id` the caller.
    pub(in crate::engine) fn program_user(record: &ContainerRecord) -> String {
        let user = &record.resolved.user;
        let mode = record.request.userns.as_deref().unwrap_or_default();
        if !mode.starts_with("keep-id") || !user.is_empty() {
            return user.clone();
        }
        let caller = crate::engine::caller();
        let ids = container_ids(&record.request, &holder_map(), &caller, (0, 0));
        match ids.ok().and_then(|ids| ids.kept) {
            Some((uid, gid)) => format!("{uid}:{gid}"),
            None => user.clone(),
        }
    }

    /// What connects the container, and the sockets of its ports.
    fn connection(
        &self,
        store: &Store,
        record: &ContainerRecord,
        activation: &mut Activation,
        report: &dyn Report,
    ) -> Result<(Connection, Vec<Listener>), PrepareError> {
        let mut connection = connect::plan(record, &|| self.containers_conf(), report)?;
        let donor = namespaces::network_donor(&record.request, store);
        connection.files_of = donor.map(|id| self.dirs.container_run(&id));
        connection.bridges = self.connection_plan(store, record, report)?;
        if connection.uplink.is_some() {
            connection.ports = network::ports_of_record(record).map_err(JoinNetworkError::from)?;
        }
        let listeners = self.bind_ports(store, record, &mut connection, activation)?;
        Ok((connection, listeners))
    }

    fn other_connections(
        &self,
        connection: &Connection,
        record: &ContainerRecord,
    ) -> Result<Option<&'static ContainersConf>, PrepareError> {
        let asked = !record.request.networks.is_empty() || !record.request.publish.is_empty();
        if connection.bridges.is_none() || asked {
            return Ok(None);
        }
        let conf = self.containers_conf().map_err(ConnectError::from)?;
        Ok(Some(conf))
    }

    fn make_run_directory(&self, record: &ContainerRecord) -> Result<PathBuf, PrepareError> {
        let path = self.dirs.container_run(&record.id);
        let make = || {
            fs::DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(&path)
        };
        make()
            .called(|| format!("mkdir({path:?})"))
            .map_err(|source| PrepareError::File {
                path: path.clone(),
                source,
            })?;
        Ok(path)
    }
}

/// What serves the root.
fn root_plan(
    record: &ContainerRecord,
    source: &RootSource,
    (dirs, directory): (&Dirs, &Path),
    (ids, holder): (&ContainerIds, &HolderMap),
    report: &dyn Report,
) -> Result<RootPlan, PrepareError> {
    let given = Circumstances {
        choice: engine_choice(record),
        ids: &ids.maps,
        reach: holder.reach,
        volatile: record.request.auto_remove,
        fuse: fuse::opens(),
        hybrid: Some((dirs, holder)),
    };
    let (root, notice) = roots::plan(source, directory, given)?;
    if matches!(root.root, Root::Kernel(_)) && !ids.maps.hold_caller() {
        return Err(PrepareError::NeedsFuse);
    }
    let serves = matches!(root.root, Root::Fuse(_));
    if let Some(fuse) = root.fuse.as_ref().filter(|_| serves)
        && fuse.owners != Owners::OnFiles
    {
        // Of `containers/ID`.
        host::check_xattrs(directory.ancestors().nth(2).unwrap_or(directory))?;
    }
    if let Some(text) = notice {
        report.warning(text);
    }
    Ok(root)
}

fn engine_choice(record: &ContainerRecord) -> EngineChoice {
    match record.request.storage_engine.as_deref() {
        Some("kernel") => EngineChoice::Kernel,
        Some("hybrid") => EngineChoice::Hybrid,
        Some("fuse") => EngineChoice::Fuse,
        _ => EngineChoice::Auto,
    }
}

/// A process may not lower its score below the caller's.
fn with_possible_oom_score(mut record: ContainerRecord, report: &dyn Report) -> ContainerRecord {
    let text = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    let current: i32 = text.trim().parse().unwrap_or(0);
    if let Some(asked) = record
        .request
        .oom_score_adj
        .filter(|asked| *asked < current)
    {
        report.warning(&format!(
            "Requested oom_score_adj={asked} is lower than the current one, changing to {current}"
        ));
        record.request.oom_score_adj = Some(current);
    }
    record
}

fn warn_of_single_id(record: &ContainerRecord, holder: &HolderMap, report: &dyn Report) {
    if holder.reach == Reach::Single && !record.request.group_add.is_empty() {
        report.warning("--group-add has no effect: this user has no range in /etc/subgid");
    }
}

fn make_upper(root: &RootPlan) -> Result<(), PrepareError> {
    let layers = match (&root.root, &root.fuse) {
        (Root::Kernel(layers) | Root::Fuse(layers) | Root::Machine(layers), _) => layers,
        (Root::Hybrid(root), _) => &root.layers,
        (Root::Directory(_), Some(fuse)) => &fuse.layers,
        (Root::Directory(_), None) => return Ok(()),
    };
    let file = |source| PrepareError::File {
        path: layers.upper.clone(),
        source,
    };
    roots::make_directories(layers)
        .called(|| "mkdir(upper, work)")
        .map_err(file)
}

/// An infra container without an image runs our own program.
fn write_pause_program(root: &RootPlan, record: &ContainerRecord) -> Result<(), PrepareError> {
    if record.resolved.role != PodRole::Infra || !record.resolved.image_id.is_empty() {
        return Ok(());
    }
    let (Root::Kernel(layers) | Root::Fuse(layers)) = &root.root else {
        return Ok(());
    };
    pause::write(&layers.upper)
        .called(|| "write the pause program")
        .map_err(|source| PrepareError::File {
            path: layers.upper.clone(),
            source,
        })
}

#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one launch, joined once"
)]
fn launch(
    engine: &Engine,
    record: &ContainerRecord,
    holder: &HolderMap,
    ids: &ContainerIds,
    namespaces: Namespaces,
    root: &RootPlan,
    caller: &Caller,
    (run_directory, connection): (&Path, &Connection),
    mounts: Vec<MountRequest>,
    (given, secrets): (&[GivenSecret], &[SecretFile]),
) -> Result<Launch, PrepareError> {
    let security = SecurityOptions::parse(&record.request.security_opt)?;
    let shared_shm = shared_shm(&namespaces);
    let mut default_mounts = default_mounts::copy(&record.request, run_directory)?;
    let apt = default_mounts::apt_settings(&root.root, holder.reach, run_directory)?;
    default_mounts.extend(apt);
    let context = SpecContext {
        dialect: engine.dialect,
        namespaces: namespaces.sources,
        files: run_directory.to_owned(),
        etc_files: connect::etc_files(record, connection),
        tty_group_mapped: is_mapped(&ids.maps.gids, 5),
        ping_groups: ping_groups(&ids.maps.gids, &holder.maps.gids),
        cgroup2: cgroup::has_cgroup2(),
        host_devices: host_devices(record),
        default_mounts,
        shared_shm: shared_shm.as_ref().map(|(path, _)| path.clone()),
        mounts,
        secrets: secrets.to_vec(),
        security,
    };
    let mut spec = runtime_spec(record, &context);
    add_variables(&mut spec, &secret::environment(given));
    let joined = namespaces
        .joined
        .as_ref()
        .map(|(_, pid)| Join::Process(*pid));
    let join = joined.or_else(|| Join::of_paths(&spec));
    let bounding = bounding_set(record, engine.dialect);
    let seccomp = container_filter(record, &context.security, &bounding)?;
    let groups = match holder.reach {
        Reach::Single => GroupPolicy::Denied,
        Reach::All if setgroups_of("self") == Setgroups::Denied => GroupPolicy::Denied,
        _ if groups::are_kept(&record.request) => GroupPolicy::Keep,
        Reach::Ranges | Reach::All => GroupPolicy::Settable,
    };
    let user = Engine::program_user(record);
    Ok(Launch {
        spec,
        root: root.root.clone(),
        fuse_allowed: root.fuse.is_some(),
        maps: ids.maps.clone(),
        groups,
        user: UserChoice::Lookup {
            user,
            additional_groups: groups::added(&record.request),
        },
        workdir: match record.request.workdir {
            Some(_) => WorkdirPolicy::MustExist,
            None => WorkdirPolicy::Make,
        },
        reaper: record.request.init,
        seccomp: seccomp.into(),
        maps_by: match namespaces.joined {
            Some(_) => MapWriter::Nobody,
            None => MapWriter::Caller,
        },
        join,
        shared_shm,
        passwd: passwd_policy(record, ids, caller)?,
        local_time: match &record.request.timezone {
            Some(zone) => local_time(zone, run_directory)?,
            None => None,
        },
        preserved_fds: preserved_fds(&record.request),
        hook_state: None,
        lifecycle: None,
    })
}

/// The /dev/shm of the container whose IPC namespace is joined, if it has one.
fn shared_shm(namespaces: &Namespaces) -> Option<(PathBuf, i32)> {
    let (_, pid) = namespaces
        .joined
        .as_ref()
        .filter(|_| namespaces.shares_shm)?;
    Some((PathBuf::from(format!("/proc/{pid}/root/dev/shm")), *pid))
}

/// The numbers of the caller's descriptors that the program gets.
fn preserved_fds(request: &ContainerRequest) -> Vec<i32> {
    if request.preserve_fd.is_empty() {
        (3..).take(request.preserve_fds as usize).collect()
    } else {
        request.preserve_fd.clone()
    }
}

/// The filter of a container with this bounding set; the profile that everybody uses costs
/// nothing.
///
/// # Errors
///
/// A profile that cannot be read or compiled.
pub fn container_filter(
    record: &ContainerRecord,
    security: &SecurityOptions,
    bounding: &BTreeSet<String>,
) -> Result<Cow<'static, [Instruction]>, PrepareError> {
    match &security.seccomp {
        Some(None) => Ok(Cow::Borrowed(&[])),
        None if record.request.privileged => Ok(Cow::Borrowed(&[])),
        None => Ok(seccomp::default_filter(bounding)),
        Some(Some(path)) => {
            let refuse = |reason: String| PrepareError::Seccomp {
                path: path.clone(),
                reason,
            };
            let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
            let filter = Profile::parse(&text)
                .and_then(|profile| seccomp::compile(&profile.resolve(bounding, Host::current())));
            filter
                .map(Cow::Owned)
                .map_err(|error| refuse(chain(&error)))
        }
    }
}

/// `--privileged` shows the device nodes of the host that the caller can see.
fn host_devices(record: &ContainerRecord) -> Vec<PathBuf> {
    use std::os::unix::fs::FileTypeExt;
    if !record.request.privileged {
        return Vec::new();
    }
    let own = [
        "null", "zero", "full", "random", "urandom", "tty", "console", "ptmx",
    ];
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let devices = entries.filter(|entry| {
        let kind = entry.file_type();
        let node = kind.is_ok_and(|kind| kind.is_char_device() || kind.is_block_device());
        let name = entry.file_name();
        // The consoles of the host are nobody's in a container.
        let console = name
            .to_string_lossy()
            .strip_prefix("tty")
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
        node && !console && !own.iter().any(|each| name == *each)
    });
    devices.map(|entry| entry.path()).collect()
}

/// A socket that clients of the monitor find: 0600 in a directory that is 0700.
fn listen_on(run_directory: &Path) -> Result<OwnedFd, PrepareError> {
    let path = run_directory.join(SOCKET_NAME);
    let make = || -> Result<OwnedFd, SysError> {
        drop(fs::remove_file(&path));
        let listener = fdpass::listen_in(run_directory, SOCKET_NAME)?;
        let nonblocking = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
        fcntl(&listener, nonblocking).called(|| "fcntl(O_NONBLOCK)")?;
        Ok(listener)
    };
    make().map_err(|source| PrepareError::File {
        path: path.clone(),
        source,
    })
}

fn terminal_size() -> Option<(u16, u16)> {
    let size = size_of(std::io::stdin().as_fd()).or_else(|| size_of(std::io::stdout().as_fd()));
    size.map(|size| (size.rows, size.columns))
}
