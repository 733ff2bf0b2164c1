// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The init stage: the first process of a container, from clone3 to exec. It runs our code as
//! root of the container's user namespace; no process of the container can look into it
//! (PR_SET_DUMPABLE is 0 before there is one).

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid, sethostname, setresgid, setresuid};
use oci_spec::runtime::{Linux, LinuxNamespaceType, Process, Spec};

use super::entrance::Namespaces;
use super::failure::{StageFailure, call};
use super::handshake::{self, ToInit};
use super::launch::{
    GroupPolicy, Launch, Lifecycle, Listener, MapWriter, Pivot, ProgramIo, Root, UserChoice,
    WorkdirPolicy, makes,
};
use super::lifecycle;
use super::mounts::target;
use super::program::{self, Others, OwnBinary};
use super::rights::{self, Excess, FewerFiles, Rights};
use super::root_setup::{MadeRoot, finish_root, make_root};
use super::user::{self, Identity};
use super::{devices, passwd, reaper, rootfs, schedule, session, time};
use crate::sys::channel::Channel;
use crate::sys::process::{close_on_exec_all_but, exit_now, new_session_keyring, set_domain_name};
use crate::sys::schedule::Processors;
use crate::sys::steps::step;
use crate::sys::{Called, Ignored, SysError, SysResult, pty};

/// Runs the stage to its end: the program, or a failure that was sent over `line`.
///
/// It may be kept to one processor from when it has its maps on: `processors` are taken back then.
pub fn run(
    launch: &Launch,
    io: &ProgramIo,
    mountpoint: &Path,
    (line, processors): (&Channel, Option<Processors>),
) -> ! {
    let failure = match prepare_and_exec(launch, io, mountpoint, (line, processors)) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    handshake::send_failure(line, &failure);
    exit_now(i32::from(failure.code))
}

/// The type of what does not return.
enum Never {}

fn prepare_and_exec(
    launch: &Launch,
    io: &ProgramIo,
    mountpoint: &Path,
    (line, processors): (&Channel, Option<Processors>),
) -> Result<Never, StageFailure> {
    let own = OwnBinary::open();
    call(|| prctl::set_pdeathsig(Signal::SIGKILL).called(|| "prctl(PR_SET_PDEATHSIG)"))?;
    let mut sources = handshake::wait_mapped(line)?;
    adjust_oom_score(&launch.spec)?;
    become_root(launch)?;
    // Processes of a joined container could look into this one at once; in a namespace of its own
    // it is alone until the program runs, and the network program finds it by /proc until then.
    if launch.join.is_some() {
        hide()?;
    } else {
        // Changing ids hid it.
        call(|| prctl::set_dumpable(true).called(|| "prctl(PR_SET_DUMPABLE)"))?;
    }
    // Changing ids clears it.
    call(|| prctl::set_pdeathsig(Signal::SIGKILL).called(|| "prctl(PR_SET_PDEATHSIG)"))?;
    let (linux, process) = parts(&launch.spec)?;
    enter_namespaces(&launch.spec, linux)?;
    if launch.maps_by == MapWriter::Nobody && launch.lifecycle.is_some() {
        call(|| rootfs::isolate(mountpoint, linux.rootfs_propagation().as_deref()))?;
    }
    let namespaces = launch.lifecycle.as_ref().map(|_| Namespaces::own());
    if lifecycle::wants_keyring(launch.lifecycle.as_ref()) {
        // Sockets of a kernel without keyrings answer ENOSYS: nothing to hide there.
        drop(new_session_keyring());
    }
    let MadeRoot { root, given } = make_root(launch, linux, (mountpoint, &mut sources), line)?;
    let console = match io {
        ProgramIo::Terminal { size, lines } => {
            let console = call(|| session::make_console(root.as_fd(), (*size, *lines)))?;
            call(|| handshake::send_console(line, &console.master))?;
            call(|| devices::bind_console(root.as_fd(), &console.slave))?;
            Some(console)
        }
        ProgramIo::Streams { .. } => None,
    };
    let hosts_pid = match &launch.hook_state {
        Some(state) => {
            ToInit::Network.wait(line)?;
            lifecycle::run_create_hooks(state, &launch.spec, line)?
        }
        None => 0,
    };
    enter_root(launch, linux, &root)?;
    passwd::introduce(&launch.passwd, root.as_fd());
    let mut identity = identify(launch, process, &root)?;
    for mount in given {
        call(|| mount.give((identity.uid, identity.gid)))?;
    }
    let workdir = process.cwd().to_string_lossy();
    step(|| format!("become {identity:?} in {workdir}"));
    if identity.name.is_none() && matches!(launch.user, UserChoice::Lookup { .. }) {
        let home = passwd::home_of(&launch.passwd, &identity, &workdir);
        identity.home = home.unwrap_or(identity.home);
    }
    passwd::complete(&launch.passwd, &identity, &workdir, root.as_fd())?;
    if launch.hook_state.is_none() {
        ToInit::Network.wait(line)?;
    }
    hide()?;
    drop(root);
    let fewer_files = rights::limit_resources(process, Excess::Refuse)?;
    enter_workdir(process.cwd(), launch.workdir, &identity)?;
    session::take_streams(io, console.as_ref(), &identity)?;
    let started = Program {
        launch,
        process,
        identity: &identity,
        own: own.as_ref(),
        fewer_files,
        namespaces,
        processors,
    };
    let Some(lifecycle) = &launch.lifecycle else {
        let hooks = || {
            let environment = environment_of(process, &identity);
            lifecycle::run_start_hooks(launch, hosts_pid, &environment)
        };
        let found = take_rights(&started, &mut |_nobody_asks| Ok(()))?;
        return become_program(&started, &found, hooks);
    };
    drop(console);
    start_later(&started, lifecycle, hosts_pid, line)
}

