// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about limits. Limits are not there yet: a value that asks for none is accepted, any other
//! is refused by the flag's name.

use clap::Args;

/// Flags about limits of cgroups, as typed.
#[derive(Debug, Default, Args)]
pub(crate) struct ResourceArgs {
    /// Limit the CPU CFS (Completely Fair Scheduler) period
    #[arg(long, hide = true)]
    cpu_period: Option<String>,
    /// Limit the CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, hide = true)]
    cpu_quota: Option<String>,
    /// CPU shares (relative weight)
    #[arg(long, short = 'c', hide = true)]
    cpu_shares: Option<String>,
    /// Number of CPUs
    #[arg(long, hide = true)]
    cpus: Option<String>,
    /// CPUs in which to allow execution
    #[arg(long, hide = true)]
    cpuset_cpus: Option<String>,
    /// Memory nodes in which to allow execution
    #[arg(long, hide = true)]
    cpuset_mems: Option<String>,
    /// Ignored: the kernel has no such limit any more
    #[arg(long, hide = true)]
    kernel_memory: Option<String>,
    /// Memory limit
    #[arg(long, short = 'm', hide = true)]
    memory: Option<String>,
    /// Memory soft limit
    #[arg(long, hide = true)]
    memory_reservation: Option<String>,
    /// Swap limit equal to memory plus swap
    #[arg(long, hide = true)]
    memory_swap: Option<String>,
    /// Ignored: cgroup v2 has no swappiness
    #[arg(long, hide = true)]
    memory_swappiness: Option<String>,
    /// Tune the container's pids limit
    #[arg(long, hide = true)]
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
    #[error("--{flag}: not supported yet")]
    NotYet { flag: &'static str },
}

impl ResourceArgs {
    /// Checks the limits; the value is what the user should be told.
    pub(crate) fn check(&self) -> Result<Vec<String>, ResourceError> {
        for (first, value) in [
            ("cpu-period", &self.cpu_period),
            ("cpu-quota", &self.cpu_quota),
        ] {
            if value.is_some() && self.cpus.is_some() {
                let second = "cpus";
                return Err(ResourceError::Together { first, second });
            }
        }
        let limits = [
            ("cpu-period", &self.cpu_period),
            ("cpu-quota", &self.cpu_quota),
            ("cpu-shares", &self.cpu_shares),
            ("cpus", &self.cpus),
            ("cpuset-cpus", &self.cpuset_cpus),
            ("cpuset-mems", &self.cpuset_mems),
            ("memory", &self.memory),
            ("memory-reservation", &self.memory_reservation),
            ("memory-swap", &self.memory_swap),
            ("pids-limit", &self.pids_limit),
        ];
        let asked = limits.into_iter().find(|(flag, value)| {
            let value = value.as_deref().unwrap_or_default();
            // Zero is the name of a processor here.
            if flag.starts_with("cpuset") {
                !value.is_empty()
            } else {
                is_a_limit(value)
            }
        });
        if let Some((flag, _)) = asked {
            return Err(ResourceError::NotYet { flag });
        }
        Ok(self.warnings())
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.kernel_memory.is_some() {
            warnings.push(
                "The --kernel-memory flag is no longer supported. This flag is a noop.".to_owned(),
            );
        }
        if self.memory_swappiness.as_deref().is_some_and(is_a_limit) {
            warnings.push("--memory-swappiness is ignored: cgroup v2 has no swappiness".to_owned());
        }
        warnings
    }
}

/// Zero, in whatever unit, and -1 stand for no limit.
fn is_a_limit(value: &str) -> bool {
    let number = value.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let zero = !number.is_empty() && number.bytes().all(|digit| b"0.".contains(&digit));
    let nothing = zero || number == "-1";
    !value.is_empty() && !nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_limit_is_refused() {
        for none in ["", "0", "0b", "0.0", "-1", "0g"] {
            assert!(!is_a_limit(none), "{none}");
        }
        for some in ["1", "512m", "0.5", "x"] {
            assert!(is_a_limit(some), "{some}");
        }
        let args = ResourceArgs {
            memory: Some("512m".into()),
            pids_limit: Some("-1".into()),
            ..ResourceArgs::default()
        };
        assert_eq!(
            args.check().unwrap_err().to_string(),
            "--memory: not supported yet"
        );
    }

    #[test]
    fn processor_zero_is_a_limit() {
        let args = ResourceArgs {
            cpuset_cpus: Some("0".into()),
            ..ResourceArgs::default()
        };
        assert_eq!(
            args.check().unwrap_err().to_string(),
            "--cpuset-cpus: not supported yet"
        );
    }

    #[test]
    fn conflicts_come_first() {
        let args = ResourceArgs {
            cpu_quota: Some("1".into()),
            cpus: Some("2".into()),
            ..ResourceArgs::default()
        };
        assert_eq!(
            args.check().unwrap_err().to_string(),
            "--cpu-quota and --cpus cannot be set together"
        );
    }
}
