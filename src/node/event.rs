//! The entire boundary of a node with the world, on one page: what it is told, what it answers.
//!
//! Bytes in, bytes out: messages are decoded and encoded inside, so that a simulation exercises the
//! codec too.

use std::net::SocketAddr;

use bytes::Bytes;

use super::explanation::Explanation;
use super::refused::Difference;
use crate::placement::{Generation, NodeId, Zone};
use crate::store::{Answer, Key, Namespace, Operation, Version};

/// Names a client operation between the caller and the node. Chosen by the caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(pub u64);

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A client wants something that needs more than this node's store.
    Command {
        /// For the reply.
        id: OpId,
        /// What.
        command: Command,
    },
    /// A link to that peer is usable; a newer life of it says so again.
    Up {
        /// Who, by its certificate.
        peer: NodeId,
        /// Where it was reached, or called from.
        addr: SocketAddr,
    },
    /// The last link to that peer is gone.
    Down {
        /// Who.
        peer: NodeId,
    },
    /// A frame from a stream.
    Frame {
        /// Who, by its certificate.
        from: NodeId,
        /// The frame.
        bytes: Bytes,
    },
    /// A datagram.
    Datagram {
        /// Who, by its certificate.
        from: NodeId,
        /// Its payload.
        bytes: Bytes,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Where to.
        addr: SocketAddr,
        /// Why, for the log.
        reason: String,
        /// Whether a constant of the cluster differs there.
        difference: Option<Difference>,
    },
    /// A peer closed a link, since it is connected to a later life of this node.
    Superseded {
        /// Of which generation.
        generation: Generation,
        /// Where that one is, as the peer sees it.
        addr: SocketAddr,
    },
    /// The addresses that the seeds' names resolve to now.
    Seeds(Vec<SocketAddr>),
    /// Time has passed: [`super::Node::next_deadline`] is here.
    Tick,
    /// Stop for a restart: answer what is under way and nothing new, then tell the others, so that
    /// nobody waits for this node. Said again: tell them now.
    Stop,
}

impl Input {
    /// A word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Input::Command { .. } => "a command",
            Input::Up { .. } => "a new link",
            Input::Down { .. } => "a lost link",
            Input::Frame { .. } => "a frame",
            Input::Datagram { .. } => "a datagram",
            Input::DialFailed { .. } => "a failed dial",
            Input::Superseded { .. } => "a later life",
            Input::Seeds(_) => "the seeds",
            Input::Tick => "what was due",
            Input::Stop => "the end",
        }
    }
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Send a frame on an ordered lane of the link to a peer.
    Frame {
        /// To whom.
        to: NodeId,
        /// Lanes 0 to 3 carry operations, [`LARGE_LANE`] large ones, [`BULK_LANE`] what brings a peer
        /// up to date, [`CONTROL_LANE`] the rest.
        lane: u8,
        /// The frame, but for its end.
        bytes: Bytes,
        /// Its end: on [`LARGE_LANE`] the value, which is not copied; empty elsewhere.
        value: Bytes,
    },
    /// Send a datagram.
    Datagram {
        /// To whom.
        to: NodeId,
        /// At most 1150 bytes.
        bytes: Bytes,
    },
    /// Try to reach a node there.
    Dial {
        /// Where.
        addr: SocketAddr,
        /// Who should answer, if known.
        expected: Option<NodeId>,
    },
    /// Close all links to that peer.
    Close {
        /// Whom.
        peer: NodeId,
        /// Why, for its log.
        reason: &'static str,
    },
    /// Resolve the names of the seeds again, and answer with [`Input::Seeds`].
    Resolve,
    /// The answer to a command.
    Reply {
        /// Which one.
        id: OpId,
        /// The answer.
        reply: Reply,
    },
    /// Something an operator wants to know.
    Notice(Notice),
}

/// The lane of everything that is not an operation.
pub const CONTROL_LANE: u8 = 4;

/// The lane of what must not hold up operations, and may be much. In order in itself only, and what
/// is sent on it may be lost where other lanes lose nothing.
pub const BULK_LANE: u8 = 5;

/// Where large requests and responses go: each by itself, in no order, beside the lane of bulk and
/// like that one.
pub const LARGE_LANE: u8 = 6;

/// Operation lanes of a link; a partition always uses the same one.
pub const OPERATION_LANES: u8 = 4;

/// What a client may want of the node.
#[derive(Clone, Debug)]
pub enum Command {
    /// An operation on one key.
    Key {
        /// The key.
        key: Key,
        /// What to do.
        operation: Operation<Bytes>,
        /// How many owners must take part.
        level: Level,
        /// What the answer must at least know: the version returned by an earlier write.
        min: Version,
    },
    /// Forget everything in a namespace, or in all.
    Flush {
        /// Which; `None` is all.
        namespace: Option<Namespace>,
    },
    /// Count the keys of a namespace, in the whole cluster.
    Count {
        /// Which.
        namespace: Namespace,
    },
    /// The members this node knows.
    Members,
    /// Whether this node has all of what it owns.
    Ready,
    /// Counters and state of this node.
    Status,
    /// Why a key is, or is not, where it is.
    Explain {
        /// The key.
        key: Key,
    },
    /// Leave for good: hand over what this node holds.
    Leave {
        /// For so long at most, in milliseconds.
        within_ms: u64,
    },
}