fn enter_root(launch: &Launch, linux: &Linux, root: &OwnedFd) -> Result<(), StageFailure> {
    finish_root(launch, linux, root)?;
    step(|| "enter the root");
    let pivot = launch.lifecycle.as_ref();
    rootfs::enter(root, pivot.map_or(Pivot::Root, |lifecycle| lifecycle.pivot))?;
    linux
        .rootfs_propagation()
        .as_ref()
        .map_or(Ok(()), |word| call(|| rootfs::propagate(root, word)))
}

/// What is left when the root is entered.
struct Program<'l> {
    launch: &'l Launch,
    process: &'l Process,
    identity: &'l Identity,
    own: Option<&'l OwnBinary>,
    fewer_files: Option<FewerFiles>,
    /// Of a stage that waits for its start.
    namespaces: Option<Namespaces>,
    /// Those that the program may use, if the stage was kept to one.
    processors: Option<Processors>,
}

/// Waits for another command to start the program. That a program is not there is told before.
fn start_later(
    program: &Program<'_>,
    lifecycle: &Lifecycle,
    hosts_pid: i32,
    line: &Channel,
) -> Result<Never, StageFailure> {
    let environment = environment_of(program.process, program.identity);
    let arguments = program.process.args().as_deref().unwrap_or_default();
    let found = program::find(arguments, &environment, program.own, Others::Everywhere);
    match found {
        Err(missing) if missing.code == 127 && !arguments.is_empty() => return Err(missing),
        Ok(_) | Err(_) => {}
    }
    let mut kept = program.launch.preserved_fds.clone();
    kept.extend(program.own.map(OwnBinary::number));
    // An agent that is asked gets its listener from who makes the container, as with the other
    // runtimes; any other filter comes as late as can be.
    let early = match program.launch.seccomp.listener {
        Listener::Wanted => Some(take_rights(program, &mut |listener| {
            handshake::send_listener(line, &listener)
        })?),
        Listener::Nobody => None,
    };
    kept.extend(early.as_ref().and_then(program::Program::number));
    let namespaces = program.namespaces.as_ref().expect("it waits for its start");
    let starter = lifecycle::wait_for_start(lifecycle, line, (&kept, namespaces))?;
    let hooks = || lifecycle::run_start_hooks(program.launch, hosts_pid, &environment);
    let found = early.map_or_else(|| take_rights(program, &mut |_nobody_asks| Ok(())), Ok);
    let failure = match found.and_then(|found| become_program(program, &found, hooks)) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    handshake::send_failure(&starter, &failure);
    exit_now(i32::from(failure.code))
}

