// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading a bundle: its spec, with every path made absolute, and checked where a mistake would
//! otherwise go unnoticed.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Linux, LinuxNamespace, LinuxNamespaceType, Process, Spec};
use serde_json::Value;

use super::error::file;
use super::{BundleError, privileges};
use crate::sys::{SysResult, caps};

/// Larger documents are no specs.
const LARGEST_BYTES: u64 = 16 << 20;

/// A spec with the places that it speaks of.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) spec: Spec,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    /// What is not as it was asked for.
    pub(super) warnings: Vec<String>,
}

/// Reads a JSON file of others.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, BundleError> {
    let mut bytes = Vec::new();
    let opened = fs::File::open(path).map_err(|source| file(path, source))?;
    let read = opened.take(LARGEST_BYTES).read_to_end(&mut bytes);
    read.map_err(|source| file(path, source))?;
    serde_json::from_slice(&bytes).map_err(|source| BundleError::Form {
        path: path.to_owned(),
        source,
    })
}

/// Reads a `process` section that stands alone, with what is not as it was asked for.
pub(super) fn read_process(path: &Path) -> Result<(Process, Vec<String>), BundleError> {
    let mut value: Value = read_json(path)?;
    name_user(&mut value);
    let mut warnings = privileges::drop_unknown(&mut value);
    let mut process: Process = parse(path, value)?;
    if warnings.is_empty() {
        privileges::check(&process)?;
    }
    warnings.extend(privileges::drop_ambient(&mut process));
    Ok((process, warnings))
}

