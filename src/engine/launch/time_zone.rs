// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The time zone of a container: which zone `--tz` names, and the machine's file of it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::engine::connect::{self, ConnectError};
use crate::runtime::launch::LocalTime;
use crate::runtime::localtime::ZONES;

/// The machine's own zone, as localtime(5) keeps it.
const LOCAL: &str = "/etc/localtime";

/// What /etc/localtime becomes in a container with `--tz zone`; the machine's file is copied into
/// `run_directory`. `None` where `local` is asked for on a machine that has no zone: it is UTC.
///
/// # Errors
///
/// When the copy cannot be written.
pub(super) fn local_time(
    zone: &str,
    run_directory: &Path,
) -> Result<Option<LocalTime>, ConnectError> {
    let (name, path) = if zone == "local" {
        let link = fs::read_link(LOCAL).unwrap_or_default();
        (zone_of_link(&link), PathBuf::from(LOCAL))
    } else {
        // The C library's own way to say where zones are.
        let zones = std::env::var_os("TZDIR").filter(|zones| !zones.is_empty());
        let zones = zones.map_or_else(|| PathBuf::from(ZONES), PathBuf::from);
        (Some(zone.to_owned()), zones.join(zone))
    };
    let Ok(data) = fs::read(&path) else {
        let named = (zone != "local").then_some(LocalTime {
            zone: name,
            copy: None,
        });
        return Ok(named);
    };
    let copy = run_directory.join("localtime");
    connect::write(&copy, &data)?;
    Ok(Some(LocalTime {
        zone: name,
        copy: Some(copy),
    }))
}

/// `Europe/Berlin` for a link like `../usr/share/zoneinfo/Europe/Berlin`.
fn zone_of_link(link: &Path) -> Option<String> {
    let mut absolute = PathBuf::from("/etc");
    for component in link.components() {
        match component {
            Component::ParentDir => drop(absolute.pop()),
            Component::RootDir => absolute = PathBuf::from("/"),
            Component::Normal(name) => absolute.push(name),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let zone = absolute.strip_prefix(ZONES).ok()?;
    Some(zone.to_str()?.to_owned()).filter(|zone| !zone.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_zone_is_what_its_link_names() {
        let cases = [
            ("../usr/share/zoneinfo/Europe/Berlin", Some("Europe/Berlin")),
            ("/usr/share/zoneinfo/Etc/UTC", Some("Etc/UTC")),
            ("/var/zone", None),
            ("", None),
        ];
        for (link, zone) in cases {
            assert_eq!(zone_of_link(Path::new(link)).as_deref(), zone, "{link}");
        }
    }
}
