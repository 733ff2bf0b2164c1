// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the host has and lacks, found by trying. A test that needs what is not there is a skip
//! with its reason; a name in the environment's `REQUIRE` (or `all`) makes the skip a failure.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use super::differences;

/// Something that a test may need of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// User namespaces for this user.
    Userns,
    /// A usable /dev/fuse.
    Fuse,
    /// The kernel's overlay in a user namespace.
    Overlay,
    /// More than one id: a subuid range with its helpers, or root.
    Range,
    /// An ordinary user, not root.
    Unprivileged,
    /// A group beside the user's own.
    Group,
    /// /dev/net/tun.
    Tun,
    /// A cgroup v2 directory in which this user may make others.
    Cgroup,
    /// The program pasta.
    Pasta,
    /// The program slirp4netns.
    Slirp4netns,
    /// The program docker-registry.
    Registry,
    /// The programs skopeo, buildah and podman.
    Peers,
    /// The program distrobox.
    Distrobox,
    /// The program podman-compose.
    PodmanCompose,
    /// A root file system of Debian, as a tar.
    Debian,
    /// The program nginx.
    Nginx,
    /// Debian packages of the program under test.
    Packages,
}

const NEEDS: [(&str, Need); 17] = [
    ("userns", Need::Userns),
    ("fuse", Need::Fuse),
    ("overlay", Need::Overlay),
    ("range", Need::Range),
    ("unprivileged", Need::Unprivileged),
    ("group", Need::Group),
    ("tun", Need::Tun),
    ("cgroup", Need::Cgroup),
    ("pasta", Need::Pasta),
    ("slirp4netns", Need::Slirp4netns),
    ("registry", Need::Registry),
    ("peers", Need::Peers),
    ("distrobox", Need::Distrobox),
    ("podman-compose", Need::PodmanCompose),
    ("debian", Need::Debian),
    ("nginx", Need::Nginx),
    ("packages", Need::Packages),
];

/// Whether the test must end as a skip because of `needs`, names between commas, or because the
/// tool under test is known to differ there.
#[track_caller]
pub(crate) fn skipped(needs: &str) -> bool {
    if let Some(reason) = differences::of_this_test() {
        tell_skip(&reason);
        return true;
    }
    let lacking = |name: &&str| !has(need(name));
    let Some(name) = needs.split(',').map(str::trim).find(lacking) else {
        return false;
    };
    let reason = format!("the host lacks {name}: {}", explain(need(name)));
    assert!(!required(name), "REQUIRE names it, but {reason}");
    tell_skip(&reason);
    true
}

/// Skips for a lack that the program itself told: `name` is what `REQUIRE` calls it.
#[track_caller]
pub(crate) fn lacks(name: &str, reason: &str) {
    assert!(!required(name), "REQUIRE names {name}, but {reason}");
    tell_skip(&format!("the host lacks {name}: {reason}"));
}

/// Whether the host has `need`; each is probed once.
pub(crate) fn has(need: Need) -> bool {
    static KNOWN: Mutex<Vec<(Need, bool)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().expect("a probe does not panic");
    if let Some((_, has)) = known.iter().find(|(probed, _)| *probed == need) {
        return *has;
    }
    let has = probe(need);
    known.push((need, has));
    has
}

/// The tar of a Debian root file system.
pub(crate) fn debian() -> Option<String> {
    named_by("CORACLE_TEST_DEBIAN")
}

/// The program nginx, which runs with the host's libraries.
pub(crate) fn nginx() -> Option<String> {
    named_by("CORACLE_TEST_NGINX")
}

/// The directory with the Debian packages that `packaging/build` makes.
pub(crate) fn packages() -> Option<String> {
    named_by("CORACLE_TEST_PACKAGES")
}

fn named_by(variable: &str) -> Option<String> {
    let path = std::env::var(variable).ok()?;
    Path::new(&path).exists().then_some(path)
}

/// A group that the user is in beside its own.
pub(crate) fn other_group() -> Option<nix::unistd::Gid> {
    let own = nix::unistd::getgid();
    let mut groups = nix::unistd::getgroups().ok()?.into_iter();
    groups.find(|group| *group != own)
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn need(name: &str) -> Need {
    let found = NEEDS.iter().find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("no probe is called {name:?}"))
        .1
}

fn required(name: &str) -> bool {
    let list = std::env::var("REQUIRE").unwrap_or_default();
    list.split(',')
        .any(|wanted| wanted.trim() == name || wanted.trim() == "all")
}

/// Tells the skip on standard error and in the file that `CORACLE_TEST_SKIPS` names.
fn tell_skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("skip: {}: {reason}\n", thread.name().unwrap_or("a test"));
    eprint!("{line}");
    let Some(path) = std::env::var_os("CORACLE_TEST_SKIPS") else {
        return;
    };
    let mut log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("open {}: {error}", Path::new(&path).display()));
    log.write_all(line.as_bytes()).expect("the list of skips");
}

