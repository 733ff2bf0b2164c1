// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys about users: who runs a container, and how its ids are mapped, by the keys of today or the
//! `Remap*` of old.

use super::draft::{ConvertError, Draft};
use super::flags::{Command, Keys, Rule};

/// Whether maps of old may be written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ManualMaps {
    Allowed,
    Refused,
}

/// The maps of today.
pub(super) const MAPS: &Keys = &[
    ("UserNS", Rule::Last("--userns", "")),
    ("UIDMap", Rule::Words("--uidmap", "")),
    ("GIDMap", Rule::Words("--gidmap", "")),
    ("SubUIDMap", Rule::Last("--subuidname", "")),
    ("SubGIDMap", Rule::Last("--subgidname", "")),
];

/// Those of old.
pub(super) const REMAPS: &Keys = &[
    ("RemapUsers", Rule::Own),
    ("RemapUid", Rule::Own),
    ("RemapGid", Rule::Own),
    ("RemapUidSize", Rule::Own),
];

impl Draft<'_> {
    /// `User=` and `Group=`.
    pub(super) fn user(&self, command: &mut Command) -> Result<(), ConvertError> {
        let user = self.unit.text(self.group, "User");
        let group = self.unit.text(self.group, "Group");
        match (user, group) {
            (None, None) => {}
            (None, Some(_)) => return Err(ConvertError::GroupAlone),
            (Some(user), None) => command.add(["--user", user]),
            (Some(user), Some(group)) => {
                command.add(["--user".to_owned(), format!("{user}:{group}")]);
            }
        }
        Ok(())
    }

    /// How ids are mapped.
    pub(super) fn maps(
        &self,
        command: &mut Command,
        manual: ManualMaps,
    ) -> Result<(), ConvertError> {
        let (unit, group) = (self.unit, self.group);
        let says = |key: &&(&str, Rule)| match key.1 {
            Rule::Words(..) => !unit.all(group, key.0).is_empty(),
            _ => unit.text(group, key.0).is_some(),
        };
        if !MAPS.iter().any(|key| says(&key)) {
            return self.remaps(command, manual);
        }
        let old = ["RemapUsers", "RemapUid", "RemapGid"];
        if old.iter().any(|key| unit.has(group, key)) {
            return Err(ConvertError::OldAndNewMaps);
        }
        self.keys(command, MAPS);
        Ok(())
    }

    fn remaps(&self, command: &mut Command, manual: ManualMaps) -> Result<(), ConvertError> {
        let (unit, group) = (self.unit, self.group);
        let (uids, gids) = (unit.list(group, "RemapUid"), unit.list(group, "RemapGid"));
        let each = |name: &str, values: &[String]| -> Vec<String> {
            values
                .iter()
                .map(|value| format!("{name}={value}"))
                .collect()
        };
        match unit.last(group, "RemapUsers").unwrap_or_default() {
            "" if !uids.is_empty() => Err(ConvertError::MapAlone { key: "UidMap" }),
            "" if !gids.is_empty() => Err(ConvertError::MapAlone { key: "GidMap" }),
            "" => Ok(()),
            "manual" if manual == ManualMaps::Refused => Err(ConvertError::ManualRemap),
            "manual" => {
                let uids = uids.into_iter().map(|map| ("--uidmap", map));
                let gids = gids.into_iter().map(|map| ("--gidmap", map));
                for (flag, map) in uids.chain(gids) {
                    command.add([flag.to_owned(), map]);
                }
                Ok(())
            }
            "auto" => {
                let mut options = each("uidmapping", &uids);
                options.extend(each("gidmapping", &gids));
                let size = unit.text(group, "RemapUidSize").and_then(number);
                options.extend(
                    size.filter(|size| *size > 0)
                        .map(|size| format!("size={size}")),
                );
                userns(command, "auto", &options);
                Ok(())
            }
            "keep-id" => {
                for (what, values) in [("UID", &uids), ("GID", &gids)] {
                    if values.len() > 1 {
                        return Err(ConvertError::ManyKeptIds { what });
                    }
                }
                let options = [each("uid", &uids), each("gid", &gids)].concat();
                userns(command, "keep-id", &options);
                Ok(())
            }
            word => Err(ConvertError::Remap {
                word: word.to_owned(),
            }),
        }
    }
}

fn userns(command: &mut Command, mode: &str, options: &[String]) {
    let separator = if options.is_empty() { "" } else { ":" };
    let value = format!("{mode}{separator}{}", options.join(","));
    command.add(["--userns".to_owned(), value]);
}

/// A number as C writes it.
pub(super) fn number(text: &str) -> Option<u32> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match (hexadecimal, text.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        (None, _) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_those_of_c() {
        for (text, value) in [
            ("0", Some(0)),
            ("017", Some(15)),
            ("0xff", Some(255)),
            ("+12", Some(12)),
            ("-1", None),
            ("x", None),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
