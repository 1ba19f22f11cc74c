//! A run as data: what it is made of, which faults happen when, what clients do when.
//!
//! A seed becomes options, options become a plan, and only the plan is run. A saved plan outlives
//! changes of how plans are drawn, and a smaller plan is made by cutting lists.

use chickadee::node::coordinator::DEADLINE_MS;
use chickadee::store::Rules;
use chickadee::store::clock::AHEAD_MS_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Time;
use crate::workload::is_large;

/// What a clock that is followed slowly may be behind besides, in milliseconds.
const TURN_MS: u64 = 30;
/// A large answer may be late by so long before another owner is asked, in milliseconds.
const COMING_MS: u64 = 300;

/// Everything a run needs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The scenario it was drawn by.
    pub scenario: String,
    /// The seed it was drawn from; the streams of the run itself come from it, too.
    pub seed: u64,
    /// Rules that nodes do not keep: see [`Rules::ALL`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// What the cluster and its network are like.
    pub options: Options,
    /// Faults, by time.
    pub faults: Vec<Timed<Fault>>,
    /// What clients do, by time.
    pub operations: Vec<Timed<ClientOperation>>,
}

/// Something at a time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Timed<T> {
    /// When, in milliseconds since the beginning.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: T,
}

impl<T> Timed<T> {
    /// When.
    pub fn time(&self) -> Time {
        Time::ms(self.at_ms)
    }
}

/// What the cluster and its network are like. Whole numbers only, so that a plan read back is the
/// plan that was written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Nodes started at the beginning.
    pub nodes: usize,
    /// Nodes that join later.
    pub joiners: usize,
    /// Owners of a partition.
    pub replicas: u8,
    /// Partitions of the cluster.
    pub partitions: u16,
    /// Locks of a store.
    pub shards: usize,
    /// Memory of a node for entries, in bytes.
    pub memory_bytes_max: usize,
    /// How much of it a node has, in per cent: node i has number i modulo their count. Empty is all
    /// of it for everybody.
    #[serde(default)]
    pub memory_percents: Vec<u8>,
    /// Whether every node knows a seed, or only those that join at the beginning.
    pub restarts_seeded: bool,
    /// Longest one-way delay between two hosts, in microseconds; each pair draws its own.
    pub latency_us_max: u64,
    /// What is added to each delay, at most, in microseconds.
    pub jitter_us_max: u64,
    /// Of a million packets, so many are lost.
    pub loss_ppm: u32,
    /// Of a million datagrams, so many arrive twice.
    pub duplicate_ppm: u32,
    /// Of a million frames of the exchange, so many come late, after what was sent behind them, and
    /// also when their sender has another life by then: handed over by a link that is being replaced.
    #[serde(default)]
    pub late_ppm: u32,
    /// Of a million frames of bulk, so many meet the end of their connection: it is lost with all
    /// that is under way on it, and another one is dialed. At the level of the state machine.
    #[serde(default)]
    pub bulk_ends_ppm: u32,
    /// How far a wall clock may be off at the beginning, in milliseconds.
    pub wall_off_ms_max: i64,
    /// How much faster or slower a monotonic clock may run, in parts per million.
    pub rate_ppm_max: i64,
    /// How much faster or slower a wall clock may run, in parts per million.
    pub wall_rate_ppm_max: i64,
    /// Shares of the nodes: node i takes number i modulo their count.
    pub weights: Vec<u16>,
    /// Failure domains: node i lies in number i modulo that; 0 is none at all.
    pub zones: usize,
    /// Clients.
    pub clients: usize,
    /// Keys of each letter that they share.
    pub keys: usize,
    /// Time between two operations of a client, in milliseconds: from, to (exclusive).
    pub pause_ms: (u64, u64),
    /// Of a million operations, so many go to one and the same key.
    pub hot_ppm: u32,
    /// Of a million operations, so many go to keys that are flushed, besides those that do anyway.
    pub flushed_ppm: u32,
    /// Of a million operations, so many go to keys that end, besides those that do anyway.
    #[serde(default)]
    pub ending_ppm: u32,
    /// Values are filled up to so many bytes.
    pub value_bytes: usize,
    /// Those under a few keys up to so many: see [`crate::workload::is_large`]. 0 is no such keys.
    #[serde(default)]
    pub large_bytes: usize,
    /// Bytes a second that a node sends of bulk, and by which it reckons what large values take.
    #[serde(default = "usual_rate")]
    pub bulk_rate: u64,
    /// Nodes for which liveness is demanded at the end: faults of all others last for ever. Empty
    /// is everybody, and everything is mended.
    pub core: Vec<usize>,
    /// Shortest time between two faults that do not overlap on purpose, in milliseconds.
    pub stable_ms: u64,
    /// Faults begin here, in milliseconds.
    pub formed_ms: u64,
    /// Faults end here, and liveness is demanded from here on.
    pub healed_ms: u64,
    /// Every node is to see the truth about all members within so long after that, in milliseconds.
    pub members_ms: u64,
    /// Convergence is demanded within so long after it, in milliseconds.
    pub settle_ms: u64,
    /// Of a hundred seeds, all but one are to have converged within so long after it, in
    /// milliseconds; what may be chance is allowed for.
    #[serde(default = "three_intervals")]
    pub agree_ms: u64,
}

