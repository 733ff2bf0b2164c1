// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about limits of cgroups.

use std::path::PathBuf;

use clap::Args;

use crate::output::units::size::parse_size;
use crate::state::limits::{DeviceLimit, Limits};

/// Flags about limits of cgroups, as typed.
#[derive(Debug, Default, Args)]
pub(crate) struct ResourceArgs {
    /// Block IO weight (relative weight), between 10 and 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<String>,
    /// Block IO weight (relative device weight)
    #[arg(long, value_name = "DEVICE:WEIGHT", value_delimiter = ',')]
    blkio_weight_device: Vec<String>,
    /// Set a file of the container's cgroup (memory.high=1073741824)
    #[arg(long, value_name = "FILE=VALUE")]
    cgroup_conf: Vec<String>,
    /// Limit the CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<String>,
    /// Limit the CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    cpu_quota: Option<String>,
    /// CPU shares (relative weight)
    #[arg(long, short = 'c', value_name = "SHARES")]
    cpu_shares: Option<String>,
    /// Number of CPUs
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<String>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Limit read rate (bytes per second) from a device
    #[arg(long, value_name = "DEVICE:RATE", value_delimiter = ',')]
    device_read_bps: Vec<String>,
    /// Limit read rate (IO per second) from a device
    #[arg(long, value_name = "DEVICE:RATE", value_delimiter = ',')]
    device_read_iops: Vec<String>,
    /// Limit write rate (bytes per second) to a device
    #[arg(long, value_name = "DEVICE:RATE", value_delimiter = ',')]
    device_write_bps: Vec<String>,
    /// Limit write rate (IO per second) to a device
    #[arg(long, value_name = "DEVICE:RATE", value_delimiter = ',')]
    device_write_iops: Vec<String>,
    /// Ignored: the kernel has no such limit any more
    #[arg(long, hide = true)]
    kernel_memory: Option<String>,
    /// Memory limit (with a unit: b, k, m, g)
    #[arg(long, short = 'm', value_name = "SIZE")]
    memory: Option<String>,
    /// Memory soft limit
    #[arg(long, value_name = "SIZE")]
    memory_reservation: Option<String>,
    /// Memory and swap together; -1 for unlimited swap
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    memory_swap: Option<String>,
    /// Ignored: cgroup v2 has no swappiness
    #[arg(long, hide = true, allow_negative_numbers = true)]
    memory_swappiness: Option<String>,
    /// Ignored: cgroup v2 cannot do without its OOM killer
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    oom_kill_disable: Option<bool>,
    /// Tune the container's pids limit (-1 for unlimited)
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pids_limit: Option<String>,
}

