// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `stats` and `pod stats`: what containers use of the machine, once or again and again.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use super::which::without_slash;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::pod::{PodScope, PodSelection};
use crate::engine::selection::{Scope, Selection};
use crate::engine::stats::Sample;
use crate::output::listing::{Headings, RowTemplate, Style, is_json, json_lines};
use crate::output::units::duration::go_duration;
use crate::output::units::size::{binary_size, human_size};
use crate::output::value::{JsonStyle, Struct, Value, to_json};

/// What makes a terminal empty.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H\n";

/// Flags of `stats`.
#[derive(Debug, clap::Args)]
pub(crate) struct Stats {
    /// Show all containers, also those that do not run
    #[arg(long, short)]
    all: bool,
    /// Seconds between two looks
    #[arg(long, short, value_name = "SECONDS")]
    interval: Option<u64>,
    /// Act on the latest container
    #[arg(long, short)]
    latest: bool,
    #[command(flatten)]
    show: ShowFlags,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Flags of `pod stats`.
#[derive(Debug, clap::Args)]
pub(crate) struct PodStats {
    /// Show the containers of all pods
    #[arg(long, short)]
    all: bool,
    /// Act on the latest pod
    #[arg(long, short)]
    latest: bool,
    #[command(flatten)]
    show: ShowFlags,
    /// Names or ids of pods
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

/// How it is shown.
#[derive(Debug, clap::Args)]
struct ShowFlags {
    /// Pretty-print to JSON or using a Go template
    #[arg(long)]
    format: Option<String>,
    /// Do not empty the screen between two looks
    #[arg(long)]
    no_reset: bool,
    /// Look once
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
}

impl Subcommand for Stats {
    const PATHS: &'static [&'static str] = &["stats", "container stats"];
    const ABOUT: &'static str = "Display a live stream of container resource usage statistics";
    const EXAMPLES: &'static [&'static str] = &[
        "stats --all --no-stream",
        "stats web",
        "stats --no-stream --format 'table {{.ID}} {{.Name}} {{.MemUsage}}' web",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let named = !self.containers.is_empty();
        if [self.all, self.latest, named]
            .iter()
            .filter(|given| **given)
            .count()
            > 1
        {
            let message = "--all, --latest and containers cannot be used together";
            return Err(Failure::usage(message));
        }
        let scope = match (named, self.latest, self.all) {
            (true, _, _) => Scope::Named,
            (false, true, _) => Scope::Latest,
            (false, false, true) => Scope::All,
            (false, false, false) => Scope::Running,
        };
        let selection = Selection {
            scope,
            words: self
                .containers
                .iter()
                .map(|word| without_slash(word))
                .collect(),
            ..Selection::default()
        };
        let usual = match context.engine.dialect {
            Dialect::Podman => 5,
            Dialect::Docker => 1,
        };
        let pause = Duration::from_secs(self.interval.unwrap_or(usual));
        let look = || {
            let samples = context.engine.samples(&selection)?;
            Ok(samples.into_iter().map(|sample| (None, sample)).collect())
        };
        show(context, &self.show, pause, &look)
    }
}

impl Subcommand for PodStats {
    const PATHS: &'static [&'static str] = &["pod stats"];
    const ABOUT: &'static str = "Display a live stream of resource usage of a pod's containers";
    const EXAMPLES: &'static [&'static str] = &["pod stats web", "pod stats --no-stream --all"];

    fn run(self, context: &Context) -> CommandResult {
        let named = !self.pods.is_empty();
        if [self.all, self.latest, named]
            .iter()
            .filter(|given| **given)
            .count()
            > 1
        {
            let message = "--all, --latest and arguments cannot be used together";
            return Err(Failure::usage(message));
        }
        let scope = match (named, self.latest) {
            (true, _) => PodScope::Named,
            (false, true) => PodScope::Latest,
            (false, false) => PodScope::All,
        };
        let selection = PodSelection {
            scope,
            words: self.pods,
            ..PodSelection::default()
        };
        let look = || {
            let samples = context.engine.samples_of_pods(&selection)?;
            let with_pod = samples.into_iter().map(|(pod, sample)| (Some(pod), sample));
            Ok(with_pod.collect())
        };
        show(context, &self.show, Duration::from_secs(1), &look)
    }
}

