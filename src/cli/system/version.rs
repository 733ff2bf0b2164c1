// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `version`.

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::info::version::{docker_version, version};
use crate::output::listing::{is_json, render_one};
use crate::output::table::{Columns, align};
use crate::output::value::{JsonStyle, Struct, Value, to_json};

/// Flags of `version`.
#[derive(Debug, clap::Args)]
pub(crate) struct Version {
    /// Change the output format to JSON or a Go template
    #[arg(long, short)]
    format: Option<String>,
}

impl Subcommand for Version {
    const PATHS: &'static [&'static str] = &["version"];
    const ABOUT: &'static str = "Display the coracle version information";
    const EXAMPLES: &'static [&'static str] =
        &["version", "version --format '{{.Client.Version}}'"];

    fn run(self, context: &Context) -> CommandResult {
        let dialect = context.engine.dialect;
        let document = document(dialect);
        let text = match self.format.as_deref() {
            None => table(&document, dialect)?,
            Some(format) if is_json(format) => to_json(&document, JsonStyle::Compact) + "\n",
            Some(format) => by_template(format, &document)?,
        };
        context.ui.raw(text.as_bytes())?;
        Ok(0)
    }
}

fn document(dialect: Dialect) -> Value {
    match dialect {
        Dialect::Podman => Struct::new("entities.SystemVersionReport")
            .with("Client", Value::of(&version()))
            .with("Server,Server,omitempty", Value::Nil)
            .into(),
        Dialect::Docker => {
            let (client, server) = docker_version();
            Struct::new("system.versionInfo")
                .with("Client", Value::of(&client))
                .with("Server", Value::of(&server))
                .into()
        }
    }
}

/// A template that fails is tried once more on the client alone, whose fields older scripts name
/// directly, or as the server's.
fn by_template(format: &str, document: &Value) -> Result<String, Failure> {
    render_one("version", format, document).or_else(|_| {
        let Value::Struct(both) = document else {
            unreachable!("the document is a struct");
        };
        let client = both.field("Client").unwrap_or(document);
        render_one("version", &format.replace(".Server.", "."), client).map_err(Failure::tool)
    })
}

const PODMAN: &str = "{{with .Client -}}
Client:\tcoracle
Version:\t{{.Version}}
API Version:\t{{.APIVersion}}
Go Version:\t{{.GoVersion}}
Built:\t{{.BuiltTime}}
OS/Arch:\t{{.OsArch}}
{{end -}}";

const DOCKER: &str = "{{with .Client -}}
Client:
 Version:\t{{.Version}}
 API version:\t{{.ApiVersion}}
 Go version:\t{{.GoVersion}}
 Built:\t{{.BuildTime}}
 OS/Arch:\t{{.Os}}/{{.Arch}}
 Context:\t{{.Context}}
{{end}}
{{with .Server -}}
Server: {{.Platform.Name}}
 Engine:
  Version:\t{{.Version}}
  API version:\t{{.ApiVersion}} (minimum version {{.MinAPIVersion}})
  Go version:\t{{.GoVersion}}
  Built:\t{{.BuildTime}}
  OS/Arch:\t{{.Os}}/{{.Arch}}
  Experimental:\t{{.Experimental}}
{{end -}}";

/// Docker's columns are wider here than in its lists.
const DOCKER_COLUMNS: Columns = Columns {
    least_width: 20,
    padding: 1,
};

fn table(document: &Value, dialect: Dialect) -> Result<String, Failure> {
    let (layout, columns) = match dialect {
        Dialect::Podman => (PODMAN, Columns::PODMAN),
        Dialect::Docker => (DOCKER, DOCKER_COLUMNS),
    };
    let text = render_one("version", layout, document).map_err(Failure::tool)?;
    Ok(align(&text, columns))
}