impl Options {
    /// For how much longer an operation on that key may take since its value is large, in
    /// milliseconds. A read may wait for one owner after the other.
    pub fn longer_ms(&self, key: &str, reads: bool) -> u64 {
        match is_large(key) {
            // It may have to wait for its turn until those of all others are through.
            true if !reads => (2 + self.clients as u64) * self.takes_ms(),
            true => self.longest_ms(),
            false => 0,
        }
    }

    /// The same for whatever takes longest.
    pub fn longest_ms(&self) -> u64 {
        let late_ms = if self.large_bytes > 0 { COMING_MS } else { 0 };
        u64::from(self.replicas).max(2 + self.clients as u64) * (self.takes_ms() + late_ms)
    }

    /// Whether an operation on that key has taken as long as it may since its value is large.
    pub fn is_overdue(&self, key: &str, took_ms: u64) -> bool {
        self.large_bytes > 0 && is_large(key) && took_ms >= DEADLINE_MS + self.takes_ms()
    }

    fn takes_ms(&self) -> u64 {
        self.large_bytes as u64 * 1_000 / self.bulk_rate
    }

    /// Memory of a node for entries, in bytes.
    pub fn memory_of(&self, node: usize) -> usize {
        match self.memory_percents.len() {
            0 => self.memory_bytes_max,
            count => self.memory_bytes_max * usize::from(self.memory_percents[node % count]) / 100,
        }
    }
}

/// Little, so that boots of the few bytes here take a time that something can happen in.
pub(crate) const fn usual_rate() -> u64 {
    1 << 20
}

/// Three intervals of anti-entropy, and what it takes to notice, in milliseconds.
pub(crate) const fn three_intervals() -> u64 {
    3_500
}

/// What goes wrong, or is mended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The process is killed: memory lost, nothing said.
    Crash {
        /// Which node.
        node: usize,
    },
    /// A process is started: a new life, with empty memory.
    Start {
        /// Which node.
        node: usize,
        /// Whether it is given a seed.
        seeded: bool,
    },
    /// The process is asked to stop, says goodbye, and exits.
    Stop {
        /// Which node.
        node: usize,
    },
    /// The process is asked to stop, and is never started again.
    Leave {
        /// Which node.
        node: usize,
    },
    /// The process is stopped as by SIGSTOP: memory kept, nothing handled.
    Stall {
        /// Which node.
        node: usize,
    },
    /// It goes on.
    Resume {
        /// Which node.
        node: usize,
    },
    /// Nothing passes from one node to another; the way back is not affected.
    Cut {
        /// From.
        from: usize,
        /// To.
        to: usize,
    },
    /// It passes again.
    Mend {
        /// From.
        from: usize,
        /// To.
        to: usize,
    },
    /// Nothing passes between these nodes and all others, in either direction.
    Partition {
        /// One side.
        nodes: Vec<usize>,
    },
    /// All cuts are mended.
    Unite,
    /// All packets are lost or duplicated at other rates, and take longer.
    Weather {
        /// Of a million packets, so many are lost.
        loss_ppm: u32,
        /// Of a million datagrams, so many arrive twice.
        duplicate_ppm: u32,
        /// What is added to each delay, at most, in microseconds.
        jitter_us_max: u64,
    },
    /// Everything to and from a node takes longer.
    Slow {
        /// Which node.
        node: usize,
        /// By how much, in microseconds.
        by_us: u64,
    },
    /// Bytes from one node to another pass no faster; the way back is not affected.
    Throttle {
        /// From.
        from: usize,
        /// To.
        to: usize,
        /// Bytes a second; 0 ends it.
        bytes_per_second: u64,
    },
    /// The wall clock of a node is set.
    Clock {
        /// Which node.
        node: usize,
        /// By how much it moves, in milliseconds.
        by_ms: i64,
    },
}

/// What a client does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClientOperation {
    /// Which client.
    pub client: usize,
    /// Which key.
    pub key: String,
    /// What.
    #[serde(flatten)]
    pub act: Act,
}

/// An act of a client on one key. Values are not in the plan: each write's is made of client and
/// count, so that every value read can be traced to the write it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// Read.
    Get,
    /// Write.
    Set,
    /// Write a value that ends.
    SetFor {
        /// After so many milliseconds.
        ttl_ms: u64,
    },
    /// Remove.
    Delete,
    /// Append to what is there, decided by one owner.
    Append,
    /// Write if there is nothing, decided by one owner.
    SetIfAbsent,
    /// Add 1 to what is there, decided by one owner.
    Add,
    /// Change when the value ends.
    Expire {
        /// After so many milliseconds.
        ttl_ms: u64,
    },
    /// Let the value never end.
    Persist,
    /// Remove everything in the namespace of the key.
    Flush,
}

