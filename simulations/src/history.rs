//! What clients did and were told: the evidence that most checkers judge.

mod excuses;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chickadee::node::event::Failure;
use chickadee::store::{Stamp, Version};

use crate::hosts::HostSet;
use crate::plan::Act;
use crate::time::Time;
use crate::workload::FLUSHED;

pub use excuses::{Loss, SPREAD_MS};

/// The client that the reads at the end are of.
pub const READER: usize = usize::MAX;
/// The client that operations which somebody calls by hand are of.
pub const TESTER: usize = usize::MAX - 1;

/// How an operation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Not yet.
    Open,
    /// A read found this.
    Found(String),
    /// A read found nothing.
    Missing,
    /// A write was acknowledged.
    Done {
        /// What was written; `None` if nothing was (a condition did not hold).
        version: Option<Version>,
        /// Owners that had it then.
        acks: u8,
    },
    /// It failed.
    Failed(Failure),
    /// Nobody knows: the process died, or the client went to another one.
    Lost,
}

/// One operation of one client.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which client; readers at the end are above all others.
    pub client: usize,
    /// The node it asked.
    pub host: usize,
    /// The life of that node.
    pub life: u32,
    /// The key.
    pub key: String,
    /// What.
    pub act: Act,
    /// The value of a write, or the part appended.
    pub value: String,
    /// When it was asked.
    pub start: Time,
    /// When it was answered.
    pub end: Time,
    /// How it ended.
    pub outcome: Outcome,
    /// The node was stopped while it was under way.
    pub stalled: bool,
    /// All the while a majority of the key's owners could be reached from the node, and was ready.
    pub majority: bool,
    /// All the while one ready owner could be reached from the node.
    pub one: bool,
    /// While hosts were apart and the node could reach half of them at most, one of the others
    /// counted none of those as an owner of the key that the node could reach and did.
    pub strayed: bool,
    /// For a read or a flush: hosts that could be reached from the node all the while. `None` is
    /// before anybody looked.
    pub reach: Option<HostSet>,
    /// For a miss: hosts that answered for the key and held a live value, when it was asked and when
    /// it was answered.
    pub holders: HostSet,
    /// For a miss: when it was answered nobody held a live value, reachable or not.
    pub vanished: bool,
    /// The node was an owner of the key, or held its partition still, when it was asked.
    pub holder: bool,
    /// What the node had held of the key when it was asked, in this life, and still answers for.
    pub knew: Stamp,
    /// Up to where the node knew the key's namespace to be flushed when it was asked.
    pub knew_flushed: Stamp,
    /// For a flush: up to which stamp.
    pub flushed: Option<Stamp>,
    /// For an addition: what it came to.
    pub sum: Option<i64>,
    /// For what is answered by yes or no: there was a value to remove, the condition held, the end
    /// was changed.
    pub yes: Option<bool>,
}

impl Record {
    /// Whether it is a read.
    pub fn reads(&self) -> bool {
        self.act == Act::Get
    }

    /// Whether it is an acknowledged write, and of which version.
    pub fn acknowledged(&self) -> Option<Version> {
        match self.outcome {
            Outcome::Done { version, .. } => version,
            _ => None,
        }
    }

    /// Whether a read at the end, by the harness itself.
    pub fn is_final(&self) -> bool {
        self.client == READER
    }

    /// Who it was, for a human.
    pub fn who(&self) -> String {
        match self.client {
            READER => "reader".to_owned(),
            TESTER => "tester".to_owned(),
            client => format!("c{client}"),
        }
    }

    /// Whether it may have removed a value of that stamp, which was written from `start` on.
    pub fn may_remove(&self, stamp: Stamp, start: Time) -> bool {
        let done = match self.flushed {
            Some(flushed) if self.outcome != Outcome::Open => Some(flushed),
            _ => self.acknowledged().map(|version| version.value),
        };
        self.act.removes() && !done.is_some_and(|done| done < stamp && self.end < start)
    }
}

/// The versions under which a value was seen: usually one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The oldest.
    pub oldest: Stamp,
    /// The newest.
    pub newest: Stamp,
}

/// Everything that happened between clients and nodes.
#[derive(Debug, Default)]
pub struct History {
    /// All operations, in the order they began.
    pub records: Vec<Record>,
    /// The keys that they were about.
    pub keys: BTreeSet<String>,
    /// Operations under way, by their index in `records`, in the order they began.
    pub open: Vec<usize>,
    /// What died with its last holder.
    pub losses: Vec<Loss>,
    /// Keys that a node had to evict, and when that was seen last.
    pub evictions: BTreeMap<String, Time>,
    /// Keys of which an owner did not take or keep a value, because it may have forgotten something
    /// later, and when that was seen last.
    pub dropped: BTreeMap<String, Time>,
    /// Who did not take what was acknowledged of a key, because it had forgotten something later of
    /// another one: by host and key.
    pub refused: BTreeSet<(usize, String)>,
    /// What was acknowledged lately, and when: some owners may not have been told of it yet.
    pub spreading: VecDeque<(Time, String, Version)>,
    /// Something else happened to hosts than to fall apart in two and to come together again.
    pub troubled: bool,
    /// What a node had learnt from another made it doubt a third, which then was judged anew.
    pub doubted: bool,
    /// Where and of which keys a read at the end is answered by an owner outside of the core that not
    /// all of the core can reach: by host and key.
    pub outside: BTreeSet<(usize, String)>,
    /// When a process ended.
    pub deaths: Vec<Time>,
    /// Under which versions each value was seen, by key and value.
    pub versions: BTreeMap<String, BTreeMap<String, Seen>>,
    /// When each value ends at the latest, in milliseconds since 1970, by key and value; `None` is
    /// never.
    pub deadlines: BTreeMap<String, BTreeMap<String, Option<u64>>>,
    /// When each node was stopped, and when it went on.
    pub stalls: Vec<Stall>,
    /// When not everything passed between all hosts, and until when.
    pub cuts: Vec<(Time, Option<Time>)>,
}

