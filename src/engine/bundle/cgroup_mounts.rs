// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a spec's mount of type `cgroup` becomes on this host: the v2 tree, or a directory with the
//! container's place in each v1 hierarchy.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Mount, MountBuilder, Spec};

use super::cgroups::{Cgroups, Hierarchy};

/// The mounts of `spec` as the runtime makes them.
pub(super) fn resolve(spec: &mut Spec, cgroups: &Cgroups, hierarchies: &[Hierarchy]) {
    let linux = spec.linux().as_ref();
    let mut namespaces = linux
        .into_iter()
        .flat_map(|linux| linux.namespaces().iter().flatten());
    let own_namespace =
        namespaces.any(|each| each.typ() == LinuxNamespaceType::Cgroup && each.path().is_none());
    let mounts = spec.mounts().iter().flatten();
    let resolved = mounts.flat_map(|mount| match mount.typ().as_deref() {
        Some("cgroup" | "cgroup2") => views(mount, cgroups, hierarchies, own_namespace),
        _ => vec![mount.clone()],
    });
    let resolved = resolved.collect();
    spec.set_mounts(Some(resolved));
}

fn views(
    mount: &Mount,
    cgroups: &Cgroups,
    hierarchies: &[Hierarchy],
    own_namespace: bool,
) -> Vec<Mount> {
    let options = mount.options().clone().unwrap_or_default();
    if let [only] = hierarchies
        && only.controllers.is_empty()
    {
        let mut unified = mount.clone();
        if own_namespace {
            unified.set_typ(Some("cgroup2".to_owned()));
            return vec![unified];
        }
        return vec![bind(mount.destination(), place(only, cgroups), &options)];
    }
    // One that is read-only becomes so when the places in it are made.
    let directory = options.iter().cloned();
    let directory = MountBuilder::default()
        .destination(mount.destination())
        .typ("tmpfs")
        .source("tmpfs")
        .options(directory.chain(["mode=755".to_owned()]).collect::<Vec<_>>())
        .build()
        .expect("all fields are set");
    let mut views = vec![directory];
    views.extend(hierarchies.iter().map(|hierarchy| {
        let name = hierarchy.mount_point.file_name().unwrap_or_default();
        let destination = mount.destination().join(name);
        bind(&destination, place(hierarchy, cgroups), &options)
    }));
    views
}

fn bind(destination: &Path, source: PathBuf, options: &[String]) -> Mount {
    let attributes = ["ro", "nosuid", "noexec", "nodev"];
    let kept = options
        .iter()
        .filter(|option| attributes.contains(&option.as_str()));
    let options = kept.cloned().chain(["bind".to_owned()]);
    MountBuilder::default()
        .destination(destination)
        .typ("bind")
        .source(source)
        .options(options.collect::<Vec<_>>())
        .build()
        .expect("all fields are set")
}

/// The container's place in a hierarchy, or the caller's where it has none of its own.
fn place(hierarchy: &Hierarchy, cgroups: &Cgroups) -> PathBuf {
    let below = |path: &Path| {
        let path = path.strip_prefix("/").unwrap_or(path);
        hierarchy.mount_point.join(path)
    };
    if hierarchy.controllers.is_empty() {
        return match cgroups.unified.as_str() {
            "" => below(&hierarchy.own),
            own => below(Path::new(own)),
        };
    }
    let mut legacy = cgroups.legacy.iter();
    let own = legacy.find(|each| each.controllers == hierarchy.controllers);
    own.map_or_else(|| below(&hierarchy.own), |own| own.directory.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(controllers: &str, mount_point: &str) -> Hierarchy {
        Hierarchy {
            controllers: controllers.to_owned(),
            mount_point: mount_point.into(),
            own: "/me".into(),
        }
    }

    #[test]
    fn a_view_is_made_of_what_the_host_has() {
        let mount = MountBuilder::default()
            .destination("/c")
            .typ("cgroup")
            .options(vec!["ro".to_owned(), "nosuid".to_owned()])
            .build()
            .unwrap();
        let mut cgroups = Cgroups::default();
        let v2 = [hierarchy("", "/sys/fs/cgroup")];
        let shown = |mounts: Vec<Mount>| -> Vec<String> {
            let show = |mount: &Mount| {
                let source = mount.source().clone().unwrap_or_default();
                let kind = mount.typ().clone().unwrap_or_default();
                format!(
                    "{kind} {} {}",
                    mount.destination().display(),
                    source.display()
                )
            };
            mounts.iter().map(show).collect()
        };
        assert_eq!(shown(views(&mount, &cgroups, &v2, true)), ["cgroup2 /c "]);
        let bound = shown(views(&mount, &cgroups, &v2, false));
        assert_eq!(bound, ["bind /c /sys/fs/cgroup/me"]);
        cgroups.unified = "/box".to_owned();
        let hybrid = [hierarchy("cpu", "/cg/cpu"), hierarchy("", "/cg/unified")];
        let several = shown(views(&mount, &cgroups, &hybrid, true));
        let wanted = [
            "tmpfs /c tmpfs",
            "bind /c/cpu /cg/cpu/me",
            "bind /c/unified /cg/unified/box",
        ];
        assert_eq!(several, wanted);
    }
}
