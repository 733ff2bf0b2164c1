// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A further program in a running container: joins its namespaces by a process descriptor, takes
//! the same rights, and executes nothing of the container's outside of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setresgid, setresuid};
use oci_spec::runtime::{LinuxPersonality, Process};

use super::entrance::{KINDS, Namespaces, below_reaper};
use super::failure::{StageFailure, call};
use super::handshake::{self, FromInit};
use super::init::{enter_workdir, environment_of, reset_signals, sets_for};
use super::launch::{Filter, GroupPolicy, ProgramIo, UserChoice, WorkdirPolicy};
use super::program::{self, Others, OwnBinary};
use super::rights::{self, Excess, FewerFiles, Rights};
use super::schedule::{self, Processors};
use super::session;
use super::user::{self, Identity};
use crate::sys::channel::Channel;
use crate::sys::process::{
    CloneRequest, Forked, clone3, close_on_exec_all_but, exit_now, new_session_keyring,
};
use crate::sys::steps::step;
use crate::sys::vfork::run_in_our_memory;
use crate::sys::{Called, Ignored, SysError, SysResult, namespace};

/// What is executed in a running container.
#[derive(Debug)]
pub struct Session<'l> {
    /// Descriptor of the container's first process.
    pub container: BorrowedFd<'l>,
    /// Its process id, checked to be that of the descriptor.
    pub pid: i32,
    /// Program, environment, rights.
    pub process: Process,
    /// The machine that it is shown.
    pub personality: Option<&'l LinuxPersonality>,
    /// Who runs it.
    pub user: UserChoice,
    /// Whether groups can be set.
    pub groups: GroupPolicy,
    /// Its namespaces, where it has handed them out because nobody may look into it.
    pub namespaces: Option<Namespaces>,
    /// The container's filter.
    pub seccomp: &'l Filter,
    /// The container's cgroup, when it has one of its own.
    pub cgroup: Option<BorrowedFd<'l>>,
    /// Descriptors after 2 that the program keeps.
    pub preserved_fds: &'l [i32],
}

/// A session's first process: a child of the caller.
#[derive(Debug)]
pub struct Running {
    /// Its process id.
    pub pid: i32,
    /// The master of its terminal.
    pub console: Option<OwnedFd>,
    /// The listener of its filter.
    pub listener: Option<OwnedFd>,
}

/// Starts the session. The caller must be single-threaded; it becomes the parent of the program.
///
/// # Errors
///
/// 125 when the container could not be entered, 126 or 127 for the program.
pub fn start(session: &Session<'_>, io: ProgramIo) -> Result<Running, StageFailure> {
    let own = OwnBinary::open();
    let (ours, theirs) = call(Channel::pair)?;
    let dumpable = prctl::get_dumpable().unwrap_or(true);
    let enter = |memory| {
        if let Err(failure) = enter_and_fork(session, &io, &theirs, (own.as_ref(), memory)) {
            handshake::send_failure(&theirs, &failure);
        }
        0
    };
    let memory = call(|| memory_for(session))?;
    let mut enter = || enter(memory);
    let entered = call(|| run_in(memory, &CloneRequest::default(), &mut enter));
    // Nobody inside shares our memory any more.
    prctl::set_dumpable(dumpable).ignored();
    drop(theirs);
    drop(io);
    let outcome = listen(&ours);
    reap(entered?);
    outcome
}

/// Whose memory the two processes of a session work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Callers,
    Own,
}

/// The caller's costs nothing, but only a process that has its own can change its clocks.
fn memory_for(session: &Session<'_>) -> SysResult<Memory> {
    let clocks = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/time")).ok();
    let same = match &session.namespaces {
        Some(given) => given.apart("time")?.is_none(),
        None => clocks(&session.pid.to_string()) == clocks("self"),
    };
    Ok(if same { Memory::Callers } else { Memory::Own })
}

