// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The resources of an OCI spec as files of a cgroup v2 directory. Pure: who writes the files is
//! another's business.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

/// One file of a cgroup, and what is written into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The file's name.
    pub file: String,
    /// What is written.
    pub value: String,
}

impl Setting {
    fn new(file: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            value: value.into(),
        }
    }

    /// The controller whose file it is; `None` for those that every cgroup has.
    pub fn controller(&self) -> Option<&str> {
        let (controller, _) = self.file.split_once('.')?;
        (controller != "cgroup").then_some(controller)
    }
}

/// Resources that do not fit together or that no cgroup file stands for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// Swap alone cannot be limited.
    #[error("you should always set a memory limit when using a memoryswap limit, see usage")]
    SwapAlone,
    /// The limit of both is below that of one.
    #[error("minimum memoryswap limit should be larger than memory limit, see usage")]
    SwapBelowMemory,
    /// More is promised than allowed.
    #[error("minimum memory limit cannot be less than memory reservation limit, see usage")]
    ReservationAboveMemory,
    /// A name that is none of a cgroup's file.
    #[error("cgroup file {name:?}: want the name of one file, such as memory.high")]
    FileName {
        /// As typed.
        name: String,
    },
}

/// The settings that `resources` ask for, in the order in which they are written.
///
/// Device rules need a program of the kernel's that an ordinary user cannot load: they are left
/// out, as what a user can open is what it may use.
///
/// # Errors
///
/// See [`ResourceError`].
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>, ResourceError> {
    let mut found = Vec::new();
    if let Some(memory) = resources.memory() {
        memory_settings(memory, &mut found)?;
    }
    if let Some(cpu) = resources.cpu() {
        cpu_settings(cpu, &mut found);
    }
    if let Some(pids) = resources.pids() {
        let limit = match pids.limit() {
            limit if limit > 0 => limit.to_string(),
            _ => "max".to_owned(),
        };
        found.push(Setting::new("pids.max", limit));
    }
    if let Some(io) = resources.block_io() {
        io_settings(io, &mut found);
    }
    for huge in resources.hugepage_limits().iter().flatten() {
        let file = format!("hugetlb.{}.max", huge.page_size());
        found.push(Setting::new(file, huge.limit().to_string()));
    }
    // By name, so that the order is always the same.
    let mut unified: Vec<_> = resources.unified().iter().flatten().collect();
    unified.sort();
    for (name, value) in unified {
        if name.contains('/') || !name.contains('.') || name.starts_with('.') {
            return Err(ResourceError::FileName { name: name.clone() });
        }
        found.push(Setting::new(name, value));
    }
    Ok(found)
}

/// Whether the settings are the weight of a cgroup that knows only the BFQ scheduler's file: its
/// name and value there.
pub fn bfq(setting: &Setting, resources: &LinuxResources) -> Option<Setting> {
    let weight = resources.block_io().as_ref()?.weight()?;
    (setting.file == "io.weight").then(|| Setting::new("io.bfq.weight", weight.to_string()))
}

fn memory_settings(memory: &LinuxMemory, found: &mut Vec<Setting>) -> Result<(), ResourceError> {
    let limit = memory.limit().filter(|limit| *limit != 0);
    let swap = swap_alone(limit, memory.swap().filter(|swap| *swap != 0))?;
    let reservation = memory.reservation().filter(|bytes| *bytes != 0);
    if let (Some(limit @ 0..), Some(reservation)) = (limit, reservation)
        && limit < reservation
    {
        return Err(ResourceError::ReservationAboveMemory);
    }
    found.extend(swap.map(|swap| Setting::new("memory.swap.max", number(swap))));
    found.extend(limit.map(|limit| Setting::new("memory.max", number(limit))));
    found.extend(reservation.map(|bytes| Setting::new("memory.low", number(bytes))));
    Ok(())
}

