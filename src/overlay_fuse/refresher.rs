// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that takes listings from the kernel.

use std::sync::mpsc::{SendError, Sender, channel};
use std::thread::Builder;

use fuser::{INodeNo, Notifier};

use super::number::NodeId;

/// Takes listings from the kernel, in a thread of its own: the kernel waits for the pages of the
/// listing, and whoever reads them may wait for an answer of ours.
#[derive(Debug)]
pub(super) struct Refresher(Sender<Order>);

/// Takes a directory's listing from the kernel, and does what has waited for that.
struct Order {
    directory: NodeId,
    then: Box<dyn FnOnce() + Send>,
}

impl Refresher {
    /// Starts the thread.
    pub(super) fn start(notifier: Notifier) -> std::io::Result<Self> {
        let (sender, orders) = channel::<Order>();
        let tell = move || {
            for order in orders {
                // It can only be that the kernel does not know the directory any more.
                drop(notifier.inval_inode(INodeNo(order.directory), 0, 0));
                (order.then)();
            }
        };
        let thread = Builder::new().name("refresher".to_owned());
        thread.stack_size(STACK).spawn(tell)?;
        Ok(Self(sender))
    }

    /// Takes a directory's listing from the kernel; then the rest is done.
    pub(super) fn refresh(&self, directory: NodeId, then: impl FnOnce() + Send + 'static) {
        let then = Box::new(then);
        if let Err(SendError(order)) = self.0.send(Order { directory, then }) {
            (order.then)();
        }
    }
}

/// A notification has 40 bytes.
const STACK: usize = 64 * 1024;
