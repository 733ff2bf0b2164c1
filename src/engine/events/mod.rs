// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `events`: what has happened, and what happens while somebody looks. The events of commands are
//! written where the thing is done; those of a container's life by its monitor.

use std::borrow::Cow;

use super::Engine;
use crate::state::events::{Action, Event};
use crate::state::id::ContainerId;
use crate::state::record::ContainerRecord;
use crate::state::store::Store;

impl Engine {
    /// Writes down what has happened, several things with one call. Whoever has a store has the
    /// same in `store.dirs().events`.
    pub fn emit(&self, events: &[Event]) {
        self.dirs.events.write(events);
    }
}

/// Writes down what has happened to a container, as its record has it.
pub(super) fn emit_of(store: &Store, id: &ContainerId, action: Action) {
    let events = &store.dirs().events;
    if let (Some(_), Ok(record)) = (events.path(), store.load(id)) {
        events.write(&[Event::of_container(&record, action)]);
    }
}

/// The record of a container that may have been renamed since it was read.
pub(super) fn as_it_is_called_now<'a>(
    store: &Store,
    record: &'a ContainerRecord,
) -> Cow<'a, ContainerRecord> {
    if store.is_called(&record.id, &record.name) {
        return Cow::Borrowed(record);
    }
    match store.load(&record.id) {
        Ok(now) => Cow::Owned(now),
        // It is gone already.
        Err(_) => Cow::Borrowed(record),
    }
}
