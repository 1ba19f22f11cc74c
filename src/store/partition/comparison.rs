//! The comparison of two holders' trees: what both hold is settled by sums, and only what differs is
//! left to be offered. Each step is atomic under the lock; who asks whom and when is decided in
//! `node/sessions`.
//!
//! The asker takes a copy of its sums and sends them from the top down, each time only below what
//! differed; the differing leaves it lists element by element. What is equal, both take for covered
//! by the other. While this goes on both sides write, forget and expire. Why no bit lies:
//! * The answerer compares with its tree of that moment, and sets the asker's bit on an equal node
//!   in the same step. The asker held just this when it took the copy, and covers it ever since.
//! * The asker sets the answerer's bit on what it holds under an equal node, *but not on what has
//!   come since the copy*: the keys of that are recorded. What has gone since needs no record.
//! * Both only under the current numbers: a comparison ends with the number of either side.
//! * An element that was listed says (key, version) itself.
//!
//! An unequal leaf costs headers and nothing else, and so does a comparison that is given up.
//!
//! An *audit* is the same between two that are in step, and the other way round: what differs is
//! listed where the peer is taken to cover it, and what the peer lacks of that it is asked about by
//! headers. It may have forgotten it. That it would take it must not be.

use serde::{Deserialize, Serialize};

use super::exchange::{Header, header};
use super::tree::{LEVEL_MAX, fold, node};
use super::{Partition, Record};
use crate::store::clock::Mono;
use crate::store::record::KeyRef;
use crate::store::sessions::Scan;
use crate::store::shard::key_hash;

/// Fewer entries than that are offered at once: they are hardly more than a question.
pub const ENTRIES_MIN: usize = 4;
/// A question without an answer is given up after so long, in milliseconds.
pub const STUCK_MS: u64 = 1_000;

/// Level of the first question: up to 256 sums.
const FIRST_LEVEL: u8 = 8;
/// Levels from one question to the next: 16 children of a node.
const STEP_LEVELS: u8 = 4;
/// Most sums of a question.
const SUMS_MAX: usize = 4096;
/// Most elements listed in a question.
const LISTED_MAX: usize = 4096;
/// Most elements listed in all; what differs beyond is offered.
const LISTED_IN_ALL_MAX: usize = 1 << 16;
/// Most elements listed in an audit.
const AUDITED_MAX: usize = LISTED_MAX;
/// Bytes of keys beyond which an audit asks about no more: one push carries them.
const CLAIMED_BYTES_MAX: usize = 64 << 10;
/// Most keys recorded as changed while a comparison is open; beyond, it is given up.
const CHANGED_MAX: usize = 4096;

/// What the asker says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Question {
    /// My sums.
    Sums(Sums),
    /// What I hold where we differ.
    Listed(Listed),
    /// That is all.
    End,
}

/// Sums of all nodes of a level that lie below some nodes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sums {
    /// The level of these.
    below: u8,
    /// These, in ascending order.
    parents: Vec<u32>,
    /// The level of the sums, the same or a lower one of the tree.
    level: u8,
    /// The sums, folded.
    sums: Vec<u64>,
}

/// Elements under some nodes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// The level of these.
    level: u8,
    /// These, in ascending order.
    nodes: Vec<u32>,
    /// The elements, folded.
    elements: Vec<u64>,
    /// Whether no others follow.
    last: bool,
}

/// What the answerer says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Findings {
    /// These nodes differ.
    Differ {
        /// Their level: that of the question, or a higher one of the tree, where mine ends.
        level: u8,
        /// These, in ascending order.
        nodes: Vec<u32>,
        /// How many entries I hold in all.
        entries: u32,
    },
    /// Of the listed elements I lack those whose bit is set, the lowest bit of the first byte first.
    Lacks(Vec<u8>),
}

