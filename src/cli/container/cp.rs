// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cp`.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::cli::{CommandResult, Context, Failure, Subcommand};
use crate::engine::Dialect;
use crate::engine::files::{Conflict, CopyEnd, CopyOwner, CopyRequest, Links};

/// Flags of `cp`.
#[derive(Debug, clap::Args)]
pub(crate) struct Cp {
    /// Chown copied files to the primary uid/gid of the destination container; docker's: keep
    /// those of the source
    #[arg(long, short, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cli::args::boolean)]
    archive: Option<bool>,
    /// Accepted: archives are always extracted
    #[arg(long, hide = true)]
    extract: bool,
    /// Follow a symbolic link in the source path, as podman always does
    #[arg(long, short = 'L')]
    follow_link: bool,
    /// Allow to overwrite directories with non-directories and vice versa
    #[arg(long)]
    overwrite: bool,
    /// Accepted: nothing is paused
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cli::args::boolean)]
    pause: Option<bool>,
    /// Suppress progress output
    #[arg(long, short)]
    quiet: bool,
    /// From where and to where: paths of the host, CONTAINER:PATH, or - for a tar archive
    #[arg(value_name = "PATH")]
    words: Vec<String>,
}

impl Subcommand for Cp {
    const PATHS: &'static [&'static str] = &["cp", "container cp"];
    const ABOUT: &'static str = "Copy files/folders between a container and the local filesystem";
    const USAGE: Option<&'static str> = Some("[CONTAINER:]SRC_PATH [CONTAINER:]DEST_PATH");
    const EXAMPLES: &'static [&'static str] = &[
        "cp ctrID:/myapp/app.conf /myapp/app.conf",
        "cp /home/me/app.conf ctrID:/myapp/",
        "cp ctrID:/myapp/ - > myapp.tar",
    ];

    fn run(self, context: &Context) -> CommandResult {
        let [source, destination] = self.words.as_slice() else {
            return Err(Failure::usage(format_args!(
                "accepts 2 arg(s), received {}",
                self.words.len()
            )));
        };
        let ((from, from_path), (to, to_path)) = (split(source), split(destination));
        if from_path.is_empty() || to_path.is_empty() {
            return Err(Failure::tool(format_args!(
                "invalid arguments {source:?}, {destination:?}: you must specify paths"
            )));
        }
        if from.is_none() && to.is_none() {
            return Err(Failure::tool("must specify at least one container source"));
        }
        let dialect = context.engine.dialect;
        let request = CopyRequest {
            source: end(from, from_path, || {
                Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
            })?,
            destination: end(to, to_path, stdout)?,
            owner: match (dialect, self.archive) {
                (Dialect::Podman, None | Some(true)) => CopyOwner::ContainerUser,
                (Dialect::Docker, None | Some(false)) => CopyOwner::Root,
                (Dialect::Podman, Some(false)) | (Dialect::Docker, Some(true)) => CopyOwner::Source,
            },
            conflict: if self.overwrite {
                Conflict::Overwrite
            } else {
                Conflict::Refuse
            },
            links: match (dialect, self.follow_link) {
                (Dialect::Docker, false) => Links::Keep,
                (Dialect::Docker, true) | (Dialect::Podman, _) => Links::Follow,
            },
        };
        let streams = to.is_none() && to_path == "-";
        match context.engine.copy(request).map_err(Failure::from) {
            Ok(()) => Ok(0),
            Err(failure) if streams => Err(failure.of_stream()),
            Err(failure) => Err(failure),
        }
    }
}

/// `[CONTAINER:]PATH`; what starts with a dot or a slash is a path, colons and all.
fn split(word: &str) -> (Option<&str>, &str) {
    if word.starts_with(['.', '/']) {
        return (None, word);
    }
    match word.split_once(':') {
        Some((container, path)) => (Some(container.trim_start_matches('/')), path),
        None => (None, word),
    }
}

fn end(
    container: Option<&str>,
    path: &str,
    stream: impl FnOnce() -> Result<File, Failure>,
) -> Result<CopyEnd, Failure> {
    Ok(match (container, path) {
        (Some(name), path) => CopyEnd::Container {
            name: name.to_owned(),
            path: path.to_owned(),
        },
        (None, "-") => CopyEnd::Stream(stream()?),
        (None, path) => CopyEnd::Host(PathBuf::from(path)),
    })
}

fn stdout() -> Result<File, Failure> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(Failure::tool(
            "refusing to write an archive to the terminal: redirect the output",
        ));
    }
    Ok(stdout.as_fd().try_clone_to_owned()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_ends_the_containers_name() {
        for (word, expected) in [
            ("web:/etc", (Some("web"), "/etc")),
            ("web:", (Some("web"), "")),
            ("web:a:b", (Some("web"), "a:b")),
            ("./a:b", (None, "./a:b")),
            ("/a:b", (None, "/a:b")),
            ("file", (None, "file")),
            ("-", (None, "-")),
        ] {
            assert_eq!(split(word), expected, "{word}");
        }
    }
}
