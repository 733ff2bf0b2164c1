// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A running uplink program: started, awaited, stopped.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{ftruncate, pipe2};

use super::forwarding::{
    self, Forwards, SOCKET_NAME, check_for_slirp4netns, publish_by_slirp4netns,
};
use super::{Kind, Program, Request, Target, UplinkError, pasta};
use crate::sys::pidfd::Pidfd;
use crate::sys::poll::{Interest, PollSet};
use crate::sys::{Called, Ignored, SysError, SysResult, child};

/// How much of what a program says is kept; the rest is refused to it, not stored.
const KEPT_OUTPUT_BYTES: i64 = 64 * 1024;

/// A program that is connecting a container.
#[derive(Debug)]
pub struct Starting {
    program: Program,
    plan: Plan,
    running: Running,
}

/// A program that has connected a container.
#[derive(Debug)]
pub struct Uplink {
    /// Which one.
    pub kind: Kind,
    /// Its process, a child of the one that started it.
    pub pid: i32,
    /// The same, as a descriptor.
    pub pidfd: Pidfd,
    /// To be kept open: the program ends when it is closed.
    pub exit: Option<OwnedFd>,
    /// Where the container finds a resolver.
    pub resolvers: Vec<IpAddr>,
    /// Where the container finds the host; none if it has no address of its own for that.
    pub host: Option<IpAddr>,
    child: Child,
}

/// What is run, computed before anything is.
#[derive(Debug, Clone)]
enum Plan {
    Pasta(pasta::Plan),
    Slirp4netns(super::slirp4netns::Options, Target, Forwards),
}

/// A process with the descriptors that tie it to us.
#[derive(Debug)]
struct Running {
    child: Child,
    pidfd: Pidfd,
    ready: OwnedFd,
    exit: Option<OwnedFd>,
    output: Output,
}

/// Starts `program` for the namespaces of `target`, and does not wait for it.
///
/// # Errors
///
/// [`UplinkError::Start`], [`UplinkError::Forward`].
///
/// # Panics
///
/// If `request` is for another program than `program`.
pub fn start(
    program: Program,
    request: Request,
    target: &Target,
    forwards: Forwards,
) -> Result<Starting, UplinkError> {
    assert_eq!(
        program.kind,
        request.kind(),
        "a request for another program"
    );
    let plan = match request {
        Request::Pasta(mut words) => {
            if is_root_of_the_host() {
                pasta::stay_root(&mut words);
            }
            words.extend(forwarding::words_for_pasta(&forwards.ports));
            Plan::Pasta(pasta::Plan::new(&words, target))
        }
        Request::Slirp4netns(options) => {
            check_for_slirp4netns(&forwards.ports)?;
            Plan::Slirp4netns(options, target.clone(), forwards)
        }
    };
    let running = run(&program, &plan)?;
    Ok(Starting {
        program,
        plan,
        running,
    })
}

/// Whether this is root, and in a user namespace that maps every id: by that pasta, too, tells
/// the host's root from a container's.
fn is_root_of_the_host() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let all = ["0", "0", "4294967295"];
    nix::unistd::geteuid().is_root() && map.split_whitespace().eq(all)
}

