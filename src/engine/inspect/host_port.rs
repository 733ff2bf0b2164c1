// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ports of a container, as both documents show them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Subject;

/// A port of the host.
#[derive(Debug, Serialize)]
#[serde(rename = "define.InspectHostPort", rename_all = "PascalCase")]
pub(super) struct HostPort {
    #[serde(rename = "HostIP,HostIp")]
    host_ip: String,
    host_port: String,
}

impl HostPort {
    /// The container's ports; those that nobody published have none of the host.
    pub(super) fn by_port(subject: &Subject<'_>) -> BTreeMap<String, Option<Vec<Self>>> {
        let shown = |(host_ip, host_port)| Self { host_ip, host_port };
        let ports = subject.ports().into_iter();
        ports
            .map(|(key, ports)| {
                let published = !ports.is_empty();
                (
                    key,
                    published.then(|| ports.into_iter().map(shown).collect()),
                )
            })
            .collect()
    }
}
