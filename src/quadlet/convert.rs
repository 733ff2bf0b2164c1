// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a quadlet file to a service: what all kinds have in common. Pure: files in, a file out.

use super::draft::{ConvertError, Draft, Host, Links, Session};
use super::flags::{COMMON, Keys, Rule};
use super::kind::Kind;
use super::unit::Unit;
use super::words::WordsError;
use super::{build, container, image, kube, network, pod, volume};

/// A service, and what could not be read of the file that it was made from.
#[derive(Debug)]
pub struct Converted {
    /// The service.
    pub service: Unit,
    /// Values that are left out.
    pub warnings: Vec<WordsError>,
}

/// Makes the service of `unit`. The containers of a pod come before it.
///
/// # Errors
///
/// See [`ConvertError`].
pub fn convert(
    unit: &Unit,
    kind: Kind,
    links: &mut Links,
    host: &Host,
) -> Result<Converted, ConvertError> {
    let (keys, fill): (&[&Keys], Fill) = match kind {
        Kind::Image => (image::KEYS, image::fill),
        Kind::Artifact => (image::ARTIFACT_KEYS, image::fill_artifact),
        Kind::Volume => (volume::KEYS, volume::fill),
        Kind::Network => (network::KEYS, network::fill),
        Kind::Build => (build::KEYS, build::fill),
        Kind::Container => (container::KEYS, container::fill),
        Kind::Kube => (kube::KEYS, kube::fill),
        Kind::Pod => (pod::KEYS, pod::fill),
    };
    check_keys(unit, kind.group(), &[keys, &[COMMON]].concat())?;
    check_keys(unit, "Quadlet", &[&[("DefaultDependencies", Rule::Own)]])?;
    let mut draft = Draft {
        unit,
        kind,
        group: kind.group(),
        service: begin(unit, kind, links, host.session)?,
        links,
        host,
        warnings: Vec::new(),
    };
    fill(&mut draft)?;
    Ok(Converted {
        service: draft.service,
        warnings: draft.warnings,
    })
}

type Fill = fn(&mut Draft<'_>) -> Result<(), ConvertError>;

fn check_keys(unit: &Unit, group: &str, tables: &[&Keys]) -> Result<(), ConvertError> {
    let known = |own: &&str| {
        tables
            .iter()
            .flat_map(|keys| *keys)
            .any(|(key, _)| key == own)
    };
    let unknown = unit.keys(group).find(|own| !known(own));
    match unknown {
        None => Ok(()),
        Some(key) => Err(ConvertError::Key {
            key: key.to_owned(),
            group: group.to_owned(),
            path: unit.path.clone(),
        }),
    }
}

/// The service as far as it is the same for all kinds.
fn begin(unit: &Unit, kind: Kind, links: &Links, session: Session) -> Result<Unit, ConvertError> {
    let name = format!("{}.service", kind.service_name(unit));
    let mut service = unit.clone().called(name, "");
    translate_dependencies(&mut service, links)?;
    if unit.boolean("Quadlet", "DefaultDependencies") != Some(false) {
        let network = match session {
            Session::System => "network-online.target",
            Session::User => super::WAIT_UNIT,
        };
        service.prepend("Unit", "After", network);
        service.prepend("Unit", "Wants", network);
    }
    if !unit.path.as_os_str().is_empty() {
        service.add("Unit", "SourcePath", unit.path.to_string_lossy());
    }
    service.add("Unit", "RequiresMountsFor", "%t/containers");
    for group in [kind.group(), "Quadlet"] {
        service.rename_group(group, &format!("X-{group}"));
    }
    Ok(service)
}

const DEPENDENCIES: [&str; 15] = [
    "After",
    "Before",
    "BindsTo",
    "Conflicts",
    "OnFailure",
    "OnSuccess",
    "PartOf",
    "PropagatesReloadTo",
    "PropagatesStopTo",
    "ReloadPropagatedFrom",
    "Requires",
    "Requisite",
    "StopPropagatedFrom",
    "Upholds",
    "Wants",
];

/// Units that are named by their quadlet files become their services.
fn translate_dependencies(service: &mut Unit, links: &Links) -> Result<(), ConvertError> {
    for key in DEPENDENCIES {
        let names = service.list("Unit", key);
        if !names.iter().any(|name| Kind::of(name).is_some()) {
            continue;
        }
        let translate = |name: String| match (Kind::of(&name), links.service(&name)) {
            (None, _) => Ok(name),
            (Some(_), Some(service)) => Ok(service.to_owned()),
            (Some(_), None) => Err(ConvertError::Dependency { name }),
        };
        let names: Vec<String> = names.into_iter().map(translate).collect::<Result<_, _>>()?;
        service.remove("Unit", key);
        service.add("Unit", key, names.join(" "));
    }
    Ok(())
}
