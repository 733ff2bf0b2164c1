// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pull`: which names are meant, whether they are needed, where they are tried.
//!
//! The transfer itself runs in a child: its threads and its TLS must not be in a process that
//! forks containers, and in the user's namespace it can give files their owners as they come.

use nix::sys::prctl;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::error::ImageError;
use super::fetch::{Fetch, all_tags};
use super::progress::{Step, TransferReport};
use super::pulled::{Novelty, PullCause, PullFailure, PulledImage};
use super::sources::{Candidate, Places};
use crate::engine::access::AccessRequest;
use crate::engine::{Dialect, Engine, Report, Silent};
use crate::oci::{DEFAULT_TAG, Digest, Platform, Reference};
use crate::registry::{Absence, Patience};
use crate::runtime::apart::run_apart;
use crate::runtime::failure::chain;
use crate::state::events::{Action, Event, Kind};
use crate::storage::{Image, Images, InPlace, StorageError};
use crate::sys::Ignored;

/// When an image is asked for although one of its name is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Each time.
    Always,
    /// Only if there is none.
    #[default]
    Missing,
    /// Not even then.
    Never,
    /// If the registry has another; a registry that does not answer is no failure then.
    Newer,
}

/// Which tags of a repository are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhichTags {
    /// The one in the name.
    #[default]
    Named,
    /// All that the registry has (`--all-tags`).
    All,
}

/// What `pull` is asked for.
#[derive(Debug, Clone, Default)]
pub struct PullRequest {
    /// The name as typed, without a transport.
    pub name: String,
    /// One tag, or all.
    pub tags: WhichTags,
    /// For which platform; `None` is this machine's.
    pub platform: Option<Platform>,
    /// Whether an image that is there will do.
    pub policy: PullPolicy,
    /// How registries are reached.
    pub access: AccessRequest,
    /// How long a registry is waited for.
    pub patience: Patience,
}

impl Engine {
    /// Brings an image here; several with [`WhichTags::All`].
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// See [`ImageError`]. With several tags, those before the failing one stay.
    pub fn pull(
        &self,
        request: &PullRequest,
        report: &dyn TransferReport,
    ) -> Result<Vec<PulledImage>, ImageError> {
        let pulled = self.pull_for_container(request, report)?;
        let images = Images::open(&self.dirs);
        let wanted = request.platform.clone().unwrap_or_else(Platform::host);
        for one in &pulled {
            if let Ok(image) = images.resolve(one.id.hex()) {
                caution_of_platform(&image, &wanted, report);
            }
        }
        Ok(pulled)
    }

    /// The same without a word about the platform, which whoever makes the container has.
    fn pull_for_container(
        &self,
        request: &PullRequest,
        report: &dyn TransferReport,
    ) -> Result<Vec<PulledImage>, ImageError> {
        let pulled = self.pull_quietly(request, report);
        match &pulled {
            Ok(pulled) => {
                let events = pulled.iter();
                let event = |one: &PulledImage| pulled_event(&one.id, request);
                self.emit(&events.map(event).collect::<Vec<_>>());
            }
            Err(error) => self.emit(&[Event {
                name: request.name.clone(),
                error: chain(error),
                ..Event::new(Kind::Image, Action::PullError)
            }]),
        }
        pulled
    }

    fn pull_quietly(
        &self,
        request: &PullRequest,
        report: &dyn TransferReport,
    ) -> Result<Vec<PulledImage>, ImageError> {
        let name = pull_name(&request.name)?;
        if request.tags == WhichTags::All && (name.tag().is_some() || name.digest().is_some()) {
            return Err(ImageError::TagWithAllTags);
        }
        let images = self.images()?;
        let here = image_here(&images, request)?;
        match (request.policy, here) {
            (PullPolicy::Missing | PullPolicy::Never, Some(here)) => return Ok(vec![here]),
            (PullPolicy::Never, None) => {
                let name = request.name.clone();
                return Err(StorageError::NoSuchImage { name }.into());
            }
            (PullPolicy::Newer, Some(here)) => {
                let known = images.resolve(here.id.hex())?.manifests;
                if !self.is_newer_there(&name, request, &known)? {
                    return Ok(vec![here]);
                }
                let pulled = self.pull_from(&name, request, &images, report);
                return Ok(pulled.unwrap_or_else(|_| vec![here]));
            }
            _ => {}
        }
        self.pull_from(&name, request, &images, report)
    }