/// While the file is still this process's own: changing ids gives it to root.
fn adjust_oom_score(spec: &Spec) -> Result<(), StageFailure> {
    use std::io::Write as _;
    let process = spec.process().as_ref();
    let Some(adjustment) = process.and_then(Process::oom_score_adj) else {
        return Ok(());
    };
    let path = "/proc/self/oom_score_adj";
    let file = std::fs::OpenOptions::new().write(true).open(path);
    let written = file.and_then(|mut file| write!(file, "{adjustment}"));
    written.map_err(|error| StageFailure::setup(format!("write {path}, {adjustment}: {error}")))
}

/// Keeps every other process of the user from looking into this one (CVE-2016-9962).
fn hide() -> Result<(), StageFailure> {
    call(|| prctl::set_dumpable(false).called(|| "prctl(PR_SET_DUMPABLE)"))
}

fn parts(spec: &Spec) -> Result<(&Linux, &Process), StageFailure> {
    let linux = spec.linux().as_ref();
    let process = spec.process().as_ref();
    linux
        .zip(process)
        .ok_or_else(|| StageFailure::setup("the runtime spec has no linux or no process section"))
}

/// Takes the ids of the container's root, or of the one id that is mapped.
fn become_root(launch: &Launch) -> Result<(), StageFailure> {
    let first = |extents: &[super::idmap::IdMapping]| {
        let zero = super::idmap::is_mapped(extents, 0);
        if zero {
            0
        } else {
            extents.first().map_or(0, |extent| extent.inside)
        }
    };
    let uid = Uid::from_raw(first(&launch.maps.uids));
    let gid = Gid::from_raw(first(&launch.maps.gids));
    call(|| setresgid(gid, gid, gid).called(|| format!("setresgid({gid})")))?;
    if launch.groups == GroupPolicy::Settable {
        call(|| nix::unistd::setgroups(&[gid]).called(|| format!("setgroups([{gid}])")))?;
    }
    // Without root inside, the rights of the new namespace must outlive the change of ids.
    call(|| prctl::set_keepcaps(true).called(|| "prctl(PR_SET_KEEPCAPS)"))?;
    call(|| setresuid(uid, uid, uid).called(|| format!("setresuid({uid})")))?;
    if !uid.is_root() {
        call(|| crate::sys::caps::set(ALL_RIGHTS, ALL_RIGHTS, 0))?;
    }
    Ok(())
}

/// Every capability that this kernel can know of here.
const ALL_RIGHTS: u64 = (1 << super::capability::NAMES.len()) - 1;

/// What is set in fresh namespaces: the cgroup root, the host name, the loopback device, clocks.
fn enter_namespaces(spec: &Spec, linux: &Linux) -> Result<(), StageFailure> {
    step(|| "name the machine, raise the loopback device, set the clocks");
    if makes(linux, LinuxNamespaceType::Cgroup) {
        call(|| unshare(CloneFlags::CLONE_NEWCGROUP).called(|| "unshare(CLONE_NEWCGROUP)"))?;
    }
    if makes(linux, LinuxNamespaceType::Uts)
        && let Some(name) = spec.hostname()
    {
        sethostname(name).map_err(|errno| host_name_refused(name, errno))?;
    }
    if makes(linux, LinuxNamespaceType::Uts)
        && let Some(name) = spec.domainname()
    {
        call(|| set_domain_name(name))?;
    }
    if makes(linux, LinuxNamespaceType::Network) {
        call(pty::loopback_up)?;
    }
    time::enter(linux)
}

