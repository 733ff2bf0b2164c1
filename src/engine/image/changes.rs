// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--change`: one instruction of a Dockerfile that alters an image's configuration.

use serde_json::json;

use super::error::{ChangeError, ImageError};
use crate::engine::{quantity, signal};
use crate::oci::{ContainerConfig, Healthcheck};

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

/// Applies the instructions of a commit: those of a Dockerfile, which know a few more than
/// [`apply`] does.
pub(super) fn apply_instructions(
    config: &mut ContainerConfig,
    changes: &[String],
) -> Result<(), ImageError> {
    for change in changes {
        let refused = |reason: String| {
            // The instruction as it is understood: `BOGUS=foo` is `BOGUS foo`.
            let change = match split(change) {
                Some((key, value)) => format!("{key} {value}"),
                None => change.clone(),
            };
            ImageError::Instruction { change, reason }
        };
        let Some((instruction, value)) = split(change) else {
            let shown = change.to_uppercase();
            return Err(refused(format!(
                "did not understand change instruction {shown:?}"
            )));
        };
        let done = match instruction.as_str() {
            "HEALTHCHECK" => health_check(value).map(|check| config.healthcheck = Some(check)),
            "SHELL" => serde_json::from_str(value)
                .map(|words| config.shell = words)
                .map_err(|_not_json| "SHELL requires the arguments to be in JSON form".to_owned()),
            "ENV" => {
                environment(config, value);
                Ok(())
            }
            "LABEL" if value.contains('=') => {
                for (key, value) in pairs(value) {
                    config.labels.insert(key, value);
                }
                Ok(())
            }
            "CMD" | "ENTRYPOINT" | "EXPOSE" | "LABEL" | "ONBUILD" | "STOPSIGNAL" | "USER"
            | "VOLUME" | "WORKDIR" => apply_one(config, change),
            other => Err(format!(
                "did not understand change instruction {:?}",
                format!("{other} {value}")
            )),
        };
        done.map_err(refused)?;
    }
    Ok(())
}

/// `NAME=value…` or `NAME value`; a name that is there already gets the new value.
fn environment(config: &mut ContainerConfig, value: &str) {
    let first = value.split(' ').next().unwrap_or_default();
    let pairs = if first.contains('=') {
        pairs(value)
    } else {
        let (name, value) = value.split_once(' ').unwrap_or((value, ""));
        vec![(name.to_owned(), value.trim().to_owned())]
    };
    for (name, value) in pairs {
        let prefix = format!("{name}=");
        let pair = format!("{name}={value}");
        match config.env.iter_mut().find(|pair| pair.starts_with(&prefix)) {
            Some(old) => *old = pair,
            None => config.env.push(pair),
        }
    }
}

/// `a=b c="d e" f='g'`, as a Dockerfile has them; a backslash takes the next character as it is.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote, mut escaped) = (String::new(), None, false);
    for character in text.chars() {
        match (character, quote) {
            _ if escaped => {
                word.push(character);
                escaped = false;
            }
            ('\\', None | Some('"')) => escaped = true,
            (_, Some(end)) if character == end => quote = None,
            ('"' | '\'', None) => quote = Some(character),
            (' ' | '\t', None) => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(character),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    let split = |word: String| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (word, String::new()),
    };
    words.into_iter().map(split).collect()
}

/// `[--interval=… --timeout=… --start-period=… --start-interval=… --retries=…] CMD words` or
/// `NONE`.
fn health_check(value: &str) -> Result<Healthcheck, String> {
    let mut check = Healthcheck::default();
    let mut rest = value.trim();
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(' ').unwrap_or((option, ""));
        rest = after.trim_start();
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let bad = || format!("HEALTHCHECK --{key}={value}: not a value that it can have");
        if key == "retries" {
            check.retries = value.parse().map_err(|_not_a_number| bad())?;
            continue;
        }
        let nanoseconds = quantity::parse_duration(value).ok_or_else(bad)?;
        match key {
            "interval" => check.interval = nanoseconds,
            "timeout" => check.timeout = nanoseconds,
            "start-period" => check.start_period = nanoseconds,
            "start-interval" => check.start_interval = nanoseconds,
            _ => return Err(format!("HEALTHCHECK does not know the option --{key}")),
        }
    }
    let (kind, words) = rest.split_once(' ').unwrap_or((rest, ""));
    check.test = match (kind.to_uppercase().as_str(), words.trim()) {
        ("NONE", "") => vec!["NONE".to_owned()],
        ("CMD", words) if !words.is_empty() => match serde_json::from_str::<Vec<String>>(words) {
            Ok(list) => [vec!["CMD".to_owned()], list].concat(),
            Err(_) => vec!["CMD-SHELL".to_owned(), words.to_owned()],
        },
        _ => return Err("HEALTHCHECK is NONE, or CMD and a command".to_owned()),
    };
    Ok(check)
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