fn run_in(
    memory: Memory,
    request: &CloneRequest<'_>,
    work: &mut dyn FnMut() -> i32,
) -> SysResult<i32> {
    match memory {
        Memory::Callers => run_in_our_memory(request, work),
        Memory::Own => match clone3(request)? {
            Forked::Child => exit_now(work()),
            Forked::Parent { pid, .. } => Ok(pid),
        },
    }
}

fn reap(pid: i32) {
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).ignored();
}

/// What is said until nobody is left to say anything: the program runs then, or has failed, which
/// it says before its process id is told.
fn listen(line: &Channel) -> Result<Running, StageFailure> {
    let mut pid = None;
    let mut console = None;
    let mut listener = None;
    let mut failed = None;
    loop {
        let message = call(|| line.receive())?;
        if let Some(text) = message.bytes.strip_prefix(b"p") {
            pid = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok());
            continue;
        }
        match handshake::decode(message) {
            FromInit::Console(master) => console = Some(master),
            FromInit::Listener(fd) => listener = Some(fd),
            FromInit::Device(_)
            | FromInit::Filled(_)
            | FromInit::Mounted
            | FromInit::Ready
            | FromInit::Warning(_) => {}
            FromInit::Failure(failure) => failed = Some(failure),
            FromInit::Closed => break,
        }
    }
    if let Some(failure) = failed {
        if let Some(pid) = pid {
            reap(pid);
        }
        return Err(failure);
    }
    let gone = || StageFailure::setup("the session ended before its program ran");
    Ok(Running {
        pid: pid.ok_or_else(gone)?,
        console,
        listener,
    })
}

/// Joins the namespaces in one call, then forks the program as a sibling, so that the caller is
/// its parent and it is inside the pid namespace. Both work on the caller's memory, into which
/// nobody inside can look from before the first of them enters until both have left it. The cgroup
/// namespace comes after the fork: from inside it the kernel lets nobody enter the cgroup who comes
/// from outside of it (nsdelegate).
fn enter_and_fork(
    session: &Session<'_>,
    io: &ProgramIo,
    line: &Channel,
    (own, memory): (Option<&OwnBinary>, Memory),
) -> Result<(), StageFailure> {
    call(|| prctl::set_dumpable(false).called(|| "prctl(PR_SET_DUMPABLE)"))?;
    let given = session.namespaces.as_ref();
    let program = match given {
        Some(_) => None,
        None => below_reaper(session.pid),
    };
    let (pid, process) = match &program {
        Some((pid, process)) => (*pid, process.as_fd()),
        None => (session.pid, session.container),
    };
    step(|| format!("enter the namespaces of process {pid}"));
    let ids = root_ids(pid);
    let cgroups = match given {
        Some(given) => call(|| given.apart("cgroup"))?,
        None if is_apart(pid, "cgroup")? => Some(open_cgroup_namespace(pid)?),
        None => None,
    };
    schedule::choose_processors(&session.process, Processors::Before)?;
    match given {
        Some(given) => call(|| given.join())?,
        None => join_namespaces(process, pid, memory)?,
    }
    let request = CloneRequest {
        namespaces: 0,
        sibling: true,
        cgroup: session.cgroup,
    };
    let mut run_program = || {
        let joined = cgroups.as_ref().map_or(Ok(()), join_cgroup_namespace);
        let become_program = || become_program(session, ids, io, line, own);
        let failure = match joined.and_then(|()| become_program()) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        handshake::send_failure(line, &failure);
        i32::from(failure.code)
    };
    let pid = call(|| run_in(memory, &request, &mut run_program))?;
    call(|| line.send(format!("p{pid}").as_bytes(), None))
}

