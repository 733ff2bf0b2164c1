// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All flags that `run` and `create` share, and the request that they make together.

use std::path::{Path, PathBuf};

use clap::Args;

use super::environment::EnvironmentArgs;
use super::health::HealthArgs;
use super::image::ImageArgs;
use super::lifecycle::LifecycleArgs;
use super::logging::LoggingArgs;
use super::mounts::{self, MountArgs, MountError};
use super::namespaces::NamespaceArgs;
use super::network::{self, NetworkArgs};
use super::process::{self, ProcessArgs};
use super::resources::ResourceArgs;
use super::secrets;
use super::security::SecurityArgs;
use crate::cli::command::NotYet;
use crate::cli::image::transfers::Volume;
use crate::cli::{Context, Failure};
use crate::config::containers_conf::ContainersSection;
use crate::engine::connect::has_pasta;
use crate::engine::image::PullRequest;
use crate::engine::{Dialect, Report as _};
use crate::state::record::ContainerRequest;

/// Flags and words of `run` and `create`.
#[derive(Debug, Default, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    health: HealthArgs,
    #[command(flatten)]
    image_flags: ImageArgs,
    #[command(flatten)]
    lifecycle: LifecycleArgs,
    #[command(flatten)]
    logging: LoggingArgs,
    #[command(flatten)]
    mounts: MountArgs,
    #[command(flatten)]
    namespaces: NamespaceArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    resources: ResourceArgs,
    #[command(flatten)]
    security: SecurityArgs,
    /// Give the container a secret (NAME[,type=mount|env,target=,uid=,gid=,mode=])
    #[arg(long, value_name = "NAME[,OPT=VALUE...]")]
    secret: Vec<String>,
    /// Accepted: there is one way to isolate
    #[arg(long, hide = true)]
    isolation: Option<String>,
    /// The image, or the root file system with --rootfs
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
    /// The command and its arguments
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<String>,
}

/// Flags of features that have not landed.
pub(crate) const NOT_YET: &[NotYet] = &[
    NotYet::long("chrootdirs"),
    NotYet::long("cpu-rt-period"),
    NotYet::long("cpu-rt-runtime"),
    NotYet::long("decryption-key"),
    NotYet::long("domainname"),
    NotYet::long("env-merge"),
    NotYet::long("init-ctr"),
    NotYet::long("init-path"),
    NotYet::long("link"),
    NotYet::long("link-local-ip"),
    NotYet::long("personality"),
    NotYet::long("rdt-class"),
    NotYet::long("requires"),
    NotYet::long("shm-size-systemd"),
    NotYet::long("subgidname"),
    NotYet::long("subuidname"),
    NotYet::long("use-api-socket"),
    NotYet::long("volume-driver"),
];

/// What the user is told before the container is made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// In the form of a warning.
    Warning(String),
    /// As it is.
    Plain(String),
}

impl Notice {
    /// Tells it.
    pub(crate) fn tell(&self, context: &Context) {
        match self {
            Self::Warning(text) => context.warning(text),
            Self::Plain(text) => context.ui.note(text),
        }
    }
}

/// What a request takes from its caller.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Whose words and defaults apply.
    pub(crate) dialect: Dialect,
    /// The caller's environment; what is not UTF-8 is left out.
    pub(crate) env: Vec<(String, String)>,
    /// Where relative paths start.
    pub(crate) current_dir: PathBuf,
    /// Which of the three streams are terminals.
    pub(crate) terminals: [bool; 3],
    /// The command line.
    pub(crate) argv: Vec<String>,
    /// The storage engine that the program's flags ask for.
    pub(crate) storage_engine: Option<String>,
    /// The runtime that they name.
    pub(crate) runtime: Option<String>,
    /// The driver of networks that they name.
    pub(crate) network_driver: Option<String>,
    /// That of containers for which nothing at all is said.
    pub(crate) usual_network_driver: Option<&'static str>,
    /// The file that they name in place of mounts.conf.
    pub(crate) default_mounts_file: Option<PathBuf>,
    /// Directories of hooks that they name, or containers.conf does.
    pub(crate) hooks_dirs: Vec<PathBuf>,
    /// Defaults of containers.conf.
    pub(crate) conf: ContainersSection,
}

