// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `.network`: a network that is there as soon as its service has run.

use super::draft::{ConvertError, Draft};
use super::flags::{Command, Keys, Rule};
use super::kind::{Kind, named};

/// The keys of the group.
pub(super) const KEYS: &[&Keys] = &[FLAGS, OWN];

const FLAGS: &Keys = &[
    ("DisableDNS", Rule::Switch("--disable-dns")),
    ("Internal", Rule::Switch("--internal")),
    ("IPv6", Rule::Switch("--ipv6")),
    ("Driver", Rule::Last("--driver", "")),
    ("IPAMDriver", Rule::Last("--ipam-driver", "")),
    ("InterfaceName", Rule::Last("--interface-name", "")),
    ("DNS", Rule::Each("--dns")),
    ("Options", Rule::Pairs("--opt")),
    ("Label", Rule::Pairs("--label")),
];

const OWN: &Keys = &[
    ("Gateway", Rule::Own),
    ("IPRange", Rule::Own),
    ("NetworkDeleteOnStop", Rule::Own),
    ("NetworkName", Rule::Own),
    ("Subnet", Rule::Own),
];

/// Fills the service.
pub(super) fn fill(draft: &mut Draft<'_>) -> Result<(), ConvertError> {
    let (unit, group) = (draft.unit, draft.group);
    let name = named(unit, Kind::Network, "NetworkName");
    if unit.boolean(group, "NetworkDeleteOnStop") == Some(true) {
        let remove = draft.command(&["network", "rm", &name]);
        draft.exec("ExecStopPost", remove);
    }
    let mut create = draft.command(&["network", "create", "--ignore"]);
    draft.keys(&mut create, FLAGS);
    subnets(draft, &mut create)?;
    draft.own_arguments(&mut create);
    create.add([name]);
    draft.exec("ExecStart", create);
    draft.oneshot();
    draft.remain();
    Ok(())
}

/// Gateways and ranges belong to the subnets in their order.
fn subnets(draft: &Draft<'_>, create: &mut Command) -> Result<(), ConvertError> {
    let all = |key| draft.unit.all(draft.group, key);
    let (subnets, gateways, ranges) = (all("Subnet"), all("Gateway"), all("IPRange"));
    if subnets.is_empty() && !(gateways.is_empty() && ranges.is_empty()) {
        return Err(ConvertError::NoSubnet);
    }
    if gateways.len() > subnets.len() {
        return Err(ConvertError::Gateways);
    }
    if ranges.len() > subnets.len() {
        return Err(ConvertError::Ranges);
    }
    for (index, subnet) in subnets.into_iter().enumerate() {
        create.add(["--subnet", subnet]);
        for (flag, values) in [("--gateway", &gateways), ("--ip-range", &ranges)] {
            if let Some(value) = values.get(index) {
                create.add([flag, value]);
            }
        }
    }
    Ok(())
}
