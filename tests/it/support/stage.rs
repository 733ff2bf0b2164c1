// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers on disk, and a place where the overlay over FUSE is mounted by hand.

use std::fs;
use std::path::PathBuf;

use crate::support::host;
use crate::support::process::{Call, Outcome};
use crate::support::sandbox::program;

/// What the scripts see below `m`, made in two layers and, flattened, in a plain directory.
pub(crate) const LOWER: &str = "mkdir -p dir/deep/deeper only/low
    echo below > file; echo below > dir/low; echo deep > dir/deep/deeper/leaf
    ln -s ../file dir/link; echo shared > one; ln one two; ln one dir/three
    echo gone > only/low/x; : > empty; chmod 640 file; chmod 2755 only";
pub(crate) const MIDDLE: &str =
    "mkdir -p dir/middle; echo middle > dir/mid; echo above > dir/both; chmod 700 dir";

/// Layers on disk and a place to mount them.
pub(crate) struct Stage {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) ids: Ids,
}

/// How many ids the namespace has.
#[derive(Clone, Copy)]
pub(crate) enum Ids {
    One,
    Range,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["low", "mid", "up", "work", "m", "plain"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self {
            directory,
            ids: Ids::One,
        }
    }

    pub(crate) fn filled() -> Self {
        let stage = Self::new();
        stage.shell("cd low", LOWER);
        stage.shell("cd mid", MIDDLE);
        stage.shell("cd plain", &format!("{LOWER}\n{MIDDLE}"));
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn shell(&self, first: &str, script: &str) -> String {
        let script = format!("set -eu; umask 022; cd \"$0\"; {first}\n{script}");
        let stage = self.directory.path().to_str().unwrap();
        let outcome = Call::new("sh").args(["-c", &script, stage]).run();
        outcome.expect(0).stdout
    }

    /// Runs `script` below the mount point, as root of a namespace.
    pub(crate) fn mounted(&self, options: &str, script: &str) -> Outcome {
        let layers = "lowerdir=mid:low,upperdir=up,workdir=work";
        self.mount(&format!("{layers}{options}"), script)
    }

    pub(crate) fn mount(&self, options: &str, script: &str) -> Outcome {
        let script = format!(
            "set -eu; umask 022; cd \"$0\"
            \"$CORACLE\" overlay-fuse -o \"{options}\" m
            trap 'cd /; umount \"$0/m\"' EXIT
            cd m
            {script}"
        );
        let namespaces: &[&str] = match self.ids {
            _ if host::is_root() => &["-m"],
            Ids::One => &["-U", "-r", "-m"],
            Ids::Range => &["-U", "-r", "--map-auto", "-m"],
        };
        let stage = self.directory.path().to_str().unwrap();
        Call::new("unshare")
            .args(namespaces)
            .args(["sh", "-c", &script, stage])
            .env("CORACLE", program())
            .run()
    }
}
