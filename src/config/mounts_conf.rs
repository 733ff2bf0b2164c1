// SPDX-License-Identifier: Apache-2.0 OR MIT
//! mounts.conf(5): files of the host that every container gets a copy of, such as the
//! entitlements of a distribution. The first file that exists is the only one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sys::account::{Environment, xdg_directory};

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultMount {
    /// A file or directory of the host.
    pub host_path: PathBuf,
    /// Where its copy is in a container.
    pub container_path: PathBuf,
}

/// The mounts of `named`, or of the first file that exists. A file that is not there is an empty
/// one, also when it is named.
pub fn load(named: Option<&Path>, env: Environment<'_>) -> Vec<DefaultMount> {
    if let Some(path) = named {
        return parse(&fs::read_to_string(path).unwrap_or_default());
    }
    let own = xdg_directory(env, "XDG_CONFIG_HOME", ".config").join("containers/mounts.conf");
    let usual = ["/etc/containers", "/usr/share/containers"];
    let usual = usual.map(|directory| Path::new(directory).join("mounts.conf"));
    let mut texts = std::iter::once(own)
        .chain(usual)
        .filter_map(|path| fs::read_to_string(path).ok());
    parse(&texts.next().unwrap_or_default())
}

/// `HOST:CONTAINER`, or one path for both; what does not begin with a slash means nothing.
fn parse(text: &str) -> Vec<DefaultMount> {
    let lines = text.lines().map(str::trim);
    let mounts = lines.filter(|line| line.starts_with('/')).map(|line| {
        let (host, container) = line.split_once(':').unwrap_or((line, line));
        DefaultMount {
            host_path: PathBuf::from(host),
            container_path: PathBuf::from(container),
        }
    });
    mounts
        .filter(|mount| mount.container_path.is_absolute())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_paths_or_pairs_of_them() {
        let text = "# comment\n /etc/keys:/run/secrets \n/opt/both\nrelative:/x\n/a:b\n";
        let mounts = parse(text);
        let shown = mounts.iter().map(|mount| {
            let DefaultMount {
                host_path,
                container_path,
            } = mount;
            format!("{} {}", host_path.display(), container_path.display())
        });
        let shown: Vec<_> = shown.collect();
        assert_eq!(shown, ["/etc/keys /run/secrets", "/opt/both /opt/both"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_empty() {
        assert!(load(Some(Path::new("/no/such/file")), &|_| None).is_empty());
    }
}
