// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--mount type=glob`: one bind mount for each path of the host that a pattern matches.

use std::path::{Path, PathBuf};

use super::mount_flag::GlobMount;
use crate::engine::pattern::matches_path;
use crate::state::record::{MountKind, MountRequest};

/// A pattern for which there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no file paths matching glob \"{pattern}\"")]
pub(crate) struct NoMatch {
    pattern: String,
}

/// A bind mount for each path of the host that matches; a relative pattern starts at
/// `current_dir`.
pub(super) fn mounts(glob: &GlobMount, current_dir: &Path) -> Result<Vec<MountRequest>, NoMatch> {
    let paths = expand(&current_dir.join(&glob.pattern));
    if paths.is_empty() {
        let pattern = glob.pattern.clone();
        return Err(NoMatch { pattern });
    }
    let mounts = paths.into_iter().map(|path| {
        let container_path = match (&glob.directory, path.file_name()) {
            (Some(directory), Some(name)) => Path::new(directory).join(name),
            _ => path.clone(),
        };
        MountRequest {
            kind: MountKind::Bind,
            source: path.display().to_string(),
            container_path: container_path.display().to_string(),
            options: glob.options.clone(),
        }
    });
    Ok(mounts.collect())
}

/// The paths that are there and match, in order.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().to_string_lossy();
        if !part.contains(['*', '?', '[', '\\']) {
            for path in &mut found {
                path.push(component);
            }
            found.retain(|path| path.symlink_metadata().is_ok());
            continue;
        }
        let entries = found.iter().filter_map(|path| path.read_dir().ok());
        let entries = entries.flatten().filter_map(Result::ok);
        let fitting =
            entries.filter(|entry| matches_path(&part, &entry.file_name().to_string_lossy()));
        found = fitting.map(|entry| entry.path()).collect();
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::mount_flag::{self, MountFlag};

    #[test]
    fn patterns_mount_what_matches() {
        let root = tempfile::tempdir().unwrap();
        for name in ["v1b", "v1a", "v2", "w"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
            std::fs::File::create(root.path().join(name).join("x")).unwrap();
        }
        let shown = root.path().display();
        let mount = |text: String| {
            let Ok(MountFlag::Glob(glob)) = mount_flag::parse(&text) else {
                panic!("{text} is no pattern");
            };
            let mounts = mounts(&glob, Path::new("/")).map_err(|error| error.to_string())?;
            let pairs = mounts.into_iter();
            let pairs = pairs.map(|mount| (mount.source, mount.container_path));
            Ok::<Vec<_>, String>(pairs.collect())
        };
        let pair = |source: &str, target: &str| (format!("{shown}/{source}"), target.to_owned());
        assert_eq!(
            mount(format!("type=glob,src={shown}/v1?,dst=/m,ro")),
            Ok(vec![pair("v1a", "/m/v1a"), pair("v1b", "/m/v1b")])
        );
        let own = format!("{shown}/w/x");
        assert_eq!(
            mount(format!("type=glob,src={shown}/[w-z]/*")),
            Ok(vec![pair("w/x", &own)])
        );
        assert_eq!(
            mount(format!("type=glob,src={shown}/n*,dst=/m")),
            Err(format!("no file paths matching glob \"{shown}/n*\""))
        );
    }
}