/// A container, with the id of its pod where pods are shown.
type Looked = (Option<String>, Sample);

fn show(
    context: &Context,
    flags: &ShowFlags,
    pause: Duration,
    look: &dyn Fn() -> Result<Vec<Looked>, Failure>,
) -> CommandResult {
    let dialect = context.engine.dialect;
    let mut before: BTreeMap<String, Sample> = BTreeMap::new();
    let mut samples = look()?;
    if flags.no_stream && dialect == Dialect::Docker {
        // Docker's share of a processor is that of a second, podman's that since the start.
        before = by_id(samples);
        std::thread::sleep(pause);
        samples = look()?;
    }
    loop {
        let rows: Vec<Row<'_>> = samples
            .iter()
            .map(|(pod, sample)| Row {
                sample,
                pod: pod.as_deref(),
                cpu: sample.cpu_percent(before.get(&sample.id)),
                dialect,
                no_trunc: flags.no_trunc,
            })
            .collect();
        let mut text = render(&rows, flags.format.as_deref(), dialect)?;
        let is_one_look_of_docker = dialect == Dialect::Docker && flags.no_stream;
        if !flags.no_reset && !is_one_look_of_docker && io::stdout().is_terminal() {
            text.insert_str(0, CLEAR);
        }
        context.ui.raw(text.as_bytes())?;
        if flags.no_stream {
            return Ok(0);
        }
        before = by_id(samples);
        std::thread::sleep(pause);
        samples = look()?;
    }
}

fn by_id(samples: Vec<Looked>) -> BTreeMap<String, Sample> {
    let pair = |(_, sample): Looked| (sample.id.clone(), sample);
    samples.into_iter().map(pair).collect()
}

const PODMAN_TABLE: &str = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t\
                            {{.NetIO}}\t{{.BlockIO}}\t{{.PIDS}}\t{{.UpTime}}\t{{.AVGCPU}}";