    /// Brings the image of a container here, if it is to be had and needed; what was pulled is
    /// returned. An image that is not here and must not be pulled is left to whoever needs it.
    ///
    /// The caller must be single-threaded.
    ///
    /// # Errors
    ///
    /// As [`Engine::pull`].
    pub fn ensure_image(
        &self,
        request: &PullRequest,
        report: &dyn TransferReport,
    ) -> Result<Option<PulledImage>, ImageError> {
        match request.policy {
            PullPolicy::Never => return Ok(None),
            PullPolicy::Missing => {
                let images = Images::open(&self.dirs);
                let found = images.find(&request.name);
                if let (Ok((_, Some(_))), Some(_)) = (&found, &request.platform)
                    && image_here(&images, request)?.is_none()
                {
                    return Ok(self.pull_for_container(request, report)?.pop());
                }
                if let (Ok((id, _)), Dialect::Podman) = (&found, self.dialect) {
                    // As podman, which has looked for it.
                    self.emit(&[pulled_event(id, request)]);
                }
                if !matches!(found, Err(StorageError::NoSuchImage { .. })) {
                    return Ok(None);
                }
            }
            PullPolicy::Always | PullPolicy::Newer => {}
        }
        Ok(self.pull_for_container(request, report)?.pop())
    }

    /// Whether the first registry that answers has another image than the `known` manifests.
    fn is_newer_there(
        &self,
        name: &Reference,
        request: &PullRequest,
        known: &[Digest],
    ) -> Result<bool, ImageError> {
        let access = self.access(request.access.clone())?;
        let places = Places::of(name, &access, request.patience, &Silent)?;
        self.in_child(|_| {
            let places = places.candidates.iter().flat_map(|one| &one.places);
            let answers = places.filter_map(|place| {
                let reference = &place.reference;
                let digest = reference.digest().map(ToString::to_string);
                let tag = digest.as_deref().or(reference.tag()).unwrap_or(DEFAULT_TAG);
                place.registry.manifest_digest(reference.path(), tag).ok()
            });
            let first = answers.into_iter().next();
            Ok(first.is_some_and(|digest| digest.is_none_or(|digest| !known.contains(&digest))))
        })
    }

    fn pull_from(
        &self,
        name: &Reference,
        request: &PullRequest,
        images: &Images,
        report: &dyn TransferReport,
    ) -> Result<Vec<PulledImage>, ImageError> {
        let access = self.access(request.access.clone())?;
        let places = Places::of(name, &access, request.patience, report)?;
        let platform = request.platform.clone().unwrap_or_else(Platform::host);
        if let Some(words) = &places.description {
            report.step(Step::Resolved(words));
        }
        self.in_child(|workplace| {
            let fetch = Fetch {
                images,
                workplace,
                platform: &platform,
                is_insecure: request.access.is_insecure(),
                report,
            };
            let attempt = || first_that_answers(&places, &fetch, request.tags);
            insist(request.patience, report, attempt)
        })
    }

    /// Runs a transfer where layers can be written and threads do no harm.
    pub(super) fn in_child<T: Serialize + for<'de> Deserialize<'de>>(
        &self,
        transfer: impl Fn(&InPlace) -> Result<T, PullFailure>,
    ) -> Result<T, ImageError> {
        let outside = self.workplace()?;
        let inside = InPlace {
            ownership: outside.ownership(),
            id_map: outside.id_map(),
        };
        let work = || {
            // Whoever asked may be killed; nobody would want the rest then.
            prctl::set_pdeathsig(Signal::SIGKILL).ignored();
            serde_json::to_vec(&transfer(&inside)).expect("an answer has string keys")
        };
        let answer = if outside.is_child() {
            outside.run(&mut { work })
        } else {
            run_apart(work).map_err(|error| chain(&error))
        };
        let answer = answer.map_err(|words| ImageError::Transfer(PullFailure::other(words)))?;
        let result: Result<T, PullFailure> = serde_json::from_slice(&answer)
            .map_err(|error| ImageError::Transfer(PullFailure::other(error.to_string())))?;
        result.map_err(ImageError::Transfer)
    }
}