/// How many owners must acknowledge a write, or answer a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub enum Level {
    /// One owner.
    One,
    /// A majority of the owners; of the reachable ones, if fewer are reachable than that.
    #[default]
    Quorum,
    /// All reachable owners.
    All,
}

/// What a client is told.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The operation's answer.
    Answer {
        /// The answer.
        answer: Answer<Bytes>,
        /// What a write came to; `None` where nothing was written.
        written: Option<Written>,
    },
    /// All reachable members flushed.
    Flushed,
    /// Number of keys.
    Count(u64),
    /// The members.
    Members(Vec<MemberView>),
    /// Whether this node is ready.
    Ready(bool),
    /// Name and value, in an order to be read.
    Status(Vec<(&'static str, StatusValue)>),
    /// A key, explained.
    Explain(Box<Explanation>),
    /// This node has handed over what it held and owns nothing any more; it is to be stopped now.
    Left {
        /// Partitions that nobody had taken in time.
        kept: usize,
    },
    /// It did not work.
    Failed(Failure),
}

/// What a write came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Written {
    /// The version written.
    pub version: Version,
    /// Owners that have it.
    pub acks: u8,
    /// Owners that should.
    pub wanted: u8,
}

/// Why an operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The deadline, of 1 s and what the value's size adds, passed without enough answers. A write
    /// may appear later.
    #[error("no owner of the key answered in time; a write may still appear ({acks} acknowledged)")]
    Unknown {
        /// Owners that have it, as far as known.
        acks: u8,
    },
    /// No owner of the key could be reached within the deadline. Nothing was read.
    #[error("no owner of the key can be reached")]
    Unreachable,
    /// There is no owner: every member has weight 0.
    #[error("no member owns anything: every member has weight 0")]
    NoOwner,
    /// Too many operations are under way here.
    #[error("too many operations are under way on this node, try again")]
    Busy,
    /// The value is longer than allowed.
    #[error("the value is longer than this cluster allows")]
    TooLarge,
    /// The node is stopping.
    #[error("this node is stopping")]
    Stopping,
    /// Another process runs under this node's name, so this one ends. What it acknowledged since the
    /// other joined may be lost.
    #[error("another process runs under this node's name, so this one ends")]
    Replaced,
}

/// A member, as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberView {
    /// Who.
    pub id: NodeId,
    /// Its name; empty while unknown.
    pub name: String,
    /// Where.
    pub addr: SocketAddr,
    /// Which life.
    pub generation: Generation,
    /// Alive, suspect or down.
    pub state: MemberState,
    /// Its share.
    pub weight: u16,
    /// Its failure domain.
    pub zone: Zone,
    /// Whether it answers: independent of SWIM, and faster.
    pub responsive: bool,
    /// Smoothed round trip, in microseconds; 0 while unknown.
    pub rtt_us: u64,
    /// Whether it is this node.
    pub own: bool,
}

/// A member's state, in SWIM's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MemberState {
    /// It answers probes, or somebody says so.
    Alive,
    /// It did not answer, and has some time to say otherwise.
    Suspect,
    /// It is gone, or said goodbye.
    Down,
}

impl MemberState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            MemberState::Alive => "alive",
            MemberState::Suspect => "suspect",
            MemberState::Down => "down",
        }
    }
}

/// A value in a status report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StatusValue {
    /// A word or a name.
    Text(String),
    /// A count.
    Number(u64),
}

/// Something an operator wants to know: one log line each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A member came.
    MemberUp(MemberView),
    /// A member is suspected.
    MemberSuspect(MemberView),
    /// A suspected member answered after all.
    MemberRefuted(MemberView),
    /// A member went.
    MemberDown(MemberView),
    /// This node was taken for dead and is back under a new incarnation of its identity.
    Rejoined(Generation),
    /// A former life of this node had a later generation than its clock says; it goes on above that
    /// one.
    WentAbove(Generation),
    /// A later life of this node, which is not this process, is a member: this one ends.
    Replaced {
        /// Of which generation.
        generation: Generation,
        /// Where it is.
        addr: SocketAddr,
    },
    /// Every seed belongs to a cluster with other constants, and this node was no member yet.
    Unfit {
        /// One of them.
        addr: SocketAddr,
        /// What differs.
        difference: Difference,
    },
    /// No seed took this node in for so long; it serves alone and keeps trying.
    Alone {
        /// The seeds tried, and what came of it.
        seeds: Vec<(SocketAddr, String)>,
    },
    /// This node may open its doors: it is a member, or alone.
    Open,
    /// This node has all of what it owns.
    Ready,
    /// This node did not run for a while.
    Stalled {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// A seed could not be reached.
    SeedFailed {
        /// Which.
        addr: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Something from a peer was dropped.
    Dropped {
        /// From whom.
        peer: NodeId,
        /// Why.
        reason: String,
    },
    /// The wall clock is not followed: the peers show another time.
    ClockOff {
        /// By how much it leads the time that this node goes by, in milliseconds.
        lead_ms: i64,
    },
}