/// Joins the namespaces of the container, but for the cgroup one. Most containers have all of their
/// own but the clocks, and are joined without asking for each: where one is ours the kernel refuses
/// them all.
fn join_namespaces(process: BorrowedFd<'_>, pid: i32, memory: Memory) -> Result<(), StageFailure> {
    if memory == Memory::Callers && setns(process, usually_apart()).is_ok() {
        return Ok(());
    }
    let flags = differing_namespaces(pid)? - CloneFlags::CLONE_NEWCGROUP;
    call(|| setns(process, flags).called(|| format!("setns({flags:?})")))
}

fn usually_apart() -> CloneFlags {
    CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
}

fn open_cgroup_namespace(pid: i32) -> Result<std::fs::File, StageFailure> {
    let path = format!("/proc/{pid}/ns/cgroup");
    call(|| std::fs::File::open(&path).called(|| format!("open({path:?})")))
}

fn join_cgroup_namespace(namespace: &std::fs::File) -> Result<(), StageFailure> {
    let kind = CloneFlags::CLONE_NEWCGROUP;
    call(|| setns(namespace, kind).called(|| "setns(CLONE_NEWCGROUP)"))
}

enum Never {}

fn become_program(
    session: &Session<'_>,
    ids: (Uid, Gid),
    io: &ProgramIo,
    line: &Channel,
    own: Option<&OwnBinary>,
) -> Result<Never, StageFailure> {
    drop(new_session_keyring());
    become_root(ids)?;
    let slash: OwnedFd = std::fs::File::open("/")
        .map_err(|error| StageFailure::setup(error.to_string()))?
        .into();
    let identity = identify(session, &slash)?;
    let console = match io {
        ProgramIo::Terminal { size, lines } => {
            let console = call(|| session::make_console(slash.as_fd(), (*size, *lines)))?;
            call(|| handshake::send_console(line, &console.master))?;
            Some(console)
        }
        ProgramIo::Streams { .. } => None,
    };
    drop(slash);
    let fewer_files = rights::limit_resources(&session.process, Excess::Clamp)?;
    enter_workdir(session.process.cwd(), WorkdirPolicy::MustExist, &identity)?;
    session::take_streams(io, console.as_ref(), &identity)?;
    let kept = [&[0, 1, 2], session.preserved_fds].concat();
    call(|| close_on_exec_all_but(&kept))?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(
        session.process.user().umask().unwrap_or(0o022),
    ));
    schedule::choose_processors(&session.process, Processors::After)?;
    schedule::apply(&session.process, None)?;
    session.personality.map_or(Ok(()), schedule::show_machine)?;
    let rights = Rights {
        identity: &identity,
        groups: session.groups,
        sets: sets_for(&session.process, &identity, &session.user),
        no_new_privileges: session.process.no_new_privileges().unwrap_or(false),
        seccomp: session.seccomp,
    };
    let environment = environment_of(&session.process, &identity);
    let arguments = session.process.args().as_deref().unwrap_or_default();
    let find = || {
        step(|| format!("as {identity:?}: find and execute {arguments:?}"));
        program::find(arguments, &environment, own, Others::Everywhere)
    };
    let program = rights::take(&rights, find, &mut |listener| {
        handshake::send_listener(line, &listener)
    })?;
    reset_signals();
    fewer_files.map_or(Ok(()), FewerFiles::apply)?;
    Err(program::become_program(&program, &environment))
}

/// Moves this process to where a running container's files are: its user and mount namespaces, no
/// others. Of the rights that root has there it keeps those over files, so that it can do no more
/// than the container's own root could.
///
/// # Errors
///
/// The call that was refused; the process must end then, since it may be half way.
pub fn enter_files(container: BorrowedFd<'_>, pid: i32) -> Result<(), StageFailure> {
    const OVER_FILES: [&str; 7] = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_MKNOD",
        "CAP_SETFCAP",
    ];
    call(|| prctl::set_dumpable(false).called(|| "prctl(PR_SET_DUMPABLE)"))?;
    let wanted = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    let flags = differing_namespaces(pid)? & wanted;
    let ids = root_ids(pid);
    call(|| setns(container, flags).called(|| format!("setns({flags:?})")))?;
    become_root(ids)?;
    let bit = |name: &&str| {
        super::capability::NAMES
            .iter()
            .position(|known| known == name)
    };
    let bits = OVER_FILES.iter().filter_map(bit);
    let kept = bits.fold(0, |kept, bit| kept | 1 << bit);
    call(|| crate::sys::caps::set(kept, kept, 0))
}

