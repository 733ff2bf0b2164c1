// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that takes listings and data from the kernel.

use std::sync::mpsc::{SendError, Sender, channel};
use std::thread::Builder;

use fuser::{INodeNo, Notifier};

use super::number::NodeId;

/// Takes listings and data from the kernel, in a thread of its own: the kernel waits for their pages,
/// and whoever reads them may wait for an answer of ours.
#[derive(Debug)]
pub(super) struct Refresher(Sender<Order>);

/// A node, and which bytes of it: where they begin and how many there are, 0 for all.
pub(super) type Kept = (NodeId, u64, usize);

/// Takes what the kernel keeps from it, and does what has waited for that.
struct Order {
    kept: Kept,
    then: Box<dyn FnOnce() + Send>,
}

impl Refresher {
    /// Starts the thread.
    pub(super) fn start(notifier: Notifier) -> std::io::Result<Self> {
        let (sender, orders) = channel::<Order>();
        let tell = move || {
            for order in orders {
                let (id, offset, count) = order.kept;
                let offset = i64::try_from(offset).unwrap_or(0);
                let count = i64::try_from(count).unwrap_or(0);
                // It can only be that the kernel does not know the node any more.
                drop(notifier.inval_inode(INodeNo(id), offset, count));
                (order.then)();
            }
        };
        let thread = Builder::new().name("refresher".to_owned());
        thread.stack_size(STACK).spawn(tell)?;
        Ok(Self(sender))
    }

    /// Takes from the kernel what it keeps; then the rest is done.
    pub(super) fn refresh(&self, kept: Kept, then: impl FnOnce() + Send + 'static) {
        let then = Box::new(then);
        if let Err(SendError(order)) = self.0.send(Order { kept, then }) {
            (order.then)();
        }
    }
}

/// A notification has 40 bytes.
const STACK: usize = 64 * 1024;
