// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `image import-from`: images of another tool's store, by that tool's own commands. Its files are
//! never touched: how they are laid out is its own business.

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::error::ImageError;
use super::load::{LoadRequest, LoadSource, LoadedImage};
use crate::engine::{Engine, Silent};
use crate::sys::child::spawn;
use crate::sys::{Called, SysError};

/// A tool with a store of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherTool {
    /// The user's Podman store.
    Podman,
    /// Whatever the docker client reaches.
    Docker,
}

/// An image of another tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignImage {
    /// Its id as the tool writes it.
    pub id: String,
    /// `NAME:TAG`; `None` for one without a name.
    pub name: Option<String>,
    /// Its size in the tool's words.
    pub size: String,
}

/// Why another tool did not give its images.
#[derive(Debug, thiserror::Error)]
pub enum ImportFromError {
    /// The program is not there, or is ours under another name.
    #[error("{program} is not installed: there is no store of it to take images from")]
    Missing {
        /// `podman` or `docker`.
        program: &'static str,
    },
    /// It could not be started.
    #[error("start {program}")]
    Start {
        /// `podman` or `docker`.
        program: &'static str,
        /// What the kernel said.
        source: SysError,
    },
    /// It said no.
    #[error("`{command}` did not work: {words}")]
    Refused {
        /// The command line.
        command: String,
        /// How it ended.
        words: String,
    },
    /// What it gave could not be kept.
    #[error("take over {name}")]
    Load {
        /// The image.
        name: String,
        /// Why not.
        source: Box<ImageError>,
    },
}

impl OtherTool {
    fn program(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }

    /// The program in `PATH`, unless it is this one: people link us to these names.
    fn find(self) -> Result<PathBuf, ImportFromError> {
        let own = fs::metadata("/proc/self/exe").ok();
        let is_own = |path: &Path| {
            let (Ok(found), Some(own)) = (fs::metadata(path), &own) else {
                return false;
            };
            (found.dev(), found.ino()) == (own.dev(), own.ino())
        };
        let is_program = |path: &Path| {
            let found = fs::metadata(path);
            found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let program = self.program();
        let path = env::var_os("PATH").unwrap_or_default();
        let mut places = env::split_paths(&path).map(|directory| directory.join(program));
        places
            .find(|path| is_program(path) && !is_own(path))
            .ok_or(ImportFromError::Missing { program })
    }
}

impl Engine {
    /// The images that another tool has.
    ///
    /// # Errors
    ///
    /// [`ImportFromError`].
    pub fn images_of(&self, tool: OtherTool) -> Result<Vec<ForeignImage>, ImportFromError> {
        let format = "{{.ID}}\t{{.Repository}}:{{.Tag}}\t{{.Size}}";
        let output = Asked::start(tool, &["images", "--format", format])?.text()?;
        Ok(output.lines().filter_map(foreign_image).collect())
    }

    /// Takes an image over from another tool, with its names.
    ///
    /// # Errors
    ///
    /// [`ImportFromError`]; nothing is kept then.
    pub fn import_from(
        &self,
        tool: OtherTool,
        image: &str,
    ) -> Result<Vec<LoadedImage>, ImportFromError> {
        let mut asked = Asked::start(tool, &["save", image])?;
        let request = LoadRequest::all(LoadSource::Open(asked.stdout()));
        let loaded = self.load_images(request, &Silent);
        // Why the tool said no tells more than that its archive ended early.
        asked.end()?;
        loaded.map_err(|source| ImportFromError::Load {
            name: image.to_owned(),
            source: Box::new(source),
        })
    }
}

/// `ID`, `NAME:TAG` and the size, apart by tabs.
fn foreign_image(line: &str) -> Option<ForeignImage> {
    let mut fields = line.split('\t');
    let (id, name, size) = (fields.next()?, fields.next()?, fields.next()?);
    Some(ForeignImage {
        id: id.to_owned(),
        name: (!name.contains("<none>")).then(|| name.to_owned()),
        size: size.to_owned(),
    })
}

/// A command of another tool that runs. Its own words go to standard error.
struct Asked {
    child: Child,
    program: &'static str,
    command: String,
}

impl Asked {
    fn start(tool: OtherTool, arguments: &[&str]) -> Result<Self, ImportFromError> {
        let program = tool.program();
        let mut command = Command::new(tool.find()?);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let child = spawn(&mut command, &[]);
        let child = child.map_err(|source| ImportFromError::Start { program, source })?;
        Ok(Self {
            child,
            program,
            command: format!("{program} {}", arguments[0]),
        })
    }

    fn stdout(&mut self) -> File {
        let stdout = self.child.stdout.take();
        OwnedFd::from(stdout.expect("it was made a pipe and is taken once")).into()
    }

    fn text(mut self) -> Result<String, ImportFromError> {
        let (mut text, program) = (String::new(), self.program);
        let read = self.stdout().read_to_string(&mut text);
        self.end()?;
        let read = read.called(|| "read([pipe])");
        read.map_err(|source| ImportFromError::Start { program, source })?;
        Ok(text)
    }

    fn end(mut self) -> Result<(), ImportFromError> {
        let status = self.child.wait().map_err(|error| error.to_string());
        let words = match status {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => status.to_string(),
            Err(words) => words,
        };
        let command = self.command;
        Err(ImportFromError::Refused { command, words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_tools_read() {
        let named = foreign_image("0e3bbc2\tquay.io/ana/web:1\t2.1 MB").unwrap();
        assert_eq!(named.name.as_deref(), Some("quay.io/ana/web:1"));
        assert_eq!(named.size, "2.1 MB");
        assert_eq!(foreign_image("0e3\t<none>:<none>\t1MB").unwrap().name, None);
        assert_eq!(foreign_image("words of a tool"), None);
    }
}
