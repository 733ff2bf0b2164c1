// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way to the helper: finds it or starts it, and speaks with it. Whoever starts it holds a
//! lock meanwhile and has bound its socket beforehand, so that nobody waits until it listens.

use std::ffi::CString;
use std::fs::{DirBuilder, File, remove_file};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{dup2_stdin, dup2_stdout, setsid};

use super::cgroup::Cgroup;
use super::protocol::{self, LISTENERS_MAX, Member, Reply, Request, SOCKET_NAME};
use super::version::Version;
use super::{INHERIT, ROLE};
use crate::network::plan::{ConnectionPlan, PublishedPort};
use crate::sys::namespace::meeting_place;
use crate::sys::pidfd::Pidfd;
use crate::sys::process::{
    CloneRequest, Forked, clone3, close_all_but, exec_path, exit_now, restore_signal_defaults,
};
use crate::sys::{Called, Ignored, SysError, SysResult, fdpass};

/// Why a container is not connected.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// The helper could not be started or spoken with.
    #[error("speak with the network helper")]
    Call(#[from] SysError),
    /// It ended before it answered.
    #[error("the network helper ended without an answer")]
    Gone,
    /// It refused.
    #[error("the network helper: {words}")]
    Refused {
        /// Why.
        words: String,
    },
    /// Another binary's, which knows less, and whose work this process cannot take over.
    #[error(
        "the network helper that runs is an older coracle's: the next container that is started \
         brings a new one"
    )]
    Older,
    /// One that cannot hand its work over.
    #[error(
        "the network helper that runs is an older coracle's and hands nothing over: stop the \
         containers that have a network, and try again"
    )]
    NoSuccession,
    /// This host lacks what it needs.
    #[error(
        "no native networking on this host: {words}; `coracle doctor` says what mends it, and \
         --network pasta, slirp4netns, host or none do without"
    )]
    Unsupported {
        /// What.
        words: String,
    },
}

/// A listening socket of the host and the port that it serves.
#[derive(Debug)]
pub struct Listener {
    /// What it is for; its host port is the one that was really bound.
    pub port: PublishedPort,
    /// Bound with the caller's rights, and listening if it is for streams.
    pub socket: OwnedFd,
}

/// A connection with the helper.
#[derive(Debug)]
pub struct Client {
    connection: OwnedFd,
    helper: Helper,
}

/// Whose helper it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Helper {
    /// Started here.
    Own,
    /// It was there.
    Found,
}

/// How a helper's binary compares with this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// It does all that this one knows.
    Current,
    /// It may do less.
    Older,
    /// It ended, or it is so old that it does not know the question.
    Silent,
}

/// Makes the cgroup of a new helper, if there is a place for one.
pub type MakeCgroup = fn() -> Option<Cgroup>;

/// How often it is made: the last helper may just be removing it.
const CGROUP_TRIES: u32 = 3;

/// Where the helper's socket and lock are.
pub fn directory(run_root: &Path) -> PathBuf {
    meeting_place(run_root).join("net")
}

/// The file of [`Membership`].
const MEMBERS: &str = "members";

/// How long the monitors may take to come to a new helper, or to start it.
const COMING: Duration = Duration::from_millis(500);