fn probe(need: Need) -> bool {
    let overlay = "d=$(mktemp -d) && trap 'umount $d 2>/dev/null; rm -rf $d' EXIT \
        && mount -t tmpfs none $d && cd $d && mkdir l u w m \
        && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w,userxattr none m && cd / \
        && umount $d/m";
    match need {
        Need::Userns => works("unshare", &["-U", "true"]),
        Need::Fuse => opens("/dev/fuse"),
        Need::Overlay => works("unshare", &["-Urm", "sh", "-c", overlay]),
        Need::Range => is_root() || has_range(),
        Need::Unprivileged => !is_root(),
        Need::Group => other_group().is_some(),
        Need::Tun => opens("/dev/net/tun"),
        Need::Cgroup => own_cgroup_is_writable(),
        Need::Pasta => works("pasta", &["--version"]),
        Need::Slirp4netns => works("slirp4netns", &["--version"]),
        Need::Registry => works("docker-registry", &["--version"]),
        Need::Peers => ["skopeo", "buildah", "podman"]
            .iter()
            .all(|program| works(program, &["--version"])),
        Need::Distrobox => works("distrobox", &["--version"]),
        // It asks podman.
        Need::PodmanCompose => works("podman-compose", &["--help"]),
        Need::Debian => debian().is_some(),
        Need::Nginx => nginx().is_some_and(|nginx| works(&nginx, &["-v"])),
        Need::Packages => packages().is_some(),
    }
}

fn explain(need: Need) -> &'static str {
    match need {
        Need::Userns => "unshare -U does not work for this user",
        Need::Fuse => "/dev/fuse cannot be opened for reading and writing",
        Need::Overlay => "overlay cannot be mounted in a user namespace",
        Need::Range => "no range for this user in /etc/subuid and /etc/subgid, or no newuidmap",
        Need::Unprivileged => "the tests run as root",
        Need::Group => "this user is in no group but its own",
        Need::Tun => "/dev/net/tun cannot be opened for reading and writing",
        Need::Cgroup => "this user cannot make a cgroup below its own on cgroup v2",
        Need::Pasta => "the program pasta does not run",
        Need::Slirp4netns => "the program slirp4netns does not run",
        Need::Registry => "the program docker-registry does not run",
        Need::Peers => "skopeo, buildah or podman does not run",
        Need::Distrobox => "the program distrobox does not run",
        Need::PodmanCompose => "the program podman-compose does not run",
        Need::Nginx => "CORACLE_TEST_NGINX names no nginx that runs; tests/run finds one",
        Need::Packages => "CORACLE_TEST_PACKAGES names no packages; tests/run makes them",
        Need::Debian => "CORACLE_TEST_DEBIAN names no tar of a Debian; tests/run makes one",
    }
}

fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn opens(path: &str) -> bool {
    OpenOptions::new().read(true).write(true).open(path).is_ok()
}

fn has_range() -> bool {
    let uid = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten();
    let name = name.map(|user| user.name).unwrap_or_default();
    let listed = |path: &str| {
        let table = fs::read_to_string(path).unwrap_or_default();
        table.lines().any(|line| {
            line.split(':')
                .next()
                .is_some_and(|owner| owner == name || owner == uid.to_string())
        })
    };
    listed("/etc/subuid") && listed("/etc/subgid") && works("sh", &["-c", "command -v newuidmap"])
}

fn own_cgroup_is_writable() -> bool {
    static WRITABLE: OnceLock<bool> = OnceLock::new();
    *WRITABLE.get_or_init(|| {
        let probe = format!("coracle-test-probe-{}", std::process::id());
        own_cgroup().is_some_and(|directory| {
            let probe = directory.join(&probe);
            fs::create_dir(&probe).is_ok() && fs::remove_dir(&probe).is_ok()
        })
    })
}

/// The directory of this process's cgroup v2.
pub(crate) fn own_cgroup() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(|mount| Path::new(mount).join(path.trim_start_matches('/')))
        .find(|directory| directory.join("cgroup.procs").exists())
}

/// A port of the host that nobody has and that the kernel gives nobody: a test that lets go of a
/// port so that its program can bind it loses one of the kernel's own choice to any other socket.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Below what `ip_local_port_range` begins with; each process begins elsewhere.
    let mut ports = (0_u16..12_000).map(|_| {
        let number = std::process::id() + NEXT.fetch_add(1, Ordering::Relaxed);
        20_000 + u16::try_from(number % 12_000).unwrap()
    });
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(free).expect("a port that nobody has")
}
