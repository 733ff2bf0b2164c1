// SPDX-License-Identifier: Apache-2.0 OR MIT
//! containers.conf(5): the values that mean something to coracle, as the files have them. A value
//! that no file sets is `None`; its default is its user's business.

use std::fs;
use std::path::{Path, PathBuf};

use super::document::{Document, Missing, drop_ins, lines_of, variable};
use super::{ConfigError, Ignored};
use crate::sys::account::{Environment, xdg_directory};

/// All of containers.conf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainersConf {
    /// `[containers]`: defaults of every container.
    pub containers: ContainersSection,
    /// `[engine]`: how coracle itself works.
    pub engine: EngineSection,
    /// `[network]`.
    pub network: NetworkSection,
    /// The values that were ignored, for one warning each.
    pub ignored: Vec<Ignored>,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
}

/// `[containers]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainersSection {
    /// `KEY=VALUE` of every container.
    pub annotations: Option<Vec<String>>,
    /// Which /etc/hosts is the base: a path, `image`, `none`.
    pub base_hosts_file: Option<String>,
    /// `private`, `host`.
    pub cgroupns: Option<String>,
    /// `enabled`, `disabled`, `no-conmon`.
    pub cgroups: Option<String>,
    /// With or without `CAP_`.
    pub default_capabilities: Option<Vec<String>>,
    /// `NAME=VALUE`.
    pub default_sysctls: Option<Vec<String>>,
    /// `NAME=SOFT:HARD`.
    pub default_ulimits: Option<Vec<String>>,
    /// As `--device`.
    pub devices: Option<Vec<String>>,
    /// As `--dns-option`.
    pub dns_options: Option<Vec<String>>,
    /// As `--dns-search`.
    pub dns_searches: Option<Vec<String>>,
    /// As `--dns`.
    pub dns_servers: Option<Vec<String>>,
    /// `KEY=VALUE`, or `KEY` of the caller.
    pub env: Option<Vec<String>>,
    /// Pass the caller's whole environment.
    pub env_host: Option<bool>,
    /// Pass the caller's proxy variables.
    pub http_proxy: Option<bool>,
    /// As `--init`.
    pub init: Option<bool>,
    /// `private`, `shareable`, `none`, `host`.
    pub ipcns: Option<String>,
    /// As `--log-driver`.
    pub log_driver: Option<String>,
    /// Directory of the logs.
    pub log_path: Option<String>,
    /// Bytes; negative is no limit.
    pub log_size_max: Option<i64>,
    /// Tag of journald's lines.
    pub log_tag: Option<String>,
    /// As `--mount`.
    pub mounts: Option<Vec<String>>,
    /// As `--network`.
    pub netns: Option<String>,
    /// Where a container finds the host, in place of what is found out.
    pub host_containers_internal_ip: Option<String>,
    /// As `--no-hosts`.
    pub no_hosts: Option<bool>,
    /// As `--oom-score-adj`.
    pub oom_score_adj: Option<i64>,
    /// `private`, `host`.
    pub pidns: Option<String>,
    /// As `--pids-limit`.
    pub pids_limit: Option<i64>,
    /// As `--privileged`.
    pub privileged: Option<bool>,
    /// As `--read-only`.
    pub read_only: Option<bool>,
    /// As `--security-opt seccomp=`.
    pub seccomp_profile: Option<String>,
    /// As `--shm-size`.
    pub shm_size: Option<String>,
    /// As `--tz`.
    pub tz: Option<String>,
    /// As `--umask`.
    pub umask: Option<String>,
    /// As `--userns`.
    pub userns: Option<String>,
    /// `private`, `host`.
    pub utsns: Option<String>,
    /// As `-v`.
    pub volumes: Option<Vec<String>>,
}

