// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Blobs on their way from one registry to another, through a file without a name: what is sent
//! has been verified, and can be sent again.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::sources::Place;
use crate::engine::Report;
use crate::engine::access::Access;
use crate::oci::{Descriptor, Digester, Reference};
use crate::registry::{Absence, Credentials, Patience, Registry, RegistryError, Trust};
use crate::storage::{Origin, unnamed_file};

/// An origin only saves work: it is not waited for as the registry of a pull is.
const SILENCE: Duration = Duration::from_secs(10);

/// Gets a blob into a file without a name in the directory `scratch`, and checks that it is what
/// was asked for.
pub(in crate::engine) fn download(
    from: &Registry,
    repository: &str,
    blob: &Descriptor,
    scratch: &Path,
) -> Result<File, RegistryError> {
    let mut file = unnamed_file(scratch).map_err(RegistryError::Scratch)?;
    let mut digester = Digester::new(blob.digest.algorithm());
    let mut reader = from.blob(repository, blob);
    let mut piece = vec![0; 1 << 18];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                digester.update(&piece[..count]);
                file.write_all(&piece[..count])
                    .map_err(RegistryError::Scratch)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(reader.into_error(error)),
        }
    }
    let found = digester.finish();
    if found == blob.digest {
        return Ok(file);
    }
    let what = format!("blob {}", blob.digest);
    Err(RegistryError::WrongDigest { what, found })
}

/// Registries that an image was pulled from or pushed to. None is spoken to before a blob of it is
/// needed.
pub(super) struct Origins<'a> {
    /// How origins are reached; what was typed for the target of a push is not in it.
    pub(super) access: &'a Access,
    pub(super) known: Vec<Origin>,
    pub(super) patience: Patience,
    pub(super) report: &'a (dyn Report + Sync),
    pub(super) asked: OnceLock<Vec<Asked>>,
}

/// A place, and whether it has failed.
pub(super) struct Asked {
    place: Place,
    is_down: AtomicBool,
}

impl Origins<'_> {
    /// The blob from the first origin that gives it. Whoever gets none has other ways.
    pub(super) fn blob(&self, blob: &Descriptor, scratch: &Path) -> Option<File> {
        let mut asked = self.asked.get_or_init(|| self.places()).iter();
        asked.find_map(|asked| {
            if asked.is_down.load(Ordering::Relaxed) {
                return None;
            }
            let (registry, repository) = (&asked.place.registry, asked.place.repository());
            let got = download(registry, repository, blob, scratch);
            if let Err(error) = &got
                && !error.is_not_found()
            {
                asked.is_down.store(true, Ordering::Relaxed);
            }
            got.ok()
        })
    }

    fn places(&self) -> Vec<Asked> {
        let places = self.known.iter().flat_map(|origin| self.places_of(origin));
        places
            .map(|place| Asked {
                place,
                is_down: AtomicBool::new(false),
            })
            .collect()
    }

    fn places_of(&self, origin: &Origin) -> Vec<Place> {
        let Ok(name) = Reference::parse(&origin.repository) else {
            return Vec::new();
        };
        // One that the configuration does not let us ask is as good as none.
        let places = self.access.pull_places(&name, self.report).ok();
        let patience = Patience {
            retries: self.patience.retries.min(1),
            stall: self.patience.stall.min(SILENCE),
            absence: Absence::Final,
            ..self.patience
        };
        let places = places.into_iter().flatten().map(|mut place| {
            if origin.is_insecure && place.endpoint.trust == Trust::Verified {
                // Security: it was asked for without proof of who it is once, so nobody's
                // password goes there unasked. What comes is verified by its digest.
                place.endpoint.trust = Trust::Insecure;
                place.credentials = Credentials::Anonymous;
            }
            Place::new(place, patience)
        });
        places.collect()
    }
}