/// A comparison on the side that asks.
#[derive(Debug)]
pub(super) struct Comparison {
    bit: u8,
    number: u64,
    /// The numbers of the session: (this side's, the peer's).
    numbers: (u64, u64),
    /// The level of the copy, and the copy: folded sums of the leaves.
    level: u8,
    sums: Vec<u64>,
    /// Leaves of the copy that are not known to be equal.
    differ: Vec<bool>,
    /// Hashes of keys that were inserted or replaced since the copy was made.
    changed: Vec<u64>,
    /// Nodes that differ and were not looked into yet, with their levels; the next one last.
    open: Vec<(u8, u32)>,
    /// The nodes that were asked about last: (their level, these, level of their sums).
    asked: (u8, Vec<u32>, u8),
    /// What is still to be listed, the next one last.
    listed: Vec<Element>,
    /// How many of the last ones are listed in the question under way.
    listing: Option<usize>,
    /// Entries that need no header any more.
    equal: u64,
    /// In an audit, what the peer is taken to cover and does not hold.
    lacked: Option<Vec<Header>>,
    /// Bytes of their keys.
    lacked_bytes: usize,
}

/// An entry to be listed.
#[derive(Clone, Copy, Debug)]
struct Element {
    leaf: u32,
    hash: u64,
    element: u64,
}

/// How a comparison stands after an answer.
#[derive(PartialEq, Eq, Debug)]
pub enum Next {
    /// This is to be asked next.
    Ask(Question),
    /// Nothing is left to be asked. The answerer knows that, or is to be told.
    Over {
        /// Entries that both were found to hold.
        equal: u64,
        /// Whether the answerer is to be told.
        tell: bool,
        /// If it was an audit, what the answerer is taken to cover and does not hold.
        lacked: Option<Vec<Header>>,
    },
}

impl Comparison {
    /// Bytes of memory.
    pub(super) fn footprint(&self) -> usize {
        self.sums.capacity() * 8
            + self.differ.capacity()
            + (self.changed.capacity() + self.open.capacity()) * 8
            + self.asked.1.capacity() * 4
            + self.listed.capacity() * size_of::<Element>()
            + self.lacked.as_ref().map_or(0, Vec::capacity) * size_of::<Header>()
            + self.lacked_bytes
    }

    /// It has come to its end.
    fn over(self, tell: bool) -> Next {
        Next::Over { equal: self.equal, tell, lacked: self.lacked }
    }

    /// The next question about sums, if there is one.
    fn next_sums(&mut self) -> Option<Sums> {
        let (below, _) = *self.open.last()?;
        let step = if below == 0 { FIRST_LEVEL } else { STEP_LEVELS };
        let level = (below + step).min(self.level);
        let most = SUMS_MAX >> (level - below);
        let mut parents = Vec::new();
        while parents.len() < most
            && let Some((_, node)) = self.open.pop_if(|(at, _)| *at == below)
        {
            parents.push(node);
        }
        let children = |parent: &u32| below_of(*parent, level - below);
        let sums = parents.iter().flat_map(children).map(|node| self.sum_of(level, node)).collect();
        self.asked = (below, parents.clone(), level);
        Some(Sums { below, parents, level, sums })
    }

    fn sum_of(&self, level: u8, node: u32) -> u64 {
        let leaves = below_of(node, self.level - level);
        leaves.fold(0, |sum, leaf| sum.wrapping_add(self.sums[leaf as usize]))
    }

