// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that are asked for by a vendor's name: what the vendor's files say goes into the
//! container's specification.

use std::path::PathBuf;

use oci_spec::runtime::{Hook, Mount, Spec};

use super::variables::add_variables;
use crate::config::cdi::{self, CdiError, Edits, USUAL_DIRECTORIES};
use crate::config::hooks_d::Stage;
use crate::engine::Engine;
use crate::engine::spec::bind;
use crate::state::record::ContainerRequest;

impl Engine {
    /// What the devices of `request` bring.
    ///
    /// # Errors
    ///
    /// See [`CdiError`].
    pub(in crate::engine) fn cdi_edits(
        &self,
        request: &ContainerRequest,
    ) -> Result<Edits, CdiError> {
        let devices = request.devices.iter().map(String::as_str);
        let names: Vec<&str> = devices.filter(|device| cdi::is_name(device)).collect();
        if names.is_empty() {
            return Ok(Edits::default());
        }
        // A configuration that cannot be read was refused before.
        let conf = self.containers_conf().ok();
        let configured = conf.and_then(|conf| conf.engine.cdi_spec_dirs.as_deref());
        let directories: Vec<PathBuf> = match configured {
            Some(named) => named.iter().map(PathBuf::from).collect(),
            None => USUAL_DIRECTORIES.map(PathBuf::from).to_vec(),
        };
        cdi::resolve(&directories, &names)
    }
}

/// Writes `edits` into `spec`; the value are the hooks.
pub(super) fn apply(edits: &Edits, spec: &mut Spec) -> Vec<(Stage, Hook)> {
    let variable = |text: &String| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let variables: Vec<_> = edits.env.iter().filter_map(variable).collect();
    add_variables(spec, &variables);
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    mounts.extend(binds(edits));
    spec.set_mounts(Some(mounts));
    edits.hooks.iter().map(cdi::NamedHook::hook).collect()
}

fn binds(edits: &Edits) -> impl Iterator<Item = Mount> {
    let nodes = edits.device_nodes.iter().map(|node| {
        // A bind of the node: nobody makes one in a user namespace.
        let host_path = node.host_path.as_ref().unwrap_or(&node.path);
        bind(
            host_path,
            &node.path.to_string_lossy(),
            &["rbind", "rprivate"],
        )
    });
    let files = edits.mounts.iter().map(|mount| {
        let mut options: Vec<&str> = mount.options.iter().map(String::as_str).collect();
        if !options
            .iter()
            .any(|option| ["bind", "rbind"].contains(option))
        {
            options.push("rbind");
        }
        bind(
            &mount.host_path,
            &mount.container_path.to_string_lossy(),
            &options,
        )
    });
    nodes.chain(files)
}
