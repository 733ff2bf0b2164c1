// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `rmi` and `image prune`: names taken away, and images removed with their last one.

use super::error::ImageError;
use super::filter::ImageFilters;
use super::users::ImageUsers;
use crate::engine::remove::{Dependents, OwnVolumes, RemoveOptions, Running};
use crate::engine::selection::{Missing, Selection};
use crate::engine::{Engine, Report};
use crate::oci::Digest;
use crate::state::events::{Action, Event};
use crate::storage::{Images, InPlace, ListedImage, Removed, StorageError, Workplace};

/// What is asked of a removal.
#[derive(Debug, Clone, Default)]
pub struct ImageRemoval {
    /// Which images.
    pub which: WhichImages,
    /// What becomes of images that containers use, or that have several names.
    pub force: Force,
    /// What becomes of names that mean no image.
    pub missing: Missing,
}

/// Which images are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichImages {
    /// Those named.
    Named(Vec<String>),
    /// All.
    All,
}

impl Default for WhichImages {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// What becomes of images that are in use, or have more than the one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Force {
    /// They stay.
    #[default]
    No,
    /// They go with their containers and all names.
    Yes,
}

/// Which images `image prune` removes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PruneScope {
    /// Those without a name.
    #[default]
    Dangling,
    /// All that no container uses.
    Unused,
}

/// What was done.
#[derive(Debug, Default)]
pub struct ImageRemovalReport {
    /// Names taken away.
    pub untagged: Vec<String>,
    /// Images removed.
    pub deleted: Vec<Digest>,
    /// What went wrong, image by image.
    pub errors: Vec<ImageError>,
}

/// An image that was pruned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedImage {
    /// Its id.
    pub id: Digest,
    /// The names it had.
    pub names: Vec<String>,
    /// Bytes of its layers' streams.
    pub size_bytes: u64,
}

impl Engine {
    /// Removes images, or names of images that have others left.
    ///
    /// # Errors
    ///
    /// A store that cannot be opened; what goes wrong with one image is in the report.
    pub fn remove_images(
        &self,
        removal: &ImageRemoval,
        report: &dyn Report,
    ) -> Result<ImageRemovalReport, ImageError> {
        let workplace = self.workplace()?;
        self.remove_images_in(&*workplace, removal, report)
    }

    /// As [`Engine::remove_images`], for a process that already is where layers are removed.
    pub(in crate::engine) fn remove_images_inside(
        &self,
        removal: &ImageRemoval,
        report: &dyn Report,
    ) -> Result<ImageRemovalReport, ImageError> {
        let outside = self.workplace()?;
        let inside = InPlace {
            ownership: outside.ownership(),
            id_map: outside.id_map(),
        };
        self.remove_images_in(&inside, removal, report)
    }

    fn remove_images_in(
        &self,
        workplace: &dyn Workplace,
        removal: &ImageRemoval,
        report: &dyn Report,
    ) -> Result<ImageRemovalReport, ImageError> {
        let images = self.images()?;
        let mut run = Run {
            engine: self,
            images,
            workplace,
            force: removal.force,
            report,
            done: ImageRemovalReport::default(),
        };
        let words = match &removal.which {
            WhichImages::Named(words) => words.clone(),
            WhichImages::All => Vec::new(),
        };
        for word in &words {
            match run.remove_named(word) {
                Err(error) if error.is_missing() && removal.missing == Missing::Ignore => {}
                Err(error) => run.done.errors.push(error),
                Ok(()) => {}
            }
        }
        if removal.which == WhichImages::All {
            run.remove_all()?;
        }
        Ok(run.done)
    }

