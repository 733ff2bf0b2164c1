// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several layers at once: whoever has unpacked one goes on with the next, while one thread brings
//! those that are finished to the disk and to their places, all that wait together.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Arrived, Expected, Layers, Pin, UnpackedLayer};
use crate::oci::Digest;
use crate::storage::error::StorageError;
use crate::storage::pipeline::WriteBack;
use crate::storage::workplace::InPlace;

/// Takes layers from any number of threads.
pub struct Intake<'a> {
    layers: &'a Layers,
    workplace: &'a InPlace,
    write_back: &'a WriteBack,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    unpacked: Vec<UnpackedLayer>,
    pins: Vec<Pin>,
    is_closed: bool,
}

impl fmt::Debug for Intake<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Intake").finish_non_exhaustive()
    }
}

impl Layers {
    /// Gives `work` what takes layers, and returns its result when all of them are in their places,
    /// with what keeps them there.
    ///
    /// # Errors
    ///
    /// What opening the directory of layers says; in the second part of the answer, what could not
    /// be brought to its place.
    pub fn take_in<T>(
        &self,
        workplace: &InPlace,
        work: impl FnOnce(&Intake<'_>) -> T,
    ) -> Result<(T, Result<Vec<Pin>, StorageError>), StorageError> {
        let (directory, written) = (self.directory()?, self.directory()?);
        Ok(WriteBack::beside(written.as_fd(), |write_back| {
            let intake = Intake {
                layers: self,
                workplace,
                write_back,
                queue: Mutex::default(),
                changed: Condvar::new(),
            };
            thread::scope(|scope| {
                let keeper = scope.spawn(|| intake.keep_all(&directory));
                let result = {
                    let _closing = Closing(&intake);
                    work(&intake)
                };
                let kept = keeper.join().expect("the keeper returns its errors");
                (
                    result,
                    kept.map(|()| std::mem::take(&mut intake.queue().pins)),
                )
            })
        }))
    }
}

impl Intake<'_> {
    /// Unpacks the blob `source` on top of `parent`, unless the layer is there already. The layer
    /// below need not be there yet.
    ///
    /// # Errors
    ///
    /// As [`Layers::add`].
    pub fn add(
        &self,
        parent: Option<&Digest>,
        expected: Expected<'_>,
        source: impl Read + Send,
    ) -> Result<(), StorageError> {
        let write_back = Some(self.write_back);
        let arrived = self
            .layers
            .unpack(parent, expected, source, self.workplace, write_back)?;
        match arrived {
            Arrived::Here(_, pin) => self.queue().pins.push(pin),
            Arrived::Unpacked(unpacked) => {
                self.queue().unpacked.push(unpacked);
                self.changed.notify_all();
            }
        }
        Ok(())
    }

    fn keep_all(&self, directory: &File) -> Result<(), StorageError> {
        let mut result = Ok(());
        loop {
            let unpacked = self.next();
            if unpacked.is_empty() {
                return result;
            }
            match self.layers.keep(unpacked, directory, self.workplace) {
                Ok(pins) => self.queue().pins.extend(pins),
                // The others are of use to the next attempt.
                Err(error) => result = result.and(Err(error)),
            }
        }
    }

    /// The layers that wait; none when there will be no more.
    fn next(&self) -> Vec<UnpackedLayer> {
        let waits = |queue: &mut Queue| queue.unpacked.is_empty() && !queue.is_closed;
        let queue = self.changed.wait_while(self.queue(), waits);
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut queue.unpacked)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the keeper, also when the work panics.
struct Closing<'a>(&'a Intake<'a>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.changed.notify_all();
    }
}