/// A `process` section that names no user means root.
fn name_user(process: &mut Value) {
    if let Some(process) = process.as_object_mut() {
        let root = || serde_json::json!({"uid": 0, "gid": 0});
        process.entry("user").or_insert_with(root);
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, value: Value) -> Result<T, BundleError> {
    serde_json::from_value(value).map_err(|source| BundleError::Form {
        path: path.to_owned(),
        source,
    })
}

impl Document {
    /// Reads the bundle at `bundle`, with its spec perhaps elsewhere.
    pub(super) fn read(bundle: &Path, config: Option<&Path>) -> Result<Self, BundleError> {
        let bundle = std::path::absolute(bundle).map_err(|source| file(bundle, source))?;
        let path = match config {
            Some(path) => std::path::absolute(path).map_err(|source| file(path, source))?,
            None => bundle.join("config.json"),
        };
        let mut value: Value = read_json(&path)?;
        let unknown = value.get_mut("process").map(|process| {
            name_user(process);
            privileges::drop_unknown(process)
        });
        let mut document = Self::of(parse(&path, value)?, bundle)?;
        let unknown = unknown.unwrap_or_default();
        // Without those that are unknown the sets need not fit each other any more.
        if let (true, Some(process)) = (unknown.is_empty(), document.spec.process()) {
            privileges::check(process)?;
        }
        document.warnings.splice(0..0, unknown);
        Ok(document)
    }

    /// Gives the container a user namespace if it has none: nobody but root can make the others
    /// without.
    pub(super) fn add_user_namespace(&mut self) {
        let mut linux = self.spec.linux().clone().unwrap_or_default();
        if has(&linux, LinuxNamespaceType::User) {
            return;
        }
        let mut namespaces = linux.namespaces().clone().unwrap_or_default();
        let mut user = LinuxNamespace::default();
        user.set_typ(LinuxNamespaceType::User);
        namespaces.push(user);
        linux.set_namespaces(Some(namespaces));
        self.spec.set_linux(Some(linux));
    }

    /// Leaves out the capabilities that this process cannot give.
    pub(super) fn drop_ungranted(&mut self) -> SysResult<()> {
        let Some(mut process) = self.spec.process().clone() else {
            return Ok(());
        };
        self.warnings.extend(ungranted(&self.spec, &mut process)?);
        self.spec.set_process(Some(process));
        Ok(())
    }

    /// Tells the program of `count` sockets that it gets, as sd_listen_fds(3) looks for them.
    pub(super) fn hand_over(&mut self, count: u32) {
        let Some(process) = self.spec.process().as_ref().filter(|_| count > 0) else {
            return;
        };
        let mut process = process.clone();
        let mut environment = process.env().clone().unwrap_or_default();
        environment.extend([format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()]);
        process.set_env(Some(environment));
        self.spec.set_process(Some(process));
    }

    fn of(mut spec: Spec, bundle: PathBuf) -> Result<Self, BundleError> {
        let root = spec.root().as_ref();
        let root = root.ok_or_else(|| wrong("root is missing"))?.path().clone();
        let rootfs = bundle.join(root);
        make_absolute(&mut spec, &bundle);
        make_unnamed_new(&mut spec);
        if spec.process().is_none() {
            // It may be created, and not started.
            let mut process = Process::default();
            process.set_args(Some(Vec::new())).set_rlimits(None);
            spec.set_process(Some(process));
        } else {
            check_process(&spec)?;
        }
        check(&spec)?;
        let mut warnings = Vec::new();
        if let Some(mut process) = spec.process().clone() {
            warnings = privileges::drop_ambient(&mut process);
            spec.set_process(Some(process));
        }
        Ok(Self {
            spec,
            bundle,
            rootfs,
            warnings,
        })
    }
}

/// Takes from a process of a container what this one cannot give it; the value says what. All of it
/// can be given in a user namespace of one's own.
pub(super) fn ungranted(spec: &Spec, process: &mut Process) -> SysResult<Option<String>> {
    let linux = spec.linux().as_ref();
    if linux.is_some_and(|linux| has(linux, LinuxNamespaceType::User)) {
        return Ok(None);
    }
    Ok(privileges::drop_ungranted(process, caps::permitted()?))
}

fn wrong(reason: impl Into<String>) -> BundleError {
    BundleError::Spec {
        reason: reason.into(),
    }
}

/// Sources of bind mounts are relative to the bundle, destinations to the root.
fn make_absolute(spec: &mut Spec, bundle: &Path) {
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    for mount in &mut mounts {
        let mut options = mount.options().iter().flatten();
        let binds = mount.typ().as_deref() == Some("bind")
            || options.any(|option| option == "bind" || option == "rbind");
        if binds && let Some(source) = mount.source().clone() {
            mount.set_source(Some(bundle.join(source)));
        }
        if !mount.destination().is_absolute() {
            mount.set_destination(Path::new("/").join(mount.destination()));
        }
    }
    spec.set_mounts(Some(mounts));
}

/// A namespace with an empty path is a new one, as without a path: engines write both.
fn make_unnamed_new(spec: &mut Spec) {
    let Some(mut linux) = spec.linux().clone() else {
        return;
    };
    let mut namespaces = linux.namespaces().clone().unwrap_or_default();
    for namespace in &mut namespaces {
        let path = namespace.path().clone();
        namespace.set_path(path.filter(|path| !path.as_os_str().is_empty()));
    }
    linux.set_namespaces(Some(namespaces));
    spec.set_linux(Some(linux));
}

fn check(spec: &Spec) -> Result<(), BundleError> {
    if !spec.version().starts_with("1.") {
        let version = spec.version();
        return Err(wrong(format!("ociVersion {version:?} is not 1.x")));
    }
    let linux = spec.linux().as_ref();
    let linux = linux.ok_or_else(|| wrong("linux is missing"))?;
    let named = spec.hostname().is_some() || spec.domainname().is_some();
    if named && !has(linux, LinuxNamespaceType::Uts) {
        return Err(wrong("hostname and domainname need a UTS namespace"));
    }
    if !has(linux, LinuxNamespaceType::Mount) {
        return Err(wrong("a container needs a mount namespace"));
    }
    for (name, field) in [
        ("kernel.hostname", spec.hostname()),
        ("kernel.domainname", spec.domainname()),
    ] {
        let set = linux.sysctl().as_ref();
        if field.is_some() && set.is_some_and(|set| set.contains_key(name)) {
            return Err(wrong(format!(
                "sysctl {name} and a field of its own set the same"
            )));
        }
    }
    let mut kinds: Vec<_> = linux.namespaces().iter().flatten().collect();
    kinds.sort_by_key(|namespace| namespace.typ() as u32);
    if kinds.windows(2).any(|pair| pair[0].typ() == pair[1].typ()) {
        return Err(wrong("a kind of namespace is listed twice"));
    }
    let clocks = linux
        .time_offsets()
        .as_ref()
        .is_some_and(|set| !set.is_empty());
    let mut namespaces = linux.namespaces().iter().flatten();
    let is_new_time = |namespace: &LinuxNamespace| {
        namespace.typ() == LinuxNamespaceType::Time && namespace.path().is_none()
    };
    if clocks && !namespaces.any(is_new_time) {
        return Err(wrong(
            "linux.timeOffsets need a time namespace that is made for them",
        ));
    }
    if linux
        .net_devices()
        .as_ref()
        .is_some_and(|set| !set.is_empty())
    {
        return Err(wrong("linux.netDevices is not supported"));
    }
    if linux.intel_rdt().is_some() {
        return Err(wrong("linux.intelRdt is not supported"));
    }
    Ok(())
}

fn check_process(spec: &Spec) -> Result<(), BundleError> {
    let Some(process) = spec.process() else {
        return Ok(());
    };
    if !process.cwd().is_absolute() {
        let cwd = process.cwd().display();
        return Err(wrong(format!(
            "process.cwd must be an absolute path: {cwd:?}"
        )));
    }
    if process.args().as_ref().is_none_or(Vec::is_empty) {
        return Err(wrong("process.args must not be empty"));
    }
    let mut limits: Vec<_> = process.rlimits().iter().flatten().collect();
    limits.sort_by_key(|limit| limit.typ() as u32);
    if limits.windows(2).any(|pair| pair[0].typ() == pair[1].typ()) {
        return Err(wrong("process.rlimits lists a type twice"));
    }
    let apparmor = process.apparmor_profile().as_deref().unwrap_or_default();
    if !apparmor.is_empty() && apparmor != "unconfined" {
        return Err(wrong("process.apparmorProfile is not supported"));
    }
    Ok(())
}

/// Whether the container has a namespace of this kind, a new one or one that it joins.
pub(super) fn has(linux: &Linux, kind: LinuxNamespaceType) -> bool {
    let mut namespaces = linux.namespaces().iter().flatten();
    namespaces.any(|namespace| namespace.typ() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(json: &str) -> Result<Document, String> {
        let mut value = serde_json::json!({
            "ociVersion": "1.3.0",
            "root": {"path": "rootfs"},
            "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["true"]},
            "linux": {"namespaces": [{"type": "mount"}]},
        });
        let changes: serde_json::Map<_, _> = serde_json::from_str(json).unwrap();
        value.as_object_mut().unwrap().extend(changes);
        let spec = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Document::of(spec, PathBuf::from("/b")).map_err(|error| error.to_string())
    }

    #[test]
    fn paths_are_the_bundles() {
        let mounts = r#"{"mounts": [
            {"destination": "data", "source": "data", "options": ["rbind"]},
            {"destination": "/t", "type": "tmpfs", "source": "tmpfs"}]}"#;
        let document = document(mounts).unwrap();
        assert_eq!(document.rootfs, Path::new("/b/rootfs"));
        let mounts = document.spec.mounts().as_ref().unwrap();
        assert_eq!(mounts[0].destination(), Path::new("/data"));
        assert_eq!(mounts[0].source().as_deref(), Some(Path::new("/b/data")));
        assert_eq!(mounts[1].source().as_deref(), Some(Path::new("tmpfs")));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let cases = [
            (r#"{"ociVersion": "2.0.0"}"#, "is not 1.x"),
            (r#"{"hostname": "x"}"#, "need a UTS namespace"),
            (
                r#"{"domainname": "a", "linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}],
                    "sysctl": {"kernel.domainname": "b"}}}"#,
                "set the same",
            ),
            (
                r#"{"linux": {"namespaces": [{"type": "mount"}, {"type": "time", "path": "/p"}],
                    "timeOffsets": {"boottime": {"secs": 1}}}}"#,
                "a time namespace that is made",
            ),
            (
                r#"{"linux": {"namespaces": []}}"#,
                "needs a mount namespace",
            ),
            (
                r#"{"linux": {"namespaces": [{"type": "mount"}, {"type": "mount"}]}}"#,
                "listed twice",
            ),
            (
                r#"{"process": {"user": {"uid": 0, "gid": 0}, "cwd": "x", "args": ["a"]}}"#,
                "must be an absolute path",
            ),
            (
                r#"{"process": {"user": {"uid": 0, "gid": 0}, "cwd": "/"}}"#,
                "args must not be empty",
            ),
        ];
        for (json, words) in cases {
            let error = document(json).unwrap_err();
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}
