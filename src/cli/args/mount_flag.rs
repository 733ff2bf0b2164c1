// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The grammar of `--mount type=…,source=…,target=…`.

use std::path::{Component, Path};

use super::mount_options::{self, OptionError};
use crate::cli::pflag::parse_bool;
use crate::state::record::{MountKind, MountRequest};

/// What is wrong with a `--mount`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MountFlagError {
    #[error("must set volume destination")]
    NoTarget,
    #[error("invalid filesystem type \"{kind}\"")]
    Kind { kind: String },
    #[error("{name}: must provide an argument for option")]
    NoValue { name: String },
    #[error("cannot pass \"{name}\" option more than once: must provide an argument for option")]
    Twice { name: String },
    #[error("\"{name}\" option not supported for \"{kind}\" mount types")]
    WrongKind { name: String, kind: &'static str },
    #[error("{name}: invalid mount option")]
    Unknown { name: String },
    #[error("invalid value \"{text}\"")]
    Value { text: String },
    #[error("relabel mount option must be 'private' or 'shared': invalid mount option")]
    Relabel,
    #[error("must set source and destination for image volume")]
    NoImage,
    #[error("must set source and destination for artifact volume")]
    NoArtifact,
    #[error("subpath must be a relative path within the volume")]
    Subpath,
    #[error("subpath must be a path within the image")]
    SubpathOfImage,
    #[error("host directory cannot be empty: must provide an argument for option")]
    EmptySource,
    #[error("invalid container path \"{path}\", must be an absolute path")]
    RelativeTarget { path: String },
    #[error(transparent)]
    Option(#[from] OptionError),
}

/// What one `--mount` asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MountFlag {
    /// One mount.
    One(MountRequest),
    /// One for each path of the host that matches (`type=glob`).
    Glob(GlobMount),
}

/// Bind mounts of what a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GlobMount {
    /// As typed.
    pub(crate) pattern: String,
    /// The directory that they are put into; their own places if nothing is said.
    pub(crate) directory: Option<String>,
    /// Of each of them.
    pub(crate) options: Vec<String>,
}

/// Reads one `--mount`; a relative source stays relative.
pub(crate) fn parse(text: &str) -> Result<MountFlag, MountFlagError> {
    let tokens = split_csv(text);
    let named = tokens.iter().find_map(|token| token.strip_prefix("type="));
    let name = named.unwrap_or("volume");
    let mut mount = Mount::new(kind(name)?);
    for token in tokens.iter().filter(|token| !token.starts_with("type=")) {
        mount.take(token)?;
    }
    match name {
        "glob" => mount.finish_glob().map(MountFlag::Glob),
        _ => mount.finish().map(MountFlag::One),
    }
}

fn kind(name: &str) -> Result<MountKind, MountFlagError> {
    match name {
        "bind" | "glob" => Ok(MountKind::Bind),
        "tmpfs" => Ok(MountKind::Tmpfs),
        "ramfs" => Ok(MountKind::Ramfs),
        "devpts" => Ok(MountKind::Devpts),
        "volume" => Ok(MountKind::Volume),
        "image" => Ok(MountKind::Image),
        "artifact" => Ok(MountKind::Artifact),
        other => Err(MountFlagError::Kind {
            kind: other.to_owned(),
        }),
    }
}

fn kind_name(kind: MountKind) -> &'static str {
    match kind {
        MountKind::Bind => "bind",
        MountKind::Volume => "volume",
        MountKind::Tmpfs => "tmpfs",
        MountKind::Overlay => "overlay",
        MountKind::Devpts => "devpts",
        MountKind::Ramfs => "ramfs",
        MountKind::Image => "image",
        MountKind::Artifact => "artifact",
    }
}

/// Fields of a line of CSV: a field in quotes may hold commas.
pub(super) fn split_csv(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields
                .last_mut()
                .expect("there is a field from the start")
                .push(other),
        }
    }
    fields.retain(|field| !field.is_empty());
    fields
}

struct Mount {
    kind: MountKind,
    source: Option<String>,
    target: Option<String>,
    access: bool,
    options: Vec<String>,
    /// `volume-opt=KEY=VALUE` for a volume that is to be made, and `subpath=PATH`; what is meant of
    /// an artifact.
    volume_options: Vec<String>,
}

