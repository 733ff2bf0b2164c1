// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `runtime update`.

use std::io::Read as _;
use std::path::PathBuf;

use super::flags::{RuntimeCall, RuntimeCommand};
use crate::cli::{CommandResult, Failure};
use crate::engine::bundle::ResourceChange;

/// Flags of `update`.
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// The container's name
    #[arg(required = true)]
    id: String,
    /// File with the resources of an OCI spec as JSON; - is standard input
    #[arg(long, short, value_name = "FILE")]
    resources: Option<PathBuf>,
    /// Weight of input and output (10 to 1000)
    #[arg(long)]
    blkio_weight: Option<u64>,
    /// CPU period in microseconds
    #[arg(long)]
    cpu_period: Option<u64>,
    /// CPU quota in microseconds
    #[arg(long, allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// CPU shares
    #[arg(long, alias = "cpu-shares")]
    cpu_share: Option<u64>,
    /// CPUs to use
    #[arg(long)]
    cpuset_cpus: Option<String>,
    /// Memory nodes to use
    #[arg(long)]
    cpuset_mems: Option<String>,
    /// Memory limit in bytes
    #[arg(long, allow_negative_numbers = true)]
    memory: Option<i64>,
    /// Memory reservation in bytes
    #[arg(long, allow_negative_numbers = true)]
    memory_reservation: Option<i64>,
    /// Memory and swap together, in bytes
    #[arg(long, allow_negative_numbers = true)]
    memory_swap: Option<i64>,
    /// Processes
    #[arg(long, allow_negative_numbers = true)]
    pids_limit: Option<i64>,
}

impl RuntimeCommand for Update {
    const PATHS: &'static [&'static str] = &["runtime update"];
    const ABOUT: &'static str = "Change the resources of a container";

    fn run(self, call: &RuntimeCall) -> CommandResult {
        let document = match &self.resources {
            None => self.document(),
            Some(path) => read(path)?,
        };
        let change = ResourceChange::parse(&document).map_err(Failure::tool)?;
        call.runtime.update(&self.id, &change)?;
        Ok(0)
    }
}

impl Update {
    /// The flags as the document that a file would hold.
    fn document(&self) -> String {
        serde_json::json!({
            "blockIO": {"weight": self.blkio_weight},
            "cpu": {
                "cpus": self.cpuset_cpus,
                "mems": self.cpuset_mems,
                "period": self.cpu_period,
                "quota": self.cpu_quota,
                "shares": self.cpu_share,
            },
            "memory": {
                "limit": self.memory,
                "reservation": self.memory_reservation,
                "swap": self.memory_swap,
            },
            "pids": self.pids_limit.map(|limit| serde_json::json!({"limit": limit})),
        })
        .to_string()
    }
}

fn read(path: &PathBuf) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text),
        _ => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::tool(format_args!(
            "read the resources in {}: {error}",
            path.display()
        ))),
    }
}
