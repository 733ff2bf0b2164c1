// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `-v SOURCE:PLACE:O` and images that can be written: what a container changes there is in a layer of its own, gone with the run.
//!
//! ```text
//! containers/<id>/overlays/<number>/{upper,work}
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use crate::state::record::{MountKind, MountRequest};
use crate::sys::{Called as _, SysResult};

/// What an id looks like that the namespace does not have.
const OVERFLOW_ID: u32 = 65534;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ThrowAway {
    source: PathBuf,
    directory: PathBuf,
}

/// Gives the overlays of `mounts` their layers; one that has its own keeps it.
pub(super) fn plan(mounts: &mut [MountRequest], container: &Path) -> Vec<ThrowAway> {
    let mut layers = Vec::new();
    for (number, mount) in mounts.iter_mut().enumerate() {
        if !needs_own(mount) {
            continue;
        }
        let directory = container.join("overlays").join(number.to_string());
        for (option, name) in [("upperdir", "upper"), ("workdir", "work")] {
            let path = directory.join(name);
            mount.options.push(format!("{option}={}", path.display()));
        }
        layers.push(ThrowAway {
            source: PathBuf::from(&mount.source),
            directory,
        });
    }
    layers
}

fn needs_own(mount: &MountRequest) -> bool {
    let has = |prefix: &str| {
        mount
            .options
            .iter()
            .any(|option| option.starts_with(prefix))
    };
    match mount.kind {
        MountKind::Overlay => !has("upperdir="),
        MountKind::Image => has("rw"),
        MountKind::Bind
        | MountKind::Volume
        | MountKind::Tmpfs
        | MountKind::Devpts
        | MountKind::Ramfs
        | MountKind::Artifact => false,
    }
}

impl ThrowAway {
    /// Makes it empty, as the source looks from outside. Files in it may be anybody's of the
    /// holder's namespace, where this runs.
    pub(super) fn renew(&self) -> SysResult<()> {
        self.make().called(|| {
            format!(
                "make a layer over {} in {:?}",
                self.source.display(),
                self.directory
            )
        })
    }

    fn make(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut builder = fs::DirBuilder::new();
        let builder = builder.mode(0o700).recursive(true);
        builder.create(self.directory.join("work"))?;
        let upper = self.directory.join("upper");
        builder.create(&upper)?;
        let source = fs::metadata(&self.source)?;
        let known = |id: u32| Some(id).filter(|id| *id != OVERFLOW_ID);
        chown(&upper, known(source.uid()), known(source.gid()))?;
        fs::set_permissions(&upper, fs::Permissions::from_mode(source.mode() & 0o7777))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(kind: MountKind, options: &[&str]) -> MountRequest {
        MountRequest {
            kind,
            source: "/s".to_owned(),
            container_path: "/c".to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        }
    }

    #[test]
    fn overlays_without_layers_get_some() {
        let own = ["O", "upperdir=/u", "workdir=/w"];
        let mut mounts = [
            mount(MountKind::Bind, &[]),
            mount(MountKind::Overlay, &["O"]),
            mount(MountKind::Overlay, &own),
        ];
        let layers = plan(&mut mounts, Path::new("/k"));
        let expected = ThrowAway {
            source: "/s".into(),
            directory: "/k/overlays/1".into(),
        };
        assert_eq!(layers, [expected]);
        let options = [
            "O",
            "upperdir=/k/overlays/1/upper",
            "workdir=/k/overlays/1/work",
        ];
        assert_eq!(mounts[1].options, options);
        assert_eq!(mounts[2].options, own);
    }

    #[test]
    fn a_layer_is_empty_again() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o751)).unwrap();
        let layer = ThrowAway {
            source,
            directory: directory.path().join("a/b"),
        };
        layer.renew().unwrap();
        fs::create_dir(directory.path().join("a/b/upper/x")).unwrap();
        layer.renew().unwrap();
        let upper = directory.path().join("a/b/upper");
        assert_eq!(fs::read_dir(&upper).unwrap().count(), 0);
        assert_eq!(fs::metadata(&upper).unwrap().mode() & 0o7777, 0o751);
    }
}