/// The container's root, or its one id. Read on the host: the /proc inside is the container's,
/// which may show anything there, also a pipe that nobody writes to.
fn root_ids(pid: i32) -> (Uid, Gid) {
    let first = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        let map = super::idmap::parse_map(&std::fs::read_to_string(path).unwrap_or_default());
        if super::idmap::is_mapped(&map, 0) {
            0
        } else {
            map.first().map_or(0, |e| e.inside)
        }
    };
    (
        Uid::from_raw(first("uid_map")),
        Gid::from_raw(first("gid_map")),
    )
}

/// Joining a user namespace changes no ids: become its root, or its one id.
fn become_root((uid, gid): (Uid, Gid)) -> Result<(), StageFailure> {
    call(|| setresgid(gid, gid, gid).called(|| format!("setresgid({gid})")))?;
    call(|| prctl::set_keepcaps(true).called(|| "prctl(PR_SET_KEEPCAPS)"))?;
    call(|| setresuid(uid, uid, uid).called(|| format!("setresuid({uid})")))?;
    if uid.is_root() {
        return Ok(());
    }
    let all = (1 << super::capability::NAMES.len()) - 1;
    call(|| crate::sys::caps::set(all, all, 0))
}

fn identify(session: &Session<'_>, root: &OwnedFd) -> Result<Identity, StageFailure> {
    match &session.user {
        UserChoice::Spec => {
            let passwd = user::read_database(root.as_fd(), "/etc/passwd");
            Ok(user::of_numbers(session.process.user(), &passwd))
        }
        UserChoice::Lookup {
            user,
            additional_groups,
        } => {
            let passwd = user::read_database(root.as_fd(), "/etc/passwd");
            let group = user::read_database(root.as_fd(), "/etc/group");
            user::resolve(user, additional_groups, &passwd, &group).map_err(|failure| {
                StageFailure {
                    // A session that cannot begin is an error of ours, as with podman.
                    code: 125,
                    ..failure
                }
            })
        }
    }
}

/// The namespaces in which the container is apart from us: joining one's own is an error, and the
/// host's network namespace is not ours to join.
fn differing_namespaces(pid: i32) -> Result<CloneFlags, StageFailure> {
    let mut flags = CloneFlags::empty();
    for (kind, flag) in KINDS {
        // A kernel before 5.6 has no time namespaces.
        if kind == "time" && namespace_of("self", kind).is_err() {
            continue;
        }
        if is_apart(pid, kind)? {
            flags |= flag;
        }
    }
    Ok(flags)
}

fn is_apart(pid: i32, kind: &str) -> Result<bool, StageFailure> {
    let theirs = namespace_of(&pid.to_string(), kind).map_err(|error| refused(&error))?;
    Ok(theirs != call(|| namespace_of("self", kind))?)
}

/// Whoever is in a user namespace of his own has no rights over what was started outside of it.
fn refused(error: &SysError) -> StageFailure {
    let is_outside = error.errno == Errno::EACCES && namespace::foreign().is_some();
    let hint = "this shell is in a user namespace of its own (`unshare`), from which a container \
                that was started outside cannot be entered: leave it, and try again";
    StageFailure {
        hints: is_outside.then(|| hint.to_owned()).into_iter().collect(),
        ..StageFailure::setup(error.to_string())
    }
}

fn namespace_of(process: &str, kind: &str) -> SysResult<PathBuf> {
    let path = format!("/proc/{process}/ns/{kind}");
    std::fs::read_link(Path::new(&path)).called(|| format!("readlink({path:?})"))
}
