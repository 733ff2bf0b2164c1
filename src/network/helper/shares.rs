// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much of something each container has: it is asked for every connection, so nothing is
//! counted through.

/// By the containers' numbers.
#[derive(Debug, Default)]
pub(super) struct Shares(Vec<usize>);

impl Shares {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add(&mut self, owner: u32) {
        let place = owner as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        self.0[place] += 1;
    }

    pub(super) fn remove(&mut self, owner: u32) {
        if let Some(count) = self.0.get_mut(owner as usize) {
            *count -= 1;
        }
    }

    /// How much all have.
    pub(super) fn total(&self) -> usize {
        self.0.iter().sum()
    }

    pub(super) fn of(&self, owner: u32) -> usize {
        self.0.get(owner as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_until_it_is_removed() {
        let mut shares = Shares::new();
        shares.add(7);
        shares.add(7);
        shares.add(1);
        shares.remove(7);
        assert_eq!([7, 1, 0, 99].map(|owner| shares.of(owner)), [1, 1, 0, 0]);
    }
}
