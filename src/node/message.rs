//! Everything that nodes say to one another, on one page.
//!
//! A frame is `kind, version, sender's clock, sender's ring, body` ([`super::codec`]); the body of
//! a batch is a run of items. Requests and responses are matched by number, per link.
//!
//! ```text
//! coordinator             owners                    node after a gap          peer
//!   |-- Write(entry) ------>|  all at once             |-- Ping(nonce) -------->|
//!   |<------------- Ack ----|  level reached: answer   |<-- Behind(partitions) -|  missed writes
//!   |                       |                          |-- BehindAck ---------->|
//!   |-- Read(key, min) ---->|  one, then hedged        |<-- Pong(level) --------|
//!   |<-- Hit | Miss | ... --|
//!                                                    booting owner            holder
//! node                    decider                      |-- Pull(partition) ---->|
//!   |-- Decide(update) ---->| asks, decides, writes    |<-- Offer(headers) -----|
//!   |<---------- Working ---|  every 20 ms             |-- Want(keys) --------->|
//!   |<---------- Decided ---|                          |<-- Values(entries) ----|
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::event::{Level, Written};
use super::membership::Identity;
use crate::placement::{Generation, Partition};
use crate::store::Flushes;
use crate::store::partition::FLOORS;
use crate::store::{Answer, Cursor, Entry, Key, Namespace, Stamp, Update, Version};

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
}

/// All that a node knows of the members; both sides send it when a link comes up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// SWIM's table: identity, incarnation, state.
    pub members: Vec<(Identity, u16, u8)>,
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
    /// To Read: a live value.
    Hit(Entry),
    /// To Read: no value.
    Miss {
        /// The version of the mark held, if there is one.
        bar: Version,
        /// The floor of the key's bucket.
        floor: Stamp,
        /// The epoch of my sessions in that partition.
        epoch: u32,
        /// Whether I have reason to doubt my miss.
        doubt: bool,
    },
    /// I own it, but do not have all of it yet.
    NotReady,
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
}

/// A partition-wise exchange: how a holder without all entries gets them, and how two that were
/// apart compare. Provisional: every header, no tree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Exchange {
    /// Show me what you hold, from there on.
    Pull {
        /// Of which partition.
        partition: Partition,
        /// My number for this session; echoed.
        number: u64,
        /// Which life of yours I mean.
        generation: Generation,
        /// Where to go on; `None` starts.
        cursor: Option<Cursor>,
    },
    /// What I hold, a part of it.
    Offer {
        /// Of which partition.
        partition: Partition,
        /// The number of the Pull.
        number: u64,
        /// The epoch of my sessions.
        epoch: u32,
        /// Whether I own the partition.
        owner: bool,
        /// Whether I have all of it.
        ready: bool,
        /// Whether I called myself ready without having met another holder.
        alone: bool,
        /// Whether you own it in my view: if not, my writes do not reach you.
        you_own: bool,
        /// Headers: key, version, whether there is a value.
        headers: Vec<(Key, Version, bool)>,
        /// Where to go on; `None`: that was all.
        cursor: Option<Cursor>,
        /// My floors, with the last part.
        floors: Option<Box<[Stamp; FLOORS]>>,
    },
    /// Send me these.
    Want {
        /// Of which partition.
        partition: Partition,
        /// The number of the Pull.
        number: u64,
        /// Which.
        keys: Vec<Key>,
    },
    /// Entries you wanted. Whatever is no longer held is left out.
    Values {
        /// Of which partition.
        partition: Partition,
        /// The number of the Pull.
        number: u64,
        /// The entries.
        entries: Vec<(Key, Entry)>,
        /// Whether this ends the answer to one Want.
        last: bool,
    },
    /// I still hold this partition, though I do not own it any more: pull it from me.
    Holding {
        /// Which.
        partition: Partition,
        /// My number for this handoff; echoed.
        number: u64,
    },
    /// I own it, am ready, and have pulled it from you.
    Taken {
        /// Which.
        partition: Partition,
        /// The number of the Holding.
        number: u64,
    },
}

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
