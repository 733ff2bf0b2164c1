// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many containers at once, for lists: their documents are read ahead. What is not as it should
//! be, or may have changed since, is read once more in the usual way, which tells what is wrong.

use super::{RECORD, STATE, Store};
use crate::state::StateError;
use crate::state::ahead::{Document, read_ahead};
use crate::state::id::ContainerId;
use crate::state::liveness::{Observed, observe};
use crate::state::record::ContainerState;
use crate::state::summary::ContainerSummary;

/// The two documents of a container, as far as they were read.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'a> {
    state: Document<'a>,
    record: Document<'a>,
}

impl Ahead<'_> {
    /// Nothing was read.
    pub const NOTHING: Self = Self {
        state: Document::Unread,
        record: Document::Unread,
    };
}

impl Store {
    /// Calls `each` for all of `ids`, in their order, with what was read of it: its state and its
    /// record.
    pub fn read_ahead(&self, ids: &[ContainerId], mut each: impl FnMut(&ContainerId, Ahead<'_>)) {
        let files = [STATE, RECORD];
        read_ahead(
            &self.dirs.containers(),
            ids,
            files,
            |id, [state, record]| {
                each(id, Ahead { state, record });
            },
        );
    }

    /// As [`Store::read_ahead`], with the state alone.
    pub fn read_states_ahead(
        &self,
        ids: &[ContainerId],
        mut each: impl FnMut(&ContainerId, Ahead<'_>),
    ) {
        read_ahead(&self.dirs.containers(), ids, [STATE], |id, [state]| {
            let record = Document::Unread;
            each(id, Ahead { state, record });
        });
    }

    /// As [`Store::read_ahead`], with the record alone.
    pub fn read_records_ahead(
        &self,
        ids: &[ContainerId],
        mut each: impl FnMut(&ContainerId, Ahead<'_>),
    ) {
        read_ahead(&self.dirs.containers(), ids, [RECORD], |id, [record]| {
            let state = Document::Unread;
            each(id, Ahead { state, record });
        });
    }

    /// As [`Store::observe`].
    ///
    /// # Errors
    ///
    /// As [`Store::observe`].
    pub fn observe_ahead(
        &self,
        id: &ContainerId,
        ahead: &Ahead<'_>,
    ) -> Result<(Box<ContainerState>, Observed), StateError> {
        let state: Box<ContainerState> = match ahead.state {
            Document::Absent => Box::default(),
            Document::Text(text) => match serde_json::from_slice(text) {
                Ok(state) => state,
                Err(_) => return self.observe_boxed(id),
            },
            Document::Unread => return self.observe_boxed(id),
        };
        match observe(&state) {
            Observed::Lost(_) => self.observe_boxed(id),
            observed => Ok((state, observed)),
        }
    }

    fn observe_boxed(
        &self,
        id: &ContainerId,
    ) -> Result<(Box<ContainerState>, Observed), StateError> {
        let (state, observed) = self.observe(id)?;
        Ok((Box::new(state), observed))
    }

    /// As [`Store::load_summary`].
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    pub fn summary_ahead(
        &self,
        id: &ContainerId,
        ahead: &Ahead<'_>,
    ) -> Result<Box<ContainerSummary>, StateError> {
        let read = match ahead.record {
            Document::Text(text) => serde_json::from_slice(text).ok(),
            Document::Absent | Document::Unread => None,
        };
        match read {
            Some(summary) => Ok(summary),
            None => self.load_as(id),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's files survive no crash")]
mod tests {
    use super::*;
    use crate::state::record::Status;
    use crate::state::store::tests::{record, store};

    #[test]
    fn what_is_read_ahead_is_what_is_read() {
        let (_directory, store) = store();
        let ids: Vec<ContainerId> = (0..150)
            .map(|number| {
                let record = record(&format!("c{number}"));
                drop(store.create(&record, crate::state::atomic::Durability::Unsynced));
                record.id
            })
            .collect();
        let ended = ContainerState {
            status: Status::Exited,
            exit_code: Some(3),
            ..ContainerState::default()
        };
        store.write_state(&ids[1], &ended).unwrap();
        std::fs::write(store.record_path(&ids[2]), "{").unwrap();
        std::fs::write(store.state_path(&ids[3]), "").unwrap();
        let mut seen = Vec::new();
        store.read_ahead(&ids, |id, ahead| {
            let (state, observed) = store.observe_ahead(id, &ahead).unwrap();
            assert_eq!((*state, observed), store.observe(id).unwrap());
            let summary = store.summary_ahead(id, &ahead).map(|summary| *summary);
            let (read, usual) = (summary.ok(), store.load_summary(id).ok());
            assert_eq!(read, usual);
            assert_eq!(read.is_none(), *id == ids[2]);
            seen.push(id.clone());
        });
        assert_eq!(seen, ids);
    }
}