impl Client {
    /// Connects with the helper, starting it if there is none. The caller lives in the user's
    /// holder namespace and in the host's network, and is single-threaded; it need not wait for
    /// the helper to be ready. `namespace` is that of a helper that has died; who has none gives
    /// those a moment who do. `cgroup` gives a new one its cgroup, if there is one for it.
    ///
    /// # Errors
    ///
    /// What kept it from starting.
    pub fn start(
        run_root: &Path,
        namespace: Option<BorrowedFd<'_>>,
        cgroup: MakeCgroup,
    ) -> Result<Self, HelperError> {
        let directory = directory(run_root);
        let mut private = DirBuilder::new();
        private
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .called(|| format!("mkdir({directory:?})"))?;
        let deadline = Instant::now() + COMING;
        loop {
            let lock = lock(&directory)?;
            if let Some(client) = Self::connect(run_root)? {
                return Ok(client);
            }
            let is_ours = namespace.is_some() || !Membership::is_held(&directory);
            if is_ours || Instant::now() >= deadline {
                return Self::begin(&directory, namespace, cgroup);
            }
            // It has died, and a monitor starts the next one with the bridges that there were.
            drop(lock);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts a helper where none listens any more; the caller holds the lock.
    fn begin(
        directory: &Path,
        namespace: Option<BorrowedFd<'_>>,
        cgroup: MakeCgroup,
    ) -> Result<Self, HelperError> {
        remove_file(directory.join(SOCKET_NAME)).ignored();
        let listener = fdpass::listen_for_messages_in(directory, SOCKET_NAME)?;
        let connection = fdpass::connect_for_messages_in(directory, SOCKET_NAME)?;
        spawn(directory, listener.as_fd(), namespace, cgroup)?;
        Ok(Self {
            connection,
            helper: Helper::Own,
        })
    }

    /// This connection, or that with a new helper if this one's is of an older binary: then the
    /// old one hands over its namespace and ends, but for the connections that it carries, and all
    /// monitors come to the new one. The caller is as for [`Client::start`].
    ///
    /// # Errors
    ///
    /// [`HelperError::NoSuccession`].
    pub fn current(self, run_root: &Path, cgroup: MakeCgroup) -> Result<Self, HelperError> {
        match (self.helper, self.age()) {
            (Helper::Own, _) | (Helper::Found, Ok(Age::Current)) => Ok(self),
            (Helper::Found, Ok(Age::Older | Age::Silent)) => Self::succeed(run_root, cgroup),
            (Helper::Found, Err(error)) => Err(error),
        }
    }

    fn succeed(run_root: &Path, cgroup: MakeCgroup) -> Result<Self, HelperError> {
        let directory = directory(run_root);
        let _lock = lock(&directory)?;
        let Some(old) = Self::connect(run_root)? else {
            return Self::begin(&directory, None, cgroup);
        };
        match old.age()? {
            Age::Current => return Ok(old),
            Age::Older => {}
            Age::Silent => return Err(HelperError::NoSuccession),
        }
        let members = old.members()?;
        let bridges = if members.is_empty() {
            None
        } else {
            Some(old.namespace()?)
        };
        old.ask(&Request::Retire, &[])?;
        // Until its sockets are free.
        while let Ok(Some(_)) = protocol::receive::<Reply>(old.as_fd()) {}
        let new = Self::begin(&directory, bridges.as_ref().map(AsFd::as_fd), cgroup)?;
        new.await_members(&members);
        Ok(new)
    }

    /// Gives the monitors of the older helper's containers a moment to come: before they have,
    /// nobody finds their names. One that does not come holds nobody up for long.
    fn await_members(&self, awaited: &[Member]) {
        let deadline = Instant::now() + COMING;
        let has_come = |came: &[Member], one: &Member| {
            came.iter().any(|member| member.container == one.container)
        };
        while Instant::now() < deadline {
            match self.members() {
                Ok(came) if awaited.iter().all(|one| has_come(&came, one)) => return,
                Ok(_) => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => return,
            }
        }
    }

    fn refuse_older(&self) -> Result<(), HelperError> {
        match self.age()? {
            Age::Current => Ok(()),
            Age::Older | Age::Silent => Err(HelperError::Older),
        }
    }

    fn age(&self) -> Result<Age, HelperError> {
        let own = Version::own();
        let question = Request::Hello {
            version: own.clone(),
        };
        match self.ask(&question, &[]) {
            Ok((Reply::Hello { version }, _)) if version >= own => Ok(Age::Current),
            Ok(_) => Ok(Age::Older),
            Err(HelperError::Gone) => Ok(Age::Silent),
            Err(error) => Err(error),
        }
    }

    /// Connects with the helper if there is one.
    ///
    /// # Errors
    ///
    /// What connect(2) says, but for there being none.
    pub fn connect(run_root: &Path) -> SysResult<Option<Self>> {
        match fdpass::connect_for_messages_in(&directory(run_root), SOCKET_NAME) {
            Ok(connection) => Ok(Some(Self {
                connection,
                helper: Helper::Found,
            })),
            Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ECONNREFUSED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Connects the container with the networks of `plan`: `namespace` is its network namespace,
    /// `process` its first process. The value is the namespace of the bridges, which must stay
    /// open as long as the container runs: it outlives a helper that dies.
    ///
    /// # Errors
    ///
    /// [`HelperError::Unsupported`] where the host cannot do it.
    pub fn attach(
        &self,
        container: &str,
        plan: &ConnectionPlan,
        namespace: BorrowedFd<'_>,
        process: BorrowedFd<'_>,
    ) -> Result<OwnedFd, HelperError> {
        let request = Request::Attach {
            container: container.to_owned(),
            plan: Box::new(plan.clone()),
        };
        let mut descriptors = self.ask(&request, &[namespace, process])?.1;
        descriptors.pop().ok_or(HelperError::Gone)
    }

    /// Lets the helper serve `listeners`, of which it gets copies.
    ///
    /// # Errors
    ///
    /// The helper's refusal.
    pub fn publish(&self, container: &str, listeners: &[Listener]) -> Result<(), HelperError> {
        for part in listeners.chunks(LISTENERS_MAX) {
            let request = Request::Publish {
                container: container.to_owned(),
                ports: part.iter().map(|listener| listener.port).collect(),
            };
            let sockets = part.iter().map(|listener| listener.socket.as_fd());
            self.ask(&request, &sockets.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Adds the networks of `plan` to a container that is attached.
    ///
    /// # Errors
    ///
    /// The helper's refusal; [`HelperError::Older`].
    pub fn connect_container(
        &self,
        container: &str,
        plan: &ConnectionPlan,
    ) -> Result<(), HelperError> {
        self.refuse_older()?;
        let request = Request::Connect {
            container: container.to_owned(),
            plan: Box::new(plan.clone()),
        };
        self.ask(&request, &[]).map(drop)
    }

    /// Takes a container out of the network with the id `network`.
    ///
    /// # Errors
    ///
    /// The helper's refusal.
    pub fn disconnect_container(&self, container: &str, network: &str) -> Result<(), HelperError> {
        let request = Request::Disconnect {
            container: container.to_owned(),
            network: network.to_owned(),
        };
        self.ask(&request, &[]).map(drop)
    }

    /// Changes whom the name server asks for the containers of a network.
    ///
    /// # Errors
    ///
    /// The helper's refusal; [`HelperError::Older`].
    pub fn set_name_servers(&self, network: &str, servers: &[IpAddr]) -> Result<(), HelperError> {
        self.refuse_older()?;
        let request = Request::NameServers {
            network: network.to_owned(),
            servers: servers.to_vec(),
        };
        self.ask(&request, &[]).map(drop)
    }

    /// Ends the connection of a container: its ports are free when this returns, but for the
    /// caller's copies.
    ///
    /// # Errors
    ///
    /// The helper's refusal.
    pub fn detach(&self, container: &str) -> Result<(), HelperError> {
        let request = Request::Detach {
            container: container.to_owned(),
        };
        self.ask(&request, &[]).map(drop)
    }

    /// Who is attached.
    ///
    /// # Errors
    ///
    /// The helper's refusal.
    pub fn members(&self) -> Result<Vec<Member>, HelperError> {
        match self.ask(&Request::List, &[])?.0 {
            Reply::Attached(members) => Ok(members),
            Reply::Done
            | Reply::Hello { .. }
            | Reply::Refused { .. }
            | Reply::Unsupported { .. }
            | Reply::Changed(_) => Err(HelperError::Gone),
        }
    }

    /// The network namespace of the bridges.
    ///
    /// # Errors
    ///
    /// The helper's refusal.
    pub fn namespace(&self) -> Result<OwnedFd, HelperError> {
        let mut descriptors = self.ask(&Request::Namespace, &[])?.1;
        descriptors.pop().ok_or(HelperError::Gone)
    }

    /// What was told unasked, on a connection that has become readable; `None` when the helper is
    /// gone.
    pub fn news(&self) -> Option<ConnectionPlan> {
        match protocol::receive(self.connection.as_fd()) {
            Ok(Some((Reply::Changed(plan), _))) => Some(*plan),
            Ok(_) | Err(_) => None,
        }
    }

    fn ask(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(Reply, Vec<OwnedFd>), HelperError> {
        let gone = |error: SysError| match error.errno {
            Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN => HelperError::Gone,
            _ => HelperError::Call(error),
        };
        protocol::send(self.connection.as_fd(), request, descriptors).map_err(gone)?;
        loop {
            let answer = protocol::receive(self.connection.as_fd()).map_err(gone)?;
            return match answer {
                None => Err(HelperError::Gone),
                Some((Reply::Refused { words }, _)) => Err(HelperError::Refused { words }),
                Some((Reply::Unsupported { words }, _)) => Err(HelperError::Unsupported { words }),
                // The answer comes behind it.
                Some((Reply::Changed(_), _)) => continue,
                Some((reply, descriptors)) => Ok((reply, descriptors)),
            };
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// Held by each monitor of a connected container: where somebody holds it and no helper listens,
/// the helper has died.
#[derive(Debug)]
pub struct Membership(#[expect(dead_code, reason = "the kernel lets go of it")] Flock<File>);

impl Membership {
    /// Becomes a member until the value is dropped, or the process ends.
    ///
    /// # Errors
    ///
    /// What open(2) and flock(2) say.
    pub fn begin(run_root: &Path) -> SysResult<Self> {
        flocked(&directory(run_root).join(MEMBERS), FlockArg::LockShared).map(Self)
    }

    fn is_held(directory: &Path) -> bool {
        let alone = FlockArg::LockExclusiveNonblock;
        let found = flocked(&directory.join(MEMBERS), alone);
        matches!(found, Err(error) if error.errno == Errno::EWOULDBLOCK)
    }
}

fn lock(directory: &Path) -> SysResult<Flock<File>> {
    flocked(&directory.join("lock"), FlockArg::LockExclusive)
}

fn flocked(path: &Path, how: FlockArg) -> SysResult<Flock<File>> {
    let mut options = File::options();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .called(|| format!("open({path:?})"))?;
    let mut file = file;
    loop {
        match Flock::lock(file, how) {
            Ok(lock) => return Ok(lock),
            Err((again, Errno::EINTR)) => file = again,
            Err((_, errno)) => return Err(errno).called(|| format!("flock({path:?})")),
        }
    }
}

/// Forks twice: the helper is nobody's child, for it outlives whoever starts it.
fn spawn(
    directory: &Path,
    listener: BorrowedFd<'_>,
    namespace: Option<BorrowedFd<'_>>,
    cgroup: MakeCgroup,
) -> SysResult<()> {
    match clone3(&CloneRequest::default())? {
        Forked::Parent { pid, pidfd } => {
            drop(Pidfd::from(pidfd).wait(Some(Duration::from_secs(5))));
            nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).ignored();
            Ok(())
        }
        Forked::Child => {
            fork_into(cgroup, |cgroup| {
                become_helper(directory, listener, namespace, cgroup);
            });
            exit_now(0)
        }
    }
}

/// Forks into the cgroup; the new process alone becomes what is asked, and knows its cgroup: none
/// where there is no place for one, or it cannot be joined after all.
fn fork_into(make: MakeCgroup, become_it: impl FnOnce(Option<&Cgroup>)) {
    for _ in 0..CGROUP_TRIES {
        let Some(cgroup) = make() else { break };
        let into = CloneRequest {
            cgroup: Some(cgroup.directory.as_fd()),
            ..CloneRequest::default()
        };
        match clone3(&into) {
            Ok(Forked::Child) => return become_it(Some(&cgroup)),
            Ok(Forked::Parent { .. }) => return,
            Err(_) => {}
        }
    }
    if matches!(clone3(&CloneRequest::default()), Ok(Forked::Child)) {
        become_it(None);
    }
}

/// Does not return but for a failure, of which clients hear by the end of their connection.
fn become_helper(
    directory: &Path,
    listener: BorrowedFd<'_>,
    namespace: Option<BorrowedFd<'_>>,
    cgroup: Option<&Cgroup>,
) {
    setsid().ignored();
    restore_signal_defaults();
    // The socket and the namespace travel as standard input and output.
    if dup2_stdin(listener).is_err() {
        return;
    }
    // The directory tells people whose helper it is.
    let place = directory.as_os_str().as_encoded_bytes();
    let mut words = vec![c"coracle".to_owned(), text(ROLE.as_bytes()), text(place)];
    if let Some(namespace) = namespace
        && dup2_stdout(namespace).is_ok()
    {
        words.push(text(INHERIT.as_bytes()));
    }
    for (word, path) in cgroup.iter().flat_map(|cgroup| cgroup.words()) {
        words.push(text(word.as_bytes()));
        words.push(text(path.as_os_str().as_encoded_bytes()));
    }
    close_all_but(&[0, 1, 2]).ignored();
    drop(exec_path(c"/proc/self/exe", &words, &[]));
}

fn text(word: &[u8]) -> CString {
    CString::new(word).expect("words of ours and paths have no NUL")
}