/// What is wrong with a flag about limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResourceError {
    #[error("--{first} and --{second} cannot be set together")]
    Together {
        first: &'static str,
        second: &'static str,
    },
    #[error("invalid value for {what}: invalid size: '{value}'")]
    Size { what: &'static str, value: String },
    #[error("invalid argument \"{value}\" for \"--{flag}\" flag: want a number")]
    Number { flag: &'static str, value: String },
    #[error("range of blkio weight is from 10 to 1000")]
    Weight,
    #[error("bad format: {value}: --{flag} wants DEVICE:NUMBER")]
    Device { flag: &'static str, value: String },
    #[error("CPU cfs period cannot be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")]
    Period,
    #[error("CPU cfs quota cannot be less than 1ms (i.e. 1000)")]
    Quota,
}

impl ResourceArgs {
    /// What they ask for, and what the user should be told.
    pub(crate) fn limits(&self) -> Result<(Limits, Vec<String>), ResourceError> {
        self.check()?;
        let limits = Limits {
            nano_cpus: nano_cpus(self.cpus.as_deref())?,
            cpu_period_usec: number("cpu-period", self.cpu_period.as_deref())?,
            cpu_quota_usec: number("cpu-quota", self.cpu_quota.as_deref())?,
            cpu_shares: number("cpu-shares", self.cpu_shares.as_deref())?,
            cpuset_cpus: self.cpuset_cpus.clone().filter(|list| !list.is_empty()),
            cpuset_mems: self.cpuset_mems.clone().filter(|list| !list.is_empty()),
            memory_bytes: size("memory", self.memory.as_deref())?,
            memory_swap_bytes: size("memory", self.memory_swap.as_deref())?,
            memory_reservation_bytes: size("memory", self.memory_reservation.as_deref())?,
            pids: pids(self.pids_limit.as_deref())?,
            io_weight: weight(self.blkio_weight.as_deref())?,
            io_weight_devices: weights(&self.blkio_weight_device)?,
            read_bps: rates("device-read-bps", &self.device_read_bps)?,
            write_bps: rates("device-write-bps", &self.device_write_bps)?,
            read_iops: rates("device-read-iops", &self.device_read_iops)?,
            write_iops: rates("device-write-iops", &self.device_write_iops)?,
            cgroup_files: super::pairs(&self.cgroup_conf),
        };
        if limits
            .cpu_period_usec
            .is_some_and(|usec| !(1000..=1_000_000).contains(&usec))
        {
            return Err(ResourceError::Period);
        }
        if limits
            .cpu_quota_usec
            .is_some_and(|usec| (0..1000).contains(&usec))
        {
            return Err(ResourceError::Quota);
        }
        Ok((limits, self.warnings()))
    }

    fn check(&self) -> Result<(), ResourceError> {
        let others = [
            ("cpu-period", &self.cpu_period),
            ("cpu-quota", &self.cpu_quota),
        ];
        match others.iter().find(|(_, value)| value.is_some()) {
            Some((first, _)) if self.cpus.is_some() => Err(ResourceError::Together {
                first,
                second: "cpus",
            }),
            _ => Ok(()),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.kernel_memory.is_some() {
            warnings.push(
                "The --kernel-memory flag is no longer supported. This flag is a noop.".to_owned(),
            );
        }
        let swappiness = self.memory_swappiness.as_deref().unwrap_or("-1");
        if swappiness != "-1" {
            warnings.push("--memory-swappiness is ignored: cgroup v2 has no swappiness".to_owned());
        }
        if self.oom_kill_disable == Some(true) {
            warnings.push(
                "--oom-kill-disable is ignored: cgroup v2 cannot do without its OOM killer"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// A number of bytes; zero and nothing are no limit, -1 is none explicitly.
fn size(what: &'static str, value: Option<&str>) -> Result<Option<i64>, ResourceError> {
    match value {
        None | Some("") => Ok(None),
        Some("-1") => Ok(Some(-1)),
        Some(text) => {
            let bytes = parse_size(text).and_then(|bytes| i64::try_from(bytes).ok());
            let wrong = || ResourceError::Size {
                what,
                value: text.to_owned(),
            };
            Ok(Some(bytes.ok_or_else(wrong)?).filter(|bytes| *bytes != 0))
        }
    }
}

/// A whole number, of which zero asks for nothing.
fn number<T: std::str::FromStr + Default + PartialEq>(
    flag: &'static str,
    value: Option<&str>,
) -> Result<Option<T>, ResourceError> {
    let Some(text) = value.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = |_| ResourceError::Number {
        flag,
        value: text.to_owned(),
    };
    let number = text.parse::<T>().map_err(wrong)?;
    Ok(Some(number).filter(|number| *number != T::default()))
}

/// Zero takes a limit away here, as -1 does.
fn pids(value: Option<&str>) -> Result<Option<i64>, ResourceError> {
    Ok(match number::<i64>("pids-limit", value)? {
        None => value.filter(|text| !text.is_empty()).map(|_| -1),
        Some(limit) => Some(limit.max(-1)),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number was checked to lie within the range"
)]
fn nano_cpus(value: Option<&str>) -> Result<Option<u64>, ResourceError> {
    let Some(text) = value.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = text.parse::<f64>().ok();
    let number = number.filter(|number| (0.0..1e6).contains(number));
    let number = number.ok_or_else(|| ResourceError::Number {
        flag: "cpus",
        value: text.to_owned(),
    })?;
    Ok(Some((number * 1e9).round() as u64).filter(|nano| *nano != 0))
}

fn weight(value: Option<&str>) -> Result<Option<u16>, ResourceError> {
    match number::<u16>("blkio-weight", value)? {
        Some(weight) if !(10..=1000).contains(&weight) => Err(ResourceError::Weight),
        weight => Ok(weight),
    }
}

fn weights(values: &[String]) -> Result<Vec<DeviceLimit>, ResourceError> {
    let limits = devices("blkio-weight-device", values, |text| text.parse().ok())?;
    match limits
        .iter()
        .find(|limit| !(10..=1000).contains(&limit.value))
    {
        Some(_) => Err(ResourceError::Weight),
        None => Ok(limits),
    }
}

fn rates(flag: &'static str, values: &[String]) -> Result<Vec<DeviceLimit>, ResourceError> {
    match flag.strip_suffix("bps") {
        Some(_) => devices(flag, values, parse_size),
        None => devices(flag, values, |text| text.parse().ok()),
    }
}

fn devices(
    flag: &'static str,
    values: &[String],
    parse: fn(&str) -> Option<u64>,
) -> Result<Vec<DeviceLimit>, ResourceError> {
    let device = |value: &String| {
        let (path, text) = value.rsplit_once(':')?;
        let value = parse(text)?;
        path.starts_with('/').then(|| DeviceLimit {
            host_path: PathBuf::from(path),
            value,
        })
    };
    let wrong = |value: &String| ResourceError::Device {
        flag,
        value: value.clone(),
    };
    let each = values.iter();
    each.map(|value| device(value).ok_or_else(|| wrong(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        args: ResourceArgs,
    }

    fn parsed(words: &str) -> Result<(Limits, Vec<String>), String> {
        let argv = std::iter::once("run").chain(words.split_whitespace());
        let flags = Flags::try_parse_from(argv).map_err(|error| error.to_string())?;
        flags.args.limits().map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_that_ask_for_nothing_are_no_limits() {
        for none in [
            "",
            "-m 0",
            "-m 0b",
            "--memory-reservation=0g",
            "--cpus=0.0",
            "--cpu-shares 0",
            "--cpu-quota=0",
            "--cpuset-cpus=",
        ] {
            assert!(parsed(none).unwrap().0.is_empty(), "{none}");
        }
    }

    #[test]
    fn limits_are_read() {
        let (limits, warnings) = parsed(
            "-m 512m --memory-swap -1 --cpus 1.5 --pids-limit 20 --cpuset-cpus 0 --cpu-shares=512 \
             --blkio-weight 321 --device-read-bps /dev/sda:10mb,/dev/sdb:1 \
             --device-write-iops=/dev/sda:100 --memory-swappiness 10 --oom-kill-disable",
        )
        .unwrap();
        assert_eq!(limits.memory_bytes, Some(512 << 20));
        assert_eq!(limits.memory_swap_bytes, Some(-1));
        assert_eq!(limits.nano_cpus, Some(1_500_000_000));
        assert_eq!((limits.pids, limits.cpu_shares), (Some(20), Some(512)));
        assert_eq!(limits.cpuset_cpus.as_deref(), Some("0"));
        assert_eq!(limits.io_weight, Some(321));
        let rates: Vec<_> = limits.read_bps.iter().map(|one| one.value).collect();
        assert_eq!(rates, [10 << 20, 1]);
        assert_eq!(limits.write_iops[0].value, 100);
        assert_eq!(warnings.len(), 2);
        for unlimited in ["--pids-limit -1", "--pids-limit=0"] {
            assert_eq!(parsed(unlimited).unwrap().0.pids, Some(-1));
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases = [
            (
                "--cpu-quota=1 --cpus=2",
                "--cpu-quota and --cpus cannot be set together",
            ),
            ("-m 5x", "invalid value for memory: invalid size: '5x'"),
            ("--cpus=-1", "--cpus"),
            (
                "--cpu-shares x",
                "invalid argument \"x\" for \"--cpu-shares\"",
            ),
            ("--cpu-period 10", "CPU cfs period cannot be less"),
            ("--cpu-quota 10", "CPU cfs quota cannot be less"),
            (
                "--blkio-weight 5",
                "range of blkio weight is from 10 to 1000",
            ),
            (
                "--blkio-weight-device /dev/a:5",
                "range of blkio weight is from 10 to 1000",
            ),
            ("--device-read-bps sda:1", "bad format: sda:1"),
            ("--device-read-bps /dev/sda", "bad format: /dev/sda"),
        ];
        for (words, expected) in cases {
            let error = parsed(words).expect_err(words);
            assert!(error.contains(expected), "{words}: {error}");
        }
    }
}