/// One time a node was stopped.
#[derive(Clone, Debug)]
pub struct Stall {
    /// Which.
    pub host: usize,
    /// Which life of it.
    pub life: u32,
    /// From.
    pub from: Time,
    /// To.
    pub to: Time,
    /// The members it knew of.
    pub knew: HostSet,
}

/// What may have removed values, by key.
#[derive(Debug, Default)]
pub struct Removals<'a> {
    by_key: BTreeMap<&'a str, Vec<&'a Record>>,
}

impl<'a> Removals<'a> {
    /// Those that concern a key.
    pub fn of(&self, key: &str) -> impl Iterator<Item = &'a Record> + use<'a, '_> {
        let flushes = self.by_key.get(FLUSHED).filter(|_| key.starts_with(FLUSHED));
        self.by_key.get(key).into_iter().chain(flushes).flatten().copied()
    }
}

impl History {
    /// An operation is not under way any more.
    pub fn close(&mut self, index: usize) {
        if let Ok(at) = self.open.binary_search(&index) {
            self.open.remove(at);
        }
    }

    /// A value was seen under a version.
    pub fn saw(&mut self, key: &str, value: &str, version: Version) {
        let stamp = version.value;
        let seen = Seen { oldest: stamp, newest: stamp };
        if !self.versions.contains_key(key) {
            self.versions.insert(key.to_owned(), BTreeMap::new());
        }
        let values = self.versions.get_mut(key).expect("just put there");
        match values.get_mut(value) {
            Some(known) => {
                known.oldest = known.oldest.min(stamp);
                known.newest = known.newest.max(stamp);
            }
            None => {
                values.insert(value.to_owned(), seen);
            }
        }
    }

    /// A value was seen with that end.
    pub fn ends(&mut self, key: &str, value: &str, deadline_ms: Option<u64>) {
        if !self.deadlines.contains_key(key) {
            self.deadlines.insert(key.to_owned(), BTreeMap::new());
        }
        let values = self.deadlines.get_mut(key).expect("just put there");
        match values.get_mut(value) {
            Some(known) => *known = known.zip(deadline_ms).map(|(known, new)| known.max(new)),
            None => {
                values.insert(value.to_owned(), deadline_ms);
            }
        }
    }

    /// When the value that a read found ends, in milliseconds since 1970, if it does.
    pub fn end_of(&self, read: &Record) -> Option<u64> {
        match &read.outcome {
            Outcome::Found(value) => *self.deadlines.get(&read.key)?.get(value)?,
            _ => None,
        }
    }

    /// The write of the value that a read found.
    pub fn written(&self, read: &Record) -> Option<&Record> {
        let Outcome::Found(value) = &read.outcome else { return None };
        let wrote = |record: &&Record| record.key == read.key && record.value == *value;
        self.records.iter().filter(|record| !record.reads()).find(wrote)
    }

    /// The versions of a value.
    pub fn seen(&self, key: &str, value: &str) -> Option<Seen> {
        self.versions.get(key)?.get(value).copied()
    }

    /// The newest value of a key that was seen.
    pub fn newest(&self, key: &str) -> Option<Stamp> {
        self.versions.get(key)?.values().map(|seen| seen.newest).max()
    }

    /// The versions of the value that a read found.
    pub fn found(&self, read: &Record) -> Option<Seen> {
        match &read.outcome {
            Outcome::Found(value) => self.seen(&read.key, value),
            _ => None,
        }
    }

    /// What may have removed values of each key, in the order it began. Flushes stand under the
    /// key [`FLUSHED`], for all keys that begin with it.
    pub fn removals(&self) -> Removals<'_> {
        let mut removals = Removals::default();
        for record in self.records.iter().filter(|record| record.act.removes()) {
            removals.by_key.entry(&record.key).or_default().push(record);
        }
        removals
    }

    /// For every read, the newest of what clients of the same process had been told about the same
    /// key before the read began: `told` says which stamp a record tells of.
    pub fn newest_before<'a>(
        &'a self,
        told: impl Fn(&'a Record) -> Option<Stamp>,
    ) -> Vec<(&'a Record, Stamp, &'a Record)> {
        type Group<'a> = (Vec<&'a Record>, Vec<(Stamp, &'a Record)>);
        let mut groups: BTreeMap<_, Group<'a>> = BTreeMap::new();
        for record in &self.records {
            let group = groups.entry((&record.key, record.host, record.life)).or_default();
            if record.reads() {
                group.0.push(record);
            }
            if let Some(stamp) = told(record) {
                group.1.push((stamp, record));
            }
        }
        let mut pairs = Vec::new();
        for (reads, mut earlier) in groups.into_values() {
            earlier.sort_by_key(|(_, record)| record.end);
            let mut earlier = earlier.into_iter().peekable();
            let mut newest: Option<(Stamp, &Record)> = None;
            for read in reads {
                while let Some(next) = earlier.next_if(|(_, record)| record.end < read.start) {
                    if newest.is_none_or(|(stamp, _)| stamp <= next.0) {
                        newest = Some(next);
                    }
                }
                if let Some((stamp, record)) = newest {
                    pairs.push((read, stamp, record));
                }
            }
        }
        pairs
    }
}
