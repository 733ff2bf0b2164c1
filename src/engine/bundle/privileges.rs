// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capabilities that a spec asks for and that cannot be had: left out with a warning, as other
//! runtimes do it, since engines write lists for kernels that are newer than the host's.

use oci_spec::runtime::{Capabilities, Capability, Process};
use serde_json::Value;

use super::BundleError;
use crate::runtime::capability::number;

/// Takes names that nobody knows out of a `process` section.
pub(super) fn drop_unknown(process: &mut Value) -> Vec<String> {
    let sets = process
        .get_mut("capabilities")
        .and_then(Value::as_object_mut);
    let mut unknown: Vec<String> = Vec::new();
    for set in sets.into_iter().flat_map(|sets| sets.values_mut()) {
        let Some(names) = set.as_array_mut() else {
            continue;
        };
        names.retain(|name| {
            let Some(name) = name.as_str().filter(|name| !is_known(name)) else {
                return true;
            };
            if !unknown.iter().any(|before| before == name) {
                unknown.push(name.to_owned());
            }
            false
        });
    }
    told(&unknown).into_iter().collect()
}

/// In runc's words, which suites look for.
fn told(names: &[String]) -> Option<String> {
    let list = names.join(" ");
    (!names.is_empty()).then(|| format!("ignoring unknown or unavailable capabilities: [{list}]"))
}

/// Takes away what is not among `granted`: a container without a user namespace of its own can
/// have no more than its maker, and root of many a machine for tests has not all there is.
pub(super) fn drop_ungranted(process: &mut Process, granted: u64) -> Option<String> {
    let mut sets = process.capabilities().clone()?;
    let mut gone: Vec<String> = Vec::new();
    let mut keep = |set: &Option<Capabilities>| {
        let mut set = set.clone()?;
        set.retain(|one| {
            let name = format!("CAP_{one}");
            let is_granted = number(&name).is_some_and(|number| granted & (1 << number) != 0);
            if !is_granted && !gone.contains(&name) {
                gone.push(name);
            }
            is_granted
        });
        Some(set)
    };
    let kept = keep(sets.bounding());
    sets.set_bounding(kept);
    let kept = keep(sets.effective());
    sets.set_effective(kept);
    let kept = keep(sets.permitted());
    sets.set_permitted(kept);
    let kept = keep(sets.inheritable());
    sets.set_inheritable(kept);
    let kept = keep(sets.ambient());
    sets.set_ambient(kept);
    process.set_capabilities(Some(sets));
    gone.sort_unstable();
    told(&gone)
}

fn is_known(name: &str) -> bool {
    let bare = name.strip_prefix("CAP_").unwrap_or(name);
    bare.parse::<Capability>().is_ok()
}

/// Takes ambient capabilities away that are not inheritable: the kernel has none.
pub(super) fn drop_ambient(process: &mut Process) -> Vec<String> {
    let Some(mut sets) = process.capabilities().clone() else {
        return Vec::new();
    };
    let inheritable = sets.inheritable().clone().unwrap_or_default();
    let ambient = sets.ambient().clone().unwrap_or_default();
    let (kept, gone): (Capabilities, Capabilities) = ambient
        .into_iter()
        .partition(|one| inheritable.contains(one));
    if gone.is_empty() {
        return Vec::new();
    }
    sets.set_ambient(Some(kept));
    process.set_capabilities(Some(sets));
    let mut names: Vec<String> = gone.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    let told = |name: String| {
        format!("can't raise ambient capability CAP_{name}: it is not in the inheritable set")
    };
    names.into_iter().map(told).collect()
}

/// Refuses what capset(2) would: to inherit what the bounding set lacks. The other sets just end
/// at it.
pub(super) fn check(process: &Process) -> Result<(), BundleError> {
    let Some(sets) = process.capabilities() else {
        return Ok(());
    };
    let bounding = sets.bounding().clone().unwrap_or_default();
    let mut inheritable = sets.inheritable().iter().flatten();
    match inheritable.find(|one| !bounding.contains(*one)) {
        None => Ok(()),
        Some(beyond) => Err(BundleError::Spec {
            reason: format!(
                "process.capabilities.inheritable has CAP_{beyond}, which is not in the bounding \
                 set: Operation not permitted"
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_maker_has_not_is_left_out() {
        let sets = |names: &[&str]| {
            json!({"user": {"uid": 0, "gid": 0}, "cwd": "/",
                   "capabilities": {"bounding": names, "permitted": names}})
        };
        let of = |names: &[&str]| serde_json::from_value::<Process>(sets(names)).unwrap();
        let mut process = of(&["CAP_CHOWN", "CAP_SYS_RESOURCE"]);
        let wanted = "ignoring unknown or unavailable capabilities: [CAP_SYS_RESOURCE]";
        assert_eq!(drop_ungranted(&mut process, 1).as_deref(), Some(wanted));
        assert_eq!(process, of(&["CAP_CHOWN"]));
        assert_eq!(drop_ungranted(&mut process, 1), None);
    }

    #[test]
    fn what_nobody_has_is_left_out() {
        let mut process = json!({
            "user": {"uid": 0, "gid": 0}, "cwd": "/",
            "capabilities": {
                "bounding": ["CAP_NEW", "CAP_KILL", "NEW_CAP"],
                "effective": ["CAP_NEW"],
                "inheritable": ["CAP_KILL"],
                "ambient": ["CAP_KILL", "CAP_CHOWN"],
            },
        });
        let wanted = "ignoring unknown or unavailable capabilities: [CAP_NEW NEW_CAP]";
        assert_eq!(drop_unknown(&mut process), [wanted]);
        let mut process: Process = serde_json::from_value(process).unwrap();
        let wanted = "can't raise ambient capability CAP_CHOWN: it is not in the inheritable set";
        assert_eq!(drop_ambient(&mut process), [wanted]);
        let sets = serde_json::to_value(process.capabilities()).unwrap();
        let left = json!(["KILL"]);
        let names = |set: &str| sets[set].to_string().replace("CAP_", "");
        assert_eq!(names("bounding"), left.to_string());
        assert_eq!(names("ambient"), left.to_string());
        assert_eq!(sets["effective"], json!([]));
        assert_eq!(drop_ambient(&mut process), Vec::<String>::new());
        assert!(check(&process).is_ok());
        let mut sets = process.capabilities().clone().unwrap();
        sets.set_bounding(None);
        process.set_capabilities(Some(sets));
        let refused = check(&process).unwrap_err().to_string();
        assert!(refused.contains("inheritable has CAP_KILL"), "{refused}");
    }
}
