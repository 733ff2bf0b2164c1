// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the container's log.

use clap::Args;

use crate::engine::Dialect;
use crate::output::units::size;
use crate::state::record::ContainerRequest;

/// Flags about the log.
#[derive(Debug, Default, Args)]
pub(crate) struct LoggingArgs {
    /// Logging driver for the container ("k8s-file"|"json-file"|"journald"|"none"|"passthrough");
    /// journald sends lines to the host's journal, where one runs, and keeps them for logs as well
    #[arg(long)]
    log_driver: Option<String>,
    /// Logging driver options
    #[arg(long)]
    log_opt: Vec<String>,
}

/// What is wrong with a flag about the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoggingError {
    #[error("running container create option: invalid log driver: invalid argument")]
    Driver,
    #[error("logger: no log driver named '{driver}' is registered")]
    DockerDriver { driver: String },
    #[error("invalid log option \"{option}\"")]
    Option { option: String },
    #[error("invalid log option \"max-file={value}\": want a number greater than 0")]
    MaxFile { value: String },
    #[error("invalid log option \"max-size={value}\": invalid size: '{value}'")]
    MaxSize { value: String },
    #[error(
        "the '--log-driver passthrough' option cannot be used on a TTY.  If you really want it, use '--log-driver passthrough-tty'"
    )]
    PassthroughOnTerminal,
    #[error("cannot specify --attach with --log-driver=passthrough: invalid argument")]
    PassthroughAttached,
}

/// Drivers that write nothing: the container writes to the caller's streams itself.
const PASSTHROUGH: &[&str] = &["passthrough", "passthrough-tty"];

impl LoggingArgs {
    /// Writes what these flags ask for into `request`; `on_terminal` says whether one of the
    /// caller's three streams is a terminal.
    pub(crate) fn fill(
        self,
        request: &mut ContainerRequest,
        dialect: Dialect,
        on_terminal: bool,
    ) -> Result<(), LoggingError> {
        let mut driver = self.log_driver;
        for option in &self.log_opt {
            let Some((key, value)) = option.split_once('=') else {
                return Err(LoggingError::Option {
                    option: option.clone(),
                });
            };
            let key = key.to_ascii_lowercase();
            let value = option_value(&key, value)?;
            if key == "driver" {
                driver = Some(value);
            } else {
                request.log_opts.insert(key, value);
            }
        }
        if let Some(driver) = &driver {
            check_driver(driver, dialect)?;
            let passes = PASSTHROUGH.contains(&driver.as_str());
            if driver == "passthrough" && on_terminal {
                return Err(LoggingError::PassthroughOnTerminal);
            }
            if passes && !request.attach.is_empty() {
                return Err(LoggingError::PassthroughAttached);
            }
        }
        request.log_driver = driver;
        Ok(())
    }
}

fn check_driver(driver: &str, dialect: Dialect) -> Result<(), LoggingError> {
    if ["k8s-file", "json-file", "journald", "none"].contains(&driver)
        || PASSTHROUGH.contains(&driver)
    {
        return Ok(());
    }
    let driver = driver.to_owned();
    Err(match dialect {
        Dialect::Podman => LoggingError::Driver,
        Dialect::Docker => LoggingError::DockerDriver { driver },
    })
}

/// The value as it is kept: a size in bytes, anything else as typed.
fn option_value(key: &str, value: &str) -> Result<String, LoggingError> {
    match key {
        // docker's own way to say "never".
        "max-size" if value == "-1" => Ok("0".to_owned()),
        "max-size" => match size::parse_decimal_size(value) {
            Some(bytes) => Ok(bytes.to_string()),
            None => Err(LoggingError::MaxSize {
                value: value.to_owned(),
            }),
        },
        "max-file" if !value.parse::<u32>().is_ok_and(|count| count > 0) => {
            Err(LoggingError::MaxFile {
                value: value.to_owned(),
            })
        }
        _ => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(driver: Option<&str>, options: &[&str]) -> Result<ContainerRequest, String> {
        let args = LoggingArgs {
            log_driver: driver.map(str::to_owned),
            log_opt: options.iter().map(ToString::to_string).collect(),
        };
        let mut request = ContainerRequest::default();
        args.fill(&mut request, Dialect::Podman, true)
            .map(|()| request)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_log_is_asked_for() {
        let request = fill(
            Some("json-file"),
            &["max-size=10m", "tag={{.Name}}", "path=/x"],
        );
        let request = request.unwrap();
        assert_eq!(request.log_driver.as_deref(), Some("json-file"));
        assert_eq!(request.log_opts["max-size"], "10000000");
        assert_eq!(request.log_opts["tag"], "{{.Name}}");
        let request = fill(None, &["driver=none"]).unwrap();
        assert_eq!(request.log_driver.as_deref(), Some("none"));
        assert!(request.log_opts.is_empty());
    }

    #[test]
    fn wrong_logs_say_why() {
        let cases = [
            (
                Some("InvalidDriver"),
                &[][..],
                "running container create option: invalid log driver: invalid argument",
            ),
            (None, &["tag"], "invalid log option \"tag\""),
            (
                None,
                &["max-size=x"],
                "invalid log option \"max-size=x\": invalid size: 'x'",
            ),
            (
                None,
                &["max-file=0"],
                "invalid log option \"max-file=0\": want a number greater than 0",
            ),
            (
                Some("passthrough"),
                &[],
                "the '--log-driver passthrough' option cannot be used on a TTY.  If you really want it, use '--log-driver passthrough-tty'",
            ),
        ];
        for (driver, options, message) in cases {
            assert_eq!(fill(driver, options).unwrap_err(), message);
        }
    }
}