    /// Takes note of the nodes that differ among those asked about; the others are equal. Returns
    /// whether the answerer knows that nothing is left to be asked; `None` if that is no answer to
    /// the question.
    fn narrow(&mut self, level: u8, nodes: &[u32]) -> Option<bool> {
        let (below, parents, asked) = std::mem::take(&mut self.asked);
        let rises = nodes.is_sorted_by(|a, b| a < b);
        let sound = level >= below && level <= asked && rises;
        let is_ours = |node: &u32| parents.binary_search(&(node >> (level - below))).is_ok();
        if !sound || !nodes.iter().all(is_ours) {
            return None;
        }
        let down = self.level - below;
        for leaf in parents.iter().flat_map(|parent| below_of(*parent, down)) {
            self.differ[leaf as usize] = false;
        }
        let down = self.level - level;
        for leaf in nodes.iter().flat_map(|node| below_of(*node, down)) {
            self.differ[leaf as usize] = true;
        }
        if level == asked && level < self.level {
            self.open.extend(nodes.iter().rev().map(|node| (level, *node)));
        }
        Some(below == 0 && nodes.is_empty())
    }

    /// The next elements to be listed: those of whole leaves.
    fn next_listed(&mut self) -> Option<Listed> {
        let mut nodes = Vec::new();
        let mut elements = Vec::new();
        for group in self.listed.chunk_by(|a, b| a.leaf == b.leaf).rev() {
            if !nodes.is_empty() && elements.len() + group.len() > LISTED_MAX {
                break;
            }
            nodes.push(group[0].leaf);
            elements.extend(group.iter().rev().map(|element| element.element));
        }
        if nodes.is_empty() {
            return None;
        }
        self.listing = Some(elements.len());
        let last = elements.len() == self.listed.len();
        Some(Listed { level: self.level, nodes, elements, last })
    }
}

/// The nodes so many levels below a node.
fn below_of(node: u32, levels: u8) -> std::ops::Range<u32> {
    node << levels..(node + 1) << levels
}

impl Sums {
    /// Whether it is what it says. It comes from the network.
    fn is_sound(&self) -> bool {
        let Sums { below, parents, level, sums } = self;
        below <= level
            && *level <= LEVEL_MAX
            && sums.len() <= SUMS_MAX
            && level - below <= 12
            && parents.len() << (level - below) == sums.len()
            && are_nodes(parents, *below)
    }
}

impl Listed {
    fn is_sound(&self) -> bool {
        self.level <= LEVEL_MAX
            && self.elements.len() <= 2 * LISTED_MAX
            && self.nodes.len() <= LISTED_MAX
            && are_nodes(&self.nodes, self.level)
    }
}

/// Whether these are nodes of that level in ascending order.
fn are_nodes(nodes: &[u32], level: u8) -> bool {
    nodes.is_sorted_by(|a, b| a < b) && nodes.last().is_none_or(|last| *last < 1 << level)
}

impl Partition {
    /// Begins to compare with a peer in place of offering it all that is held, if that was not tried
    /// under the current numbers yet, and there is enough to compare. Returns the first question.
    pub fn compare(&mut self, bit: u8, number: u64, now: Mono) -> Option<Question> {
        let session = self.sessions.get_mut(bit)?;
        let waits = session.answering.is_some_and(|since| is_awaited(since, now));
        if !session.fresh || waits || session.theirs == 0 || self.table.len() < ENTRIES_MIN {
            return None;
        }
        session.fresh = false;
        self.begin(bit, number, None)
    }

    /// Begins an audit with a peer in step, if nothing is being compared or offered. Returns the
    /// first question.
    pub fn audit(&mut self, bit: u8, number: u64, now: Mono) -> Option<Question> {
        let session = self.sessions.get(bit)?;
        let quiet = session.is_in_step()
            && session.done
            && session.scan == Scan::Done
            && !session.fresh
            && !self.is_comparing(bit, now);
        if !quiet || self.table.is_empty() {
            return None;
        }
        self.begin(bit, number, Some(Vec::new()))
    }

