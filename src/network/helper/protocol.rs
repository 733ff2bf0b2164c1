// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is said over the helper's control socket: one JSON document per SEQPACKET message, with
//! descriptors passed along.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::version::Version;
use crate::network::plan::{Attachment, ConnectionPlan, PublishedPort};
use crate::sys::{SysResult, fdpass};

/// The name of the socket in the helper's run directory.
pub const SOCKET_NAME: &str = "ctl";

/// Most listeners that one message carries.
pub const LISTENERS_MAX: usize = 64;

/// The longest message. A unix socket carries more than this at once by default.
pub const MESSAGE_MAX: usize = 128 * 1024;

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Who asks. A helper that does not know this is older than every version.
    Hello {
        /// Of the client's binary.
        version: Version,
    },
    /// Ends the helper but for the connections that it carries: a newer one takes its place, in
    /// the namespace that comes with the answer. When all is free for that one, the connection
    /// ends.
    Retire,
    /// Connects a container; comes with its network namespace and its process descriptor.
    Attach {
        /// Its id.
        container: String,
        /// Its networks; the ports come in messages of their own.
        plan: Box<ConnectionPlan>,
    },
    /// Serves ports of a container that is attached; comes with as many listening sockets.
    Publish {
        /// Its id.
        container: String,
        /// One for each descriptor, in order.
        ports: Vec<PublishedPort>,
    },
    /// Adds networks to a container that is attached.
    Connect {
        /// Its id.
        container: String,
        /// The new networks and attachments alone.
        plan: Box<ConnectionPlan>,
    },
    /// Takes a container out of a network.
    Disconnect {
        /// Its id.
        container: String,
        /// The id of the network.
        network: String,
    },
    /// Changes whom the name server asks for the containers of a network.
    NameServers {
        /// The id of the network.
        network: String,
        /// All of them from now on.
        servers: Vec<IpAddr>,
    },
    /// Ends the connection of a container, its ports among that.
    Detach {
        /// Its id.
        container: String,
    },
    /// Who is attached, for those who look.
    List,
    /// The namespace of the bridges, as a descriptor.
    Namespace,
}

/// What the helper answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is done. With the answer to `Attach`, `Namespace` and `Retire` comes the bridges'
    /// namespace.
    Done,
    /// It is not done, and why.
    Refused {
        /// In one line.
        words: String,
    },
    /// This host lacks what native networking needs: other programs may do.
    Unsupported {
        /// In one line.
        words: String,
    },
    /// Who answers.
    Hello {
        /// Of the helper's binary.
        version: Version,
    },
    /// Who is attached.
    Attached(Vec<Member>),
    /// Unasked: the connection of the client's container has changed to this.
    Changed(Box<ConnectionPlan>),
}

/// A container that is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub container: String,
    /// Its place in its networks.
    pub attachments: Vec<Attachment>,
    /// What is served for it.
    pub ports: Vec<PublishedPort>,
}

/// Sends one message.
///
/// # Errors
///
/// What sendmsg(2) says; EPIPE when the other side is gone.
pub fn send<T: Serialize>(
    connection: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> SysResult<()> {
    let bytes = serde_json::to_vec(message).expect("it holds texts and numbers");
    fdpass::send(connection, &bytes, descriptors).map(drop)
}

/// Receives one message and its descriptors; `None` at the end, or when it is not understood.
///
/// # Errors
///
/// What recvmsg(2) says.
pub fn receive<T: for<'de> Deserialize<'de>>(
    connection: BorrowedFd<'_>,
) -> SysResult<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; MESSAGE_MAX];
    let (length, descriptors) = fdpass::receive(connection, &mut buffer)?;
    let message = serde_json::from_slice(&buffer[..length]).ok();
    Ok(message.map(|message| (message, descriptors)))
}

/// Borrows all of them.
pub fn borrow(descriptors: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    descriptors.iter().map(AsFd::as_fd).collect()
}
