// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A store of its own for each test, and the tool under test with its global flags.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::process::{Call, Outcome};
use super::pty::Terminal;
use super::rootfs;

/// The name of the image that [`Sandbox::image`] imports.
pub(crate) const IMAGE: &str = "localhost/small:latest";

/// Nothing of the user's own configuration may change what a test sees.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("CONTAINERS_CONF", "/dev/null"),
    ("CORACLE_MODE", "coracle"),
];

/// Which tool the tests drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The binary of this package.
    Coracle,
    /// A podman, named by `TOOL_UNDER_TEST`.
    Podman,
}

/// The tool under test: ours, unless `TOOL_UNDER_TEST` names a podman.
pub(crate) fn tool() -> Tool {
    let named = std::env::var("TOOL_UNDER_TEST").unwrap_or_default();
    match Path::new(&named).file_name() {
        Some(name) if name.to_string_lossy().starts_with("podman") => Tool::Podman,
        _ => Tool::Coracle,
    }
}

/// A store with its run root, gone with everything in it when the test ends.
#[derive(Debug)]
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
    imported: OnceLock<()>,
}

impl Sandbox {
    /// An empty store.
    pub(crate) fn new() -> Self {
        // A short path: the run root holds sockets, whose paths end at 107 bytes. On the disk:
        // /tmp may be in memory, and unlike any store that people have.
        let parent = std::env::var_os("CORACLE_TEST_DIR").unwrap_or_else(|| "/var/tmp".into());
        let directory = tempfile::Builder::new()
            .prefix("ct")
            .tempdir_in(parent)
            .expect("a directory for the test");
        Self {
            directory,
            imported: OnceLock::new(),
        }
    }

    /// A store with the small image in it.
    pub(crate) fn with_image() -> Self {
        let sandbox = Self::new();
        sandbox.image();
        sandbox
    }

    /// A path below the sandbox's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// [`Self::path`] as an argument.
    pub(crate) fn shown(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Writes a file below the sandbox's directory and returns its path as an argument.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.shown(name)
    }

