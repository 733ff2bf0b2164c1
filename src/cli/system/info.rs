// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `info`.

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::info::InfoRequest;
use crate::output::listing::{is_json, render_one};
use crate::output::units::size::binary_size;
use crate::output::value::{Field, JsonStyle, Presence, Struct, Value, to_json};
use crate::output::yaml::to_yaml;

/// Flags of `info`.
#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Accepted: there is nothing more to tell
    #[arg(long, short = 'D', hide = true)]
    debug: bool,
    /// Change the output format to JSON or a Go template
    #[arg(long, short)]
    format: Option<String>,
}

impl Subcommand for Info {
    const PATHS: &'static [&'static str] = &["info", "system info"];
    const ABOUT: &'static str = "Display coracle system information";
    const EXAMPLES: &'static [&'static str] = &[
        "info",
        "info --format json",
        "info --format '{{.Store.GraphRoot}}'",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let flags = &context.globals.inherited;
        let request = InfoRequest {
            driver: flags.storage_driver.clone(),
            options: flags.storage_opt.clone(),
            volume_path: flags
                .volumepath
                .as_ref()
                .map(|path| path.display().to_string()),
        };
        let (podman, docker) = context.engine.info(&request, context)?;
        let dialect = context.engine.dialect;
        let document = joined(Value::of(&podman), Value::of(&docker), dialect);
        let text = match (self.format.as_deref(), dialect) {
            (None, Dialect::Podman) => to_yaml(&document) + "\n",
            (None, Dialect::Docker) => docker_text(&document)?,
            (Some(format), Dialect::Podman) if is_json(format) => {
                to_json(&document, JsonStyle::Indented(2)) + "\n"
            }
            (Some(format), Dialect::Docker) if is_json(format) => {
                to_json(&document, JsonStyle::Compact) + "\n"
            }
            (Some(format), Dialect::Podman | Dialect::Docker) => {
                render_one("info", format, &document).map_err(Failure::tool)?
            }
        };
        context.ui.raw(text.as_bytes())?;
        Ok(0)
    }
}

/// Both documents in one: templates find the fields of both, JSON shows those of the dialect.
fn joined(podman: Value, docker: Value, dialect: Dialect) -> Value {
    let (shown, hidden) = match dialect {
        Dialect::Podman => (podman, docker),
        Dialect::Docker => (docker, podman),
    };
    let (Value::Struct(mut shown), Value::Struct(hidden)) = (shown, hidden) else {
        unreachable!("both documents are structs");
    };
    shown
        .fields
        .extend(hidden.fields.into_iter().map(|field| Field {
            presence: Presence::Hidden,
            ..field
        }));
    Struct::into(shown)
}

const DOCKER: &str = "Client:
 Version:    {{.ClientInfo.Version}}
 Context:    {{.ClientInfo.Context}}
 Debug Mode: {{.ClientInfo.Debug}}

Server:
 Containers: {{.Containers}}
  Running: {{.ContainersRunning}}
  Paused: {{.ContainersPaused}}
  Stopped: {{.ContainersStopped}}
 Images: {{.Images}}
 Server Version: {{.ServerVersion}}
 Storage Driver: {{.Driver}}
{{- range .DriverStatus}}
  {{index . 0}}: {{index . 1}}
{{- end}}
 Logging Driver: {{.LoggingDriver}}
 Cgroup Driver: {{.CgroupDriver}}
 Cgroup Version: {{.CgroupVersion}}
 Swarm: {{.Swarm.LocalNodeState}}
 Default Runtime: {{.DefaultRuntime}}
 Security Options:
{{- range .SecurityOptions}}
  {{index (split (index (split . \",\") 0) \"=\") 1}}
{{- end}}
 Kernel Version: {{.KernelVersion}}
 Operating System: {{.OperatingSystem}}
 OSType: {{.OSType}}
 Architecture: {{.Architecture}}
 CPUs: {{.NCPU}}
 Total Memory: {{.MemoryText}}
 Name: {{.Name}}
 Docker Root Dir: {{.DockerRootDir}}
 Experimental: {{.ExperimentalBuild}}
 Live Restore Enabled: {{.LiveRestoreEnabled}}
";

fn docker_text(document: &Value) -> Result<String, Failure> {
    let Value::Struct(document) = document else {
        unreachable!("the document is a struct");
    };
    let memory = match document.field("MemTotal") {
        Some(Value::Uint(bytes)) => binary_size(*bytes),
        _ => String::new(),
    };
    let document = document.clone().with("MemoryText,-", memory).into();
    render_one("info", DOCKER, &document).map_err(Failure::tool)
}
