// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OCI bundles, and `coracle runtime` upon them.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;

use coracle::sys::fdpass;
use serde_json::{Value, json};

use super::host::is_root;
use super::process::{Call, Outcome};
use super::sandbox::{Sandbox, program};

/// A bundle, and a place for what is made of it.
pub(crate) struct Bundle {
    pub(crate) sandbox: Sandbox,
}

impl Bundle {
    /// One as `runtime spec` makes it, in a cgroup of its own.
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("b")).unwrap();
        sandbox.rootfs("b/rootfs");
        let bundle = sandbox.shown("b");
        let mut words = vec!["runtime", "spec", "--bundle", &bundle];
        if !is_root() {
            words.push("--rootless");
        }
        sandbox.ok(words);
        let bundle = Self { sandbox };
        // All of them are called alike, and each would be in the cgroup of that name.
        let directory = bundle.sandbox.path("");
        let own = directory
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        bundle.edit(|spec| spec["linux"]["cgroupsPath"] = json!(own));
        bundle
    }

    /// Changes the spec.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) -> &Self {
        let path = self.sandbox.path("b/config.json");
        let mut spec = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut spec);
        fs::write(&path, spec.to_string()).unwrap();
        self
    }

    /// Runs `script` in a shell, for which `rt` is the runtime.
    pub(crate) fn shell(&self, script: &str) -> Outcome {
        let root = self.sandbox.shown("o");
        let program = program();
        let head = format!("rt() {{ {program} runtime --root {root} \"$@\"; }}");
        let directory = self.sandbox.shown("b");
        let script = format!("cd {directory}\n{head}\n{script}");
        let call = Call::new("sh").args(["-c", &script]);
        call.env("CORACLE_MODE", "podman").run()
    }
}

/// A change of the spec: `script` runs in a shell, without a terminal.
pub(crate) fn runs(script: &str) -> impl FnOnce(&mut Value) {
    move |spec| {
        spec["process"]["terminal"] = json!(false);
        spec["process"]["args"] = json!(["sh", "-c", script]);
    }
}

/// The descriptor and the words that come over the next connection.
pub(crate) fn received(listener: &UnixListener) -> (OwnedFd, Value) {
    let (connection, _) = listener.accept().unwrap();
    let mut words = vec![0_u8; 1 << 16];
    let (length, mut sent) = fdpass::receive(connection.as_fd(), &mut words).unwrap();
    let told = serde_json::from_slice(&words[..length]).unwrap();
    (sent.pop().expect("a descriptor came"), told)
}
