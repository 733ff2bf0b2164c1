// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about variables and labels, and the two file formats that hold them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::containers_conf::ContainersSection;
use crate::state::record::ContainerRequest;

/// Flags about variables, labels and annotations.
#[derive(Debug, Default, Args)]
pub(crate) struct EnvironmentArgs {
    /// Add annotations to the container (key=value)
    #[arg(long, value_delimiter = ',')]
    annotation: Vec<String>,
    /// Set environment variables in the container
    #[arg(long, short)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long)]
    env_file: Vec<PathBuf>,
    /// Use all current host environment variables in the container
    #[arg(long)]
    env_host: bool,
    /// Set proxy environment variables in the container based on the host's
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_parser = super::boolean)]
    http_proxy: Option<bool>,
    /// Set metadata on the container
    #[arg(long, short)]
    pub(super) label: Vec<String>,
    /// Read in a file of labels
    #[arg(long)]
    pub(super) label_file: Vec<PathBuf>,
    /// Unset environment default variables in the container
    #[arg(long)]
    unsetenv: Vec<String>,
    /// Unset all default environment variables in the container
    #[arg(long)]
    unsetenv_all: bool,
}

impl EnvironmentArgs {
    /// `--env` alone.
    pub(super) fn of_variables(env: Vec<String>) -> Self {
        Self {
            env,
            ..Self::default()
        }
    }
}

/// What is wrong with a variable or a label.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    #[error("parsing file \"{}\": invalid variable: \"{line}\"", path.display())]
    FileVariable { path: PathBuf, line: String },
    #[error("invalid variable: \"{text}\"")]
    Variable { text: String },
    #[error("unable to process labels: invalid label format: \"{text}\"")]
    Label { text: String },
    #[error("annotations must be formatted KEY=VALUE, not \"{text}\"")]
    Annotation { text: String },
    #[error("open {}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
}

/// Variables in the order of their first mention; a later value replaces an earlier one.
#[derive(Debug, Default)]
struct Variables(Vec<(String, String)>);

impl Variables {
    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    fn take_all(
        &mut self,
        files: &[PathBuf],
        texts: &[String],
        caller: &[(String, String)],
    ) -> Result<(), EnvironmentError> {
        for path in files {
            for line in lines(path)? {
                self.take(&line, caller)
                    .map_err(|_invalid| EnvironmentError::FileVariable {
                        path: path.clone(),
                        line,
                    })?;
            }
        }
        for text in texts {
            self.take(text, caller)?;
        }
        Ok(())
    }

    /// `NAME=value`; `NAME` takes the caller's value; `PRE*` takes all that begin so.
    fn take(&mut self, text: &str, caller: &[(String, String)]) -> Result<(), EnvironmentError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let name = name.trim_start_matches([' ', '\t']);
        if name.is_empty() {
            return Err(EnvironmentError::Variable {
                text: text.to_owned(),
            });
        }
        if let Some(value) = value {
            self.set(name, value);
            return Ok(());
        }
        let prefix = name.strip_suffix('*');
        for (known, value) in caller {
            if prefix.map_or(known == name, |prefix| known.starts_with(prefix)) {
                self.set(known, value);
            }
        }
        Ok(())
    }
}

/// What `--env-file` and `--env` say, the lowest first: files, then `--env`.
pub(crate) fn variables_of(
    files: &[PathBuf],
    texts: &[String],
    caller: &[(String, String)],
) -> Result<Vec<(String, String)>, EnvironmentError> {
    let mut variables = Variables::default();
    variables.take_all(files, texts, caller)?;
    Ok(variables.0)
}

impl EnvironmentArgs {
    /// Takes from containers.conf what the flags leave open.
    pub(super) fn default_from(&mut self, conf: &ContainersSection) {
        // Flags come later, so that they win over the file.
        self.annotation
            .splice(0..0, conf.annotations.iter().flatten().cloned());
        self.env_host |= conf.env_host == Some(true);
    }

    /// Writes what these flags ask for into `request`; `caller` is the caller's environment.
    pub(crate) fn fill(
        self,
        request: &mut ContainerRequest,
        caller: &[(String, String)],
    ) -> Result<(), EnvironmentError> {
        request.env = self.variables(caller)?;
        request.labels = self.labels(caller)?;
        for text in &self.annotation {
            let Some((key, value)) = text.split_once('=') else {
                return Err(EnvironmentError::Annotation { text: text.clone() });
            };
            request.annotations.insert(key.to_owned(), value.to_owned());
        }
        request.env_host = self.env_host;
        request.no_http_proxy = self.http_proxy == Some(false);
        request.unset_env = self.unsetenv;
        request.unset_env_all = self.unsetenv_all;
        Ok(())
    }