    fn begin(&mut self, bit: u8, number: u64, lacked: Option<Vec<Header>>) -> Option<Question> {
        let session = self.sessions.get(bit)?;
        let numbers = (session.mine, session.theirs);
        self.comparisons.retain(|comparison| comparison.bit != bit);
        let level = self.tree.level();
        let leaf = |leaf| self.tree.sum(level, leaf).unwrap_or_default().folded();
        let mut comparison = Comparison {
            bit,
            number,
            numbers,
            level,
            sums: (0..1 << level).map(leaf).collect(),
            differ: vec![true; 1 << level],
            changed: Vec::new(),
            open: vec![(0, 0)],
            asked: Default::default(),
            listed: Vec::new(),
            listing: None,
            equal: 0,
            lacked,
            lacked_bytes: 0,
        };
        let first = comparison.next_sums()?;
        self.comparisons.push(comparison);
        Some(Question::Sums(first))
    }

    /// Whether this side asks a peer, under the current numbers.
    pub fn is_asking(&self, bit: u8) -> bool {
        self.asking(bit).is_some()
    }

    fn asking(&self, bit: u8) -> Option<usize> {
        let session = self.sessions.get(bit)?;
        let numbers = (session.mine, session.theirs);
        let current = |c: &Comparison| c.bit == bit && c.numbers == numbers;
        self.comparisons.iter().position(current)
    }

    /// Whether a comparison with a peer is open, so that what it may settle is not offered.
    pub(super) fn is_comparing(&self, bit: u8, now: Mono) -> bool {
        let answering = self.sessions.get(bit).and_then(|session| session.answering);
        self.is_asking(bit) || answering.is_some_and(|since| is_awaited(since, now))
    }

    /// Gives up a comparison. `again`: it may be begun anew, because nothing speaks against it but
    /// that a message may not have arrived.
    pub fn end_comparison(&mut self, bit: u8, again: bool) {
        let before = self.comparisons.len();
        self.comparisons.retain(|comparison| comparison.bit != bit);
        if let Some(session) = self.sessions.get_mut(bit) {
            let open = before > self.comparisons.len() || session.answering.take().is_some();
            session.fresh |= open && again;
        }
    }

    /// An entry was inserted or replaced: what is being compared says nothing about it.
    pub(super) fn note_changed(&mut self, hash: u64) {
        if self.comparisons.is_empty() {
            return;
        }
        self.comparisons.retain_mut(|comparison| {
            // What is listed names its version.
            if comparison.listing.is_none() {
                comparison.changed.push(hash);
            }
            comparison.changed.len() <= CHANGED_MAX
        });
    }

    /// Answers a peer's question that was asked under this side's current number. Returns how many
    /// entries it settles, too; `None` if it makes no sense.
    pub fn answer(
        &mut self,
        bit: u8,
        question: &Question,
        now: Mono,
    ) -> Option<(Option<Findings>, u64)> {
        let session = self.sessions.get_mut(bit)?;
        let over = match question {
            Question::Sums(sums) => !sums.is_sound(),
            Question::Listed(listed) => listed.last || !listed.is_sound(),
            Question::End => true,
        };
        session.answering = (!over).then_some(now);
        session.fresh = false;
        match question {
            Question::Sums(sums) if sums.is_sound() => {
                let (findings, equal) = self.find(bit, sums);
                if let Findings::Differ { nodes, .. } = &findings
                    && nodes.is_empty()
                    && sums.below == 0
                    && let Some(session) = self.sessions.get_mut(bit)
                {
                    session.answering = None;
                }
                Some((Some(findings), equal))
            }
            Question::Listed(listed) if listed.is_sound() => {
                let (findings, equal) = self.look_up(bit, listed);
                Some((Some(findings), equal))
            }
            Question::End => Some((None, 0)),
            _ => None,
        }
    }