const DOCKER_TABLE: &str = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t\
                            {{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
const POD_TABLE: &str = "table {{.Pod}}\t{{.CID}}\t{{.Name}}\t{{.CPU}}\t{{.MemUsage}}\t{{.Mem}}\t\
                         {{.NetIO}}\t{{.BlockIO}}\t{{.PIDS}}";

const PODMAN_HEADINGS: &[(&str, &str)] = &[
    ("AVGCPU", "AVG CPU %"),
    ("BlockIO", "BLOCK IO"),
    ("CPUPerc", "CPU %"),
    ("ID", "ID"),
    ("MemPerc", "MEM %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemUsageBytes", "MEM USAGE / LIMIT"),
    ("NetIO", "NET IO"),
    ("PIDS", "PIDS"),
    ("UpTime", "CPU TIME"),
];
const DOCKER_HEADINGS: &[(&str, &str)] = &[
    ("BlockIO", "BLOCK I/O"),
    ("CPUPerc", "CPU %"),
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("MemPerc", "MEM %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("NetIO", "NET I/O"),
    ("PIDs", "PIDS"),
];
const POD_HEADINGS: &[(&str, &str)] = &[
    ("BlockIO", "BLOCK IO"),
    ("CID", "CID"),
    ("CPU", "CPU %"),
    ("Mem", "MEM %"),
    ("MemUsage", "MEM USAGE/ LIMIT"),
    ("MemUsageBytes", "MEM USAGE/ LIMIT"),
    ("NetIO", "NET IO"),
    ("PIDS", "PIDS"),
    ("Pod", "POD"),
];

fn render(rows: &[Row<'_>], format: Option<&str>, dialect: Dialect) -> Result<String, Failure> {
    let of_pods = rows.iter().any(|row| row.pod.is_some());
    let (table, headings) = match (of_pods, dialect) {
        (true, _) => (POD_TABLE, POD_HEADINGS),
        (false, Dialect::Podman) => (PODMAN_TABLE, PODMAN_HEADINGS),
        (false, Dialect::Docker) => (DOCKER_TABLE, DOCKER_HEADINGS),
    };
    let format = format.unwrap_or(table);
    if is_json(format) {
        let documents: Vec<Value> = rows.iter().map(Row::document).collect();
        return Ok(match dialect {
            Dialect::Podman => {
                let spaces = if of_pods { 5 } else { 1 };
                to_json(&Value::List(documents), JsonStyle::Indented(spaces)) + "\n"
            }
            Dialect::Docker => json_lines(&documents),
        });
    }
    let style = match dialect {
        Dialect::Podman => Style::Podman,
        Dialect::Docker => Style::Docker,
    };
    let template = RowTemplate::parse("stats", format, style, Headings::Shown);
    let values = rows.iter().map(Row::value).collect();
    template
        .and_then(|template| template.render(headings, values))
        .map_err(Failure::tool)
}

/// A container in the words of the table.
struct Row<'s> {
    sample: &'s Sample,
    pod: Option<&'s str>,
    cpu: f64,
    dialect: Dialect,
    no_trunc: bool,
}

impl Row<'_> {
    fn short<'t>(&self, id: &'t str) -> &'t str {
        if self.no_trunc {
            return id;
        }
        id.get(..12).unwrap_or(id)
    }

    fn cpu(&self) -> String {
        percent(self.cpu)
    }

    fn average_cpu(&self) -> String {
        percent(self.sample.cpu_percent(None))
    }

    fn memory(&self) -> String {
        let (used, limit) = (self.sample.memory_bytes, self.sample.memory_limit_bytes);
        match self.dialect {
            Dialect::Podman => pair(used, limit),
            Dialect::Docker => binary_pair(used, limit),
        }
    }

    fn network(&self) -> String {
        let (received, sent) = self.sample.network_bytes();
        self.pair(received, sent)
    }

    fn disks(&self) -> String {
        self.pair(self.sample.read_bytes, self.sample.written_bytes)
    }

    /// Docker shows three digits, podman four.
    fn pair(&self, one: u64, other: u64) -> String {
        match self.dialect {
            Dialect::Podman => pair(one, other),
            Dialect::Docker => format!("{} / {}", human_size(one, 3), human_size(other, 3)),
        }
    }

    fn cpu_time(&self) -> String {
        go_duration(i64::try_from(self.sample.cpu_nanoseconds).unwrap_or(i64::MAX))
    }

    /// What templates know of it.
    fn value(&self) -> Value {
        let sample = self.sample;
        let common = Struct::new("containers.containerStats")
            .with("ID", self.short(&sample.id))
            .with("Name", sample.name.clone())
            .with("CPUPerc", self.cpu())
            .with("MemUsage", self.memory())
            .with("MemPerc", percent(sample.memory_percent()))
            .with("NetIO", self.network())
            .with("BlockIO", self.disks());
        if self.dialect == Dialect::Docker {
            return common
                .with("Container", sample.id.clone())
                .with("PIDs", sample.tasks.to_string())
                .into();
        }
        if let Some(pod) = self.pod {
            return self.value_in(pod);
        }
        let usage = binary_pair(sample.memory_bytes, sample.memory_limit_bytes);
        common
            .with("AVGCPU", self.average_cpu())
            .with("AvgCPU", Value::Float(sample.cpu_percent(None)))
            .with("BlockInput", sample.read_bytes)
            .with("BlockOutput", sample.written_bytes)
            .with("CPU", Value::Float(self.cpu))
            .with("CPUNano", sample.cpu_nanoseconds)
            .with("CPUSystemNano", sample.kernel_nanoseconds)
            .with("ContainerID", sample.id.clone())
            .with("Duration", sample.cpu_nanoseconds)
            .with("MemLimit", sample.memory_limit_bytes)
            .with("MemUsageBytes", usage)
            .with("PIDS", sample.tasks.to_string())
            .with("PIDs", sample.tasks)
            .with("SystemNano", sample.taken_nanoseconds)
            .with("Up", self.cpu_time())
            .with("UpTime", self.cpu_time())
            .into()
    }

    fn value_in(&self, pod: &str) -> Value {
        let sample = self.sample;
        Struct::new("entities.PodStatsReport")
            .with("CPU", self.cpu())
            .with("MemUsage", self.memory())
            .with(
                "MemUsageBytes",
                binary_pair(sample.memory_bytes, sample.memory_limit_bytes),
            )
            .with("Mem", percent(sample.memory_percent()))
            .with("NetIO", self.network())
            .with("BlockIO", self.disks())
            .with("PIDS", sample.tasks.to_string())
            .with("Pod", self.short(pod))
            .with("CID", self.short(&sample.id))
            .with("Name", sample.name.clone())
            .into()
    }

    /// Its JSON.
    fn document(&self) -> Value {
        if let Some(pod) = self.pod {
            return self.value_in(pod);
        }
        if self.dialect == Dialect::Docker {
            return self.value();
        }
        Struct::new("jstat")
            .with("id", self.short(&self.sample.id))
            .with("name", self.sample.name.clone())
            .with("cpu_time", self.cpu_time())
            .with("cpu_percent", self.cpu())
            .with("avg_cpu", self.average_cpu())
            .with("mem_usage", self.memory())
            .with("mem_percent", percent(self.sample.memory_percent()))
            .with("net_io", self.network())
            .with("block_io", self.disks())
            .with("pids", self.sample.tasks.to_string())
            .into()
    }
}