fn host_name_refused(name: &str, errno: Errno) -> StageFailure {
    let why = match errno {
        // In a namespace of our own nothing but a filter does that.
        Errno::EPERM => {
            "; a system call filter around this program forbids it, as in a container: --uts host \
             does without a name"
        }
        _ => "",
    };
    let call = SysError::new(format!("sethostname({name:?})"), errno);
    StageFailure::setup(format!("{call}{why}"))
}

fn identify(launch: &Launch, process: &Process, root: &OwnedFd) -> Result<Identity, StageFailure> {
    match &launch.user {
        UserChoice::Spec => {
            let passwd = user::read_database(root.as_fd(), "/etc/passwd");
            Ok(user::of_numbers(process.user(), &passwd))
        }
        UserChoice::Lookup {
            user,
            additional_groups,
        } => {
            let passwd = user::read_database(root.as_fd(), "/etc/passwd");
            let group = user::read_database(root.as_fd(), "/etc/group");
            user::resolve(user, additional_groups, &passwd, &group)
        }
    }
}

/// Takes the program's rights and finds it.
fn take_rights(
    program: &Program<'_>,
    asked: &mut dyn FnMut(OwnedFd) -> SysResult<()>,
) -> Result<program::Program, StageFailure> {
    let Program {
        launch,
        process,
        identity,
        ..
    } = *program;
    let mut kept = vec![0, 1, 2];
    kept.extend(&launch.preserved_fds);
    call(|| close_on_exec_all_but(&kept))?;
    // Where that is refused the stage was not kept to one either.
    let give_back = || {
        let given = program.processors.map(|processors| processors.give_back());
        given.unwrap_or(Ok(())).ignored();
    };
    if launch.reaper {
        give_back();
        reaper::fork_program(process.args().as_deref().unwrap_or_default());
    }
    if let Some(mask) = process.user().umask() {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mask));
    } else {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    }
    step(|| "take the program's rights: its user, capabilities, system call filter");
    let rights = Rights {
        identity,
        groups: launch.groups,
        sets: sets_for(process, identity, &launch.user),
        no_new_privileges: process.no_new_privileges().unwrap_or(false),
        seccomp: &launch.seccomp,
    };
    schedule::apply(process, launch.spec.linux().as_ref())?;
    let environment = environment_of(process, identity);
    let arguments = process.args().as_deref().unwrap_or_default();
    // The filter, which is loaded after this, may forbid to tell anything.
    let find = || {
        step(|| format!("find and execute {arguments:?}"));
        let found = program::find(arguments, &environment, program.own, others(launch));
        give_back();
        found
    };
    rights::take(&rights, find, asked)
}

fn become_program(
    program: &Program<'_>,
    found: &program::Program,
    hooks: impl FnOnce() -> Result<(), StageFailure>,
) -> Result<Never, StageFailure> {
    hooks()?;
    if program.launch.lifecycle.is_none() {
        // Changing ids clears it once more.
        call(|| prctl::set_pdeathsig(Signal::SIGKILL).called(|| "prctl(PR_SET_PDEATHSIG)"))?;
    }
    reset_signals();
    program.fewer_files.map_or(Ok(()), FewerFiles::apply)?;
    let environment = environment_of(program.process, program.identity);
    Err(program::become_program(found, &environment))
}

/// Who else can change what the program's path leads to: whoever has the root too, or something
/// that is mounted in it. The files of the container's own and the kernel's are nobody's.
fn others(launch: &Launch) -> Others {
    const UNCHANGED: &[&str] = &[
        "/proc",
        "/sys",
        "/etc/hosts",
        "/etc/hostname",
        "/etc/resolv.conf",
        "/run/.containerenv",
    ];
    let mounts = launch.spec.mounts().iter().flatten();
    let mut shared = mounts.filter(|mount| {
        let known = |own: &&str| mount.destination() == Path::new(own);
        mount.typ().as_deref() == Some("bind") && !UNCHANGED.iter().any(known)
    });
    match launch.root {
        Root::Directory(_) => Others::Everywhere,
        Root::Kernel(_) | Root::Fuse(_) | Root::Hybrid(_) | Root::Machine(_) => {
            if shared.next().is_some() {
                Others::BelowMounts
            } else {
                Others::Nowhere
            }
        }
    }
}

