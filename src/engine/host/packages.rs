// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a missing program is called by the distribution's package manager.

use std::fs;

/// Something that a package brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Package {
    /// newuidmap and newgidmap.
    IdMapHelpers,
    /// pasta.
    NetworkProgram,
}

/// A distribution by its package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Debian,
    Fedora,
    Arch,
    Alpine,
    Suse,
    Unknown,
}

/// The command that installs it here.
pub(super) fn install_command(package: Package) -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    command_for(family(&release), package)
}

fn family(os_release: &str) -> Family {
    let mut names = Vec::new();
    for line in os_release.lines() {
        if let Some(value) = line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")) {
            names.extend(value.trim_matches('"').split_whitespace());
        }
    }
    let known = [
        ("debian", Family::Debian),
        ("ubuntu", Family::Debian),
        ("fedora", Family::Fedora),
        ("rhel", Family::Fedora),
        ("arch", Family::Arch),
        ("alpine", Family::Alpine),
        ("suse", Family::Suse),
        ("opensuse", Family::Suse),
    ];
    let found = known.iter().find(|(name, _)| names.contains(name));
    found.map_or(Family::Unknown, |(_, family)| *family)
}

fn command_for(family: Family, package: Package) -> String {
    let (installer, helpers, network) = match family {
        Family::Debian => ("apt-get install -y", "uidmap", "passt"),
        Family::Fedora => ("dnf install -y", "shadow-utils", "passt"),
        Family::Arch => ("pacman -S --needed", "shadow", "passt"),
        Family::Alpine => ("apk add", "shadow-uidmap", "passt"),
        Family::Suse => ("zypper install -y", "shadow", "passt"),
        Family::Unknown => ("install the package", "shadow (newuidmap)", "passt"),
    };
    let name = match package {
        Package::IdMapHelpers => helpers,
        Package::NetworkProgram => network,
    };
    format!("{installer} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_has_its_command() {
        let cases = [
            ("ID=debian\n", "apt-get install -y uidmap"),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                "apt-get install -y uidmap",
            ),
            (
                "NAME=\"Fedora\"\nID=fedora\n",
                "dnf install -y shadow-utils",
            ),
            ("ID=alpine", "apk add shadow-uidmap"),
            (
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"",
                "zypper install -y shadow",
            ),
            ("", "install the package shadow (newuidmap)"),
        ];
        for (release, expected) in cases {
            assert_eq!(
                command_for(family(release), Package::IdMapHelpers),
                expected
            );
        }
    }
}
