// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container may use of the machine: its record as the resources of an OCI spec, and the
//! words for a host that cannot hold them.

use std::collections::HashMap;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};
use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, LinuxThrottleDevice,
    LinuxThrottleDeviceBuilder, LinuxWeightDevice, LinuxWeightDeviceBuilder,
};

pub use super::cgroup::SystemdError;
use super::host::{Cure, Lack};
use crate::runtime::failure::StageFailure;
use crate::runtime::resources::{ResourceError, Setting, settings};
use crate::state::limits::{DeviceLimit, Limits};
use crate::state::record::ContainerRequest;
use crate::sys::SysError;

/// The period that `--cpus` is counted in.
const PERIOD_USEC: u64 = 100_000;

/// Why a limit cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// Values that do not fit together.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// A device that cannot be looked at.
    #[error("device {}: {reason}", path.display())]
    NoDevice {
        /// As typed.
        path: PathBuf,
        /// What the kernel said.
        reason: std::io::Error,
    },
    /// Input and output is counted on disks.
    #[error("{}: not a block device", path.display())]
    NotBlockDevice {
        /// As typed.
        path: PathBuf,
    },
    /// `--cgroups disabled`.
    #[error("cannot set resource limits when cgroups are disabled: invalid configuration")]
    Disabled,
    /// The host has no place for it.
    #[error("{flags} cannot be held on this host: {}", lack.what())]
    Lacking {
        /// What was asked for.
        flags: String,
        /// What is missing.
        lack: Lack,
    },
    /// Its controllers cannot be handed down to where it is.
    #[error(
        "{flags} cannot be set while the container runs: it was started without limits, where \
         none can be set; stop it first, and start it after the update"
    )]
    WhileItRuns {
        /// What was asked for.
        flags: String,
    },
    /// `--cgroup-parent`.
    #[error("--cgroup-parent {parent}: {reason}")]
    Parent {
        /// As typed.
        parent: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Systemd, which makes the cgroups of this session.
    #[error("make a cgroup for the container")]
    Systemd(#[from] SystemdError),
    /// A file of the cgroup.
    #[error("set {file} to {value:?}")]
    Write {
        /// Its name.
        file: String,
        /// What it was to hold.
        value: String,
        /// What the kernel said.
        source: SysError,
    },
    /// The cgroup itself.
    #[error("make a cgroup for the container")]
    Make(#[source] SysError),
}

impl From<LimitError> for StageFailure {
    fn from(error: LimitError) -> Self {
        let hints = match &error {
            LimitError::Lacking { lack, .. } => lack.cures().iter().map(Cure::sentence).collect(),
            _ => Vec::new(),
        };
        Self {
            hints,
            ..Self::setup(crate::runtime::failure::chain(&error))
        }
    }
}

/// Refuses what no host can hold, before anything is made.
///
/// # Errors
///
/// See [`LimitError`].
pub(super) fn check(request: &ContainerRequest) -> Result<(), LimitError> {
    let asked = !request.limits.is_empty();
    if asked && request.cgroups.as_deref() == Some("disabled") {
        return Err(LimitError::Disabled);
    }
    check_values(&request.limits)
}

/// Refuses values that do not fit together, and devices that are none.
///
/// # Errors
///
/// See [`LimitError`].
pub(super) fn check_values(limits: &Limits) -> Result<(), LimitError> {
    if !limits.is_empty() {
        settings(&resources(limits)?)?;
    }
    Ok(())
}

/// The resources that `limits` ask for.
///
/// # Errors
///
/// A device that is none.
pub(super) fn resources(limits: &Limits) -> Result<LinuxResources, LimitError> {
    let mut resources = LinuxResources::default();
    resources.set_devices(None);
    resources.set_memory(memory(limits));
    resources.set_cpu(cpu(limits));
    resources.set_pids(limits.pids.map(|limit| {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        pids
    }));
    resources.set_block_io(block_io(limits)?);
    if !limits.cgroup_files.is_empty() {
        let files: HashMap<_, _> = limits.cgroup_files.clone().into_iter().collect();
        resources.set_unified(Some(files));
    }
    Ok(resources)
}

/// Memory and swap together, as podman and docker count them: twice the memory where nobody says.
pub(super) fn memory_and_swap(limits: &Limits) -> Option<i64> {
    let twice = || limits.memory_bytes.map(|bytes| bytes.saturating_mul(2));
    limits.memory_swap_bytes.or_else(twice)
}

/// The quota and period that `--cpus` stands for, or what was asked for itself.
pub(super) fn quota_and_period(limits: &Limits) -> (Option<i64>, Option<u64>) {
    match limits.nano_cpus {
        Some(nano) => {
            let quota = u128::from(nano) * u128::from(PERIOD_USEC) / 1_000_000_000;
            // The kernel takes no quota below a millisecond.
            let quota = i64::try_from(quota).unwrap_or(i64::MAX).max(1000);
            (Some(quota), Some(PERIOD_USEC))
        }
        None => (limits.cpu_quota_usec, limits.cpu_period_usec),
    }
}

fn memory(limits: &Limits) -> Option<LinuxMemory> {
    let mut memory = LinuxMemory::default();
    memory.set_limit(limits.memory_bytes);
    memory.set_swap(memory_and_swap(limits));
    memory.set_reservation(limits.memory_reservation_bytes);
    (memory != LinuxMemory::default()).then_some(memory)
}

fn cpu(limits: &Limits) -> Option<LinuxCpu> {
    let mut cpu = LinuxCpu::default();
    let (quota, period) = quota_and_period(limits);
    cpu.set_quota(quota);
    cpu.set_period(period);
    cpu.set_shares(limits.cpu_shares);
    cpu.set_cpus(limits.cpuset_cpus.clone());
    cpu.set_mems(limits.cpuset_mems.clone());
    (cpu != LinuxCpu::default()).then_some(cpu)
}

fn block_io(limits: &Limits) -> Result<Option<LinuxBlockIo>, LimitError> {
    let mut io = LinuxBlockIo::default();
    io.set_weight(limits.io_weight);
    let weights: Result<Vec<_>, _> = limits.io_weight_devices.iter().map(weight_of).collect();
    io.set_weight_device(Some(weights?).filter(|list| !list.is_empty()));
    let throttles =
        |limits: &[DeviceLimit]| -> Result<Option<Vec<LinuxThrottleDevice>>, LimitError> {
            let list: Result<Vec<_>, _> = limits.iter().map(throttle_of).collect();
            Ok(Some(list?).filter(|list| !list.is_empty()))
        };
    io.set_throttle_read_bps_device(throttles(&limits.read_bps)?);
    io.set_throttle_write_bps_device(throttles(&limits.write_bps)?);
    io.set_throttle_read_iops_device(throttles(&limits.read_iops)?);
    io.set_throttle_write_iops_device(throttles(&limits.write_iops)?);
    Ok((io != LinuxBlockIo::default()).then_some(io))
}

fn weight_of(limit: &DeviceLimit) -> Result<LinuxWeightDevice, LimitError> {
    let (major, minor) = block_device(&limit.host_path)?;
    let device = LinuxWeightDeviceBuilder::default()
        .major(major)
        .minor(minor);
    // The flags let no greater weight through.
    let device = device.weight(u16::try_from(limit.value).unwrap_or(u16::MAX));
    Ok(device.build().expect("every field has a default"))
}

fn throttle_of(limit: &DeviceLimit) -> Result<LinuxThrottleDevice, LimitError> {
    let (major, minor) = block_device(&limit.host_path)?;
    let device = LinuxThrottleDeviceBuilder::default()
        .major(major)
        .minor(minor);
    let device = device.rate(limit.value).build();
    Ok(device.expect("every field has a default"))
}

fn block_device(path: &Path) -> Result<(i64, i64), LimitError> {
    let no_device = |reason| LimitError::NoDevice {
        path: path.to_owned(),
        reason,
    };
    let found = path.metadata().map_err(no_device)?;
    if !found.file_type().is_block_device() {
        let path = path.to_owned();
        return Err(LimitError::NotBlockDevice { path });
    }
    let number = |part: u64| i64::try_from(part).unwrap_or_default();
    Ok((number(major(found.rdev())), number(minor(found.rdev()))))
}

/// The flags that ask for these settings, as people type them.
pub(super) fn flags_of(settings: &[Setting]) -> String {
    let mut flags: Vec<&str> = Vec::new();
    for setting in settings.iter().filter(|setting| is_a_limit(setting)) {
        let flag = match setting.file.as_str() {
            "cpu.max" => "--cpus",
            "cpu.weight" => "--cpu-shares",
            "cpuset.cpus" => "--cpuset-cpus",
            "cpuset.mems" => "--cpuset-mems",
            "io.max" => "limits of devices",
            "io.weight" => "--blkio-weight",
            "memory.low" => "--memory-reservation",
            "memory.max" => "--memory",
            "memory.swap.max" => "--memory-swap",
            "pids.max" => "--pids-limit",
            file => file,
        };
        // The one of swap comes with that of memory.
        let comes_along =
            flag == "--memory-swap" && settings.iter().any(|setting| setting.file == "memory.max");
        if !flags.contains(&flag) && !comes_along {
            flags.push(flag);
        }
    }
    flags.join(", ")
}

/// Whether a setting limits anything: to be without a limit, no controller is needed.
pub(super) fn is_a_limit(setting: &Setting) -> bool {
    !setting.value.starts_with("max")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limits: &Limits) -> Result<String, LimitError> {
        let settings = settings(&resources(limits)?)?;
        let lines = settings
            .iter()
            .map(|one| format!("{}={}", one.file, one.value));
        Ok(lines.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn limits_become_settings() {
        let limits = Limits {
            memory_bytes: Some(64 << 20),
            nano_cpus: Some(500_000_000),
            pids: Some(20),
            cpu_shares: Some(1024),
            ..Limits::default()
        };
        assert_eq!(
            written(&limits).unwrap(),
            "memory.swap.max=67108864 memory.max=67108864 cpu.weight=100 \
             cpu.max=50000 100000 pids.max=20"
        );
        assert_eq!(
            flags_of(&settings(&resources(&limits).unwrap()).unwrap()),
            "--memory, --cpu-shares, --cpus, --pids-limit"
        );
        let none = Limits {
            pids: Some(-1),
            ..Limits::default()
        };
        let settings = settings(&resources(&none).unwrap()).unwrap();
        assert!(settings.iter().all(|setting| !is_a_limit(setting)));
    }

    #[test]
    fn only_block_devices_are_limited() {
        let limited = |path: &str| Limits {
            read_bps: vec![DeviceLimit {
                host_path: path.into(),
                value: 1,
            }],
            ..Limits::default()
        };
        let refused = |path| written(&limited(path)).unwrap_err().to_string();
        assert_eq!(refused("/dev/zero"), "/dev/zero: not a block device");
        assert!(refused("/dev/nope").starts_with("device /dev/nope: "));
    }

    #[test]
    fn without_cgroups_there_are_no_limits() {
        let mut request = ContainerRequest {
            cgroups: Some("disabled".to_owned()),
            ..ContainerRequest::default()
        };
        assert!(check(&request).is_ok());
        request.limits.pids = Some(3);
        assert!(matches!(check(&request), Err(LimitError::Disabled)));
    }

    #[test]
    fn a_refusal_names_flags_and_cure() {
        let failure = StageFailure::from(LimitError::Lacking {
            flags: "--memory".to_owned(),
            lack: Lack::CgroupV1Controllers { systemd: true },
        });
        assert_eq!(
            failure.message,
            "--memory cannot be held on this host: the controllers belong to cgroup v1"
        );
        assert!(
            failure.hints[0].starts_with("as root: "),
            "{:?}",
            failure.hints
        );
    }
}