fn percent(share: f64) -> String {
    format!("{share:.2}%")
}

fn pair(one: u64, other: u64) -> String {
    format!("{} / {}", human_size(one, 4), human_size(other, 4))
}

fn binary_pair(one: u64, other: u64) -> String {
    format!("{} / {}", binary_size(one), binary_size(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        Sample {
            id: "0123456789abcdef".to_owned(),
            name: "web".to_owned(),
            memory_bytes: 5_242_880,
            memory_limit_bytes: 1 << 30,
            cpu_nanoseconds: 1_500_000_000,
            read_bytes: 1_234_567,
            tasks: 3,
            ..Sample::default()
        }
    }

    fn rendered(format: Option<&str>, dialect: Dialect, pod: Option<&str>) -> String {
        let sample = sample();
        let row = Row {
            sample: &sample,
            pod,
            cpu: 12.345,
            dialect,
            no_trunc: false,
        };
        render(&[row], format, dialect).unwrap()
    }

    #[test]
    fn tables_are_podmans_and_dockers() {
        assert_eq!(
            rendered(None, Dialect::Podman, None),
            "ID            NAME        CPU %       MEM USAGE / LIMIT  MEM %       NET IO      \
             BLOCK IO      PIDS        CPU TIME    AVG CPU %\n\
             0123456789ab  web         12.35%      5.243MB / 1.074GB  0.49%       0B / 0B     \
             1.235MB / 0B  3           1.5s        0.00%\n"
        );
        let docker = rendered(None, Dialect::Docker, None);
        assert!(
            docker.starts_with("CONTAINER ID   NAME      CPU %"),
            "{docker}"
        );
        assert!(
            docker.contains("5MiB / 1GiB") && docker.contains("1.23MB / 0B"),
            "{docker}"
        );
        let pod = rendered(None, Dialect::Podman, Some("fedcba9876543210"));
        assert!(pod.starts_with("POD           CID           NAME"), "{pod}");
    }

    #[test]
    fn documents_and_templates() {
        let json = rendered(Some("json"), Dialect::Podman, None);
        assert!(json.contains("\n  \"cpu_percent\": \"12.35%\","), "{json}");
        let json = rendered(Some("json"), Dialect::Docker, None);
        assert!(json.contains("\"PIDs\":\"3\""), "{json}");
        let line = rendered(Some("{{.MemLimit}} {{.UpTime}}"), Dialect::Podman, None);
        assert_eq!(line, "1073741824 1.5s\n");
    }
}