/// A spec counts memory and swap together, cgroup v2 swap alone.
fn swap_alone(limit: Option<i64>, both: Option<i64>) -> Result<Option<i64>, ResourceError> {
    match (limit, both) {
        // Without a limit of memory there is none of swap either.
        (Some(..0), None) | (_, Some(..0)) => Ok(Some(-1)),
        (_, None) => Ok(None),
        (None | Some(..0), Some(_)) => Err(ResourceError::SwapAlone),
        (Some(limit), Some(both)) if both < limit => Err(ResourceError::SwapBelowMemory),
        (Some(limit), Some(both)) => Ok(Some(both - limit)),
    }
}

/// Below zero stands for no limit.
fn number(value: i64) -> String {
    match value {
        ..0 => "max".to_owned(),
        _ => value.to_string(),
    }
}

fn cpu_settings(cpu: &LinuxCpu, found: &mut Vec<Setting>) {
    let shares = cpu.shares().filter(|shares| *shares != 0);
    found.extend(shares.map(|shares| Setting::new("cpu.weight", cpu_weight(shares).to_string())));
    found.extend(
        cpu.idle()
            .map(|idle| Setting::new("cpu.idle", idle.to_string())),
    );
    let quota = cpu.quota().filter(|quota| *quota != 0);
    let period = cpu.period().filter(|period| *period != 0);
    if quota.is_some() || period.is_some() {
        let quota = number(quota.unwrap_or(-1));
        // A quota alone leaves the period as it is.
        let period = period.map_or_else(String::new, |period| format!(" {period}"));
        found.push(Setting::new("cpu.max", quota + &period));
    }
    found.extend(
        cpu.burst()
            .map(|burst| Setting::new("cpu.max.burst", burst.to_string())),
    );
    for (file, list) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
        let list = list.as_ref().filter(|list| !list.is_empty());
        found.extend(list.map(|list| Setting::new(file, list)));
    }
}

/// Shares from 2 to 262144 around 1024 become a weight from 1 to 10000 around 100: a quadratic
/// curve over the logarithm through those three points, as runc since 1.3.2 and crun since 1.24
/// have it. The straight line that was used before made 39 of the default.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the result is a number from 1 to 10000"
)]
pub fn cpu_weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            10_f64.powf(exponent).ceil() as u64
        }
    }
}

fn io_settings(io: &LinuxBlockIo, found: &mut Vec<Setting>) {
    let weight = io.weight().filter(|weight| *weight != 0);
    found.extend(weight.map(|weight| Setting::new("io.weight", io_weight(weight).to_string())));
    for device in io.weight_device().iter().flatten() {
        if let Some(weight) = device.weight() {
            let (major, minor) = (device.major(), device.minor());
            let value = format!("{major}:{minor} {}", io_weight(weight));
            found.push(Setting::new("io.weight", value));
        }
    }
    let throttles = [
        ("rbps", io.throttle_read_bps_device()),
        ("wbps", io.throttle_write_bps_device()),
        ("riops", io.throttle_read_iops_device()),
        ("wiops", io.throttle_write_iops_device()),
    ];
    for (key, devices) in throttles {
        let setting = |device: &LinuxThrottleDevice| {
            let rate = match device.rate() {
                0 => "max".to_owned(),
                rate => rate.to_string(),
            };
            let (major, minor) = (device.major(), device.minor());
            Setting::new("io.max", format!("{major}:{minor} {key}={rate}"))
        };
        found.extend(devices.iter().flatten().map(setting));
    }
}