impl Act {
    /// Whether it may remove what was there before.
    pub fn removes(self) -> bool {
        matches!(self, Act::Delete | Act::SetFor { .. } | Act::Expire { .. } | Act::Flush)
    }

    /// Whether one owner decides it on what is there.
    pub fn is_decided(self) -> bool {
        match self {
            Act::Append | Act::SetIfAbsent | Act::Add | Act::Expire { .. } | Act::Persist => true,
            Act::Get | Act::Set | Act::SetFor { .. } | Act::Delete | Act::Flush => false,
        }
    }
}

impl Plan {
    /// Leaves of its faults only that the first nodes start, in the first two seconds: for others by
    /// hand.
    pub fn keep_starts(&mut self) {
        let starts = |fault: &Timed<Fault>| matches!(fault.what, Fault::Start { .. });
        self.faults.retain(|fault| starts(fault) && fault.at_ms < 2_000);
    }

    /// Reads a plan as it is saved. An error names what is wrong: a field that no plan has, too,
    /// because what it was to change would not be changed.
    pub fn parse(json: &str) -> Result<Plan, String> {
        // First as what it should be: as anything at all it would take a hundred times its length.
        let plan: Plan = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let written: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let read = serde_json::to_value(&plan).map_err(|error| error.to_string())?;
        match unknown_field(&written, &read, "") {
            Some(field) => Err(format!("there is no field {field}")),
            None => Ok(plan),
        }
    }

    /// The rules that nodes keep.
    pub fn rules(&self) -> Rules {
        let without = |rules: Rules, name: &String| rules.without(name).unwrap_or(rules);
        self.without.iter().fold(Rules::default(), without)
    }

    /// Whether liveness is demanded for that node at the end.
    pub fn in_core(&self, node: usize) -> bool {
        self.options.core.is_empty() || self.options.core.contains(&node)
    }

    /// How far what a node takes for the time may be off, in milliseconds: as far as clocks are at
    /// the beginning or because of their rates, what a node believes of another, and steps of its
    /// own clock that it believes at once.
    pub fn clocks_off_ms_max(&self) -> u64 {
        let options = &self.options;
        let run_ms = options.healed_ms + options.settle_ms;
        let drift_ms = options.wall_rate_ppm_max as u64 * run_ms / 1_000_000;
        let step = |fault: &Timed<Fault>| match fault.what {
            Fault::Clock { by_ms, .. } if by_ms.unsigned_abs() <= AHEAD_MS_MAX => {
                by_ms.unsigned_abs()
            }
            _ => 0,
        };
        let steps: u64 = self.faults.iter().map(step).sum();
        options.wall_off_ms_max as u64 + drift_ms + AHEAD_MS_MAX + steps
    }

    /// How far what a node takes for the time may be behind, in milliseconds, when it looks whether
    /// a value has ended: as [`Plan::clocks_off_ms_max`], but where no clock is set and none is far
    /// from the others, a node goes by its own.
    pub fn deadlines_off_ms_max(&self) -> u64 {
        let set = self.faults.iter().any(|fault| matches!(fault.what, Fault::Clock { .. }));
        let far = 2 * self.options.wall_off_ms_max as u64 > AHEAD_MS_MAX;
        let off_ms = self.clocks_off_ms_max();
        if set || far { off_ms } else { off_ms - AHEAD_MS_MAX + TURN_MS }
    }

    /// Whether the network loses nothing, and is slow nowhere.
    pub fn is_calm(&self) -> bool {
        let rough = |fault: &Timed<Fault>| {
            let what = &fault.what;
            matches!(what, Fault::Weather { .. } | Fault::Slow { .. } | Fault::Throttle { .. })
        };
        self.options.loss_ppm == 0 && !self.faults.iter().any(rough)
    }

    /// Nodes in all.
    pub fn nodes(&self) -> usize {
        self.options.nodes + self.options.joiners
    }
}

/// Where something is written that was not read. Flattened fields cannot be refused while reading.
fn unknown_field(written: &Value, read: &Value, path: &str) -> Option<String> {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            written.iter().find_map(|(name, value)| {
                let path = format!("{path}.{name}");
                let empty = value.as_array().is_some_and(Vec::is_empty);
                match read.get(name) {
                    Some(known) => unknown_field(value, known, &path),
                    // An empty list may be left out.
                    None => (!empty).then(|| path.trim_start_matches('.').to_owned()),
                }
            })
        }
        (Value::Array(written), Value::Array(read)) => {
            let mut pairs = written.iter().zip(read).enumerate();
            pairs.find_map(|(at, (value, known))| {
                unknown_field(value, known, &format!("{path}[{at}]"))
            })
        }
        _ => None,
    }
}
