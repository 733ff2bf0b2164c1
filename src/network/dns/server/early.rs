// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Queries that came before the containers that they are about: a server that takes over from
//! another one hears of its containers one after the other, and "no such name" would be believed.

use std::time::Instant;

use super::Back;

/// More are answered with what is known.
const EARLY_MAX: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct EarlyQueries {
    /// From then on all are answered.
    until: Option<Instant>,
    queries: Vec<EarlyQuery>,
    /// Something has come since they were looked at.
    is_news: bool,
}

/// A datagram that waits for its answer.
#[derive(Debug)]
pub(super) struct EarlyQuery {
    pub(super) container: String,
    pub(super) packet: Vec<u8>,
    pub(super) back: Back,
}

impl EarlyQueries {
    /// They may wait until then.
    pub(super) fn until(until: Instant) -> Self {
        Self {
            until: Some(until),
            ..Self::default()
        }
    }

    /// Whether another one may wait.
    pub(super) fn is_open(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until) && self.queries.len() < EARLY_MAX
    }

    pub(super) fn keep(&mut self, container: String, packet: Vec<u8>, back: Back) {
        self.queries.push(EarlyQuery {
            container,
            packet,
            back,
        });
    }

    /// Names have come.
    pub(super) fn look_again(&mut self) {
        self.is_news = !self.queries.is_empty();
    }

    /// When they are to be looked at.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.queries.is_empty(), self.is_news) {
            (true, _) => None,
            (false, true) => Some(Instant::now()),
            (false, false) => self.until,
        }
    }

    /// Those to look at now.
    pub(super) fn take_due(&mut self) -> Vec<EarlyQuery> {
        let is_over = self.until.is_some_and(|until| until <= Instant::now());
        if std::mem::take(&mut self.is_news) || is_over {
            return std::mem::take(&mut self.queries);
        }
        Vec::new()
    }
}
