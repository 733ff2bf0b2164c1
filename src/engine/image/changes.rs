// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--change`: one instruction of a Dockerfile that alters an image's configuration.

use serde_json::json;

use crate::engine::signal;
use crate::oci::ContainerConfig;

/// What is wrong with a `--change`. The words are podman's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid change {change:?} - {reason}")]
pub struct ChangeError {
    /// As typed.
    pub change: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Applies `changes` in their order.
pub(super) fn apply(config: &mut ContainerConfig, changes: &[String]) -> Result<(), ChangeError> {
    for change in changes {
        apply_one(config, change).map_err(|reason| ChangeError {
            change: change.clone(),
            reason,
        })?;
    }
    Ok(())
}

fn apply_one(config: &mut ContainerConfig, change: &str) -> Result<(), String> {
    let (instruction, value) = split(change).ok_or("must be formatted as KEY VALUE")?;
    match instruction.as_str() {
        "USER" => config.user = non_empty(value, "must provide a value to USER")?,
        "EXPOSE" => {
            config.exposed_ports.insert(port(value)?, json!({}));
        }
        "ENV" => {
            let (key, value) = value.split_once('=').unwrap_or((value, ""));
            let key = non_empty(unquoted(key), "ENV must have at least one argument")?;
            config.env.push(format!("{key}={}", unquoted(value)));
        }
        "ENTRYPOINT" => config.entrypoint = words(value),
        "CMD" => config.cmd = words(value),
        "VOLUME" => {
            for path in volumes(value)? {
                config.volumes.insert(path, json!({}));
            }
        }
        "WORKDIR" => {
            let path = non_empty(value, "must provide a non-empty WORKDIR")?;
            config.working_dir = joined(&config.working_dir, &path);
        }
        "LABEL" => {
            let (key, value) = value
                .split_once('=')
                .ok_or("LABEL must be formatted key=value")?;
            let key = non_empty(unquoted(key), "LABEL must have a non-empty key")?;
            config.labels.insert(key, unquoted(value).to_owned());
        }
        "STOPSIGNAL" => {
            let number = signal::parse(value)
                .map_err(|error| format!("KILLSIGNAL must be given a valid signal: {error}"))?;
            config.stop_signal = number.to_string();
        }
        "ONBUILD" => {
            let line = non_empty(value, "ONBUILD must be given at least 1 argument")?;
            config.on_build.push(line);
        }
        other => return Err(format!("invalid instruction {other}")),
    }
    Ok(())
}

/// `KEY VALUE` or `KEY=VALUE`, whichever separator comes first.
fn split(change: &str) -> Option<(String, &str)> {
    let (key, value) = change.split_once([' ', '='])?;
    Some((key.to_uppercase(), value.trim()))
}

fn non_empty(value: &str, otherwise: &str) -> Result<String, String> {
    if value.is_empty() {
        return Err(otherwise.to_owned());
    }
    Ok(value.to_owned())
}

fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// A JSON array is the words themselves, anything else a line for the shell.
fn words(value: &str) -> Vec<String> {
    match serde_json::from_str(value) {
        Ok(words) => words,
        Err(_) if value.is_empty() => Vec::new(),
        Err(_) => vec!["/bin/sh".to_owned(), "-c".to_owned(), value.to_owned()],
    }
}

fn volumes(value: &str) -> Result<Vec<String>, String> {
    let paths: Vec<String> = serde_json::from_str(value)
        .unwrap_or_else(|_| value.split(' ').map(str::to_owned).collect());
    if paths.is_empty() {
        return Err("must provide at least one argument to VOLUME".to_owned());
    }
    if paths.iter().any(String::is_empty) {
        return Err("VOLUME paths must not be empty".to_owned());
    }
    Ok(paths)
}

/// `PORT[/PROTO]`.
fn port(value: &str) -> Result<String, String> {
    let (number, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
    if protocol.contains('/') {
        return Err("EXPOSE port must be formatted as PORT[/PROTO]".to_owned());
    }
    let number: u32 = number
        .parse()
        .map_err(|error| format!("EXPOSE port must be an integer: {error}"))?;
    if number == 0 || number > 65535 {
        return Err("EXPOSE port must be a valid port number".to_owned());
    }
    match protocol.to_lowercase().as_str() {
        protocol @ ("tcp" | "udp" | "sctp") => Ok(format!("{number}/{protocol}")),
        _ => Err("EXPOSE protocol must be TCP or UDP".to_owned()),
    }
}

/// A relative directory starts at the one before it.
fn joined(base: &str, path: &str) -> String {
    let path = if path.starts_with('/') || base.is_empty() {
        path.to_owned()
    } else {
        format!("{base}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(changes: &[&str]) -> Result<serde_json::Value, String> {
        let mut config = ContainerConfig::default();
        let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
        apply(&mut config, &changes).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(config).unwrap())
    }

    #[test]
    fn instructions_change_the_configuration() {
        for (changes, expected) in [
            (&["USER ana"][..], json!({"User": "ana"})),
            (&["user=ana:x"], json!({"User": "ana:x"})),
            (
                &["EXPOSE 80", "EXPOSE 53/UDP"],
                json!({"ExposedPorts": {"53/udp": {}, "80/tcp": {}}}),
            ),
            (
                &["ENV A=b c", "ENV \"D\"=\"e\"", "ENV=F=g=h", "ENV X"],
                json!({"Env": ["A=b c", "D=e", "F=g=h", "X="]}),
            ),
            (
                &["CMD [\"a\", \"b\"]", "ENTRYPOINT run it"],
                json!({"Cmd": ["a", "b"], "Entrypoint": ["/bin/sh", "-c", "run it"]}),
            ),
            (
                &["CMD=/bin/sh -c x"],
                json!({"Cmd": ["/bin/sh", "-c", "/bin/sh -c x"]}),
            ),
            (&["CMD x", "CMD "], json!({})),
            (
                &["VOLUME /a /b", "VOLUME [\"/c d\"]"],
                json!({"Volumes": {"/a": {}, "/b": {}, "/c d": {}}}),
            ),
            (
                &["WORKDIR /a", "WORKDIR b/../c"],
                json!({"WorkingDir": "/a/c"}),
            ),
            (
                &["LABEL a=b=c", "LABEL=x=y"],
                json!({"Labels": {"a": "b=c", "x": "y"}}),
            ),
            (&["STOPSIGNAL SIGUSR1"], json!({"StopSignal": "10"})),
            (&["ONBUILD RUN x"], json!({"OnBuild": ["RUN x"]})),
        ] {
            assert_eq!(applied(changes).unwrap(), expected, "{changes:?}");
        }
    }

    #[test]
    fn what_is_no_instruction_is_refused_in_podmans_words() {
        for (change, reason) in [
            ("FOO bar", "invalid instruction FOO"),
            ("FOO", "must be formatted as KEY VALUE"),
            ("", "must be formatted as KEY VALUE"),
            ("USER ", "must provide a value to USER"),
            ("EXPOSE 0", "EXPOSE port must be a valid port number"),
            ("EXPOSE 80/x", "EXPOSE protocol must be TCP or UDP"),
            (
                "EXPOSE 80/tcp/x",
                "EXPOSE port must be formatted as PORT[/PROTO]",
            ),
            ("LABEL a", "LABEL must be formatted key=value"),
            ("ENV =b", "ENV must have at least one argument"),
            ("WORKDIR ", "must provide a non-empty WORKDIR"),
            ("VOLUME []", "must provide at least one argument to VOLUME"),
        ] {
            let expected = format!("invalid change {change:?} - {reason}");
            assert_eq!(applied(&[change]).unwrap_err(), expected);
        }
        assert!(applied(&["STOPSIGNAL x"]).is_err());
    }
}
