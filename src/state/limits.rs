// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container may use of the machine, as asked for. What the kernel is told comes of it in
//! `engine::limits`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Limits of a container. What nobody asked for is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// `--cpus` in billionths of a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<u64>,
    /// `--cpu-period` in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period_usec: Option<u64>,
    /// `--cpu-quota` in microseconds; below zero there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota_usec: Option<i64>,
    /// `--cpu-shares`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// `--cpuset-cpus`, as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`, as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_mems: Option<String>,
    /// `--memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<i64>,
    /// `--memory-swap`, memory and swap together; -1 is without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap_bytes: Option<i64>,
    /// `--memory-reservation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation_bytes: Option<i64>,
    /// `--pids-limit`; below one there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<i64>,
    /// `--blkio-weight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_weight: Option<u16>,
    /// `--blkio-weight-device`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_weight_devices: Vec<DeviceLimit>,
    /// `--device-read-bps`, in bytes a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_bps: Vec<DeviceLimit>,
    /// `--device-write-bps`, in bytes a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_bps: Vec<DeviceLimit>,
    /// `--device-read-iops`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_iops: Vec<DeviceLimit>,
    /// `--device-write-iops`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_iops: Vec<DeviceLimit>,
    /// `--cgroup-conf`: files of the cgroup by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cgroup_files: BTreeMap<String, String>,
}

/// A limit for one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimit {
    /// Its node on the host.
    pub host_path: PathBuf,
    /// The weight or rate.
    pub value: u64,
}

impl Limits {
    /// Whether nobody asked for any.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over what `change` asks for; the rest stays as it is.
    pub fn update(&mut self, change: &Self) {
        // The two ways to say how much of the processors it may have replace each other.
        if change.nano_cpus.is_some() {
            self.cpu_period_usec = None;
            self.cpu_quota_usec = None;
        }
        if change.cpu_period_usec.is_some() || change.cpu_quota_usec.is_some() {
            self.nano_cpus = None;
        }
        over(&mut self.nano_cpus, change.nano_cpus.as_ref());
        over(&mut self.cpu_period_usec, change.cpu_period_usec.as_ref());
        over(&mut self.cpu_quota_usec, change.cpu_quota_usec.as_ref());
        over(&mut self.cpu_shares, change.cpu_shares.as_ref());
        over(&mut self.cpuset_cpus, change.cpuset_cpus.as_ref());
        over(&mut self.cpuset_mems, change.cpuset_mems.as_ref());
        over(&mut self.memory_bytes, change.memory_bytes.as_ref());
        let swap = change.memory_swap_bytes.as_ref();
        over(&mut self.memory_swap_bytes, swap);
        let reservation = change.memory_reservation_bytes.as_ref();
        over(&mut self.memory_reservation_bytes, reservation);
        over(&mut self.pids, change.pids.as_ref());
        over(&mut self.io_weight, change.io_weight.as_ref());
        over_devices(&mut self.io_weight_devices, &change.io_weight_devices);
        over_devices(&mut self.read_bps, &change.read_bps);
        over_devices(&mut self.write_bps, &change.write_bps);
        over_devices(&mut self.read_iops, &change.read_iops);
        over_devices(&mut self.write_iops, &change.write_iops);
        self.cgroup_files.extend(change.cgroup_files.clone());
    }
}

fn over<T: Clone>(value: &mut Option<T>, change: Option<&T>) {
    if let Some(change) = change {
        *value = Some(change.clone());
    }
}

fn over_devices(limits: &mut Vec<DeviceLimit>, changes: &[DeviceLimit]) {
    let changed = |limit: &DeviceLimit| {
        let mut paths = changes.iter().map(|change| &change.host_path);
        paths.any(|path| *path == limit.host_path)
    };
    limits.retain(|limit| !changed(limit));
    limits.extend(changes.iter().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_changes_what_it_names_alone() {
        let limits = || Limits {
            pids: Some(1024),
            nano_cpus: Some(500_000_000),
            read_bps: vec![device("/dev/sda", 1), device("/dev/sdb", 2)],
            ..Limits::default()
        };
        let mut changed = limits();
        changed.update(&Limits::default());
        assert_eq!(changed, limits());
        changed.update(&Limits {
            memory_bytes: Some(1 << 20),
            cpu_quota_usec: Some(20_000),
            read_bps: vec![device("/dev/sda", 9)],
            ..Limits::default()
        });
        assert_eq!(
            (changed.pids, changed.memory_bytes),
            (Some(1024), Some(1 << 20))
        );
        assert_eq!(
            (changed.nano_cpus, changed.cpu_quota_usec),
            (None, Some(20_000))
        );
        assert_eq!(
            changed.read_bps,
            [device("/dev/sdb", 2), device("/dev/sda", 9)]
        );
        changed.update(&Limits {
            nano_cpus: Some(1),
            ..Limits::default()
        });
        assert_eq!((changed.nano_cpus, changed.cpu_quota_usec), (Some(1), None));
    }

    #[test]
    fn none_are_written_as_nothing() {
        assert_eq!(serde_json::to_string(&Limits::default()).unwrap(), "{}");
        assert!(serde_json::from_str::<Limits>("{}").unwrap().is_empty());
    }

    fn device(path: &str, value: u64) -> DeviceLimit {
        DeviceLimit {
            host_path: path.into(),
            value,
        }
    }
}