    /// Compares a peer's sums with those of now, and takes for covered by it what is equal.
    fn find(&mut self, bit: u8, asked: &Sums) -> (Findings, u64) {
        // A tree that has fewer levels than the parents ends above them: nothing is known.
        let level = self.tree.level().min(asked.level).max(asked.below);
        let (up, down) = (asked.level - level, level - asked.below);
        let mut sums = asked.sums.chunks(1 << up);
        let mut differ = Vec::new();
        // By parent, then by child.
        let mut equal = Vec::with_capacity(asked.parents.len() << down);
        for node in asked.parents.iter().flat_map(|parent| below_of(*parent, down)) {
            let theirs = sums.next().unwrap_or_default().iter().copied().fold(0, u64::wrapping_add);
            let own = self.tree.sum(level, node).map(|sum| sum.folded());
            equal.push(own == Some(theirs));
            if own != Some(theirs) {
                differ.push(node);
            }
        }
        let entries = self.tree.entries() as u32;
        let findings = Findings::Differ { level, nodes: differ, entries };
        if !equal.contains(&true) {
            return (findings, 0);
        }
        let is_equal = |hash| {
            let parent = asked.parents.binary_search(&node(hash, asked.below));
            let child = node(hash, level) as usize & ((1 << down) - 1);
            parent.is_ok_and(|parent| equal[parent << down | child])
        };
        (findings, self.cover(bit, is_equal))
    }

    /// Looks up what a peer holds, and takes for covered by it what is held here, too.
    fn look_up(&mut self, bit: u8, asked: &Listed) -> (Findings, u64) {
        let mut places: Vec<(u64, usize)> =
            asked.elements.iter().enumerate().map(|(at, element)| (*element, at)).collect();
        places.sort_unstable();
        let mut lacks = vec![0u8; places.len().div_ceil(8)];
        for at in 0..places.len() {
            lacks[at / 8] |= 1 << (at % 8);
        }
        let mut both = Vec::new();
        for record in &self.table {
            let hash = key_hash(record.key(), self.seed);
            if asked.nodes.binary_search(&node(hash, asked.level)).is_err() {
                continue;
            }
            let element = fold(self.element(hash, record));
            if let Ok(place) = places.binary_search_by_key(&element, |(element, _)| *element) {
                let at = places[place].1;
                lacks[at / 8] &= !(1 << (at % 8));
                both.push((hash, element));
            }
        }
        let equal = both.into_iter().filter(|both| self.cover_element(bit, *both)).count();
        (Findings::Lacks(lacks), equal as u64)
    }

    /// Takes in a peer's answer, which was given under this side's current number. `None` if nothing
    /// was asked under that number, or the answer makes no sense; then nothing is asked any more.
    pub fn learn_findings(&mut self, bit: u8, number: u64, findings: &Findings) -> Option<Next> {
        let at = self.asking(bit).filter(|at| self.comparisons[*at].number == number)?;
        // What is covered by it may be a mark that is forgotten, and that is no change to record.
        let mut comparison = self.comparisons.swap_remove(at);
        match (findings, comparison.listing.take()) {
            (Findings::Differ { level, nodes, entries }, None) => {
                let known = comparison.narrow(*level, nodes)?;
                // Who holds next to nothing is told all sooner by headers.
                let few = (*entries as usize) < self.table.len() / 4;
                let worth = !few || comparison.lacked.is_some();
                if worth && let Some(sums) = comparison.next_sums() {
                    self.comparisons.push(comparison);
                    return Some(Next::Ask(Question::Sums(sums)));
                }
                self.settle(&mut comparison, worth);
                if known {
                    return Some(comparison.over(false));
                }
            }
            (Findings::Lacks(lacks), Some(count)) => {
                if lacks.len() != count.div_ceil(8) {
                    return None;
                }
                let rest = comparison.listed.len() - count;
                let listed = comparison.listed.split_off(rest);
                for (at, element) in listed.into_iter().rev().enumerate() {
                    let both = (element.hash, element.element);
                    if lacks[at / 8] & 1 << (at % 8) == 0 {
                        comparison.equal += u64::from(self.cover_element(bit, both));
                    } else if let Some(lacked) = &mut comparison.lacked
                        && comparison.lacked_bytes < CLAIMED_BYTES_MAX
                        && let Some(header) = self.claim(bit, both)
                    {
                        comparison.lacked_bytes += header.key.bytes.len();
                        lacked.push(header);
                    }
                }
                if comparison.listed.is_empty() {
                    return Some(comparison.over(false));
                }
            }
            _ => return None,
        }
        match comparison.next_listed() {
            Some(listed) => {
                self.comparisons.push(comparison);
                Some(Next::Ask(Question::Listed(listed)))
            }
            None => Some(comparison.over(true)),
        }
    }

