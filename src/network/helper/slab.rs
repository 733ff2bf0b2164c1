// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Things with a number. A number is given again only after [`Slab::settle`], so that an event
//! that was on its way to a thing that is gone does not reach the next one.

/// See the module.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
    left: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Keeps a thing; the value is its number.
    pub(super) fn add(&mut self, thing: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.places[number as usize] = Some(thing);
            return number;
        }
        self.places.push(Some(thing));
        u32::try_from(self.places.len() - 1).expect("there are fewer descriptors than that")
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.places.get_mut(number as usize)?.as_mut()
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.places.get(number as usize)?.as_ref()
    }

    /// Gives a thing up; its number stays taken until [`Slab::settle`].
    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let thing = self.places.get_mut(number as usize)?.take()?;
        self.left.push(number);
        Some(thing)
    }

    /// All events of a round are done.
    pub(super) fn settle(&mut self) {
        self.free.append(&mut self.left);
        if self.free.len() == self.places.len() && !self.places.is_empty() {
            *self = Self::new();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let numbered = (0..).zip(&self.places);
        numbered.filter_map(|(number, place)| Some((number, place.as_ref()?)))
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len() - self.left.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_again_after_the_round() {
        let mut slab = Slab::new();
        let (first, second) = (slab.add('a'), slab.add('b'));
        assert_eq!(slab.remove(first), Some('a'));
        assert_eq!(slab.remove(first), None);
        assert_ne!(slab.add('c'), first);
        slab.settle();
        assert_eq!(slab.add('d'), first);
        assert_eq!(slab.get(second), Some(&'b'));
        assert_eq!(slab.len(), 3);
    }
}
