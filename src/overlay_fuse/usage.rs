// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel asked of a directory's files: what its next listing is to bring.

/// Fewer files are asked for sooner than a directory is listed.
const FEW: u32 = 16;

/// A listing costs a quarter of what a request costs for each of its files.
const PART: u32 = 4;

/// What the kernel asked of a directory's files: whether a listing is to bring their attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    is_listed: bool,
    /// How many were found by their names and not read since, until it is listed.
    found: u32,
    /// How many more are to be read until it is listed anew; 0 is never.
    reads_left: u32,
    /// How many readers have begun and are not known to be at the end. Who gave up counts on, which
    /// costs the first listing after each change its place in the cache.
    readers: u32,
    /// A change came while there were some.
    is_torn: bool,
}

/// What the beginning of a listing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    Files,
    /// The directory and its parent alone.
    Dots,
}

impl Usage {
    /// A file was found by its name.
    pub(super) fn find(&mut self) {
        if !self.is_listed {
            self.found = self.found.saturating_add(1);
        }
    }

    /// A directory of so many names is listed.
    pub(super) fn list(&mut self, names: usize) -> Beginning {
        let names = u32::try_from(names).unwrap_or(u32::MAX);
        let is_known = self.found >= FEW && self.found >= names / 2;
        *self = Self {
            is_listed: true,
            found: 0,
            reads_left: if names < FEW {
                0
            } else {
                (names / PART).max(FEW)
            },
            ..*self
        };
        if is_known {
            Beginning::Dots
        } else {
            Beginning::Files
        }
    }

    /// A reader asks for the beginning.
    pub(super) fn begin(&mut self) {
        self.readers = self.readers.saturating_add(1);
    }

    /// A reader is at the end; true if what the kernel has of the listing is to be taken from it
    /// first.
    pub(super) fn end(&mut self) -> bool {
        self.readers = self.readers.saturating_sub(1);
        std::mem::take(&mut self.is_torn)
    }

    /// The names have changed.
    pub(super) fn change(&mut self) {
        self.is_torn |= self.is_in_the_middle();
    }

    /// There may be a reader who will go on.
    pub(super) fn is_in_the_middle(&self) -> bool {
        self.readers > 0
    }

    /// Counts the first read of a file; true if it is the one to act on.
    pub(super) fn read(&mut self) -> bool {
        self.found = self.found.saturating_sub(1);
        let is_counted = self.reads_left > 0;
        self.reads_left = self.reads_left.saturating_sub(1);
        is_counted && self.reads_left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_until_refreshed(names: usize) -> Option<u32> {
        let mut usage = Usage::default();
        usage.list(names);
        (1..1000).find(|_| usage.read())
    }

    #[test]
    fn a_directory_is_listed_anew_once_when_much_of_it_was_read() {
        let table = [(0, None), (15, None), (16, Some(16)), (100, Some(25))];
        for (names, expected) in table {
            assert_eq!(reads_until_refreshed(names), expected, "{names}");
        }
        let mut usage = Usage::default();
        usage.list(20);
        let acted = (0..1000).filter(|_| usage.read()).count();
        assert_eq!(acted, 1);
    }

    #[test]
    fn the_first_end_after_a_change_in_the_middle_waits() {
        let [begin, end, torn, change] = ["begin", "end", "torn", "change"];
        let table: [&[&str]; 6] = [
            &[begin, end, change, begin, end],
            &[begin, change, change, torn, begin, end],
            &[begin, change, begin, torn, end, change, begin, end],
            // Another reader's end is not that of the one who has begun since.
            &[
                begin, change, begin, torn, begin, end, change, torn, change, end,
            ],
            // Who has begun in the kernel's cache.
            &[end, begin, change, torn],
            // Who gave up.
            &[begin, begin, end, change, begin, torn, begin, end],
        ];
        for (row, events) in table.into_iter().enumerate() {
            let mut usage = Usage::default();
            for (step, event) in events.iter().enumerate() {
                match *event {
                    "begin" => {
                        usage.begin();
                        usage.list(100);
                    }
                    "change" => usage.change(),
                    end => assert_eq!(usage.end(), end == torn, "row {row} step {step}"),
                }
            }
        }
    }

    #[test]
    fn files_that_were_found_one_by_one_are_listed_without_attributes_once() {
        let listed = |found, read, names| {
            let mut usage = Usage::default();
            (0..found).for_each(|_| usage.find());
            (0..read).for_each(|_| assert!(!usage.read()));
            let first = usage.list(names);
            (0..found).for_each(|_| usage.find());
            assert_eq!(usage.list(names), Beginning::Files);
            first
        };
        let table = [
            ((15, 0, 15), Beginning::Files),
            ((16, 0, 16), Beginning::Dots),
            ((100, 0, 200), Beginning::Dots),
            ((100, 0, 202), Beginning::Files),
            // Their attributes are old.
            ((100, 60, 100), Beginning::Files),
        ];
        for ((found, read, names), expected) in table {
            assert_eq!(
                listed(found, read, names),
                expected,
                "{found} {read} {names}"
            );
        }
    }
}
