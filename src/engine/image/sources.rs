// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a typed name may mean, as registries to ask that are not connected yet.

use super::error::ImageError;
use crate::engine::Report;
use crate::engine::access::{self, Access};
use crate::oci::Reference;
use crate::registry::{Patience, Registry};

/// What a typed name may mean.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) candidates: Vec<Candidate>,
    /// How a short name was understood.
    pub(super) description: Option<String>,
}

/// A full name, and who may have it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: Reference,
    /// Mirrors first.
    pub(super) places: Vec<Place>,
}

/// A name at a registry.
#[derive(Debug)]
pub(in crate::engine) struct Place {
    /// The name there.
    pub(in crate::engine) reference: Reference,
    pub(in crate::engine) registry: Registry,
}

impl Place {
    pub(in crate::engine) fn new(place: access::Place, patience: Patience) -> Self {
        Self {
            registry: Registry::new(place.endpoint, place.credentials, patience),
            reference: place.reference,
        }
    }

    pub(super) fn repository(&self) -> &str {
        self.reference.path()
    }
}

impl Places {
    /// Where `name` can be pulled from.
    pub(super) fn of(
        name: &Reference,
        access: &Access,
        patience: Patience,
        report: &dyn Report,
    ) -> Result<Self, ImageError> {
        let resolved = access.resolve(name)?;
        let candidate = |name: Reference| {
            let places = access.pull_places(&name, report)?.into_iter();
            let places = places.map(|place| Place::new(place, patience)).collect();
            Ok(Candidate { name, places })
        };
        let candidates = resolved.candidates.into_iter().map(candidate);
        Ok(Self {
            candidates: candidates.collect::<Result<_, ImageError>>()?,
            description: resolved.description,
        })
    }
}
