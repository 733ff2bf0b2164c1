// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Renaming: always inside the upper layer, after everything was copied up.

use std::os::fd::OwnedFd;

use fuser::RenameFlags;
use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::backing::Name;
use super::content::Content;
use super::merge::{Depth, Entry};
use super::nodes::Link;
use super::number::NodeId;
use super::overlay::{Overlay, UpperDirectory};
use crate::layer_format::WhiteoutForm;
use crate::sys::fs::{self, Renaming};

/// What rename(2) does about a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Replace,
    Refuse,
    Exchange,
}

impl Taken {
    /// What flags of a request say, but for that of whiteouts.
    pub(super) fn of_request(flags: RenameFlags) -> nix::Result<Self> {
        match flags.difference(RenameFlags::RENAME_WHITEOUT) {
            RenameFlags::RENAME_NOREPLACE => Ok(Self::Refuse),
            RenameFlags::RENAME_EXCHANGE => Ok(Self::Exchange),
            none if none.is_empty() => Ok(Self::Replace),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// One of the two names.
struct Party {
    parent: NodeId,
    name: Name,
    /// What is visible under it.
    thing: Option<Thing>,
    upper: Entry,
    /// A lower layer would show something if the upper had nothing.
    below: bool,
    directory: UpperDirectory,
}

#[derive(Clone, Copy)]
struct Thing {
    id: NodeId,
    is_directory: bool,
    links: u64,
}

impl Overlay {
    /// Gives a file or directory another name.
    pub(super) fn rename(
        &mut self,
        from: (NodeId, &Name),
        to: (NodeId, &Name),
        taken: Taken,
    ) -> nix::Result<()> {
        self.check_new_name(to.1)?;
        let source = self.party(from)?;
        let moved = source.thing.ok_or(Errno::ENOENT)?;
        let target = self.party(to)?;
        match (taken, target.thing) {
            // Two names of one file: rename(2) does nothing.
            (Taken::Replace | Taken::Exchange, Some(other)) if other.id == moved.id => {
                return Ok(());
            }
            (Taken::Exchange, Some(other)) => self.exchange(&source, moved, &target, other)?,
            (Taken::Exchange, None) => return Err(Errno::ENOENT),
            (Taken::Refuse, Some(_)) => return Err(Errno::EEXIST),
            (Taken::Replace, Some(other)) => {
                self.may_replace(moved, other)?;
                self.replace(&source, moved, &target)?;
            }
            (Taken::Replace | Taken::Refuse, None) => self.replace(&source, moved, &target)?,
        }
        self.changed(source.parent);
        self.changed(target.parent);
        self.table.release(moved.id);
        Ok(())
    }

    fn party(&mut self, (parent, name): (NodeId, &Name)) -> nix::Result<Party> {
        let probe = self.probe(parent, name, Depth::Hidden)?;
        let thing = match probe.top {
            Some(top) => {
                let (is_directory, links) = (top.is_directory(), top.status.st_nlink);
                let (id, _) = self.admit(parent, name, top)?;
                Some(Thing {
                    id,
                    is_directory,
                    links,
                })
            }
            None => None,
        };
        Ok(Party {
            parent,
            name: name.clone(),
            thing,
            upper: probe.upper,
            below: probe.below,
            directory: self.upper_directory(parent)?,
        })
    }

    fn may_replace(&mut self, moved: Thing, other: Thing) -> nix::Result<()> {
        match (moved.is_directory, other.is_directory) {
            (false, true) => Err(Errno::EISDIR),
            (true, false) => Err(Errno::ENOTDIR),
            (false, false) => Ok(()),
            (true, true) => {
                if self.names(other.id)?.is_empty() {
                    Ok(())
                } else {
                    Err(Errno::ENOTEMPTY)
                }
            }
        }
    }

    /// Brings what is to be moved into the upper layer, with all that it needs.
    fn bring_up(&mut self, party: &Party, thing: Thing, is_over_lower: bool) -> nix::Result<()> {
        if !thing.is_directory {
            self.copy_up(thing.id, Content::All)?;
            return self.materialise(thing.id, party.parent, &party.name);
        }
        self.copy_up_tree(thing.id)?;
        if is_over_lower {
            self.make_opaque(thing.id)?;
        }
        Ok(())
    }

    fn exchange(
        &mut self,
        source: &Party,
        moved: Thing,
        target: &Party,
        other: Thing,
    ) -> nix::Result<()> {
        self.bring_up(source, moved, target.below)?;
        self.bring_up(target, other, source.below)?;
        swap(source, target)?;
        self.moved(moved, source, target)?;
        self.moved(other, target, source)?;
        self.table.release(other.id);
        Ok(())
    }

    fn replace(&mut self, source: &Party, moved: Thing, target: &Party) -> nix::Result<()> {
        self.bring_up(source, moved, target.below)?;
        if let Some(other) = target.thing {
            if other.is_directory {
                let layer = self
                    .table
                    .directory(other.id)?
                    .parts
                    .first()
                    .map(|part| part.layer);
                self.table.directory_fd(other.id, layer.unwrap_or(0))?;
            } else {
                self.before_unlink(other.id, target.parent, &target.name)?;
            }
        }
        self.rename_on_disk(source, moved, target)?;
        if let Some(other) = target.thing {
            if other.is_directory {
                self.after_rmdir(other.id)?;
            } else {
                self.after_unlink(other.id, target.parent, &target.name, other.links)?;
            }
        }
        self.moved(moved, source, target)
    }

    fn rename_on_disk(&mut self, source: &Party, moved: Thing, target: &Party) -> nix::Result<()> {
        let form = self.work()?.form;
        match target.upper {
            // rename(2) puts a directory neither over a whiteout nor over one that holds
            // whiteouts: the two change places, and what was there is dealt with after.
            Entry::Present(_) if moved.is_directory => {
                swap(source, target)?;
                let work = self.work()?;
                if source.below {
                    work.replace_directory(&source.directory, &source.name)
                } else {
                    work.remove_directory(&source.directory, &source.name)
                }
            }
            Entry::Whiteout(WhiteoutForm::Device) if moved.is_directory => {
                swap(source, target)?;
                if source.below {
                    return Ok(());
                }
                let flag = UnlinkatFlags::NoRemoveDir;
                unlinkat(&source.directory, source.name.as_ref(), flag)
            }
            Entry::Whiteout(WhiteoutForm::DotWh) => {
                self.rename_and_hide(source, target, form)?;
                let hidden = format_dot_wh(&target.name);
                unlinkat(
                    &target.directory,
                    hidden.as_c_str(),
                    UnlinkatFlags::NoRemoveDir,
                )
            }
            Entry::Present(_) | Entry::Absent | Entry::Whiteout(WhiteoutForm::Device) => {
                self.rename_and_hide(source, target, form)
            }
        }
    }

    /// Renames and leaves a whiteout where a lower layer would show through.
    fn rename_and_hide(
        &mut self,
        source: &Party,
        target: &Party,
        form: WhiteoutForm,
    ) -> nix::Result<()> {
        if source.below && form == WhiteoutForm::Device {
            match rename_with(source, target, Renaming::LeaveWhiteout) {
                Err(Errno::EINVAL | Errno::EPERM) => {}
                answer => return answer,
            }
        }
        rename_with(source, target, Renaming::Replace)?;
        if source.below {
            self.work()?.add_whiteout(&source.directory, &source.name)?;
        }
        Ok(())
    }

    /// Tells a node of its new name.
    fn moved(&mut self, thing: Thing, from: &Party, to: &Party) -> nix::Result<()> {
        if thing.is_directory {
            return self.table.move_directory(thing.id, to.parent, &to.name);
        }
        let link = Link {
            parent: to.parent,
            name: to.name.clone(),
            real: true,
        };
        self.table.add_link(thing.id, link)?;
        self.table.drop_link(thing.id, from.parent, &from.name)
    }
}

fn rename_with(source: &Party, target: &Party, renaming: Renaming) -> nix::Result<()> {
    let (from, to): (&OwnedFd, &OwnedFd) = (&source.directory, &target.directory);
    fs::rename(
        from,
        source.name.as_ref(),
        to,
        target.name.as_ref(),
        renaming,
    )
}

fn swap(source: &Party, target: &Party) -> nix::Result<()> {
    rename_with(source, target, Renaming::Exchange)
}

fn format_dot_wh(name: &Name) -> std::ffi::CString {
    let mut hidden = crate::layer_format::DOT_WH_PREFIX.to_vec();
    hidden.extend_from_slice(name.to_bytes());
    std::ffi::CString::new(hidden).expect("a C string holds no NUL")
}