impl Caller {
    /// The process that runs `context`'s command.
    pub(crate) fn of(context: &Context) -> Result<Self, Failure> {
        use std::io::IsTerminal as _;
        let current_dir = std::env::current_dir()
            .map_err(|error| Failure::tool(format_args!("current directory: {error}")))?;
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let conf = context.engine.containers_conf();
        let conf = conf.map_err(|error| Failure::from_error(125, &error))?;
        Ok(Self {
            dialect: context.engine.dialect,
            env,
            current_dir,
            terminals: [
                std::io::stdin().is_terminal(),
                std::io::stdout().is_terminal(),
                std::io::stderr().is_terminal(),
            ],
            argv: context.call.argv.clone(),
            storage_engine: context.globals.storage_engine().map(str::to_owned),
            default_mounts_file: context.globals.inherited.default_mounts_file.clone(),
            hooks_dirs: hooks_dirs(context, conf.engine.hooks_dir.as_deref()),
            runtime: context.globals.inherited.runtime.clone(),
            network_driver: context.globals.inherited.network_driver.clone(),
            usual_network_driver: usual_network_driver(context)?,
            conf: conf.containers.clone(),
        })
    }

    /// The map of containers that are given none.
    pub(super) fn default_userns(&self) -> Option<&str> {
        self.variable("PODMAN_USERNS")
            .or(self.conf.userns.as_deref())
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let (_, value) = self.env.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// What the flags name goes before what containers.conf names.
fn hooks_dirs(context: &Context, configured: Option<&[String]>) -> Vec<PathBuf> {
    let named = &context.globals.inherited.hooks_dir;
    if named.is_empty() {
        let configured = configured.unwrap_or_default();
        return configured.iter().map(PathBuf::from).collect();
    }
    named.clone()
}

impl CreateArgs {
    /// How to get the image before the container is made; `None` if none is needed.
    pub(crate) fn pull(&self, context: &Context) -> Result<Option<(PullRequest, Volume)>, Failure> {
        self.image_flags.pull(context, &self.image)
    }

    /// What these flags ask for, with what the user should be told.
    pub(crate) fn into_request(
        mut self,
        caller: &Caller,
    ) -> Result<(ContainerRequest, Vec<Notice>), Failure> {
        self.default_from(caller).map_err(Failure::tool)?;
        let mut request = ContainerRequest {
            command: self.command,
            create_command: caller.argv.clone(),
            storage_engine: caller.storage_engine.clone(),
            runtime: caller.runtime.clone(),
            default_mounts_file: caller.default_mounts_file.clone(),
            hooks_dirs: caller.hooks_dirs.clone(),
            ..ContainerRequest::default()
        };
        let mut notices = Vec::new();
        let notified = caller.variable("NOTIFY_SOCKET");
        check_isolation(self.isolation.as_deref())?;
        self.lifecycle
            .fill(&mut request, caller.dialect, notified)
            .map_err(Failure::tool)?;
        self.health.fill(&mut request).map_err(Failure::tool)?;
        let (limits, ignored) = self.resources.limits().map_err(Failure::tool)?;
        request.limits = limits;
        notices.extend(ignored.into_iter().map(Notice::Warning));
        self.image_flags
            .fill(&mut request, &self.image, &caller.current_dir)
            .map_err(Failure::tool)?;
        self.environment
            .fill(&mut request, &caller.env)
            .map_err(Failure::tool)?;
        self.process.fill(&mut request).map_err(Failure::tool)?;
        self.namespaces
            .fill(&mut request, caller.default_userns())
            .map_err(Failure::tool)?;
        let discarded = self.network.fill(&mut request).map_err(network::failure)?;
        notices.extend(discarded.map(Notice::Plain));
        self.security.fill(&mut request).map_err(Failure::tool)?;
        self.mounts
            .fill(&mut request, &caller.current_dir)
            .map_err(Failure::tool)?;
        self.logging
            .fill(
                &mut request,
                caller.dialect,
                caller.terminals.contains(&true),
            )
            .map_err(Failure::tool)?;
        request.secrets = secrets::parse(&self.secret).map_err(Failure::tool)?;
        make_absolute(&mut request, &caller.current_dir);
        check_together(&request).map_err(Failure::tool)?;
        mounts::check_sources(&request, caller.dialect).map_err(Failure::tool)?;
        process::check_descriptors(request.preserve_fds, &request.preserve_fd)
            .map_err(Failure::tool)?;
        Ok((request, notices))
    }
}

/// None where the flags or the configuration have one, or it cannot be had here.
fn usual_network_driver(context: &Context) -> Result<Option<&'static str>, Failure> {
    match (context.network_driver()?, context.usual_network_driver()) {
        (None, Some(driver)) if has_pasta() => Ok(Some(driver)),
        (Some(_) | None, _) => Ok(None),
    }
}

impl CreateArgs {
    /// Takes from containers.conf what the flags leave open.
    fn default_from(&mut self, caller: &Caller) -> Result<(), MountError> {
        let conf = &caller.conf;
        self.environment.default_from(conf);
        self.namespaces.default_from(conf);
        if !self.namespaces.names_pod() {
            self.network.choose(caller.network_driver.as_deref());
            self.network.default_from(conf);
            if !self.namespaces.joins_container() {
                self.network.choose_usual(caller.usual_network_driver);
            }
        }
        self.process.default_from(conf);
        let ipc = self.namespaces.ipc_namespace();
        self.mounts.default_from(conf, ipc)?;
        self.security
            .default_from(conf, self.network.namespace(), ipc);
        Ok(())
    }
}

/// Files that are written or read when the container starts, wherever that is.
fn make_absolute(request: &mut ContainerRequest, current_dir: &Path) {
    let files = [
        &mut request.cidfile,
        &mut request.pidfile,
        &mut request.monitor_pidfile,
        &mut request.default_mounts_file,
    ];
    for path in files.into_iter().flatten().chain(&mut request.hooks_dirs) {
        *path = current_dir.join(&path);
    }
    if let Some(file) = request.hosts_file.as_mut().filter(|file| *file != "none") {
        *file = current_dir.join(&file).to_string_lossy().into_owned();
    }
}

/// Windows knows several ways to isolate; here there is one.
fn check_isolation(isolation: Option<&str>) -> Result<(), Failure> {
    match isolation {
        None | Some("" | "default") => Ok(()),
        Some(other) => Err(Failure::tool(format_args!(
            "--isolation {other}: not supported, want default"
        ))),
    }
}

/// What is wrong with flags of different topics together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum TogetherError {
    #[error(
        "--network pod: cannot join pod namespace as container is not part of a pod: invalid argument"
    )]
    NoPod,
    #[error("cannot set shmsize when running in the {mode} IPC Namespace")]
    ShmSize { mode: String },
    #[error("sysctl {name} can't be set since {namespace} Namespace set to host: invalid argument")]
    Sysctl {
        name: String,
        namespace: &'static str,
    },
}