/// `[engine]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineSection {
    /// `systemd`, `cgroupfs`.
    pub cgroup_manager: Option<String>,
    /// As `--detach-keys`.
    pub detach_keys: Option<String>,
    /// `KEY=VALUE` of coracle itself, such as proxies.
    pub env: Option<Vec<String>>,
    /// Whether the event of a new container says all that inspect says.
    pub events_container_create_inspect_data: Option<bool>,
    /// `file`, `none`; `journald` is taken as `file`.
    pub events_logger: Option<String>,
    /// Where events are kept.
    pub events_logfile_path: Option<String>,
    /// The size at which the log of events is shortened, such as `1m`.
    pub events_logfile_max_size: Option<String>,
    /// Directories of CDI files, in place of the usual ones.
    pub cdi_spec_dirs: Option<Vec<String>>,
    /// Directories of hooks, in place of the usual ones.
    pub hooks_dir: Option<Vec<String>>,
    /// Where layers are unpacked from archives; `storage` is the store itself.
    pub image_copy_tmp_dir: Option<String>,
    /// `docker`: docker's words and defaults (a key of coracle's own).
    pub mode: Option<String>,
    /// Options of slirp4netns.
    pub network_cmd_options: Option<Vec<String>>,
    /// As `--pull`.
    pub pull_policy: Option<String>,
    /// As `--retry`.
    pub retry: Option<i64>,
    /// As `--retry-delay`.
    pub retry_delay: Option<String>,
    /// The OCI runtime; coracle is its own.
    pub runtime: Option<String>,
    /// Flags for the runtime that is called coracle.
    pub runtime_flags: Option<Vec<String>>,
    /// What happens when the last container of a pod has ended: `continue` or `stop`.
    pub pod_exit_policy: Option<String>,
    /// The image of infra containers, in place of our own program.
    pub infra_image: Option<String>,
    /// Where containers are kept, in place of the data root.
    pub static_dir: Option<String>,
    /// Seconds.
    pub stop_timeout: Option<i64>,
    /// What becomes of the `VOLUME`s of images: `anonymous`, `tmpfs`, `ignore`.
    pub image_volume_mode: Option<String>,
    /// Where volumes are.
    pub volume_path: Option<String>,
    /// Names of volume plugins, which info lists; coracle runs none.
    pub volume_plugins: Vec<String>,
}

/// `[network]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSection {
    /// The name of the default network.
    pub default_network: Option<String>,
    /// `pasta`, `slirp4netns`.
    pub default_rootless_network_cmd: Option<String>,
    /// The default network's addresses, as `10.88.0.0/16`.
    pub default_subnet: Option<String>,
    /// Where networks get addresses that nobody named: a base as `10.89.0.0/16` and the length of
    /// the prefix of each.
    pub default_subnet_pools: Option<Vec<(String, u8)>>,
    /// Options of pasta.
    pub pasta_options: Option<Vec<String>>,
}

impl ContainersConf {
    /// Reads every file that there is.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not TOML, and one that a variable names but is not there.
    pub fn load(env: Environment<'_>) -> Result<Self, ConfigError> {
        let mut conf = Self::default();
        for (path, missing) in search_path(env) {
            conf.merge_file(&path, missing)?;
        }
        Ok(conf)
    }

    fn merge_file(&mut self, path: &Path, missing: Missing) -> Result<(), ConfigError> {
        let Some(document) = Document::read(path, missing)? else {
            return Ok(());
        };
        self.merge_containers(&document);
        self.merge_engine(&document);
        self.merge_network(&document);
        self.files.push(path.to_owned());
        Ok(())
    }

    fn merge_containers(&mut self, document: &Document) {
        let into = &mut self.containers;
        let mut from = document.section("containers", &mut self.ignored);
        from.texts("annotations", &mut into.annotations);
        from.text("base_hosts_file", &mut into.base_hosts_file);
        from.text("cgroupns", &mut into.cgroupns);
        from.text("cgroups", &mut into.cgroups);
        from.texts("default_capabilities", &mut into.default_capabilities);
        from.texts("default_sysctls", &mut into.default_sysctls);
        from.texts("default_ulimits", &mut into.default_ulimits);
        from.texts("devices", &mut into.devices);
        from.texts("dns_options", &mut into.dns_options);
        from.texts("dns_searches", &mut into.dns_searches);
        from.texts("dns_servers", &mut into.dns_servers);
        from.texts("env", &mut into.env);
        from.flag("env_host", &mut into.env_host);
        from.flag("http_proxy", &mut into.http_proxy);
        from.flag("init", &mut into.init);
        from.text("ipcns", &mut into.ipcns);
        from.text("log_driver", &mut into.log_driver);
        from.text("log_path", &mut into.log_path);
        from.number("log_size_max", &mut into.log_size_max);
        from.text("log_tag", &mut into.log_tag);
        from.texts("mounts", &mut into.mounts);
        from.text("netns", &mut into.netns);
        from.text(
            "host_containers_internal_ip",
            &mut into.host_containers_internal_ip,
        );
        from.flag("no_hosts", &mut into.no_hosts);
        from.number("oom_score_adj", &mut into.oom_score_adj);
        from.text("pidns", &mut into.pidns);
        from.number("pids_limit", &mut into.pids_limit);
        from.flag("privileged", &mut into.privileged);
        from.flag("read_only", &mut into.read_only);
        from.text("seccomp_profile", &mut into.seccomp_profile);
        from.text("shm_size", &mut into.shm_size);
        from.text("tz", &mut into.tz);
        from.text("umask", &mut into.umask);
        from.text("userns", &mut into.userns);
        from.text("utsns", &mut into.utsns);
        from.texts("volumes", &mut into.volumes);
    }

