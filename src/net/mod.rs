//! How bytes move between nodes: peers, connections, frames.
//!
//! An [`Endpoint`] is one UDP socket that dials and accepts QUIC connections, all of them mutually
//! authenticated by [`tls`](crate::tls). To the outside there are *peers*, named by their
//! [`NodeId`]: frames go to a peer on one of [`LANES`] ordered lanes, datagrams go to a peer with
//! luck, and everything that happens comes back as an [`Event`]. A [`LinkId`] names one
//! connection; there can be two to a peer for a while. The lane of bulk has connections of its own
//! (`bulk`), beside which large frames have a stream each (`large`).
//!
//! What it keeps true:
//! * Nothing counts before the Hello. A TLS 1.3 dialer believes it is connected before its own
//!   certificate was looked at, so the acceptor speaks first, and a link is used only after both
//!   Hellos were exchanged and the caller said [`accept`](Endpoint::accept) to the other's.
//! * Every queue has a bound, and a limit is checked before memory is taken for it. When the caller
//!   does not take its events, readers stop, and QUIC's flow control stops the peers.
//! * A peer has one link that we send on, by a rule that both sides can decide alone (`table`).
//!
//! What it does not do: it never looks inside a frame or a Hello, does not retry a dial, does not
//! judge whether a peer lives (a lost connection is a hint), and promises no delivery: frames that
//! were queued or under way when a link died are lost, frames of one lane are in order per link.

mod arriving;
mod bulk;
mod connect;
mod endpoint;
mod events;
mod lane;
mod large;
mod link;
mod probing;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod yielding;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::placement::peer::{Generation, NodeId};

pub use arriving::{Ledger, Reservation};
pub use endpoint::{
    AsyncTimer, Endpoint, RecvMeta, Runtime, Transmit, UdpPoller, UdpSocket, default_runtime,
};
pub use events::EventReceiver;

/// The lanes of a peer: independent, each in order.
pub const LANES: usize = 6;

/// The lane that carries the Hello, and what must not wait behind operations.
pub const CONTROL: u8 = 4;

/// The lane of what may be much and must not hold up the others: it has a connection of its own.
pub const BULK: u8 = 5;

/// No lane: each frame that is sent here goes on a stream of its own beside the lane of bulk, in no
/// order. Where there is no connection for bulk, they go on that lane.
pub const LARGE: u8 = 6;

/// One connection in the life of an [`Endpoint`]; larger means younger. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(in crate::net) u64);

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkId({})", self.0)
    }
}

