// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pod create`.

use std::path::PathBuf;

use crate::cli::args::{Caller, NOT_YET, PodCreateArgs, boolean};
use crate::cli::command::NotYet;
use crate::cli::failure::TOOL_ERROR;
use crate::cli::image::infra::infra_image;
use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Report as _;
use crate::engine::pod::{InfraSpec, PodRemoval, PodScope, PodSelection, PodSpec};
use crate::engine::remove::Running;
use crate::engine::selection::Missing;
use crate::state::limits::Limits;
use crate::state::pod::{ExitPolicy, PodRequest, SharedNamespace};

/// Flags of `pod create`.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    #[command(flatten)]
    infra_flags: PodCreateArgs,
    /// Behaviour when the last container exits ("continue"|"stop")
    #[arg(long)]
    exit_policy: Option<String>,
    /// Create an infra container to share namespaces with
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    infra: Option<bool>,
    /// The command of the infra container, in place of its image's
    #[arg(long)]
    infra_command: Option<String>,
    /// Image of the infra container, in place of the built-in program
    #[arg(long, value_name = "IMAGE")]
    infra_image: Option<String>,
    /// Write the process id of the infra container's monitor to the file
    #[arg(long, value_name = "FILE")]
    infra_conmon_pidfile: Option<PathBuf>,
    /// Name of the infra container
    #[arg(long, value_name = "NAME")]
    infra_name: Option<String>,
    /// Assign a name to the pod
    #[arg(long, short)]
    name: Option<String>,
    /// Write the pod ID to the file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Option<PathBuf>,
    /// If a pod with the same name exists, replace it
    #[arg(long)]
    replace: bool,
    /// A comma delimited list of kernel namespaces the pod will share
    #[arg(long)]
    share: Option<String>,
    /// Make the cgroups of the containers below that of the pod, if it has limits or a parent
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = boolean)]
    share_parent: Option<bool>,
    /// Name of the pod
    #[arg(value_name = "NAME")]
    word: Option<String>,
}

impl Subcommand for Create {
    const PATHS: &'static [&'static str] = &["pod create"];
    const ABOUT: &'static str = "Create a new empty pod";
    const USAGE: Option<&'static str> = Some("[NAME]");
    const EXAMPLES: &'static [&'static str] = &[
        "pod create",
        "pod create --label foo=bar --share +pid mypod",
    ];
    const NOT_YET: &'static [NotYet] = NOT_YET;

    fn run(self, context: &Context) -> CommandResult {
        let caller = Caller::of(context)?;
        let policy = self.policy(context)?;
        let (limits, warnings) = self.limits()?;
        for warning in warnings {
            context.warning(&warning);
        }
        let replace = self.replace;
        let (infra_image_flag, has_infra) = (self.infra_image.clone(), self.has_infra());
        let mut spec = self.into_spec(&caller, policy, limits)?;
        if has_infra {
            let image = infra_image(context, infra_image_flag)?;
            if let (Some(infra), Some(image)) = (&mut spec.infra, image) {
                infra.container.image = image;
            }
        }
        if replace {
            make_room(context, spec.name.as_deref())?;
        }
        let pod = context
            .engine
            .create_pod(spec, context)
            .map_err(|error| Failure::from_error(TOOL_ERROR, &error))?;
        context.ui.line(&pod.id)?;
        Ok(0)
    }
}

fn make_room(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else {
        return Err(Failure::tool("cannot replace pod without --name being set"));
    };
    let selection = PodSelection {
        scope: PodScope::Named,
        words: vec![name.to_owned()],
        missing: Missing::Ignore,
    };
    let removal = PodRemoval {
        running: Running::Kill,
    };
    for removed in context.engine.remove_pods(&selection, removal, context)? {
        removed
            .result
            .map_err(|error| Failure::from_error(TOOL_ERROR, &error))?;
    }
    Ok(())
}

impl Create {
    /// Nobody needs an infra container where nothing is shared.
    fn has_infra(&self) -> bool {
        let shares = !matches!(self.share.as_deref(), Some("" | "none"));
        self.infra.unwrap_or(shares)
    }

    fn policy(&self, context: &Context) -> Result<ExitPolicy, Failure> {
        match self.exit_policy.as_deref() {
            None | Some("") => context
                .engine
                .exit_policy()
                .map_err(|error| Failure::from_error(TOOL_ERROR, &error)),
            Some(text) => ExitPolicy::parse(text).ok_or_else(|| {
                Failure::tool(format_args!(
                    "running pod create option: invalid pod exit policy: {text:?}"
                ))
            }),
        }
    }