fn pulled_event(id: &Digest, request: &PullRequest) -> Event {
    Event::of_image(id.hex(), &request.name, Action::Pull)
}

fn pull_name(text: &str) -> Result<Reference, ImageError> {
    Reference::parse(text).map_err(|source| ImageError::Name {
        name: text.to_owned(),
        source,
    })
}

/// The image that the name leads to now, without asking anybody.
fn image_here(images: &Images, request: &PullRequest) -> Result<Option<PulledImage>, ImageError> {
    if request.policy == PullPolicy::Always || request.tags == WhichTags::All {
        return Ok(None);
    }
    let image = images.resolve(&request.name).and_then(|image| {
        let wanted = request.platform.as_ref();
        wanted.map_or(Ok(image.clone()), |wanted| {
            images.for_platform(image, wanted)
        })
    });
    let image = match image {
        Ok(image) => image,
        Err(StorageError::NoSuchImage { .. } | StorageError::NoInstance { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let config = &image.config;
    let fits = request
        .platform
        .as_ref()
        .is_none_or(|wanted| wanted.misfit(&config.os, &config.architecture).is_none());
    Ok(fits.then(|| PulledImage {
        name: image.name.unwrap_or_else(|| request.name.clone()),
        id: image.id,
        digest: image.digest,
        novelty: Novelty::UpToDate,
    }))
}

/// Says, as Podman does, that an image is not for the platform that it is wanted on.
pub(in crate::engine) fn caution_of_platform(
    image: &Image,
    wanted: &Platform,
    report: &(impl Report + ?Sized),
) {
    let (os, architecture) = (&image.config.os, &image.config.architecture);
    if let Some(found) = wanted.misfit(os, architecture) {
        let Platform {
            os, architecture, ..
        } = wanted;
        report.caution(&format!(
            "image platform ({found}) does not match the expected platform ({os}/{architecture})"
        ));
    }
}

/// Tries again while nobody listens where the registry should be, if the user has asked for that.
pub(in crate::engine) fn insist<T>(
    patience: Patience,
    report: &dyn TransferReport,
    attempt: impl Fn() -> Result<T, PullFailure>,
) -> Result<T, PullFailure> {
    let retries = match patience.absence {
        Absence::Final => 0,
        Absence::Passing => patience.retries,
    };
    for number in 0..retries {
        match attempt() {
            Err(failure) if failure.cause == PullCause::NobodyThere => {
                let wait = patience.wait_after(number);
                report.warning(&format!(
                    "Failed, retrying in {wait:?} ... ({}/{retries}). Error: {}",
                    number + 1,
                    failure.words
                ));
                std::thread::sleep(wait);
            }
            outcome => return outcome,
        }
    }
    attempt()
}

/// Tries one name after the other, and for each one place after the other.
fn first_that_answers(
    places: &Places,
    fetch: &Fetch<'_>,
    tags: WhichTags,
) -> Result<Vec<PulledImage>, PullFailure> {
    let mut failures = Vec::new();
    for candidate in &places.candidates {
        match one_candidate(candidate, fetch, tags) {
            Ok(pulled) => return Ok(pulled),
            Err(failure) => failures.push(failure),
        }
    }
    let words: Vec<String> = failures
        .iter()
        .map(|failure| failure.words.clone())
        .collect();
    let words = words.join("; ");
    Err(match failures.pop() {
        Some(last) => PullFailure { words, ..last },
        None => PullFailure::other(words),
    })
}

fn one_candidate(
    candidate: &Candidate,
    fetch: &Fetch<'_>,
    tags: WhichTags,
) -> Result<Vec<PulledImage>, PullFailure> {
    let mut last = PullFailure::other("no registry is configured".to_owned());
    for place in &candidate.places {
        let names = match tags {
            WhichTags::Named => Ok(vec![candidate.name.clone()]),
            WhichTags::All => all_tags(place, &candidate.name),
        };
        let pulled = names.and_then(|names| {
            let pulled = names.iter().map(|name| {
                fetch.report.step(Step::Trying(&name.to_string()));
                fetch.one(place, name)
            });
            pulled.collect()
        });
        match pulled {
            Ok(pulled) => return Ok(pulled),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}