    fn merge_engine(&mut self, document: &Document) {
        let into = &mut self.engine;
        let mut from = document.section("engine", &mut self.ignored);
        from.text("cgroup_manager", &mut into.cgroup_manager);
        from.text("detach_keys", &mut into.detach_keys);
        from.texts("env", &mut into.env);
        from.flag(
            "events_container_create_inspect_data",
            &mut into.events_container_create_inspect_data,
        );
        from.text("events_logger", &mut into.events_logger);
        from.text("events_logfile_path", &mut into.events_logfile_path);
        from.size("events_logfile_max_size", &mut into.events_logfile_max_size);
        from.texts("cdi_spec_dirs", &mut into.cdi_spec_dirs);
        from.texts("hooks_dir", &mut into.hooks_dir);
        from.text("image_copy_tmp_dir", &mut into.image_copy_tmp_dir);
        from.text("mode", &mut into.mode);
        from.texts("network_cmd_options", &mut into.network_cmd_options);
        from.text("infra_image", &mut into.infra_image);
        from.text("pod_exit_policy", &mut into.pod_exit_policy);
        from.text("pull_policy", &mut into.pull_policy);
        from.number("retry", &mut into.retry);
        from.text("retry_delay", &mut into.retry_delay);
        from.text("runtime", &mut into.runtime);
        from.text("static_dir", &mut into.static_dir);
        from.number("stop_timeout", &mut into.stop_timeout);
        from.text("image_volume_mode", &mut into.image_volume_mode);
        from.text("volume_path", &mut into.volume_path);
        from.keys("volume_plugins", &mut into.volume_plugins);
        let mut flags = document.section("engine.runtimes_flags", &mut self.ignored);
        flags.texts("coracle", &mut into.runtime_flags);
    }

    fn merge_network(&mut self, document: &Document) {
        let into = &mut self.network;
        let mut from = document.section("network", &mut self.ignored);
        from.text("default_network", &mut into.default_network);
        from.text("default_subnet", &mut into.default_subnet);
        from.pools("default_subnet_pools", &mut into.default_subnet_pools);
        from.text(
            "default_rootless_network_cmd",
            &mut into.default_rootless_network_cmd,
        );
        from.texts("pasta_options", &mut into.pasta_options);
    }
}

/// The keys of `[engine]` that every command asks for.
const EARLY_KEYS: [&str; 4] = ["events_", "mode", "retry", "static_dir"];

/// `engine.mode`, `engine.static_dir`, `engine.retry` and its delay, `engine.events_…`, without the price of parsing a
/// file that has none of them. A file that cannot be parsed is told when it is really needed.
pub fn early(env: Environment<'_>) -> EngineSection {
    let names_one = |path: &Path| {
        let text = fs::read(path).unwrap_or_default();
        lines_of(&text).map(<[u8]>::trim_ascii_start).any(|line| {
            EARLY_KEYS
                .iter()
                .any(|key| line.starts_with(key.as_bytes()))
        })
    };
    let mut conf = ContainersConf::default();
    for (path, missing) in search_path(env) {
        if names_one(&path) && conf.merge_file(&path, missing).is_err() {
            return EngineSection::default();
        }
    }
    conf.engine
}

/// The files to read, the least important first.
fn search_path(env: Environment<'_>) -> Vec<(PathBuf, Missing)> {
    let mut files = Vec::new();
    if let Some(path) = variable(env, "CONTAINERS_CONF") {
        files.push((path, Missing::IsAnError));
    } else {
        for directory in directories(env) {
            files.push((directory.join("containers.conf"), Missing::IsFine));
            let drop_ins = drop_ins(&directory.join("containers.conf.d"));
            files.extend(drop_ins.into_iter().map(|path| (path, Missing::IsFine)));
        }
    }
    let last = variable(env, "CONTAINERS_CONF_OVERRIDE");
    files.extend(last.map(|path| (path, Missing::IsAnError)));
    files
}