/// 10 to 1000 onto 1 to 10000, as runc and crun do it.
fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight.clamp(10, 1000) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(json: &str) -> Result<String, String> {
        let resources: LinuxResources = serde_json::from_str(json).unwrap();
        let found = settings(&resources).map_err(|error| error.to_string())?;
        let lines = found
            .iter()
            .map(|one| format!("{}={}", one.file, one.value));
        Ok(lines.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn resources_become_files() {
        let cases = [
            ("{}", ""),
            (r#"{"devices":[{"allow":false,"access":"rwm"}]}"#, ""),
            (
                r#"{"memory":{"limit":64,"swap":100,"reservation":10,"swappiness":3}}"#,
                "memory.swap.max=36 memory.max=64 memory.low=10",
            ),
            (
                r#"{"memory":{"limit":64,"swap":64}}"#,
                "memory.swap.max=0 memory.max=64",
            ),
            (
                r#"{"memory":{"limit":64,"swap":-1}}"#,
                "memory.swap.max=max memory.max=64",
            ),
            (
                r#"{"memory":{"limit":-1}}"#,
                "memory.swap.max=max memory.max=max",
            ),
            (r#"{"memory":{"limit":0,"swap":0}}"#, ""),
            (
                r#"{"cpu":{"quota":50000,"period":100000}}"#,
                "cpu.max=50000 100000",
            ),
            (
                r#"{"cpu":{"quota":-1,"period":100000}}"#,
                "cpu.max=max 100000",
            ),
            (r#"{"cpu":{"quota":50000}}"#, "cpu.max=50000"),
            (r#"{"cpu":{"period":5000}}"#, "cpu.max=max 5000"),
            (
                r#"{"cpu":{"shares":1024,"cpus":"0-1","mems":"0","idle":0}}"#,
                "cpu.weight=100 cpu.idle=0 cpuset.cpus=0-1 cpuset.mems=0",
            ),
            (r#"{"pids":{"limit":20}}"#, "pids.max=20"),
            (r#"{"pids":{"limit":-1}}"#, "pids.max=max"),
            (
                r#"{"blockIO":{"weight":500,"weightDevice":[{"major":7,"minor":0,"weight":98}],
                    "throttleReadBpsDevice":[{"major":8,"minor":1,"rate":10}],
                    "throttleWriteIOPSDevice":[{"major":8,"minor":1,"rate":0}]}}"#,
                "io.weight=4950 io.weight=7:0 889 io.max=8:1 rbps=10 io.max=8:1 wiops=max",
            ),
            (
                r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}],
                    "unified":{"memory.high":"9","cpu.weight":"3"}}"#,
                "hugetlb.2MB.max=4194304 cpu.weight=3 memory.high=9",
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(lines(json).as_deref(), Ok(expected), "{json}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let cases = [
            (r#"{"memory":{"swap":64}}"#, "always set a memory limit"),
            (
                r#"{"memory":{"limit":-1,"swap":64}}"#,
                "always set a memory limit",
            ),
            (
                r#"{"memory":{"limit":64,"swap":63}}"#,
                "should be larger than memory limit",
            ),
            (
                r#"{"memory":{"limit":64,"reservation":65}}"#,
                "cannot be less than",
            ),
            (
                r#"{"unified":{"../memory.max":"1"}}"#,
                "want the name of one file",
            ),
            (r#"{"unified":{"x":"1"}}"#, "want the name of one file"),
        ];
        for (json, words) in cases {
            let error = lines(json).expect_err(json);
            assert!(error.contains(words), "{json}: {error}");
        }
    }

    #[test]
    fn weights_lie_on_the_curve() {
        let table = [
            (0, 1),
            (2, 1),
            (512, 59),
            (1000, 99),
            (1024, 100),
            (2048, 174),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ];
        for (shares, weight) in table {
            assert_eq!(cpu_weight(shares), weight, "{shares}");
        }
        assert_eq!((io_weight(10), io_weight(1000)), (1, 10_000));
    }

    #[test]
    fn a_file_belongs_to_its_controller() {
        let controller = |file: &str| Setting::new(file, "").controller().map(str::to_owned);
        assert_eq!(controller("memory.max").as_deref(), Some("memory"));
        assert_eq!(controller("cpuset.cpus").as_deref(), Some("cpuset"));
        assert_eq!(controller("cgroup.max.depth"), None);
    }
}
