//! Everything that nodes say to one another, on one page.
//!
//! A frame is `kind, version, sender's clock, sender's ring, body` ([`super::codec`]); the body of
//! a batch is a run of items. Requests and responses are matched by number, per link.
//!
//! ```text
//! coordinator             owners                    node after a gap          peer
//!   |-- Write(entry) ------>|  all at once             |-- Ping(nonce) -------->|
//!   |<------------- Ack ----|  level reached: answer   |<-- Behind(partitions) -|  missed writes
//!   |-- Acked(epochs) ----->|  all have it             |-- BehindAck ---------->|
//!   |-- Read(key, min) ---->|  one, then hedged        |<-- Pong(level) --------|
//!   |<-- Hit | Miss | ... --|
//!                                                    holder                   holder
//! node                    decider                      |-- Push(headers) ------>|  both ways
//!   |-- Decide(update) ---->| asks, decides, writes    |<-- Reply(verdicts) ----|
//!   |<---------- Working ---|  every 20 ms             |-- Push(entries) ------>|  what is wanted
//!   |<---------- Decided ---|                          |<-- Reply(verdicts) ----|
//!                                                      |-- Compare(sums) ------>|  one way, before
//!                                                      |<-- Compared(nodes) ----|  all is offered
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::codec::Carries;
use super::event::{Level, Written};
use super::explanation::Holding;
use super::membership::Identity;
use super::outbox::BATCH_ENTRIES;
use super::packing;
use crate::placement::{Life, NodeId, Partition};
use crate::store::partition::FLOORS;
use crate::store::partition::comparison::{Findings, Question};
use crate::store::partition::exchange::Verdict;
use crate::store::sessions::Forgotten;
use crate::store::{Answer, Entry, Flushes, Key, Namespace, Role, Stamp, Update, Version};

/// The first thing said on a link, by the acceptor first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest and newest protocol version spoken.
    pub protocol: (u16, u16),
    /// Number of partitions: must be the same in the whole cluster.
    pub partitions: u16,
    /// Number of owners of a partition: must be the same in the whole cluster.
    pub replicas: u8,
    /// Who speaks.
    pub identity: Identity,
    /// Its human name.
    pub name: String,
    /// What it knows of flushes.
    pub flushes: Flushes,
    /// A digest of what it knows of the members; 0 if it has not been told of them yet.
    pub members: u64,
}

/// All that a node knows of the members; both sides send it when a link comes up, unless the other
/// one's Hello shows that it knows the same.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// SWIM's table: identity, incarnation, state, and for how long it has been down, in
    /// milliseconds.
    pub members: Vec<(Identity, u16, u8, u32)>,
    /// Names, as far as known.
    pub names: Vec<([u8; 16], String)>,
    /// What it knows of flushes.
    pub flushes: Flushes,
    /// Whether an answer is wanted.
    pub answer: bool,
}

/// One thing asked of a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Take this entry.
    Write {
        /// The key.
        key: Key,
        /// The entry.
        entry: Entry,
    },
    /// What do you hold?
    Read {
        /// The key.
        key: Key,
        /// Answer only if you cover this.
        min: Version,
    },
    /// Decide and carry out this update.
    Decide {
        /// The key.
        key: Key,
        /// The update.
        update: Update<Bytes>,
        /// Decide on nothing older than this.
        min: Version,
        /// How many owners must take the result.
        level: Level,
        /// Whether an owner before you in the ring was passed over: ask the others first.
        passed_over: bool,
    },
    /// Everything up to these stamps is dead.
    Flush(Flushes),
    /// How many keys do you decide for?
    Count {
        /// In which namespace.
        namespace: Namespace,
    },
    /// What do you hold of this, and what do others know of it?
    Explain {
        /// The key.
        key: Key,
    },
}

impl Carries for Request {
    fn value_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Request::Write { entry, .. } => entry.value_mut(),
            Request::Decide { update, .. } => update.value_mut(),
            Request::Read { .. }
            | Request::Flush(_)
            | Request::Count { .. }
            | Request::Explain { .. } => None,
        }
    }

    fn value_bytes(&self) -> usize {
        match self {
            Request::Write { entry, .. } => entry.value_bytes(),
            Request::Decide { update, .. } => update.value().map_or(0, Bytes::len),
            Request::Read { .. }
            | Request::Flush(_)
            | Request::Count { .. }
            | Request::Explain { .. } => 0,
        }
    }
}