/// Limits and patience of an [`Endpoint`].
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one dial may take until the handshake is complete. QUIC itself would wait for its
    /// idle timeout, since it ignores that a port is closed. Its first packet is repeated after 0.15,
    /// 0.45 and 1.05 s, and then only after 2.25 s: a dial that goes on until then calls nobody who
    /// starts meanwhile, and a node that nobody calls for 1.2 s takes itself for the first one.
    pub dial_timeout: Duration,
    /// How long an incoming handshake may take.
    pub handshake_timeout: Duration,
    /// How long either side waits for the other's Hello, and for its own caller's answer to it.
    pub hello_timeout: Duration,
    /// Dials in handshake at a time; further ones wait. Bounds the burst when a cluster starts.
    pub dials_max: usize,
    /// Dials under way or waiting; beyond it [`Endpoint::dial`] answers `false`.
    pub dials_waiting_max: usize,
    /// Largest frame, in bytes. A peer that announces a larger one loses its link.
    pub frame_bytes_max: usize,
    /// Largest Hello, in bytes.
    pub hello_bytes_max: usize,
    /// Bytes that wait for one peer, over all lanes. Beyond it [`SendError::Full`]. A single frame
    /// larger than this passes when nothing else waits. QUIC holds up to 8 MiB more in flight.
    pub lane_bytes_max: usize,
    /// Largest datagram, in bytes. 1150 fits the smallest packet that QUIC allows; never derive it
    /// from a discovered MTU, which can shrink again.
    pub datagram_bytes_max: usize,
    /// Events that wait for the caller.
    pub events_max: usize,
    /// Bytes of frames in events that wait for the caller; beyond it readers stop.
    pub event_bytes_max: usize,
    /// Incoming handshakes at a time; further ones are refused.
    pub handshakes_max: usize,
    /// Incoming handshakes beyond which a dialer must first prove its address (a QUIC retry).
    pub retry_above: usize,
    /// Incoming links at a time; further ones are refused.
    pub accepted_max: usize,
    /// How long a surplus link must be silent before its dialer closes it.
    pub surplus_linger: Duration,
    /// Bytes that wait for one peer on the lane of bulk, besides [`Options::lane_bytes_max`].
    pub bulk_bytes_max: usize,
    /// Bytes of large frames that wait for one peer or are under way to it, besides these.
    pub large_bytes_max: usize,
    /// Bytes of large frames that may be arriving from all peers, beyond which their streams are not
    /// read. Reserved for each before its first byte is taken.
    pub arriving_bytes_max: usize,
    /// The same for one connection: a peer that begins many and ends none leaves room for others.
    pub arriving_bytes_max_of_one: usize,
    /// How long nothing more may come of a large frame that has been promised its room, or waits for
    /// it; and how far behind the least rate it may fall. Then it is given up.
    pub arriving_pause: Duration,
    /// How long the connection for bulk must be silent before its dialer closes it. A new one costs
    /// two handshakes' time and processor time, an open one 40 KiB on either side.
    pub bulk_linger: Duration,
    /// Where the connection for bulk cannot be had, it is tried again after so long.
    pub bulk_retry: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dial_timeout: Duration::from_millis(1_200),
            handshake_timeout: Duration::from_secs(5),
            hello_timeout: Duration::from_secs(2),
            dials_max: 16,
            dials_waiting_max: 1024,
            frame_bytes_max: 9 << 20,
            hello_bytes_max: 1 << 20,
            lane_bytes_max: 8 << 20,
            datagram_bytes_max: 1150,
            events_max: 1024,
            event_bytes_max: 32 << 20,
            handshakes_max: 1024,
            retry_above: 256,
            accepted_max: 4096,
            surplus_linger: Duration::from_secs(5),
            bulk_bytes_max: 16 << 20,
            large_bytes_max: 64 << 20,
            arriving_bytes_max: 64 << 20,
            arriving_bytes_max_of_one: 32 << 20,
            arriving_pause: Duration::from_secs(10),
            bulk_linger: Duration::from_secs(5),
            bulk_retry: Duration::from_secs(10),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A peer is connected and said who it is. The link carries nothing until
    /// [`Endpoint::accept`]; no answer within `hello_timeout` closes it.
    Hello {
        /// The link that waits for an answer.
        link: LinkId,
        /// Who it is, proven by TLS.
        peer: NodeId,
        /// Where it is: for a dialed link the address that was dialed.
        addr: SocketAddr,
        /// Whether we dialed it.
        dialed: bool,
        /// Its Hello.
        bytes: Bytes,
    },
    /// The first link of this peer is usable, or one to a newer life of it has replaced all others
    /// (whose queued frames are gone).
    Up {
        /// The peer.
        peer: NodeId,
        /// The link.
        link: LinkId,
        /// The peer's generation, as given to [`Endpoint::accept`].
        generation: Generation,
    },
    /// Frames arrived, at least one. Each is a slice of a receive buffer that it keeps alive:
    /// copy what is to be kept.
    Frames {
        /// Who sent them.
        peer: NodeId,
        /// On which link: frames of one lane are in order within it.
        link: LinkId,
        /// On which lane.
        lane: u8,
        /// In order.
        frames: Vec<Bytes>,
        /// The places of those that are large, free when dropped.
        arrived: Vec<Reservation>,
    },
    /// A datagram arrived.
    Datagram {
        /// Who sent it.
        peer: NodeId,
        /// On which link.
        link: LinkId,
        /// Its content.
        bytes: Bytes,
    },
    /// The last link of this peer is gone. A hint that it may have died, not a proof.
    Down {
        /// The peer.
        peer: NodeId,
        /// What ended the last link, for a log.
        reason: String,
    },
    /// The connection for bulk to this peer cannot be had, or was lost: for a while bulk goes over
    /// the link. Reported as far as there is room for it.
    Shared {
        /// The peer.
        peer: NodeId,
        /// Why, for a log.
        reason: String,
    },
    /// A dial came to nothing. Also follows [`Event::Up`], before [`Event::Down`], where the peer
    /// refused our Hello.
    DialFailed {
        /// The address dialed.
        addr: SocketAddr,
        /// Whom we expected there.
        expected: Option<NodeId>,
        /// Why.
        error: DialError,
    },
    /// A peer that had dialed us looked at our Hello and refused it.
    Refused {
        /// Where it is.
        addr: SocketAddr,
        /// Its words; from a peer, so trust nothing in it.
        reason: String,
    },
    /// A peer closed a link since it is connected to a newer generation of this node: this is an old
    /// life, or its generation was too low.
    Superseded {
        /// The generation connected there.
        generation: Generation,
        /// Where that one is, as the peer sees it.
        addr: SocketAddr,
    },
    /// An incoming connection came to nothing. Reported as far as there is room for it, because
    /// anybody can cause it.
    Rejected {
        /// Where it came from.
        addr: SocketAddr,
        /// Whether it belongs to a cluster with another key.
        another_key: bool,
        /// Why, for a log.
        reason: String,
    },
}

/// Why a dial came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Nobody answered in time.
    #[error("no answer in time")]
    Timeout,
    /// The node there holds another cluster key.
    #[error("the node there has another cluster key")]
    AnotherClusterKey,
    /// A member of the cluster answered, but not the expected one.
    #[error("the node there is {0}, not the expected one")]
    AnotherNode(NodeId),
    /// The node there looked at our Hello and refused it.
    #[error("refused ({code}): {reason}")]
    Refused {
        /// The refusing caller's code.
        code: u32,
        /// The refusing caller's words; from a peer, so trust nothing in it.
        reason: String,
    },
    /// Something else, for a log.
    #[error("{0}")]
    Other(String),
}

/// Why something could not be sent. Nothing of it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no usable link to that peer.
    #[error("not connected")]
    NotConnected,
    /// Too much already waits for that peer: it is slow, or silent.
    #[error("too much waits for this peer")]
    Full,
    /// Larger than the limit in [`Options`]: the caller's mistake.
    #[error("too large")]
    TooLarge,
}