/// With a user that was looked up the sets follow from who it is, as after setuid(2): root has
/// everything but ambient rights, another user what is ambient alone.
pub(super) fn sets_for(
    process: &Process,
    identity: &Identity,
    choice: &UserChoice,
) -> super::capability::Sets {
    let sets = rights::sets_of(process);
    match (choice, identity.uid) {
        (UserChoice::Spec, _) => sets,
        (UserChoice::Lookup { .. }, 0) => super::capability::Sets {
            inheritable: 0,
            ambient: 0,
            ..sets
        },
        (UserChoice::Lookup { .. }, _) => super::capability::Sets {
            effective: sets.ambient,
            permitted: sets.ambient,
            inheritable: sets.ambient,
            ..sets
        },
    }
}

/// HOME is the user's unless the image or the caller gave one. Of several values of a name the last
/// one counts.
pub(super) fn environment_of(process: &Process, identity: &Identity) -> Vec<String> {
    let mut environment = process.env().clone().unwrap_or_default();
    let mut seen = HashSet::new();
    environment.reverse();
    environment.retain(|pair| {
        let name = pair.split_once('=').map_or(pair.as_str(), |(name, _)| name);
        seen.insert(name.to_owned())
    });
    environment.reverse();
    environment.retain(|pair| pair != "HOME=");
    if !environment.iter().any(|pair| pair.starts_with("HOME=")) {
        let home = if identity.home.is_empty() {
            "/"
        } else {
            &identity.home
        };
        environment.push(format!("HOME={home}"));
    }
    environment
}

/// Changes into the working directory as the root of the container. A path that leads out of the
/// root, through a descriptor of ours for one, is refused (CVE-2024-21626).
pub(super) fn enter_workdir(
    workdir: &Path,
    policy: WorkdirPolicy,
    identity: &Identity,
) -> Result<(), StageFailure> {
    use std::os::fd::AsFd;
    let refused = |why: &dyn std::fmt::Display| {
        StageFailure::setup(format!("working directory {}: {why}", workdir.display()))
    };
    let slash = std::fs::File::open("/").map_err(|error| refused(&error))?;
    let links = target::Links::Follow;
    let opened = target::open(slash.as_fd(), workdir, links).or_else(|error| {
        if policy == WorkdirPolicy::Make && error.errno == nix::errno::Errno::ENOENT {
            let kind = target::TargetKind::Directory;
            let made = target::open_or_make(slash.as_fd(), workdir, kind, links)?;
            own_directory(&made, identity);
            return Ok(made);
        }
        Err(error)
    });
    let directory = opened.map_err(|error| {
        // 127 would say that the command is not there.
        let code = 126;
        let message = format!(
            "workdir \"{}\" does not exist on container: {}",
            workdir.display(),
            error.errno.desc()
        );
        StageFailure::with_code(code, message)
    })?;
    nix::unistd::fchdir(&directory).map_err(|errno| refused(&errno.desc()))?;
    let now = nix::unistd::getcwd().map_err(|errno| refused(&errno.desc()))?;
    if now.is_absolute() {
        Ok(())
    } else {
        Err(refused(&"it is outside the container"))
    }
}

fn own_directory(directory: &OwnedFd, identity: &Identity) {
    let empty = std::path::Path::new("");
    let owner = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let flags = nix::fcntl::AtFlags::AT_EMPTY_PATH;
    nix::unistd::fchownat(directory, empty, Some(owner.0), Some(owner.1), flags).ignored();
}

/// The program starts with no signal blocked and none ignored.
pub(super) fn reset_signals() {
    use nix::sys::signal::{SigmaskHow, sigprocmask};
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).ignored();
    crate::sys::process::restore_signal_defaults();
}