    /// Removes the images that `scope` and `filters` mean and that no container uses.
    ///
    /// # Errors
    ///
    /// Filters that cannot be understood, and what reading or removing says.
    pub fn prune_images(
        &self,
        scope: PruneScope,
        filters: &[String],
        report: &dyn Report,
    ) -> Result<Vec<PrunedImage>, ImageError> {
        let workplace = self.workplace()?;
        let images = self.images()?;
        let filters = ImageFilters::parse(&images, filters)?;
        let users = ImageUsers::read(&self.store()?)?;
        let mut pruned = Vec::new();
        for listed in images.list()? {
            let in_scope = match scope {
                PruneScope::Dangling => listed.names.is_empty(),
                PruneScope::Unused => true,
            };
            let used = users.are_there(&listed.image.id);
            if !in_scope || used || !filters.let_through(&listed, &users) {
                continue;
            }
            match images.remove(&listed.image.id, &listed.names, &*workplace) {
                Ok(removed) => {
                    self.emit_removed(&listed.image.id, &listed.names, listed.image.id.hex());
                    warn(removed, report);
                }
                // Somebody else was faster.
                Err(StorageError::NoSuchImage { .. } | StorageError::NamedMeanwhile { .. }) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            pruned.push(PrunedImage {
                id: listed.image.id,
                names: listed.names,
                size_bytes: listed.image.size_bytes,
            });
        }
        warn(images.collect(&*workplace)?, report);
        Ok(pruned)
    }
}

impl Engine {
    fn emit_removed(&self, id: &Digest, names: &[String], typed: &str) {
        let hex = id.hex();
        // The newest first, as podman.
        let untagged = names
            .iter()
            .rev()
            .map(|name| (name.as_str(), Action::Untag));
        let events = untagged.chain([(typed, Action::Remove)]);
        let events = events.map(|(name, action)| Event::of_image(hex, name, action));
        self.emit(&events.collect::<Vec<_>>());
    }
}

/// The images are gone; files that are not cost room, nothing else.
fn warn(removed: Removed, report: &dyn Report) {
    for error in removed.left_behind {
        report.warning(&error.to_string());
    }
}

struct Run<'a> {
    engine: &'a Engine,
    images: Images,
    workplace: &'a dyn Workplace,
    force: Force,
    report: &'a dyn Report,
    done: ImageRemovalReport,
}

impl Run<'_> {
    fn remove_all(&mut self) -> Result<(), ImageError> {
        for ListedImage { image, names, .. } in self.images.list()? {
            let typed = image.id.hex().to_owned();
            if let Err(error) = self.delete(&image.id, names, &typed) {
                self.done.errors.push(error);
            }
        }
        Ok(())
    }

    /// An image that gets another name meanwhile is looked at once more.
    fn remove_named(&mut self, word: &str) -> Result<(), ImageError> {
        match self.remove_as_it_is(word) {
            Err(ImageError::Storage(StorageError::NamedMeanwhile { .. })) => {
                self.remove_as_it_is(word)
            }
            done => done,
        }
    }

    fn remove_as_it_is(&mut self, word: &str) -> Result<(), ImageError> {
        let (id, name) = self.images.find(word)?;
        let names = self.images.names_of(&id)?;
        // A name with a digest means the image, not one of its names.
        let name = name.filter(|name| names.contains(name));
        match name {
            Some(name) if names.len() > 1 => {
                self.images.untag(&id, &name)?;
                let event = Event::of_image(id.hex(), &name, Action::Untag);
                self.engine.emit(&[event]);
                self.done.untagged.push(name);
                Ok(())
            }
            None if names.len() > 1 && self.force == Force::No => {
                let id = id.hex().to_owned();
                Err(ImageError::SeveralNames { id, names })
            }
            Some(name) => self.delete(&id, names, &name),
            None => self.delete(&id, names, word),
        }
    }

    fn delete(&mut self, id: &Digest, names: Vec<String>, typed: &str) -> Result<(), ImageError> {
        let users = ImageUsers::read(&self.engine.store()?)?;
        let containers = users.of(id);
        if let Some(container) = containers.first() {
            if self.force == Force::No {
                let container = container.clone();
                return Err(ImageError::InUse { container });
            }
            self.remove_containers(containers)?;
        }
        let removed = self.images.remove(id, &names, self.workplace)?;
        self.engine.emit_removed(id, &names, typed);
        self.done.untagged.extend(names);
        self.done.deleted.push(id.clone());
        warn(removed, self.report);
        Ok(())
    }

    fn remove_containers(
        &self,
        containers: &[crate::state::id::ContainerId],
    ) -> Result<(), ImageError> {
        let selection = Selection {
            words: containers.iter().map(ToString::to_string).collect(),
            missing: Missing::Ignore,
            ..Selection::default()
        };
        let options = RemoveOptions {
            volumes: OwnVolumes::Keep,
            running: Running::Kill,
            dependents: Dependents::Remove,
        };
        let removed = self.engine.remove(&selection, options, self.report)?;
        for item in removed {
            item.result?;
        }
        Ok(())
    }
}
