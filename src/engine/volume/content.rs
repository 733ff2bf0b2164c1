// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is in a volume: written as a tar stream, taken from one, and its place on the host.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use super::VolumeFailure;
use super::kind::Kind;
use crate::engine::Engine;
use crate::engine::unshare::is_initial_root;
use crate::state::volumes::VolumeRecord;
use crate::storage::transfer::{
    Conflict, Links, Owners, Placement, Top, TransferError, receive, send,
};
use crate::storage::{Ownership, Workplace};

impl Engine {
    /// Writes what is in the volume that `text` names to `output`.
    ///
    /// # Errors
    ///
    /// A volume that is not there or has no files on a disk; what reading and writing says.
    pub fn export_volume(&self, text: &str, output: impl Write) -> Result<(), VolumeFailure> {
        let volumes = self.volumes();
        let name = volumes.resolve(text)?;
        let place = self.content_of(&volumes.load(&name)?)?;
        let mut output = Some(output);
        self.work_in(&place, "export", &name, &mut |root, ownership| {
            let owners = match ownership {
                Ownership::Mapped => Owners::AsSeen,
                Ownership::Metadata => Owners::CallerIsRoot,
            };
            let output = output.take().expect("work is done once");
            send(root.as_fd(), b"", &Top::Contents, owners, output)
        })
    }

    /// Puts the members of the archive `input` into the volume that `text` names, over what is
    /// there. The next container finds a volume that has its content.
    ///
    /// # Errors
    ///
    /// A volume that is not there or has no files on a disk; what is no archive.
    pub fn import_volume(&self, text: &str, input: impl Read) -> Result<(), VolumeFailure> {
        let volumes = self.volumes();
        let name = volumes.resolve(text)?;
        let _lock = volumes.lock(&name)?;
        let record = volumes.load(&name)?;
        let place = self.content_of(&record)?;
        let mut input = Some(input);
        self.work_in(&place, "import", &name, &mut |root, ownership| {
            let placement = Placement {
                owner: None,
                is_host: ownership == Ownership::Metadata,
                conflict: Conflict::Overwrite,
                links: Links::Keep,
            };
            let input = input.take().expect("work is done once");
            receive(root.as_fd(), b"", input, placement)
        })?;
        if record.needs_copy_up {
            volumes.save(&VolumeRecord {
                needs_copy_up: false,
                ..record
            })?;
        }
        Ok(())
    }

    /// Where the files of the volume that `text` names are, for whoever is inside `unshare`:
    /// elsewhere most of them cannot be written.
    ///
    /// # Errors
    ///
    /// [`VolumeFailure::NotUnshared`], and a volume that is not there or is in memory.
    pub fn mount_volume(&self, text: &str) -> Result<PathBuf, VolumeFailure> {
        if nix::unistd::geteuid().is_root() == is_initial_root() {
            return Err(VolumeFailure::NotUnshared);
        }
        let volumes = self.volumes();
        self.content_of(&volumes.load(&volumes.resolve(text)?)?)
    }

    fn content_of(&self, record: &VolumeRecord) -> Result<PathBuf, VolumeFailure> {
        match Kind::of(&record.options)? {
            Kind::Own => Ok(self.volumes().data(&record.name)),
            Kind::Bind { host_path, .. } => Ok(host_path),
            Kind::Tmpfs { .. } => Err(VolumeFailure::Files {
                name: record.name.clone(),
                reason: "it is in memory and has files only in a running container".to_owned(),
            }),
        }
    }

    /// Works where the files have their owners.
    fn work_in(
        &self,
        place: &PathBuf,
        action: &'static str,
        name: &str,
        work: &mut dyn FnMut(File, Ownership) -> Result<(), TransferError>,
    ) -> Result<(), VolumeFailure> {
        let failed = |words: String| VolumeFailure::Content {
            action,
            name: name.to_owned(),
            words,
        };
        let workplace: Box<dyn Workplace> = self.workplace()?;
        let ownership = workplace.ownership();
        let mut task = || {
            let done = match File::open(place) {
                Ok(root) => work(root, ownership).map_err(|error| error.to_string()),
                Err(error) => Err(format!("open {}: {error}", place.display())),
            };
            done.err().unwrap_or_default().into_bytes()
        };
        let words = workplace.run(&mut task).map_err(failed)?;
        if words.is_empty() {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&words).into_owned()))
    }
}
