// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a bundle to what the runtime launches: whose ids, which namespaces, which filter.

use std::fs;

use nix::unistd::{getegid, geteuid};
use oci_spec::runtime::{Linux, LinuxNamespaceType, Spec, State};

use super::BundleError;
use super::document::Document;
use super::every_id::every_id;
use crate::runtime::idmap::{IdMapping, IdMaps, Setgroups, parse_map};
use crate::runtime::launch::{
    Filter, GroupPolicy, Join, Launch, Lifecycle, Listener, MapWriter, PasswdPolicy, Root,
    UserChoice, WorkdirPolicy,
};
use crate::runtime::seccomp;
use crate::runtime::subid::holder_map;
use crate::runtime::userns::setgroups_of;

/// The launch of a bundle.
pub(super) fn launch(
    document: &Document,
    (lifecycle, hook_state): (Lifecycle, State),
    preserved: Vec<i32>,
) -> Result<Launch, BundleError> {
    let spec = &document.spec;
    let linux = spec.linux().as_ref().expect("the document was checked");
    let Ids { maps, by, groups } = ids(linux)?;
    Ok(Launch {
        spec: spec.clone(),
        root: Root::Directory(document.rootfs.clone()),
        fuse_allowed: false,
        maps,
        maps_by: by,
        groups,
        user: UserChoice::Spec,
        workdir: WorkdirPolicy::Make,
        reaper: false,
        seccomp: filter(spec)?,
        join: Join::of_paths(spec),
        shared_shm: None,
        passwd: PasswdPolicy::Keep,
        local_time: None,
        preserved_fds: preserved,
        hook_state: Some(hook_state),
        lifecycle: Some(lifecycle),
    })
}

/// The filter of a spec.
pub(super) fn filter(spec: &Spec) -> Result<Filter, BundleError> {
    let linux = spec.linux().as_ref();
    let Some(wanted) = linux.and_then(|linux| linux.seccomp().as_ref()) else {
        return Ok(Filter::default());
    };
    let named = wanted.listener_path().as_ref();
    let named = named.is_some_and(|path| !path.as_os_str().is_empty());
    if seccomp::wants_listener(wanted) && !named {
        return Err(BundleError::NoListener);
    }
    Ok(Filter {
        program: seccomp::compile(wanted)?.into(),
        flags: seccomp::load_flags(wanted),
        // An agent that waits for a container gets one even if the filter asks it nothing.
        listener: if named {
            Listener::Wanted
        } else {
            Listener::Nobody
        },
    })
}

/// The ids of a container, in terms of the caller's.
struct Ids {
    maps: IdMaps,
    by: MapWriter,
    groups: GroupPolicy,
}

fn ids(linux: &Linux) -> Result<Ids, BundleError> {
    let mut namespaces = linux.namespaces().iter().flatten();
    let user = namespaces.find(|namespace| namespace.typ() == LinuxNamespaceType::User);
    let settable = match setgroups_of("self") {
        Setgroups::Denied => GroupPolicy::Denied,
        Setgroups::Allowed => GroupPolicy::Settable,
    };
    match user.map(|namespace| namespace.path().is_some()) {
        None => Ok(Ids {
            maps: own_maps(),
            by: MapWriter::Nobody,
            groups: settable,
        }),
        // Whoever made it has written its map, with root in it.
        Some(true) => Ok(Ids {
            maps: every_id(),
            by: MapWriter::Nobody,
            groups: GroupPolicy::Settable,
        }),
        Some(false) => {
            let maps = wanted_maps(linux)?;
            let (by, groups) = writer(&maps, settable);
            Ok(Ids { maps, by, groups })
        }
    }
}

/// Who may write these maps: root whatever there is, others their own id alone.
fn writer(maps: &IdMaps, settable: GroupPolicy) -> (MapWriter, GroupPolicy) {
    if geteuid().is_root() {
        return (MapWriter::Caller, settable);
    }
    let own = |extents: &[IdMapping], id: u32| matches!(extents, [one] if one.outside == id && one.count == 1);
    if own(&maps.uids, geteuid().as_raw()) && own(&maps.gids, getegid().as_raw()) {
        return (MapWriter::Caller, GroupPolicy::Denied);
    }
    (MapWriter::Helpers, GroupPolicy::Settable)
}

fn wanted_maps(linux: &Linux) -> Result<IdMaps, BundleError> {
    let maps = IdMaps::of_spec(linux.uid_mappings().as_ref(), linux.gid_mappings().as_ref());
    match (maps.uids.is_empty(), maps.gids.is_empty()) {
        (true, true) => Ok(every_id_of_the_caller()),
        (false, false) => Ok(maps),
        _ => Err(BundleError::Spec {
            reason: "linux.uidMappings and linux.gidMappings go together".to_owned(),
        }),
    }
}

/// What a user namespace gets for which the spec says nothing.
fn every_id_of_the_caller() -> IdMaps {
    if geteuid().is_root() {
        own_maps()
    } else {
        holder_map().maps
    }
}

/// The ids that this process's own namespace has, each as itself.
fn own_maps() -> IdMaps {
    let read = |file: &str| {
        let extents = parse_map(&fs::read_to_string(file).unwrap_or_default());
        let same = |extent: &IdMapping| IdMapping {
            outside: extent.inside,
            ..*extent
        };
        extents.iter().map(same).collect()
    };
    IdMaps {
        uids: read("/proc/self/uid_map"),
        gids: read("/proc/self/gid_map"),
    }
}
