// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A blob that is sent while it is made: one thread appends to a file and says how far it is, another
//! reads what is there and waits for more. The file is whole at the end, so that what went wrong on
//! the way can be done again.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A blob in the making, for whoever sends it.
#[derive(Debug, Clone)]
pub struct Growing {
    file: Arc<File>,
    /// About how long it can become.
    pub(super) most_bytes: u64,
    growth: Arc<Growth>,
}

/// Says how far a blob is. Whoever waits for more is told of an end that is none when this is
/// dropped before [`Maker::finish`].
#[derive(Debug)]
pub struct Maker(Arc<Growth>);

#[derive(Debug, Default)]
struct Growth {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    made: u64,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Whole,
    Abandoned,
}

/// The two sides of a blob that will be in `file`, from its beginning on, and that is not longer
/// than about `most_bytes`.
pub fn growing(file: Arc<File>, most_bytes: u64) -> (Maker, Growing) {
    let growth = Arc::<Growth>::default();
    let maker = Maker(Arc::clone(&growth));
    let growing = Growing {
        file,
        most_bytes,
        growth,
    };
    (maker, growing)
}

impl Maker {
    /// So many more bytes are in the file.
    pub fn add(&self, bytes: usize) {
        self.0.change(|state| state.made += bytes as u64);
    }

    /// That was all.
    pub fn finish(self) {
        self.0.change(|state| state.end = Some(End::Whole));
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.end.get_or_insert(End::Abandoned);
        });
    }
}

impl Growth {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it is once it is further than `known`, or at its end.
    fn beyond(&self, known: u64) -> State {
        let is_same = |state: &mut State| state.made <= known && state.end.is_none();
        let state = self.changed.wait_while(self.state(), is_same);
        *state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growing {
    /// The blob from its beginning on, as far as it will get.
    pub(super) fn reader(&self) -> impl Read + Send + Sync + 'static {
        GrowingReader {
            growing: self.clone(),
            position: 0,
        }
    }
}

struct GrowingReader {
    growing: Growing,
    position: u64,
}

impl Read for GrowingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Growing { file, growth, .. } = &self.growing;
        let State { made, end } = growth.beyond(self.position);
        if matches!(end, Some(End::Abandoned)) {
            return Err(io::Error::other("the blob is not wanted any more"));
        }
        let left = made.saturating_sub(self.position);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let length = file.read_at(&mut buffer[..most], self.position)?;
        if length == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread;

    use super::*;

    #[test]
    fn what_is_added_is_read_to_the_end() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let (maker, growing) = growing(Arc::clone(&file), 10);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut found = Vec::new();
                growing.reader().read_to_end(&mut found).map(|_| found)
            });
            for piece in ["one ", "two ", "three"] {
                (&*file).write_all(piece.as_bytes()).unwrap();
                maker.add(piece.len());
            }
            maker.finish();
            assert_eq!(reader.join().unwrap().unwrap(), b"one two three");
        });
        // Again from the beginning: a request may have to be sent twice.
        let mut found = String::new();
        growing.reader().read_to_string(&mut found).unwrap();
        assert_eq!(found, "one two three");
    }

    #[test]
    fn an_abandoned_blob_is_no_whole_one() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let (maker, growing) = growing(file, 10);
        drop(maker);
        let error = growing.reader().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other);
    }
}