    /// All sums were compared: takes for covered what is equal and has not changed since, and gathers
    /// what is to be listed.
    fn settle(&mut self, comparison: &mut Comparison, list: bool) {
        let Comparison { bit, level, .. } = *comparison;
        comparison.changed.sort_unstable();
        let records = self.rules.records();
        let changed = |hash| records && comparison.changed.binary_search(&hash).is_ok();
        let differs = |hash| comparison.differ[node(hash, level) as usize];
        if comparison.differ.contains(&false) {
            comparison.equal += self.cover(bit, |hash| !differs(hash) && !changed(hash));
        }
        if !list {
            return;
        }
        let (known, most) = match comparison.lacked {
            Some(_) => (true, AUDITED_MAX),
            None => (false, LISTED_IN_ALL_MAX),
        };
        for record in &self.table {
            let hash = key_hash(record.key(), self.seed);
            if (record.bits() & 1 << bit != 0) == known && differs(hash) {
                let element = fold(self.element(hash, record));
                comparison.listed.push(Element { leaf: node(hash, level), hash, element });
                if comparison.listed.len() == most {
                    break;
                }
            }
        }
        comparison.listed.sort_unstable_by_key(|element| (element.leaf, element.hash));
        comparison.listed.reverse();
    }

    /// A peer covers all entries with such a hash of the key. Returns how many it was not known of.
    fn cover(&mut self, bit: u8, which: impl Fn(u64) -> bool) -> u64 {
        let mut covered = 0;
        let mut marks = Vec::new();
        for record in &mut self.table {
            if record.bits() & 1 << bit != 0 {
                continue;
            }
            let hash = key_hash(record.key(), self.seed);
            if which(hash) {
                covered += 1;
                record.set_bits(record.bits() | 1 << bit);
                if record.is_mark() {
                    let key = record.key();
                    marks.push((hash, key.namespace, key.bytes.to_vec()));
                }
            }
        }
        for (hash, namespace, bytes) in marks {
            let key = KeyRef { namespace, bytes: &bytes };
            self.set_bits(key, hash, 1 << bit);
        }
        covered
    }

    /// A peer covers one element: (hash of the key, element). Returns whether it is held, and was
    /// not known to be covered.
    fn cover_element(&mut self, bit: u8, (hash, element): (u64, u64)) -> bool {
        let found = self.find_element((hash, element));
        let Some(record) = found.filter(|record| record.bits() & 1 << bit == 0) else {
            return false;
        };
        let (namespace, bytes) = (record.namespace(), record.key().bytes.to_vec());
        self.set_bits(KeyRef { namespace, bytes: &bytes }, hash, 1 << bit);
        true
    }

    /// What is held of an element, as it is offered, if the peer is taken to cover it.
    fn claim(&self, bit: u8, element: (u64, u64)) -> Option<Header> {
        let record = self.find_element(element)?;
        (record.bits() & 1 << bit != 0).then(|| header(record, !record.is_mark()))
    }

    fn find_element(&self, (hash, element): (u64, u64)) -> Option<&Record> {
        let same = |record: &&Record| {
            key_hash(record.key(), self.seed) == hash && fold(self.element(hash, record)) == element
        };
        self.table.iter_hash(hash).find(same)
    }
}

/// Whether an answerer still waits for the next question.
fn is_awaited(since: Mono, now: Mono) -> bool {
    now.since(since) < STUCK_MS * 1_000_000
}