/// The answer to a [`Request`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Response {
    /// To Write: I cover it.
    Ack {
        /// Whether a live value was replaced.
        existed: bool,
        /// The epoch of my sessions in that partition.
        epoch: u32,
    },
    /// To Write: it is at or below this floor of mine, and I hold no value.
    Below(Stamp),
    /// To Write: I cover it, because I hold something later, of that stamp.
    Newer {
        /// Of the value, or of its deadline if that is later.
        stamp: Stamp,
        /// The epoch of my sessions in that partition.
        epoch: u32,
    },
    /// To Read: a live value.
    Hit(Entry),
    /// To Read: no value.
    Miss {
        /// The version of the mark held, if there is one.
        bar: Version,
        /// The floor of the key's bucket.
        floor: Stamp,
        /// Who has adopted my floor: what these hold below it is not dead for its sake.
        synced: Vec<(NodeId, Life)>,
        /// Whether I have reason to doubt my miss.
        doubt: bool,
    },
    /// I own it, but do not have all of it yet.
    NotReady,
    /// To Read: the same, but I hold this, which covers what was asked for.
    Unready(Entry),
    /// I neither own nor hold it.
    NotOwner,
    /// To Read and Decide: I do not cover the version asked for.
    NotYet,
    /// To Decide: done.
    Decided {
        /// The answer for the client.
        answer: Answer<Bytes>,
        /// What was written, if anything.
        written: Option<Written>,
    },
    /// To Decide: written, but not acknowledged by enough owners in time.
    Undecided {
        /// Owners that have it, as far as known.
        acks: u8,
    },
    /// To Flush.
    Flushed,
    /// To Count.
    Counted(u64),
    /// I have too much to do.
    Busy,
    /// To Decide: I am at it, and wait for others.
    Working,
    /// To Explain.
    Explained(Box<Holding>),
}

impl Carries for Response {
    fn value_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Response::Hit(entry) | Response::Unready(entry) => entry.value_mut(),
            Response::Decided { answer, .. } => answer.value_mut(),
            _ => None,
        }
    }

    fn value_bytes(&self) -> usize {
        match self {
            Response::Hit(entry) | Response::Unready(entry) => entry.value_bytes(),
            Response::Decided { answer, .. } => answer.value().map_or(0, Bytes::len),
            _ => 0,
        }
    }
}

/// What two holders of a partition say to each other: boot of a new owner, return after an absence,
/// handoff and repair are this one exchange. See [`super::sessions`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Exchange {
    /// What I hold and you may lack, a part of it; or only how I stand.
    Push {
        /// How I stand.
        standing: Standing,
        /// Echoed in the Reply.
        push: u32,
        /// Headers: key, version, whether there is a value.
        #[serde(with = "packing::headers")]
        headers: Vec<(Key, Version, bool)>,
        /// Entries you asked for, or that you are known to lack.
        #[serde(with = "packing::entries")]
        entries: Vec<(Key, Entry)>,
        /// Which of the entries are read, a bit each; shorter where the rest are not.
        hot: Vec<u8>,
        /// In answer to your question of that number: these were all that you may lack.
        full: Option<Full>,
        /// What you were in doubt about, another one has confirmed since: what you said of it then.
        vouched: Option<u32>,
    },
    /// What became of it.
    Reply {
        /// How I stand.
        standing: Standing,
        /// Of the Push.
        push: u32,
        /// One for each header, then one for each entry.
        #[serde(with = "packing::verdicts")]
        verdicts: Vec<Verdict>,
        /// If I am in doubt: whom to ask.
        doubt: Option<Box<Doubt>>,
    },
    /// I hold nothing of this partition, and do not own it.
    Nothing {
        /// Which.
        partition: Partition,
        /// Your number; zero in answer to Who.
        echo: u64,
    },
    /// Do you hold anything of this partition? Asked of everybody when no owner is ready.
    Who {
        /// Which.
        partition: Partition,
    },
    /// Who is valid at you? Asked by a node that knows what you have forgotten.
    WhoIsValid {
        /// Of which partition.
        partition: Partition,
    },
    /// These are valid at me: they cover what I have forgotten.
    Valid {
        /// Of which partition.
        partition: Partition,
        /// Which process I am.
        life: Life,
        /// Who.
        peers: Vec<(NodeId, Life)>,
    },
    /// Do you hold this, and does it live? Somebody else may have outlived it.
    Confirm {
        /// Of which partition.
        partition: Partition,
        /// Echoed in the answer.
        number: u64,
        /// What.
        claims: Vec<(Key, Version)>,
    },
    /// The answer.
    Confirmed {
        /// Of which partition.
        partition: Partition,
        /// Of the question.
        number: u64,
        /// Which process I am.
        life: Life,
        /// Of each claim, whether I do; none if I cannot say.
        holds: Vec<bool>,
    },
    /// Who covers a write that this node coordinated.
    Acked {
        /// Of which partition.
        partition: Partition,
        /// The hash of the key; the same on all nodes.
        hash: u64,
        /// The stamp written.
        stamp: Stamp,
        /// For each owner of the sender's ring, if it acknowledged, in which epoch of its sessions.
        epochs: Vec<Option<u32>>,
    },
    /// These keys are read here: spare them.
    Hot {
        /// Of which partition.
        partition: Partition,
        /// Their hashes; the same on all nodes.
        hashes: Vec<u64>,
    },
    /// How does what you hold differ from what I hold?
    Compare {
        /// How I stand.
        standing: Standing,
        /// Echoed in the answer.
        number: u64,
        /// What I hold, as sums.
        question: Question,
    },
    /// The answer.
    Compared {
        /// How I stand.
        standing: Standing,
        /// Of the question.
        number: u64,
        /// Where we differ.
        findings: Findings,
    },
}