impl Mount {
    fn new(kind: MountKind) -> Self {
        Self {
            kind,
            source: None,
            target: None,
            access: false,
            options: Vec::new(),
            volume_options: Vec::new(),
        }
    }

    fn take(&mut self, token: &str) -> Result<(), MountFlagError> {
        let (name, value) = match token.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (token, None),
        };
        match name {
            "src" | "source" => self.take_source(name, value),
            "target" | "dst" | "dest" | "destination" => self.take_target(name, value),
            "digest" | "name" | "title" if self.kind == MountKind::Artifact => {
                required(name, value)?;
                self.volume_options.push(token.to_owned());
                Ok(())
            }
            _ if self.kind == MountKind::Artifact => Err(MountFlagError::Unknown {
                name: name.to_owned(),
            }),
            "consistency" => Ok(()),
            _ if self.kind == MountKind::Devpts => self.take_devpts(name, token),
            "readonly" | "ro" | "rw" => self.take_access(name, value),
            "bind-propagation" => self.take_propagation(name, value),
            "bind-nonrecursive" => {
                self.only(name, &[MountKind::Bind])?;
                self.push_if(truth(token, value)?, "bind");
                Ok(())
            }
            "relabel" => self.take_relabel(value),
            "U" | "chown" => {
                self.push_if(truth(token, value)?, "U");
                Ok(())
            }
            "tmpfs-size" | "tmpfs-mode" => self.take_tmpfs(name, value),
            "volume-opt" if self.kind == MountKind::Volume => {
                required(name, value)?;
                self.volume_options.push(token.to_owned());
                Ok(())
            }
            "volume-nocopy" if self.kind == MountKind::Volume => {
                self.push_if(truth(token, value)?, "nocopy");
                Ok(())
            }
            "subpath" | "volume-subpath" if self.kind == MountKind::Volume => {
                self.take_subpath(name, value)
            }
            "subpath" | "image-subpath" if self.kind == MountKind::Image => {
                self.take_subpath(name, value)
            }
            "volume-driver" if matches!(value, Some("local")) => Ok(()),
            "volume-opt" | "volume-label" | "volume-nocopy" | "subpath" | "volume-subpath"
            | "image-subpath" => Err(MountFlagError::WrongKind {
                name: name.to_owned(),
                kind: kind_name(self.kind),
            }),
            _ => self.take_plain(name, token),
        }
    }

    fn take_source(&mut self, name: &str, value: Option<&str>) -> Result<(), MountFlagError> {
        self.only(
            name,
            &[
                MountKind::Bind,
                MountKind::Volume,
                MountKind::Image,
                MountKind::Artifact,
            ],
        )?;
        let value = required(name, value)?;
        if value.is_empty() {
            return Err(MountFlagError::EmptySource);
        }
        if self.source.replace(value.to_owned()).is_some() {
            return Err(MountFlagError::Twice {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    fn take_target(&mut self, name: &str, value: Option<&str>) -> Result<(), MountFlagError> {
        let value = required(name, value)?;
        if !value.starts_with('/') {
            return Err(MountFlagError::RelativeTarget {
                path: value.to_owned(),
            });
        }
        if self.target.replace(value.to_owned()).is_some() {
            return Err(MountFlagError::Twice {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    fn take_devpts(&mut self, name: &str, token: &str) -> Result<(), MountFlagError> {
        if !["uid", "gid", "mode", "ptmxmode", "newinstance", "max"].contains(&name) {
            return Err(MountFlagError::Unknown {
                name: name.to_owned(),
            });
        }
        self.options.push(token.to_owned());
        Ok(())
    }

    fn take_access(&mut self, name: &str, value: Option<&str>) -> Result<(), MountFlagError> {
        if std::mem::replace(&mut self.access, true) {
            return Err(MountFlagError::Twice {
                name: name.to_owned(),
            });
        }
        let says_yes = truth(name, value)?;
        let read_only = (name == "rw") != says_yes;
        self.push_if(read_only, "ro");
        self.push_if(name == "rw" && says_yes, "rw");
        Ok(())
    }

    fn take_propagation(&mut self, name: &str, value: Option<&str>) -> Result<(), MountFlagError> {
        self.only(name, &[MountKind::Bind])?;
        let value = required(name, value)?;
        let bare = value.strip_prefix('r').unwrap_or(value);
        if !["shared", "slave", "private", "unbindable"].contains(&bare) {
            return Err(MountFlagError::Value {
                text: format!("{name}={value}"),
            });
        }
        self.options.push(value.to_owned());
        Ok(())
    }

    fn take_relabel(&mut self, value: Option<&str>) -> Result<(), MountFlagError> {
        let label = match value {
            Some("private") => "Z",
            Some("shared") => "z",
            _ => return Err(MountFlagError::Relabel),
        };
        self.options.push(label.to_owned());
        Ok(())
    }

    fn take_tmpfs(&mut self, name: &str, value: Option<&str>) -> Result<(), MountFlagError> {
        self.only(name, &[MountKind::Tmpfs, MountKind::Ramfs])?;
        let value = required(name, value)?;
        let key = name.strip_prefix("tmpfs-").unwrap_or(name);
        self.options.push(format!("{key}={value}"));
        Ok(())
    }

    fn take_subpath(&mut self, name: &str, value: Option<&str>) -> Result<(), MountFlagError> {
        let value = required(name, value)?;
        let path = Path::new(value);
        // An image has a root of its own.
        let is_inside = |part| match part {
            Component::Normal(_) | Component::CurDir => true,
            Component::RootDir => self.kind == MountKind::Image,
            Component::ParentDir | Component::Prefix(_) => false,
        };
        if value.is_empty() || !path.components().all(is_inside) {
            return Err(match self.kind {
                MountKind::Image => MountFlagError::SubpathOfImage,
                _ => MountFlagError::Subpath,
            });
        }
        self.volume_options.push(format!("subpath={value}"));
        Ok(())
    }

    /// An option that `-v` knows as well, checked at the end with the others.
    fn take_plain(&mut self, name: &str, token: &str) -> Result<(), MountFlagError> {
        match mount_options::check(self.kind, &[token]) {
            Ok(_) => {}
            Err(error @ OptionError::NoSwap) => return Err(error.into()),
            Err(_) => {
                return Err(MountFlagError::Unknown {
                    name: name.to_owned(),
                });
            }
        }
        self.options.push(token.to_owned());
        Ok(())
    }

    fn only(&self, name: &str, kinds: &[MountKind]) -> Result<(), MountFlagError> {
        if kinds.contains(&self.kind) {
            return Ok(());
        }
        Err(MountFlagError::WrongKind {
            name: name.to_owned(),
            kind: kind_name(self.kind),
        })
    }

    fn push_if(&mut self, wanted: bool, option: &str) {
        if wanted {
            self.options.push(option.to_owned());
        }
    }

    fn finish_glob(self) -> Result<GlobMount, MountFlagError> {
        let pattern = self.source.ok_or(MountFlagError::EmptySource)?;
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        Ok(GlobMount {
            pattern,
            directory: self.target,
            options: mount_options::check(self.kind, &options)?,
        })
    }

    fn finish(self) -> Result<MountRequest, MountFlagError> {
        let missing = match self.kind {
            MountKind::Artifact => MountFlagError::NoArtifact,
            _ => MountFlagError::NoTarget,
        };
        let container_path = self.target.ok_or(missing)?;
        let source = match self.kind {
            MountKind::Artifact => self.source.ok_or(MountFlagError::NoArtifact)?,
            MountKind::Bind => self.source.unwrap_or_else(|| container_path.clone()),
            MountKind::Volume => self.source.unwrap_or_default(),
            MountKind::Image => self.source.ok_or(MountFlagError::NoImage)?,
            _ => String::new(),
        };
        let mut options = if self.kind == MountKind::Devpts {
            self.options
        } else {
            let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
            mount_options::check(self.kind, &options)?
        };
        let has_subpath = self
            .volume_options
            .iter()
            .any(|option| option.starts_with("subpath="));
        if has_subpath && options.iter().any(|option| option == "O") {
            return Err(OptionError::OverlayWithOthers.into());
        }
        options.extend(self.volume_options);
        Ok(MountRequest {
            kind: self.kind,
            source,
            container_path,
            options,
        })
    }
}

fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, MountFlagError> {
    value.ok_or_else(|| MountFlagError::NoValue {
        name: name.to_owned(),
    })
}

/// `name`, `name=true`, `name=false`.
fn truth(name: &str, value: Option<&str>) -> Result<bool, MountFlagError> {
    match value {
        None | Some("") => Ok(true),
        Some(value) => {
            parse_bool(&value.to_ascii_lowercase()).ok_or_else(|| MountFlagError::Value {
                text: format!("{name}={value}"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        parse(text)
            .map(|flag| match flag {
                MountFlag::One(mount) => format!(
                    "{} {}:{} {}",
                    kind_name(mount.kind),
                    mount.source,
                    mount.container_path,
                    mount.options.join(",")
                ),
                MountFlag::Glob(glob) => {
                    let directory = glob.directory.unwrap_or_default();
                    let options = glob.options.join(",");
                    format!("glob {}:{directory} {options}", glob.pattern)
                }
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn mounts_are_read() {
        let cases = [
            ("type=bind,src=/a,dst=/b", "bind /a:/b "),
            ("type=bind,source=./a,target=/b,readonly", "bind ./a:/b ro"),
            ("type=bind,src=/a,dst=/b,ro=false", "bind /a:/b "),
            ("type=bind,src=/a,dst=/b,rw=false", "bind /a:/b ro"),
            ("type=bind,src=/a,dst=/b,rw", "bind /a:/b rw"),
            ("type=bind,target=/b", "bind /b:/b "),
            (
                "type=bind,src=/a,dst=/b,bind-propagation=rslave,Z",
                "bind /a:/b rslave,Z",
            ),
            (
                "type=bind,src=/a,dst=/b,relabel=shared,U=true",
                "bind /a:/b z,U",
            ),
            (
                "type=bind,src=/a,dst=/b,bind-nonrecursive=true",
                "bind /a:/b bind",
            ),
            ("type=bind,\"src=/a,b\",dst=/b", "bind /a,b:/b "),
            (
                "type=tmpfs,dst=/t,tmpfs-size=64m,tmpfs-mode=1770",
                "tmpfs :/t size=64m,mode=1770",
            ),
            ("type=ramfs,dst=/t", "ramfs :/t "),
            ("type=glob,src=/a/*,ro", "glob /a/*: ro"),
            ("source=/a/*,type=glob,dst=/b", "glob /a/*:/b "),
            ("type=devpts,dst=/dev/pts,uid=5", "devpts :/dev/pts uid=5"),
            (
                "type=image,src=i,dst=/b,subpath=/x,rw=true",
                "image i:/b rw,subpath=/x",
            ),
            (
                "type=image,src=i,dst=/b,image-subpath=x/y",
                "image i:/b subpath=x/y",
            ),
        ];
        for (text, want) in cases {
            assert_eq!(shown(text), Ok(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn wrong_mounts_say_why() {
        let cases = [
            ("type=bind,src=/a", "must set volume destination"),
            ("type=bogus,dst=/b", "invalid filesystem type \"bogus\""),
            (
                "type=bind,src,dst=/b",
                "src: must provide an argument for option",
            ),
            (
                "type=bind,src=,dst=/b",
                "host directory cannot be empty: must provide an argument for option",
            ),
            (
                "type=bind,src=/a,src=/c,dst=/b",
                "cannot pass \"src\" option more than once: must provide an argument for option",
            ),
            (
                "type=bind,src=/a,dst=b",
                "invalid container path \"b\", must be an absolute path",
            ),
            (
                "type=bind,src=/a,dst=/b,bogus=1",
                "bogus: invalid mount option",
            ),
            (
                "type=bind,src=/a,dst=/b,bind-propagation=x",
                "invalid value \"bind-propagation=x\"",
            ),
            (
                "type=bind,src=/a,dst=/b,tmpfs-size=1",
                "\"tmpfs-size\" option not supported for \"bind\" mount types",
            ),
            (
                "type=tmpfs,src=/a,dst=/b",
                "\"src\" option not supported for \"tmpfs\" mount types",
            ),
            (
                "type=bind,src=/a,dst=/b,relabel=x",
                "relabel mount option must be 'private' or 'shared': invalid mount option",
            ),
            (
                "type=image,src=i,dst=/b,subpath=/x/../y",
                "subpath must be a path within the image",
            ),
            (
                "type=volume,src=v,dst=/b,subpath=/x",
                "subpath must be a relative path within the volume",
            ),
            (
                "type=volume,src=v,dst=/b,image-subpath=x",
                "\"image-subpath\" option not supported for \"volume\" mount types",
            ),
            (
                "type=bind,src=/a,dst=/b,ro,rw",
                "cannot pass \"rw\" option more than once: must provide an argument for option",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(shown(text), Err(message.to_owned()), "{text}");
        }
    }
}