impl Starting {
    /// Waits until the container's interface is there, at most `timeout`.
    ///
    /// A pasta that does not know one of our words is started again without it.
    ///
    /// # Errors
    ///
    /// [`UplinkError`], with what the program wrote; it is dead then.
    pub fn ready(mut self, timeout: Duration) -> Result<Uplink, UplinkError> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.await_word(deadline, timeout) {
                Ok(()) => {
                    self.publish()?;
                    return Ok(self.into_uplink());
                }
                Err(error) => self = self.again_without_unknown_word(error)?,
            }
        }
    }

    /// Gives the start up: the program is dead afterwards.
    ///
    /// # Errors
    ///
    /// What waiting for a child says.
    pub fn cancel(mut self) -> SysResult<()> {
        kill(&mut self.running.child)
    }

    fn await_word(&mut self, deadline: Instant, timeout: Duration) -> Result<(), UplinkError> {
        let kind = self.program.kind;
        let wait = |source| UplinkError::Wait { kind, source };
        match self.running.await_ready(deadline).map_err(wait)? {
            Word::Ready => Ok(()),
            Word::Ended(status) => Err(UplinkError::Ended {
                kind,
                status,
                output: self.running.output.text(),
            }),
            Word::Late => {
                let output = self.running.output.text();
                kill(&mut self.running.child).map_err(wait)?;
                Err(UplinkError::TimedOut {
                    kind,
                    timeout,
                    output,
                })
            }
        }
    }

    /// What is left to do once the interface is there.
    fn publish(&mut self) -> Result<(), UplinkError> {
        let (options, forwards) = match &self.plan {
            Plan::Slirp4netns(options, _, forwards) => (options, forwards),
            Plan::Pasta(plan) => {
                if let Some(path) = &plan.pid_file {
                    let pid = self.running.child.id();
                    let file = File::create(path);
                    let written = file.and_then(|mut file| writeln!(file, "{pid}"));
                    written.called(|| format!("write({path:?})")).ignored();
                }
                return Ok(());
            }
        };
        let published = publish_by_slirp4netns(forwards, options.network.container());
        published.map_err(|error| {
            // It is of no use any more, whether or not it can be waited for.
            kill(&mut self.running.child).ignored();
            error.into()
        })
    }

    fn again_without_unknown_word(self, error: UplinkError) -> Result<Self, UplinkError> {
        let (Plan::Pasta(plan), UplinkError::Ended { output, .. }) = (&self.plan, &error) else {
            return Err(error);
        };
        let Some(plan) = plan.without_unknown_word(output) else {
            return Err(error);
        };
        let plan = Plan::Pasta(plan);
        let running = run(&self.program, &plan)?;
        Ok(Self {
            program: self.program,
            plan,
            running,
        })
    }

    fn into_uplink(self) -> Uplink {
        let (resolvers, host) = match self.plan {
            Plan::Pasta(plan) => (plan.resolvers, plan.host),
            Plan::Slirp4netns(options, ..) => {
                let reachable =
                    options.host_loopback == super::slirp4netns::HostLoopback::Reachable;
                let host = reachable.then(|| options.network.gateway().into());
                (vec![options.network.resolver().into()], host)
            }
        };
        Uplink {
            kind: self.program.kind,
            pid: pid_of(&self.running.child),
            pidfd: self.running.pidfd,
            exit: self.running.exit,
            resolvers,
            host,
            child: self.running.child,
        }
    }
}

impl Uplink {
    /// Ends the program and waits until it is gone.
    ///
    /// # Errors
    ///
    /// What waiting for a child says.
    pub fn stop(mut self) -> SysResult<()> {
        kill(&mut self.child)
    }
}

/// What came of waiting.
enum Word {
    Ready,
    Ended(ExitStatus),
    Late,
}

/// What stands in the ready pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speech {
    None,
    Word,
    Closed,
}

#[derive(Clone, Copy)]
enum Event {
    Word,
    End,
}

impl Running {
    fn await_ready(&mut self, deadline: Instant) -> SysResult<Word> {
        let mut speech = Speech::None;
        loop {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Ok(Word::Late);
            };
            let mut set = PollSet::new();
            if speech != Speech::Closed {
                set.watch(&self.ready, Interest::Read, Event::Word);
            }
            set.watch(&self.pidfd, Interest::Read, Event::End);
            set.wait(Some(left))?;
            // A word counts even if the end came with it.
            speech = self.listen()?;
            if speech == Speech::Word {
                return Ok(Word::Ready);
            }
            if let Some(status) = self.child.try_wait().called(|| "waitid")? {
                return Ok(Word::Ended(status));
            }
        }
    }

    fn listen(&self) -> SysResult<Speech> {
        match nix::unistd::read(&self.ready, &mut [0; 32]) {
            Ok(0) => Ok(Speech::Closed),
            Ok(_) => Ok(Speech::Word),
            Err(nix::errno::Errno::EAGAIN) => Ok(Speech::None),
            Err(errno) => Err(SysError::new("read([ready pipe])", errno)),
        }
    }
}