/// What a message of an exchange takes besides its entries, in entries.
const EACH: usize = 8;
impl Exchange {
    /// About as many entries as it takes to see to it. What names none may be about all of them: the
    /// first word of a session, and a comparison, make its receiver go through the partition.
    pub fn entries(&self) -> usize {
        match self {
            Exchange::Push { headers, entries, .. } => EACH + headers.len() + entries.len(),
            Exchange::Reply { verdicts, .. } => EACH + verdicts.len(),
            Exchange::Confirm { claims, .. } => EACH + claims.len(),
            Exchange::Hot { hashes, .. } => hashes.len(),
            // With nothing behind it in its frame.
            Exchange::Compare { .. } | Exchange::Compared { .. } => BATCH_ENTRIES,
            Exchange::Acked { .. } => 1,
            _ => EACH,
        }
    }
}

/// How a holder of a partition stands to another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// Of which partition.
    pub partition: Partition,
    /// My number for this session.
    pub number: u64,
    /// Yours, as I know it; zero if I do not.
    pub echo: u64,
    /// What I am to the partition.
    pub role: Role,
    /// Whether I am valid at you, under your number.
    pub valid: bool,
    /// Whether you own the partition in my view: if not, my writes do not reach you.
    pub you_own: bool,
    /// Since I called myself ready without having met another holder, if I did: how many entries I
    /// hold.
    pub alone: Option<u32>,
    /// The epoch of my sessions.
    pub epoch: u32,
    /// My question for all that I may lack.
    pub ask: u32,
    /// How I want it.
    pub supply: Supply,
    /// Counts what I have said in this session; zero is before it is said.
    pub said: u32,
}

/// How a holder wants what it may lack from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Supply {
    /// By headers: it says which values it wants.
    #[default]
    Headers,
    /// With the values, unless they are large: this one brings it up to date.
    Values,
    /// All values, and nothing is compared: it holds none.
    Everything,
    /// Not yet: another one brings it up to date.
    Later,
}

/// Who can say that what was offered was not outlived.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Doubt {
    /// How often I have adopted others' floors: void when I have done so again.
    pub adopted: u32,
    /// They cover all that I have forgotten.
    pub by: Vec<(NodeId, Life)>,
}

/// The end of an offer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Full {
    /// The number of the question.
    pub ask: u32,
    /// What it takes to become valid at me, unless you are.
    pub floors: Option<Box<Floors>>,
}

/// What it takes to become valid at a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Floors {
    /// Its floors.
    pub floors: [Stamp; FLOORS],
    /// Who is valid there, and covers what that node has forgotten by itself.
    pub valid: Vec<(NodeId, Life)>,
    /// What the floors are made of.
    pub knowledge: Vec<Forgotten>,
}

/// The nonce of a Ping from one that is not late: only whether the peer is there.
pub const THERE: u64 = u64::MAX;

/// About being late.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Lateness {
    /// Am I behind you?
    Ping {
        /// Echoed.
        nonce: u64,
    },
    /// The answer.
    Pong {
        /// Of the Ping.
        nonce: u64,
        /// Whether every write sent to you was answered, or told to you in a Behind.
        level: bool,
    },
    /// Writes of these partitions did not reach you.
    Behind {
        /// Echoed.
        number: u64,
        /// Which.
        partitions: Vec<Partition>,
    },
    /// I will see to it.
    BehindAck {
        /// Of the Behind.
        number: u64,
    },
}

impl Lateness {
    /// The number of the question, if a late one asks.
    pub fn asks(&self) -> Option<u64> {
        match self {
            Lateness::Ping { nonce } if *nonce != THERE => Some(*nonce),
            _ => None,
        }
    }
}

/// The peer that a request came from, and what to match the answer with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// Who.
    pub peer: NodeId,
    /// The lane it came on, and the answer goes back on.
    pub lane: u8,
    /// Its number for the request.
    pub number: u64,
}