/// The directories of configuration files, the least important first.
fn directories(env: Environment<'_>) -> [PathBuf; 3] {
    [
        PathBuf::from("/usr/share/containers"),
        PathBuf::from("/etc/containers"),
        xdg_directory(env, "XDG_CONFIG_HOME", ".config").join("containers"),
    ]
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::Write as _;

    use super::*;

    fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        path
    }

    fn conf_of(files: &[&str]) -> ContainersConf {
        let directory = tempfile::tempdir().unwrap();
        let mut conf = ContainersConf::default();
        for (number, text) in files.iter().enumerate() {
            let path = write(directory.path(), &format!("{number}.conf"), text);
            conf.merge_file(&path, Missing::IsAnError).unwrap();
        }
        conf
    }

    #[test]
    fn later_files_replace_single_values_and_lists() {
        let conf = conf_of(&[
            "[containers]\nenv=['A=1']\ndns_servers=['1.1.1.1']\ninit=true\n[engine]\nstop_timeout=10",
            "[containers]\nenv=['B=2', {append=true}]\ndns_servers=['9.9.9.9']\n[engine]\nmode='docker'",
        ]);
        assert_eq!(conf.containers.env.unwrap(), ["A=1", "B=2"]);
        assert_eq!(conf.containers.dns_servers.unwrap(), ["9.9.9.9"]);
        assert_eq!(conf.containers.init, Some(true));
        assert_eq!(conf.engine.stop_timeout, Some(10));
        assert_eq!(conf.engine.mode.as_deref(), Some("docker"));
        assert!(conf.ignored.is_empty());
        assert_eq!(conf.files.len(), 2);
    }

    #[test]
    fn unknown_keys_are_nothing_and_wrong_types_are_told() {
        let conf = conf_of(&[
            "top=1\n[containers]\nunheard_of=1\ninit='yes'\nenv='A=1'\n[engine]\nstop_timeout='5'\n[machine]\ncpus=1",
        ]);
        assert_eq!(conf.containers, ContainersSection::default());
        assert_eq!(conf.engine, EngineSection::default());
        let told: Vec<String> = conf.ignored.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3);
        let line = |text: &str| told.iter().any(|told| told.ends_with(text));
        assert!(
            line("containers.init must be true or false, not a string; it is ignored"),
            "{told:?}"
        );
        assert!(line(
            "containers.env must be a list of strings, not a string; it is ignored"
        ));
        assert!(line(
            "engine.stop_timeout must be a number, not a string; it is ignored"
        ));
    }

    #[test]
    fn a_file_that_is_not_toml_is_named_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = write(
            directory.path(),
            "containers.conf",
            "[containers]\ninit=true\nenv=[\n",
        );
        let error = ContainersConf::default()
            .merge_file(&path, Missing::IsFine)
            .unwrap_err();
        assert!(
            error.to_string().contains("containers.conf, line "),
            "{error}"
        );
    }

    #[test]
    fn variables_replace_the_search_path_and_come_last() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path();
        write(
            home,
            "containers/containers.conf",
            "[engine]\nstop_timeout=1",
        );
        write(
            home,
            "containers/containers.conf.d/20.conf",
            "[engine]\nstop_timeout=3",
        );
        write(
            home,
            "containers/containers.conf.d/10.conf",
            "[engine]\nstop_timeout=2",
        );
        write(home, "containers/containers.conf.d/99.txt", "not toml");
        let only = write(home, "only.conf", "[engine]\nruntime='crun'");
        let last = write(home, "last.conf", "[engine]\nstop_timeout=9");
        let load = |variables: &[(&str, OsString)]| {
            let env = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| value.clone())
            };
            ContainersConf::load(&env).map(|conf| (conf.engine.stop_timeout, conf.engine.runtime))
        };
        let config_home = ("XDG_CONFIG_HOME", home.as_os_str().to_owned());
        assert_eq!(load(std::slice::from_ref(&config_home)).unwrap().0, Some(3));
        let replace = ("CONTAINERS_CONF", only.into());
        let (timeout, runtime) = load(&[config_home.clone(), replace.clone()]).unwrap();
        assert_eq!((timeout, runtime.as_deref()), (None, Some("crun")));
        let append = ("CONTAINERS_CONF_OVERRIDE", last.into());
        assert_eq!(load(&[config_home, replace, append]).unwrap().0, Some(9));
        let docker = write(home, "docker.conf", "[engine]\n  mode = 'docker'");
        let env = |name: &str| (name == "CONTAINERS_CONF").then(|| docker.clone().into());
        assert_eq!(early(&env).mode.as_deref(), Some("docker"));
        let missing = ("CONTAINERS_CONF", "/nowhere/containers.conf".into());
        assert!(load(&[missing]).is_err());
    }
}