    /// The small image, imported on first use.
    pub(crate) fn image(&self) -> &'static str {
        self.imported.get_or_init(|| {
            let archive = self.path("small.tar");
            fs::write(&archive, rootfs::tar()).unwrap();
            self.ok(["import", "-q", &archive.to_string_lossy(), IMAGE]);
            fs::remove_file(archive).unwrap();
        });
        IMAGE
    }

    /// The small root file system as a directory; each call unpacks another.
    pub(crate) fn rootfs(&self, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        rootfs::unpack(&path);
        self.shown(name)
    }

    /// The tool under test with this store and `arguments`, not yet started.
    pub(crate) fn call<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Call {
        let words: Vec<S> = arguments.into_iter().collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        self.call_copy(&program(), &words)
    }

    /// The same with another copy of the tool.
    pub(crate) fn call_copy(&self, program: &str, arguments: &[&str]) -> Call {
        let call = Call::new(program).args(self.command_line(arguments));
        ENVIRONMENT
            .iter()
            .fold(call, |call, (name, value)| call.env(name, value))
    }

    /// The same, started by `wrapper`: a program and arguments that end before the tool's own.
    pub(crate) fn call_by(&self, wrapper: &[&str], arguments: &[&str]) -> Call {
        let call = Call::new(wrapper[0]).args(&wrapper[1..]).args([program()]);
        let call = call.args(self.command_line(arguments));
        ENVIRONMENT
            .iter()
            .fold(call, |call, (name, value)| call.env(name, value))
    }

    /// Runs `script` with the tool as `"$@"`, in this sandbox's directory, where `small.tar` lies.
    /// Before it `mounts` runs in a mount namespace of its own. Any user may mount in a user
    /// namespace; the script is an ordinary user with one id in another below it.
    pub(crate) fn nested(&self, mounts: &str, script: &str) -> Outcome {
        self.nested_in("-UrmC", mounts, script)
    }

    /// The same in other new namespaces, by the flags of unshare(1).
    pub(crate) fn nested_in(&self, namespaces: &str, mounts: &str, script: &str) -> Outcome {
        fs::create_dir_all(self.path("s")).unwrap();
        fs::write(self.path("small.tar"), rootfs::tar()).unwrap();
        let script = self.file("script", script);
        let mount =
            format!("{mounts} && exec unshare -U --map-user=54321 --map-group=54321 sh \"$@\"");
        let directory = self.shown("");
        let wrapper = [
            "env", "-C", &directory, "unshare", namespaces, "sh", "-c", &mount, "sh",
        ];
        let wrapper: Vec<&str> = wrapper.into_iter().chain([script.as_str()]).collect();
        self.call_by(&wrapper, &[]).run()
    }

    /// The same under a terminal of 24 rows and 80 columns.
    pub(crate) fn terminal<S: AsRef<str>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Terminal {
        Terminal::start(&program(), &self.command_line(arguments), &ENVIRONMENT)
    }

    /// The global flags that make the tool use this store, and `arguments`.
    fn command_line<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Vec<String> {
        let mut line = vec!["--root".to_owned(), self.shown("s")];
        line.extend(["--runroot".to_owned(), self.shown("r")]);
        line.extend(match tool() {
            Tool::Coracle => coracle_flags(),
            Tool::Podman => podman_flags(&self.shown("t")),
        });
        line.extend(arguments.into_iter().map(|word| word.as_ref().to_owned()));
        line
    }

    /// Runs the tool to its end.
    #[track_caller]
    pub(crate) fn run<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        self.call(arguments).run()
    }

    /// Runs the tool, which must succeed, and returns its trimmed standard output.
    #[track_caller]
    pub(crate) fn ok<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        self.run(arguments).expect(0).out().to_owned()
    }

    /// One field of a container, by a template: `.State.Status`.
    #[track_caller]
    pub(crate) fn field(&self, container: &str, field: &str) -> String {
        let template = format!("{{{{{field}}}}}");
        self.ok(["container", "inspect", "--format", &template, container])
    }

    /// Starts a container of the small image in the background; returns its id.
    #[track_caller]
    pub(crate) fn background(&self, name: &str, command: &[&str]) -> String {
        let mut arguments = vec!["run", "-d", "--network", "none", "--name", name, IMAGE];
        arguments.extend(command);
        self.image();
        self.ok(arguments)
    }

    /// Runs a script in the background and returns when it has written `ready`.
    #[track_caller]
    pub(crate) fn background_ready(&self, name: &str, script: &str) -> String {
        let script = format!("{script}\necho ready; while :; do sleep 0.1; done");
        let id = self.background(name, &["sh", "-c", &script]);
        self.wait_log(name, "ready");
        id
    }

    /// Waits until the log of `container` holds `words`.
    #[track_caller]
    pub(crate) fn wait_log(&self, container: &str, words: &str) {
        let follower = self.call(["logs", "-f", container]).spawn();
        follower.wait_for(words);
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.path("s").exists() {
            return;
        }
        let patience = Duration::from_mins(1);
        let removed = self
            .call(["rm", "-f", "-a", "-t", "0"])
            .patience(patience)
            .run();
        if !std::thread::panicking() {
            removed.expect(0);
        }
        self.end_pause_process();
        // Files of other ids can only be removed where those ids are ours.
        let directory = self.directory.path().to_string_lossy().into_owned();
        if fs::remove_dir_all(&directory).is_err() {
            self.call(["unshare", "rm", "-rf", &directory]).run();
        }
    }
}

impl Sandbox {
    /// A podman leaves a process behind for each store; ours leaves nothing.
    fn end_pause_process(&self) {
        let Ok(text) = fs::read_to_string(self.path("t/pause.pid")) else {
            return;
        };
        let pid = text.trim().parse().expect("podman writes a number");
        kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
    }
}

/// The program under test: named by the environment, or the one that cargo built.
pub(crate) fn program() -> String {
    let built = || env!("CARGO_BIN_EXE_coracle").to_owned();
    match tool() {
        Tool::Coracle => std::env::var("CORACLE_BIN").unwrap_or_else(|_| built()),
        Tool::Podman => std::env::var("TOOL_UNDER_TEST").expect("it names a podman"),
    }
}

fn coracle_flags() -> Vec<String> {
    match std::env::var("CORACLE_TEST_ENGINE") {
        Ok(engine) if !engine.is_empty() => {
            vec!["--storage-opt".to_owned(), format!("engine={engine}")]
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// What a podman needs to run without systemd, a journal and a configuration.
fn podman_flags(tmpdir: &str) -> Vec<String> {
    let flags = ["--tmpdir", tmpdir, "--storage-driver", "overlay"];
    let managers = ["--cgroup-manager", "cgroupfs", "--events-backend", "file"];
    let all = flags.into_iter().chain(managers);
    all.map(str::to_owned).collect()
}