    /// The lowest first: the caller's environment, files, `--env`.
    fn variables(
        &self,
        caller: &[(String, String)],
    ) -> Result<Vec<(String, String)>, EnvironmentError> {
        let mut variables = Variables::default();
        if self.env_host {
            for (name, value) in caller {
                variables.set(name, value);
            }
        }
        variables.take_all(&self.env_file, &self.env, caller)?;
        Ok(variables.0)
    }

    fn labels(
        &self,
        caller: &[(String, String)],
    ) -> Result<BTreeMap<String, String>, EnvironmentError> {
        let mut labels = BTreeMap::new();
        for path in &self.label_file {
            for line in lines(path)? {
                insert_label(&mut labels, &line)?;
            }
        }
        for label in &self.label {
            insert_label(&mut labels, label)?;
        }
        // A container started by a unit belongs to it: generated units find it by this label.
        if let Some((name, unit)) = caller
            .iter()
            .find(|(name, _)| name == "PODMAN_SYSTEMD_UNIT")
        {
            labels.insert(name.clone(), unit.clone());
        }
        Ok(labels)
    }
}

fn insert_label(labels: &mut BTreeMap<String, String>, text: &str) -> Result<(), EnvironmentError> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(EnvironmentError::Label {
            text: text.to_owned(),
        });
    }
    labels.insert(key.to_owned(), value.to_owned());
    Ok(())
}

fn lines(path: &Path) -> Result<Vec<String>, EnvironmentError> {
    let text = std::fs::read_to_string(path).map_err(|error| EnvironmentError::File {
        path: path.to_owned(),
        reason: reason(&error),
    })?;
    Ok(content_lines(&text))
}

/// Lines that say something: no comments, no empty ones, no blanks in front.
fn content_lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim_start_matches([' ', '\t']))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The kernel's words as Go prints them, which scripts search for.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Vec<(String, String)> {
        [("HOME", "/home/ana"), ("LC_ALL", "C"), ("LC_TIME", "de")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    fn variables(env: &[&str]) -> Vec<String> {
        let args = EnvironmentArgs {
            env: env.iter().map(ToString::to_string).collect(),
            ..EnvironmentArgs::default()
        };
        let variables = args.variables(&caller()).unwrap();
        variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn variables_are_merged_with_the_callers() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&["A=1", "B=2", "A=3"], &["A=3", "B=2"]),
            (&["HOME"], &["HOME=/home/ana"]),
            (&["NOT_SET"], &[]),
            (&["LC_*"], &["LC_ALL=C", "LC_TIME=de"]),
            (&["A=x=y", "B="], &["A=x=y", "B="]),
        ];
        for (env, want) in cases {
            assert_eq!(variables(env), want, "{env:?}");
        }
    }

    #[test]
    fn a_variable_without_a_name_is_refused() {
        let args = EnvironmentArgs {
            env: vec!["=x".into()],
            ..EnvironmentArgs::default()
        };
        let error = args.variables(&[]).unwrap_err();
        assert_eq!(error.to_string(), "invalid variable: \"=x\"");
    }

    #[test]
    fn the_callers_environment_comes_first() {
        let args = EnvironmentArgs {
            env_host: true,
            env: vec!["HOME=/root".into()],
            ..EnvironmentArgs::default()
        };
        let variables = args.variables(&caller()).unwrap();
        assert_eq!(variables[0], ("HOME".to_owned(), "/root".to_owned()));
        assert_eq!(variables.len(), 3);
    }

    #[test]
    fn files_have_comments_and_pass_values_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(
            &mut file.as_file(),
            b"# comment\n\n  A=1 \nHOME\nB=two words\n",
        )
        .unwrap();
        let args = EnvironmentArgs {
            env_file: vec![file.path().to_owned()],
            env: vec!["A=2".into()],
            ..EnvironmentArgs::default()
        };
        let variables = args.variables(&caller()).unwrap();
        let shown: Vec<_> = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(shown, ["A=2", "HOME=/home/ana", "B=two words"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let args = EnvironmentArgs {
            env_file: vec!["/no/such/file".into()],
            ..EnvironmentArgs::default()
        };
        let error = args.variables(&[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "open /no/such/file: no such file or directory"
        );
    }

    #[test]
    fn labels_need_a_key() {
        let mut labels = BTreeMap::new();
        insert_label(&mut labels, "a=b=c").unwrap();
        insert_label(&mut labels, "plain").unwrap();
        assert_eq!(labels["a"], "b=c");
        assert_eq!(labels["plain"], "");
        let error = insert_label(&mut labels, "=x").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unable to process labels: invalid label format: \"=x\""
        );
    }
}
