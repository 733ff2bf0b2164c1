// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests with long bodies. The blocking client of reqwest hands such a body over to the thread of
//! its connections, 8 KiB at a time, and waits until each is taken: five switches between threads for
//! each of them, which was a tenth of the time of a push. Here the caller's thread is the
//! connection's, too.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::blocking::Response;
use reqwest::{RequestBuilder, ResponseBuilderExt};

/// Bytes that are read and sent at once; more would not come from the heap, but from the kernel each
/// time.
const PIECE: usize = 48 << 10;

/// How much of an answer is kept, in bytes: to an upload it is empty, or says why not.
const ANSWER_MAX: usize = 64 << 10;

/// What a reader gives, as a body. It waits where it is asked: nothing else is on its thread.
struct ReaderBody<R> {
    reader: R,
    left: Option<u64>,
}

/// The bytes of `reader`, of which there are `length` where that is known.
pub(super) fn body(
    reader: impl Read + Send + Sync + Unpin + 'static,
    length: Option<u64>,
) -> reqwest::Body {
    let left = length;
    reqwest::Body::wrap(ReaderBody { reader, left })
}

impl<R: Read + Unpin> Body for ReaderBody<R> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut piece = vec![0; PIECE];
        Poll::Ready(match self.reader.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(length as u64);
                }
                Some(Ok(Frame::data(piece.into())))
            }
            Err(error) => Some(Err(error)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Sends a request on this thread, over a connection of its own.
///
/// # Errors
///
/// What stood in the way of any answer; before that, of having a connection at all.
pub(super) fn send(request: RequestBuilder) -> io::Result<Result<Response, reqwest::Error>> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    Ok(runtime.enable_all().build()?.block_on(exchange(request)))
}

async fn exchange(request: RequestBuilder) -> Result<Response, reqwest::Error> {
    let mut response = request.send().await?;
    let mut words = Vec::new();
    while words.len() < ANSWER_MAX
        && let Ok(Some(piece)) = response.chunk().await
    {
        words.extend(piece);
    }
    let mut answer = http::Response::builder().url(response.url().clone());
    answer = answer.status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    let answer = answer.body(reqwest::Body::from(words));
    Ok(answer.expect("its parts were an answer").into())
}
