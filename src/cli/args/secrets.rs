// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--secret NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]`.

use crate::state::record::{SecretPlace, SecretRequest};

/// What is wrong with a `--secret`, in Podman's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretFlagError {
    #[error("option {0} must be in form option=value: parsing secret")]
    Form(String),
    #[error("cannot set more than one secret type: parsing secret")]
    TwoTypes,
    #[error("type {0} is invalid: parsing secret")]
    Type(String),
    #[error("{option} {value} invalid: parsing secret")]
    Number { option: &'static str, value: String },
    #[error("option {0} invalid: parsing secret")]
    Option(String),
    #[error("no source found {0}: parsing secret")]
    NoSource(String),
    #[error("UID, GID, Mode options cannot be set with secret type env: parsing secret")]
    FileOptions,
}

/// Everybody may read it: whoever is in the container was given it.
const MODE: u32 = 0o444;

#[derive(Default)]
struct Options<'a> {
    kind: Option<&'a str>,
    source: Option<&'a str>,
    target: Option<&'a str>,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
}

/// Takes the flags apart.
pub(super) fn parse(flags: &[String]) -> Result<Vec<SecretRequest>, SecretFlagError> {
    flags.iter().map(|flag| one(flag)).collect()
}

fn one(flag: &str) -> Result<SecretRequest, SecretFlagError> {
    let mut options = Options::default();
    for (number, word) in flag.split(',').enumerate() {
        match word.split_once('=') {
            Some((key, value)) => options.set(word, key, value)?,
            None if number == 0 => options.source = Some(word),
            None => return Err(SecretFlagError::Form(word.to_owned())),
        }
    }
    let Some(source) = options.source.filter(|source| !source.is_empty()) else {
        return Err(SecretFlagError::NoSource(flag.to_owned()));
    };
    let target = options.target.filter(|target| !target.is_empty());
    let place = if options.kind == Some("env") {
        if options.uid.is_some() || options.gid.is_some() || options.mode.is_some() {
            return Err(SecretFlagError::FileOptions);
        }
        SecretPlace::Env {
            target: target.unwrap_or(source).to_owned(),
        }
    } else {
        SecretPlace::Mount {
            target: target.map(str::to_owned),
            uid: options.uid.unwrap_or(0),
            gid: options.gid.unwrap_or(0),
            mode: options.mode.unwrap_or(MODE),
        }
    };
    Ok(SecretRequest {
        source: source.to_owned(),
        place,
    })
}

impl<'a> Options<'a> {
    fn set(&mut self, word: &str, key: &str, value: &'a str) -> Result<(), SecretFlagError> {
        let number = |option: &'static str, radix: u32| {
            u32::from_str_radix(value, radix).map_err(|_invalid| SecretFlagError::Number {
                option,
                value: value.to_owned(),
            })
        };
        match key {
            "source" | "src" => self.source = Some(value),
            "target" => self.target = Some(value),
            "uid" | "UID" => self.uid = Some(number("UID", 10)?),
            "gid" | "GID" => self.gid = Some(number("GID", 10)?),
            "mode" => self.mode = Some(number("mode", 8)?),
            "type" if self.kind.is_some() => return Err(SecretFlagError::TwoTypes),
            "type" if !matches!(value, "mount" | "env") => {
                return Err(SecretFlagError::Type(value.to_owned()));
            }
            "type" => self.kind = Some(value),
            _ => return Err(SecretFlagError::Option(word.to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_say_where_a_secret_goes() {
        let file = |target: Option<&str>, uid, gid, mode| SecretPlace::Mount {
            target: target.map(str::to_owned),
            uid,
            gid,
            mode,
        };
        let variable = |target: &str| SecretPlace::Env {
            target: target.to_owned(),
        };
        let cases = [
            ("key", "key", file(None, 0, 0, 0o444)),
            ("source=key", "key", file(None, 0, 0, 0o444)),
            (
                "key,uid=5,GID=6,mode=0400,target=/a",
                "key",
                file(Some("/a"), 5, 6, 0o400),
            ),
            ("key,type=env", "key", variable("key")),
            ("key,type=env,target=PW", "key", variable("PW")),
        ];
        for (flag, source, place) in cases {
            let expected = SecretRequest {
                source: source.to_owned(),
                place,
            };
            assert_eq!(one(flag).unwrap(), expected, "{flag}");
        }
        for (flag, words) in [
            ("", "no source found"),
            ("type=env", "no source found"),
            ("key,env", "option env must be in form option=value"),
            ("key,type=x", "type x is invalid"),
            ("key,type=env,type=env", "more than one secret type"),
            ("key,mode=9", "mode 9 invalid"),
            ("key,uid=x", "UID x invalid"),
            (
                "key,type=env,mode=0400",
                "cannot be set with secret type env",
            ),
            ("key,a=b", "option a=b invalid"),
        ] {
            let error = one(flag).unwrap_err().to_string();
            assert!(error.contains(words), "{flag}: {error}");
        }
    }
}
