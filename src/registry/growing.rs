// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A blob that is sent while it is made: one thread adds what there is of it, another sends that. It
//! goes once, and lies in no file on its way; what fails is made again.

use std::io;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};

/// Pieces that wait to be sent; whoever makes more waits.
const AHEAD: usize = 8;

/// A blob in the making, for whoever sends it.
#[derive(Debug)]
pub struct Growing {
    /// About how long it can become, in bytes.
    pub(super) most_bytes: u64,
    /// `None` once somebody sends it.
    pieces: Mutex<Option<Pieces>>,
}

/// What the thread that sends takes.
#[derive(Debug)]
struct Pieces {
    /// `None` is the end; without one the blob was abandoned.
    coming: Receiver<Option<Vec<u8>>>,
    sent: Sender<Vec<u8>>,
}

/// Adds to a blob. Whoever sends it is told of an end that is none when this is dropped before
/// [`Maker::finish`].
#[derive(Debug)]
pub struct Maker {
    pieces: SyncSender<Option<Vec<u8>>>,
    /// Memory of what was sent: a fresh page costs more than to fill it.
    sent: Receiver<Vec<u8>>,
}

/// The two sides of a blob that is not longer than about `most_bytes`.
pub fn growing(most_bytes: u64) -> (Maker, Growing) {
    let (pieces, coming) = sync_channel(AHEAD);
    let (back, sent) = channel();
    let maker = Maker { pieces, sent };
    let growing = Growing {
        most_bytes,
        pieces: Mutex::new(Some(Pieces { coming, sent: back })),
    };
    (maker, growing)
}

impl Maker {
    /// Adds `bytes`, or nothing if nobody sends them any more.
    pub fn add(&self, bytes: &[u8]) {
        let mut piece = self.sent.try_recv().unwrap_or_default();
        piece.clear();
        piece.extend_from_slice(bytes);
        drop(self.pieces.send(Some(piece)));
    }

    /// That was all.
    pub fn finish(self) {
        drop(self.pieces.send(None));
    }
}

impl Growing {
    /// The blob as far as it will get, for the first who asks.
    pub(super) fn body(&self) -> reqwest::Body {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        reqwest::Body::wrap(GrowingBody {
            pieces: Mutex::new(pieces.take()),
        })
    }
}

/// It waits where it is asked: nothing else is on its thread.
struct GrowingBody {
    /// Locked by nobody: it makes the body one that threads can share.
    pieces: Mutex<Option<Pieces>>,
}

impl Body for GrowingBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let pieces = self.pieces.get_mut();
        let Some(pieces) = pieces.unwrap_or_else(PoisonError::into_inner) else {
            let twice = io::Error::other("a blob in the making goes once");
            return Poll::Ready(Some(Err(twice)));
        };
        Poll::Ready(match pieces.coming.recv() {
            Ok(Some(memory)) => {
                let back = pieces.sent.clone();
                let lent = Bytes::from_owner(Lent { memory, back });
                Some(Ok(Frame::data(lent)))
            }
            Ok(None) => None,
            Err(_abandoned) => {
                let error = io::Error::other("the blob is not wanted any more");
                Some(Err(error))
            }
        })
    }
}

/// A piece that goes back when it was sent.
struct Lent {
    memory: Vec<u8>,
    back: Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // When all was made nobody takes it.
        drop(self.back.send(std::mem::take(&mut self.memory)));
    }
}