fn check_together(request: &ContainerRequest) -> Result<(), TogetherError> {
    let of_pod = request.networks.first().is_some_and(|mode| mode == "pod");
    if of_pod && request.pod.is_none() {
        return Err(TogetherError::NoPod);
    }
    let ipc = request.ipc.as_deref().unwrap_or_default();
    if request.shm_size_bytes.is_some() && ["host", "none"].contains(&ipc) {
        return Err(TogetherError::ShmSize {
            mode: ipc.to_owned(),
        });
    }
    let host_network = request.networks.iter().any(|network| network == "host");
    let host_uts = request.uts.as_deref() == Some("host");
    for name in request.sysctls.keys() {
        let owner = match name.split('.').next() {
            Some("net") if host_network => Some("Network"),
            _ if host_uts && name == "kernel.domainname" => Some("UTS"),
            Some("kernel" | "fs") if ipc == "host" && name != "kernel.domainname" => Some("IPC"),
            _ => None,
        };
        if let Some(namespace) = owner {
            return Err(TogetherError::Sysctl {
                name: name.clone(),
                namespace,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::FromArgMatches as _;

    use super::*;
    use crate::cli::globals;
    use crate::cli::pflag::{self, Order};

    fn caller(dialect: Dialect) -> Caller {
        Caller {
            dialect,
            env: vec![("HOME".into(), "/home/ana".into())],
            current_dir: "/home/ana".into(),
            terminals: [false; 3],
            argv: vec!["coracle".into(), "run".into()],
            storage_engine: None,
            runtime: None,
            network_driver: None,
            usual_network_driver: None,
            default_mounts_file: None,
            hooks_dirs: Vec::new(),
            conf: ContainersSection::default(),
        }
    }

    fn request(line: &[&str], dialect: Dialect) -> Result<(ContainerRequest, Vec<Notice>), String> {
        parse(line)
            .into_request(&caller(dialect))
            .map_err(|failure| failure.message)
    }

    fn parse(line: &[&str]) -> CreateArgs {
        let definition = CreateArgs::augment_args(globals::bare_command("run"));
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        let read = pflag::read(
            &definition,
            globals::inherited,
            &words,
            Order::of(&definition),
        );
        let read = read.unwrap();
        let argv = crate::cli::pflag::plain_line(read.flags, read.words);
        let matches = definition.try_get_matches_from(argv).unwrap();
        CreateArgs::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn a_whole_line_becomes_a_request() {
        let line = [
            "--rm",
            "-i",
            "--name",
            "/web",
            "--pidfile=run/pid",
            "-e",
            "HOME",
            "-v",
            "/:/host:ro",
            "--cap-add=chown,kill",
            "--net",
            "none",
            "-w/x",
            "-u1:2",
            "--entrypoint",
            "",
            "busybox",
            "sh",
            "-c",
            "--rm",
        ];
        let (request, notices) = request(&line, Dialect::Podman).unwrap();
        assert!(notices.is_empty());
        assert!(request.auto_remove && request.interactive && !request.tty);
        assert_eq!(request.name.as_deref(), Some("web"));
        assert_eq!(request.pidfile, Some("/home/ana/run/pid".into()));
        assert_eq!(request.image, "busybox");
        assert_eq!(request.command, ["sh", "-c", "--rm"]);
        assert_eq!(request.cap_add, ["CAP_CHOWN", "CAP_KILL"]);
        assert_eq!(request.networks, ["none"]);
        assert_eq!(request.workdir.as_deref(), Some("/x"));
        assert_eq!(request.user.as_deref(), Some("1:2"));
        assert_eq!(request.entrypoint, Some(Vec::new()));
        assert_eq!(request.mounts[0].options, ["ro"]);
        assert_eq!(request.env, [("HOME".to_owned(), "/home/ana".to_owned())]);
    }

    #[test]
    fn flags_win_over_the_configuration() {
        let texts = |texts: &[&str]| Some(texts.iter().map(ToString::to_string).collect());
        let conf = ContainersSection {
            annotations: texts(&["a=file", "b=file"]),
            default_sysctls: texts(&["net.ipv4.ip_forward=1", "kernel.msgmax=9"]),
            default_ulimits: texts(&["nofile=5:5", "core=6:6"]),
            dns_servers: texts(&["9.9.9.9"]),
            init: Some(true),
            netns: Some("host".to_owned()),
            shm_size: Some("1m".to_owned()),
            tz: Some("UTC".to_owned()),
            volumes: texts(&["/usr:/a", "/usr:/b"]),
            ..ContainersSection::default()
        };
        let with_conf = |line: &[&str]| {
            let mut caller = caller(Dialect::Podman);
            caller.conf = conf.clone();
            parse(line).into_request(&caller).unwrap().0
        };
        let line = [
            "--annotation=a=flag",
            "--ulimit=nofile=1:1",
            "--tz=local",
            "-v/etc:/a/",
            "x",
        ];
        let request = with_conf(&line);
        assert_eq!(request.annotations["a"], "flag");
        assert_eq!(request.annotations["b"], "file");
        assert_eq!(request.timezone.as_deref(), Some("local"));
        assert_eq!(request.networks, ["host"]);
        assert_eq!(request.dns, ["9.9.9.9"]);
        assert!(request.init);
        assert_eq!(request.shm_size_bytes, Some(1 << 20));
        let limits: Vec<_> = request
            .ulimits
            .iter()
            .map(|limit| (&*limit.name, limit.soft))
            .collect();
        assert_eq!(limits, [("nofile", 1), ("core", 6)]);
        let mounts: Vec<_> = request
            .mounts
            .iter()
            .map(|mount| mount.source.as_str())
            .collect();
        assert_eq!(mounts, ["/usr", "/etc"]);
        assert_eq!(request.mounts[0].container_path, "/b");
        let sysctls: Vec<_> = request.sysctls.keys().collect();
        assert_eq!(sysctls, ["kernel.msgmax"], "the network is the host's");
        let request = with_conf(&["--network=none", "--ipc=host", "x"]);
        assert_eq!(request.networks, ["none"]);
        assert!(request.dns.is_empty() && request.shm_size_bytes.is_none());
        assert_eq!(
            request.sysctls.keys().collect::<Vec<_>>(),
            ["net.ipv4.ip_forward"]
        );
    }

    #[test]
    fn conflicts_have_podmans_words() {
        let cases = [
            (
                &["--cpu-period=1", "--cpus=2", "x"][..],
                "--cpu-period and --cpus cannot be set together",
            ),
            (
                &["--cpus=2", "--cpu-quota=1", "x"],
                "--cpu-quota and --cpus cannot be set together",
            ),
            (
                &["--no-hosts", "--add-host=foo:1.1.1.1", "x"],
                "--no-hosts and --add-host cannot be set together",
            ),
            (
                &["--add-host=foo:1.1.1.1", "--no-hosts", "x"],
                "--no-hosts and --add-host cannot be set together",
            ),
            (
                &["--platform=foo", "--os=bar", "x"],
                "--platform option can not be specified with --arch or --os",
            ),
            (
                &["--ipc=host", "--shm-size=1m", "x"],
                "cannot set shmsize when running in the host IPC Namespace",
            ),
            (
                &["--net=host", "--sysctl=net.ipv4.ip_forward=1", "x"],
                "sysctl net.ipv4.ip_forward can't be set since Network Namespace set to host: invalid argument",
            ),
            (
                &["-v", "/no/such:/x", "x"],
                "statfs /no/such: no such file or directory",
            ),
            (
                &["--device", "/dev/no-such", "x"],
                "stat /dev/no-such: no such file or directory",
            ),
        ];
        for (line, message) in cases {
            assert_eq!(request(line, Dialect::Podman).unwrap_err(), message);
        }
    }

    #[test]
    fn what_would_change_nothing_is_accepted() {
        let line = [
            "--memory=0",
            "--pids-limit=-1",
            "--restart=no",
            "--cgroups=disabled",
            "--pull=never",
            "--no-healthcheck",
            "--http-proxy=false",
            "--tls-verify=false",
            "--sdnotify=conmon",
            "--disable-content-trust",
            "--isolation=default",
            "x",
        ];
        let (request, _) = request(&line, Dialect::Podman).unwrap();
        assert!(request.no_http_proxy);
        assert_eq!(request.cgroups.as_deref(), Some("disabled"));
    }

    #[test]
    fn no_flag_is_both_there_and_missing() {
        let definition = CreateArgs::augment_args(globals::bare_command("run"));
        for flag in NOT_YET {
            assert!(
                pflag::find_long(&definition, flag.long).is_none(),
                "{}",
                flag.long
            );
        }
    }
}
