// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `.volume`: a volume that is there as soon as its service has run.

use super::draft::{ConvertError, Database, Draft};
use super::flags::{Command, Keys, Rule};
use super::kind::{Kind, named};
use super::users::number;
use super::words;

/// The keys of the group.
pub(super) const KEYS: &[&Keys] = &[LABELS, OWN];

const LABELS: &Keys = &[("Label", Rule::Pairs("--label"))];

const OWN: &Keys = &[
    ("Copy", Rule::Own),
    ("Device", Rule::Own),
    ("Driver", Rule::Own),
    ("Group", Rule::Own),
    ("Image", Rule::Own),
    ("Options", Rule::Own),
    ("Type", Rule::Own),
    ("User", Rule::Own),
    ("VolumeName", Rule::Own),
];

/// Fills the service.
pub(super) fn fill(draft: &mut Draft<'_>) -> Result<(), ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    let mut create = draft.command(&["volume", "create", "--ignore"]);
    let driver = unit.text(group, "Driver");
    if let Some(driver) = driver {
        create.add(["--driver", driver]);
    }
    let option = if driver == Some("image") {
        let image = unit.text(group, "Image").ok_or(ConvertError::ImageDriver)?;
        Some(format!("image={}", draft.image(image)?))
    } else {
        mount_options(draft, &mut create)?
    };
    if let Some(option) = option {
        create.add(["--opt".to_owned(), option]);
    }
    draft.keys(&mut create, LABELS);
    draft.own_arguments(&mut create);
    create.add([named(unit, Kind::Volume, "VolumeName")]);
    draft.exec("ExecStart", create);
    draft.oneshot();
    draft.remain();
    Ok(())
}

/// Adds what is mounted, and returns how.
fn mount_options(
    draft: &mut Draft<'_>,
    create: &mut Command,
) -> Result<Option<String>, ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    let mut options = Vec::new();
    for (key, option, database) in [
        ("User", "uid", Database::Users),
        ("Group", "gid", Database::Groups),
    ] {
        if let Some(text) = unit.text(group, key) {
            let id = number(text).or_else(|| (draft.host.id)(database, text));
            let value = text.to_owned();
            let id = id.ok_or(ConvertError::Owner { key, value })?;
            options.push(format!("{option}={id}"));
        }
    }
    if let Some(copy) = unit.boolean(group, "Copy") {
        create.add(["--opt", if copy { "copy" } else { "nocopy" }]);
    }
    let device = unit.text(group, "Device");
    if let Some(device) = device {
        create.add(["--opt".to_owned(), format!("device={device}")]);
    }
    let needs_device = |key: &'static str| match (unit.text(group, key), device) {
        (Some(_), None) => Err(ConvertError::NoDevice { key }),
        (Some(value), Some(device)) => Ok(Some((value, device))),
        (None, _) => Ok(None),
    };
    if let Some((kind, device)) = needs_device("Type")? {
        create.add(["--opt".to_owned(), format!("type={kind}")]);
        if kind == "bind" {
            let quoted = words::quoted(device);
            draft.service.add("Unit", "RequiresMountsFor", quoted);
        }
    }
    if let Some((more, _)) = needs_device("Options")? {
        options.push(more.to_owned());
    }
    Ok((!options.is_empty()).then(|| format!("o={}", options.join(","))))
}