    /// Limits are of the cgroup that the containers have in common.
    fn limits(&self) -> Result<(Limits, Vec<String>), Failure> {
        let (limits, warnings) = self.infra_flags.limits()?;
        if !limits.is_empty() && self.share_parent == Some(false) {
            return Err(Failure::tool(
                "limits of a pod need the cgroup that --share-parent=false does without: invalid \
                 argument",
            ));
        }
        Ok((limits, warnings))
    }

    fn into_spec(
        mut self,
        caller: &Caller,
        policy: ExitPolicy,
        limits: Limits,
    ) -> Result<PodSpec, Failure> {
        let has_infra = self.has_infra();
        let shared = self.shared(has_infra)?;
        let name = match (self.name, self.word) {
            (Some(_), Some(_)) => {
                let message = "cannot specify --name and NAME at the same time";
                return Err(Failure::tool(message));
            }
            (name, word) => name.or(word),
        };
        if !has_infra {
            refuse_of_infra([
                ("infra-name", self.infra_name.as_deref()),
                ("infra-command", self.infra_command.as_deref()),
                ("infra-image", self.infra_image.as_deref()),
            ])?;
            self.infra_flags.refuse_network()?;
        }
        let cgroup_parent = match self.share_parent {
            Some(false) => None,
            Some(true) | None => self.infra_flags.take_cgroup_parent(),
        };
        let mut container = self.infra_flags.into_request(caller)?;
        container.name = self.infra_name.filter(|name| !name.is_empty());
        container.monitor_pidfile = self.infra_conmon_pidfile;
        if let Some(command) = self.infra_command.filter(|_| has_infra) {
            container.entrypoint = Some(words_of(&command));
        }
        Ok(PodSpec {
            name: name.filter(|name| !name.is_empty()),
            request: PodRequest {
                labels: std::mem::take(&mut container.labels),
                hostname: container.hostname.clone(),
                shared,
                exit_policy: policy,
                limits,
                cgroup_parent,
                restart: container.restart.take(),
                create_command: caller.argv.clone(),
            },
            infra: has_infra.then_some(InfraSpec { container }),
            id_file: self.pod_id_file,
        })
    }

    fn shared(&self, has_infra: bool) -> Result<Vec<SharedNamespace>, Failure> {
        let Some(text) = self.share.as_deref() else {
            return Ok(if has_infra {
                PodRequest::default_share()
            } else {
                Vec::new()
            });
        };
        if matches!(text, "" | "none") {
            return Ok(Vec::new());
        }
        if !has_infra {
            return Err(Failure::tool(format_args!(
                "cannot set share({text}) namespaces without an infra container"
            )));
        }
        let shared = parse_share(text)?;
        if shared.contains(&SharedNamespace::Cgroup) && self.share_parent != Some(false) {
            return Err(Failure::tool(
                "cannot define the pod as the cgroup parent at the same time as joining the \
                 infra container's cgroupNS: invalid argument",
            ));
        }
        Ok(shared)
    }
}

/// `+pid` adds to what is shared usually.
fn parse_share(text: &str) -> Result<Vec<SharedNamespace>, Failure> {
    let (mut shared, names) = match text.strip_prefix('+') {
        Some(names) => (PodRequest::default_share(), names),
        None => (Vec::new(), text),
    };
    for name in names.split(',') {
        let Some(namespace) = SharedNamespace::parse(name) else {
            return Err(Failure::tool(format_args!(
                "invalid kernel namespace to share: {name}. Options are: cgroup, ipc, net, pid, \
                 uts or none"
            )));
        };
        if !shared.contains(&namespace) {
            shared.push(namespace);
        }
    }
    Ok(shared)
}

fn refuse_of_infra(flags: [(&str, Option<&str>); 3]) -> Result<(), Failure> {
    match flags.iter().find(|(_, value)| value.is_some()) {
        Some((flag, _)) => Err(Failure::tool(format_args!(
            "cannot set {flag} without an infra container"
        ))),
        None => Ok(()),
    }
}

/// A JSON array, or one word.
fn words_of(command: &str) -> Vec<String> {
    serde_json::from_str(command).unwrap_or_else(|_| vec![command.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_lists_and_additions() {
        let names = |text: &str| {
            let shared = parse_share(text).map_err(|failure| failure.message)?;
            let names: Vec<&str> = shared.iter().map(|one| one.name()).collect();
            Ok::<_, String>(names.join(" "))
        };
        assert_eq!(names("ipc").unwrap(), "ipc");
        assert_eq!(names("net,net,pid").unwrap(), "net pid");
        assert_eq!(names("+pid").unwrap(), "ipc net uts pid");
        assert!(names("bogus").unwrap_err().contains("to share: bogus."));
    }
}
