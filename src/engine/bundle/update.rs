// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `update`: other resources for a container that is there. The spec keeps them.

use oci_spec::runtime::{LinuxResources, Spec};
use serde_json::Value;

use super::cgroups::limit;
use super::records::Status;
use super::verbs::refused;
use super::{BundleError, Runtime};

/// Resources that become different: what is not named stays.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceChange(Value);

impl ResourceChange {
    /// Reads the resources of an OCI spec.
    ///
    /// # Errors
    ///
    /// What is wrong with the document.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<LinuxResources>(json)?;
        Ok(Self(serde_json::from_str(json)?))
    }

    /// `resources` with the change made.
    fn onto(&self, resources: &LinuxResources) -> Result<LinuxResources, serde_json::Error> {
        let mut all = serde_json::to_value(resources)?;
        merge(&mut all, &self.0);
        serde_json::from_value(all)
    }
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                if !value.is_null() {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, change) => *into = change.clone(),
    }
}

impl Runtime {
    /// Changes the resources of the container `id`.
    ///
    /// # Errors
    ///
    /// [`BundleError::State`] when it has ended; limits that the host cannot hold.
    pub fn update(&self, id: &str, change: &ResourceChange) -> Result<(), BundleError> {
        let (directory, record, status) = self.find(id)?;
        match status {
            Status::Created | Status::Running | Status::Paused => {}
            Status::Creating | Status::Stopped => return Err(refused("update", &record, status)),
        }
        let _lock = directory.lock()?;
        let mut spec: Spec = directory.read_spec()?;
        let Some(linux) = spec.linux_mut() else {
            return Ok(());
        };
        let old = linux.resources().clone().unwrap_or_default();
        let new = change.onto(&old).map_err(|error| BundleError::Cgroup {
            id: id.to_owned(),
            reason: error.to_string(),
        })?;
        if let Some(reason) = limit(&record.cgroups, id, &new)? {
            let id = id.to_owned();
            return Err(BundleError::Cgroup { id, reason });
        }
        linux.set_resources(Some(new));
        directory.write_spec(&spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let old: LinuxResources =
            serde_json::from_str(r#"{"pids":{"limit":7},"memory":{"limit":100,"swap":200}}"#)
                .unwrap();
        let change = ResourceChange::parse(
            r#"{"memory":{"limit":150},"cpu":{"shares":2,"cpus":null},"pids":null}"#,
        );
        let new = change.unwrap().onto(&old).unwrap();
        assert_eq!(new.pids().unwrap().limit(), 7);
        let memory = new.memory().unwrap();
        assert_eq!((memory.limit(), memory.swap()), (Some(150), Some(200)));
        assert_eq!(new.cpu().as_ref().unwrap().shares(), Some(2));
        assert!(ResourceChange::parse("[").is_err());
    }
}
