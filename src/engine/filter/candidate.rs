// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container that filters look at, and the words and numbers that its state is shown with.

use std::cell::OnceCell;

use crate::state::StateError;
use crate::state::id::ContainerId;
use crate::state::liveness::Observed;
use crate::state::record::ContainerState;
use crate::state::store::{Ahead, Store};
use crate::state::summary::ContainerSummary;

/// A container that filters look at; what they need is read once.
#[derive(Debug)]
pub(in crate::engine) struct Candidate<'a> {
    store: &'a Store,
    id: ContainerId,
    ahead: Ahead<'a>,
    state: OnceCell<Result<(Box<ContainerState>, Observed), StateError>>,
    summary: OnceCell<Result<Box<ContainerSummary>, StateError>>,
}

impl<'a> Candidate<'a> {
    pub(in crate::engine) fn new(store: &'a Store, id: ContainerId) -> Self {
        Self::read(store, id, Ahead::NOTHING)
    }

    /// One of which some was read already.
    pub(in crate::engine) fn read(store: &'a Store, id: ContainerId, ahead: Ahead<'a>) -> Self {
        Self {
            store,
            id,
            ahead,
            state: OnceCell::new(),
            summary: OnceCell::new(),
        }
    }

    pub(in crate::engine) fn id(&self) -> &ContainerId {
        &self.id
    }

    /// What it does; `None` when it has gone or cannot be read.
    pub(in crate::engine) fn state(&self) -> Option<&(Box<ContainerState>, Observed)> {
        let read = || self.store.observe_ahead(&self.id, &self.ahead);
        self.state.get_or_init(read).as_ref().ok()
    }

    /// What it is; `None` when it has gone or cannot be read.
    pub(in crate::engine) fn summary(&self) -> Option<&ContainerSummary> {
        let read = || self.store.summary_ahead(&self.id, &self.ahead);
        self.summary.get_or_init(read).as_deref().ok()
    }

    /// What its checks say while it runs; empty without any.
    pub(in crate::engine) fn health(&self) -> String {
        let up = self.state().is_some_and(|(_, observed)| observed.is_up());
        let checked = self
            .summary()
            .is_some_and(|summary| summary.resolved.health.is_some());
        if up && checked {
            self.store.read_health(&self.id).status
        } else {
            String::new()
        }
    }

    /// Everything that was read of it; `None` when it has gone meanwhile.
    ///
    /// # Errors
    ///
    /// A record that is there and cannot be read.
    pub(in crate::engine) fn into_parts(self) -> Result<Option<Parts>, StateError> {
        self.state();
        self.summary();
        let (Some(state), Some(summary)) = (self.state.into_inner(), self.summary.into_inner())
        else {
            return Ok(None);
        };
        match (state, summary) {
            (Ok((state, observed)), Ok(summary)) => Ok(Some((summary, state, observed))),
            (_, Err(StateError::NoSuchContainer { .. })) => Ok(None),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}

/// What a row of a list is made of.
pub(in crate::engine) type Parts = (Box<ContainerSummary>, Box<ContainerState>, Observed);

/// The state of a container in podman's words.
pub fn status_word(state: &ContainerState, observed: Observed) -> &'static str {
    match observed {
        Observed::Created => "created",
        Observed::Running if state.is_stopping() => "stopping",
        Observed::Running => "running",
        Observed::Paused => "paused",
        Observed::Restarting => "restarting",
        Observed::Exited | Observed::Lost(_) => "exited",
        Observed::Elsewhere => "unknown",
    }
}

/// The exit code that is shown: nobody saw a lost container end, so it is as if SIGKILL did it.
pub fn exit_code_of(state: &ContainerState, observed: Observed) -> i32 {
    let unseen = match observed {
        Observed::Lost(_) => 128 + 9,
        Observed::Created
        | Observed::Running
        | Observed::Paused
        | Observed::Restarting
        | Observed::Exited
        | Observed::Elsewhere => 0,
    };
    state.exit_code.unwrap_or(unseen)
}
