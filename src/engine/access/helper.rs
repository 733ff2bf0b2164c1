// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Credential helpers: programs `docker-credential-NAME` that keep logins in a keyring, spoken to
//! by JSON on their standard streams.

use std::io::Write as _;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use serde::Deserialize;
use serde_json::json;

use crate::config::auth_files::Login;
use crate::config::credentials::{Credentials, Secret};
use crate::sys::SysError;
use crate::sys::child::spawn;

/// The user name of a login that is a token.
const TOKEN_USER: &str = "<token>";

/// Why a helper did not do what it was asked for. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// There is no such program.
    #[error(
        "credential helper docker-credential-{name} is not installed; install it, or take its name \
         out of the file that holds your logins"
    )]
    Missing {
        /// Its name.
        name: String,
    },
    /// The name could lead out of `PATH`.
    #[error("credential helper {name:?}: a name without slashes is wanted")]
    Name {
        /// As configured.
        name: String,
    },
    /// It could not be started or spoken to.
    #[error("credential helper docker-credential-{name}")]
    Start {
        /// Its name.
        name: String,
        /// What the kernel said.
        source: SysError,
    },
    /// It said no.
    #[error("credential helper docker-credential-{name} {verb}: {words}")]
    Refused {
        /// Its name.
        name: String,
        /// `get`, `store` or `erase`.
        verb: &'static str,
        /// What it said.
        words: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What the helper `name` has for the registry `server`; `None` if it has nothing.
pub(super) fn get(name: &str, server: &str) -> Result<Option<Login>, HelperError> {
    let output = match run(name, "get", server.as_bytes()) {
        Err(HelperError::Refused { words, .. }) if is_not_found(&words) => return Ok(None),
        output => output?,
    };
    let answer: Answer =
        serde_json::from_slice(&output).map_err(|_secret| HelperError::Refused {
            name: name.to_owned(),
            verb: "get",
            words: "its answer does not read".to_owned(),
        })?;
    Ok(Some(login(answer)))
}

fn login(answer: Answer) -> Login {
    let secret = Secret::new(answer.secret);
    if answer.username == TOKEN_USER {
        return Login {
            user: String::new(),
            credentials: Credentials::IdentityToken(secret),
        };
    }
    Login {
        user: answer.username.clone(),
        credentials: Credentials::Basic {
            user: answer.username,
            password: secret,
        },
    }
}

/// Gives the helper a login to keep; a token has no user.
pub(super) fn store(
    name: &str,
    server: &str,
    user: Option<&str>,
    secret: &Secret,
) -> Result<(), HelperError> {
    let user = user.unwrap_or(TOKEN_USER);
    let login = json!({ "ServerURL": server, "Username": user, "Secret": secret.reveal() });
    run(name, "store", login.to_string().as_bytes()).map(drop)
}

/// Makes the helper forget a login; whether it had one.
pub(super) fn erase(name: &str, server: &str) -> Result<bool, HelperError> {
    match run(name, "erase", server.as_bytes()) {
        Ok(_) => Ok(true),
        Err(HelperError::Refused { words, .. }) if is_not_found(&words) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The words that all helpers have in common.
fn is_not_found(words: &str) -> bool {
    words.contains("credentials not found in native keychain")
}

fn run(name: &str, verb: &'static str, input: &[u8]) -> Result<Vec<u8>, HelperError> {
    let owned = || name.to_owned();
    if name.contains('/') {
        return Err(HelperError::Name { name: owned() });
    }
    let mut command = Command::new(format!("docker-credential-{name}"));
    command.arg(verb);
    // Its own words on standard error go to the user: it may ask for a passphrase.
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match spawn(&mut command, &[]) {
        // execvp(3) answers EACCES for a missing program too, where PATH has a directory that the
        // user may not search.
        Err(error) if matches!(error.errno, Errno::ENOENT | Errno::EACCES) => {
            return Err(HelperError::Missing { name: owned() });
        }
        child => child.map_err(|source| HelperError::Start {
            name: owned(),
            source,
        })?,
    };
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want its input says why by its exit code.
        stdin.write_all(input).unwrap_or_default();
    }
    let output = child
        .wait_with_output()
        .map_err(|error| HelperError::Refused {
            name: owned(),
            verb,
            words: error.to_string(),
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stdout);
    Err(HelperError::Refused {
        name: owned(),
        verb,
        words: words.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_helper_is_one_line_with_a_cure() {
        let error = get("no-such-thing", "a.io").unwrap_err();
        assert!(matches!(error, HelperError::Missing { .. }));
        let words = error.to_string();
        assert!(words.starts_with("credential helper docker-credential-no-such-thing is not"));
        assert!(matches!(get("../x", "a.io"), Err(HelperError::Name { .. })));
    }

    #[test]
    fn tokens_have_no_user() {
        let answer = |text: &str| login(serde_json::from_str(text).unwrap());
        let token = answer(r#"{"ServerURL": "a", "Username": "<token>", "Secret": "T"}"#);
        assert_eq!(
            token.credentials,
            Credentials::IdentityToken(Secret::new("T"))
        );
        let user = answer(r#"{"Username": "ana", "Secret": "S"}"#);
        assert_eq!(user.user, "ana");
    }
}