fn run(program: &Program, plan: &Plan) -> Result<Running, UplinkError> {
    let failed = |source| UplinkError::Start {
        kind: program.kind,
        source,
    };
    let output = Output::new().map_err(failed)?;
    let (ready, ready_writer) = pipe("ready").map_err(failed)?;
    set_nonblocking(&ready).map_err(failed)?;
    let (arguments, inherited, stdout, exit) = match plan {
        Plan::Pasta(plan) => (plan.arguments(), vec![], Stdio::from(ready_writer), None),
        Plan::Slirp4netns(options, target, forwards) => {
            let (exit_reader, exit) = pipe("exit").map_err(failed)?;
            let numbers = (ready_writer.as_raw_fd(), exit_reader.as_raw_fd());
            let mut arguments = options.arguments(target, numbers.0, numbers.1);
            let mut inherited = vec![ready_writer, exit_reader];
            if !forwards.ports.is_empty() {
                let directory = File::open(&forwards.directory);
                let directory = directory.called(|| format!("open({:?})", forwards.directory));
                let directory = OwnedFd::from(directory.map_err(failed)?);
                // By number, since the addresses of sockets are short.
                let number = directory.as_raw_fd();
                let socket = format!("--api-socket=/proc/self/fd/{number}/{SOCKET_NAME}");
                arguments.insert(0, socket.into());
                inherited.push(directory);
            }
            (arguments, inherited, Stdio::null(), Some(exit))
        }
    };
    let mut command = Command::new(&program.path);
    command
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(output.writer().map_err(failed)?);
    let borrowed = inherited
        .iter()
        .map(AsFd::as_fd)
        .collect::<Vec<BorrowedFd<'_>>>();
    let child = child::spawn(&mut command, &borrowed).map_err(failed)?;
    let pidfd = Pidfd::open(pid_of(&child)).map_err(failed)?;
    Ok(Running {
        child,
        pidfd,
        ready,
        exit,
        output,
    })
}

fn pid_of(child: &Child) -> i32 {
    i32::try_from(child.id()).expect("process ids are positive ints")
}

fn kill(child: &mut Child) -> SysResult<()> {
    child.kill().called(|| "kill(SIGKILL)")?;
    child.wait().map(drop).called(|| "waitid")
}

fn pipe(purpose: &str) -> SysResult<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC).called(|| format!("pipe2() for the {purpose} descriptor"))
}

fn set_nonblocking(descriptor: &OwnedFd) -> SysResult<()> {
    let flags = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
    fcntl(descriptor, flags)
        .map(drop)
        .called(|| "fcntl(O_NONBLOCK)")
}

/// Where a program's complaints go: memory of a fixed size, without a reader whose end would kill
/// the program, and without a file to clean up.
#[derive(Debug)]
struct Output(File);

impl Output {
    fn new() -> SysResult<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let memory = memfd_create(c"uplink output", flags).called(|| "memfd_create")?;
        ftruncate(&memory, KEPT_OUTPUT_BYTES).called(|| "ftruncate([memfd])")?;
        let seals = FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW);
        fcntl(&memory, seals).called(|| "fcntl(F_ADD_SEALS)")?;
        Ok(Self(File::from(memory)))
    }

    fn writer(&self) -> SysResult<Stdio> {
        self.0
            .try_clone()
            .map(Stdio::from)
            .called(|| "fcntl(F_DUPFD)")
    }

    fn text(&mut self) -> String {
        let mut bytes = Vec::new();
        // What cannot be read was not said: the status tells the rest.
        let read = self
            .0
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.0.read_to_end(&mut bytes));
        let written = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes[..written]).into_owned(),
            Err(error) => error.to_string(),
        }
    }
}
