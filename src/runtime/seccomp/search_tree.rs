// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cuts the ranges of an interface into the leaves of a search tree, so that the tree takes as few
//! comparisons as it can.
//!
//! A leaf has one outcome but for a few single numbers, each of which costs one comparison; so
//! does the cut between two leaves. The cheapest way to cut is found by dynamic programming.

use super::policy::{Outcome, Range};

/// Numbers from `start` on, up to the next leaf.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leaf<'ranges> {
    /// The first number.
    pub(super) start: u32,
    /// What happens to all of them,
    pub(super) outcome: &'ranges Outcome,
    /// but for these.
    pub(super) exceptions: Vec<(u32, &'ranges Outcome)>,
}

/// More would make the way to the last of them longer than the tree is deep.
const MAX_EXCEPTIONS: usize = 6;

/// The leaves that hold `ranges`, in their order.
pub(super) fn leaves(ranges: &[Range]) -> Vec<Leaf<'_>> {
    let cuts = cheapest_cuts(ranges);
    let mut leaves = Vec::new();
    let mut end = ranges.len();
    while end > 0 {
        let cut = &cuts[end - 1];
        leaves.push(leaf(ranges, cut, end));
        end = cut.first;
    }
    leaves.reverse();
    leaves
}

/// The last leaf of the cheapest way to cut the ranges up to some point.
#[derive(Debug, Clone)]
struct Cut {
    /// All comparisons up to there.
    cost: usize,
    /// The leaf's first range.
    first: usize,
    /// The range whose outcome is the leaf's.
    base: usize,
}

/// For each range the cheapest cut of everything up to and including it.
fn cheapest_cuts(ranges: &[Range]) -> Vec<Cut> {
    let mut cuts = Vec::<Cut>::with_capacity(ranges.len());
    for last in 0..ranges.len() {
        let mut tally = Tally::default();
        let mut best: Option<Cut> = None;
        for first in (0..=last).rev() {
            tally.add(ranges, first);
            let (base, exceptions) = tally.cheapest_base();
            // It only grows with more ranges.
            if exceptions > MAX_EXCEPTIONS {
                break;
            }
            let before = match first {
                0 => 0,
                _ => cuts[first - 1].cost + 1,
            };
            let cost = before + exceptions;
            if best.as_ref().is_none_or(|best| cost < best.cost) {
                best = Some(Cut { cost, first, base });
            }
        }
        cuts.push(best.expect("a range alone needs no exception"));
    }
    cuts
}

/// How many numbers of a would-be leaf have which outcome.
#[derive(Default)]
struct Tally {
    total: u64,
    /// A range with the outcome, and how many numbers have it.
    outcomes: Vec<(usize, u64)>,
}

impl Tally {
    fn add(&mut self, ranges: &[Range], index: usize) {
        let range = &ranges[index];
        // The last range is open: as good as all numbers there are.
        let end = ranges
            .get(index + 1)
            .map_or(1 << 32, |next| u64::from(next.start));
        let numbers = end - u64::from(range.start);
        self.total += numbers;
        let mut outcomes = self.outcomes.iter_mut();
        match outcomes.find(|(example, _)| ranges[*example].outcome == range.outcome) {
            Some((_, count)) => *count += numbers,
            None => self.outcomes.push((index, numbers)),
        }
    }

    /// The range whose outcome leaves the fewest exceptions, and how many.
    fn cheapest_base(&self) -> (usize, usize) {
        let commonest = self
            .outcomes
            .iter()
            .copied()
            .max_by_key(|(_, count)| *count);
        let (base, count) = commonest.expect("a range was added");
        (
            base,
            usize::try_from(self.total - count).unwrap_or(usize::MAX),
        )
    }
}

fn leaf<'ranges>(ranges: &'ranges [Range], cut: &Cut, end: usize) -> Leaf<'ranges> {
    let base = &ranges[cut.base].outcome;
    let mut exceptions = Vec::new();
    for (offset, range) in ranges[cut.first..end].iter().enumerate() {
        if range.outcome != *base {
            let next = ranges[cut.first + offset + 1].start;
            exceptions.extend((range.start..next).map(|number| (number, &range.outcome)));
        }
    }
    Leaf {
        start: ranges[cut.first].start,
        outcome: base,
        exceptions,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALLOW: Outcome = Outcome::Plain(1);
    const REFUSE: Outcome = Outcome::Plain(2);
    const UNKNOWN: Outcome = Outcome::Plain(3);

    fn ranges(list: &[(u32, Outcome)]) -> Vec<Range> {
        let range = |(start, outcome): &(u32, Outcome)| Range {
            start: *start,
            outcome: outcome.clone(),
        };
        list.iter().map(range).collect()
    }

    #[test]
    fn single_numbers_become_exceptions() {
        let ranges = ranges(&[
            (0, ALLOW),
            (7, REFUSE),
            (8, UNKNOWN),
            (9, ALLOW),
            (20, UNKNOWN),
        ]);
        let expected = vec![
            Leaf {
                start: 0,
                outcome: &ALLOW,
                exceptions: vec![(7, &REFUSE), (8, &UNKNOWN)],
            },
            Leaf {
                start: 20,
                outcome: &UNKNOWN,
                exceptions: vec![],
            },
        ];
        assert_eq!(leaves(&ranges), expected);
    }

    fn lookup(leaves: &[Leaf<'_>], number: u32) -> Outcome {
        let leaf = leaves.iter().rev().find(|leaf| leaf.start <= number);
        let leaf = leaf.expect("the first leaf starts at 0");
        let mut exceptions = leaf.exceptions.iter();
        let exception = exceptions.find(|(exception, _)| *exception == number);
        exception
            .map_or(leaf.outcome, |(_, outcome)| outcome)
            .clone()
    }

    proptest! {
        #[test]
        fn leaves_say_what_the_ranges_say(lengths in prop::collection::vec((1..4_u32, 0..3_u32), 1..60)) {
            let mut list = Vec::<Range>::new();
            let mut start = 0;
            for (length, outcome) in lengths {
                list.push(Range { start, outcome: Outcome::Plain(outcome) });
                start += length;
            }
            list.dedup_by(|next, previous| next.outcome == previous.outcome);
            let leaves = leaves(&list);
            prop_assert!(leaves.iter().all(|leaf| leaf.exceptions.len() <= MAX_EXCEPTIONS));
            for number in 0..start + 3 {
                let range = list.iter().rev().find(|range| range.start <= number);
                prop_assert_eq!(lookup(&leaves, number), range.expect("from 0 on").outcome.clone());
            }
        }
    }
}
