//! Clients, and what the handle does for them: a local operation is tried on the store, and goes to
//! the node if it cannot be answered there.
//!
//! A client asks one node at a time, one thing at a time. When its node dies, stops or says goodbye
//! it goes to another; when its node is stalled, a faithful client waits, as one does whose
//! connection still stands.

use bytes::Bytes;
use chickadee::node::event::{self, Command, OpId, Reply};
use chickadee::placement::{NodeId, PartitionCount, Ring, slot};
use chickadee::store::{
    Answer, Held, Key, KeyRef, Only, OnlyDeadline, Operation, Role, Stamp, Ttl, Update, Version,
};

use super::level::{Inside, Level};
use super::{Event, World};
use crate::checkers::{acks, flushed};
use crate::history::{Outcome, READER, Record};
use crate::hosts::HostSet;
use crate::plan::{Act, Fault, Plan, Timed};
use crate::time::Time;
use crate::workload::{FILLER, FLUSHED, is_large, namespace};

/// Whoever was cut off is dialed again within so long, in milliseconds: a dial that fails, and the
/// pause before the next.
const RECONNECT_MS: u64 = 3_000;

/// A client.
#[derive(Debug, Default)]
pub struct Client {
    /// The node it asks, whenever that runs.
    own: usize,
    /// The node it asks now.
    pub home: usize,
    /// Whether it waits for a node that does not go on.
    pub faithful: bool,
    /// Its operations, as indices into the plan.
    operations: Vec<usize>,
    next: usize,
    /// Writes so far.
    writes: u64,
    /// The operation under way.
    busy: Option<usize>,
    /// The next one is due.
    due: bool,
}

/// The clients of a plan.
pub fn clients(plan: &Plan) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..plan.options.clients)
        .map(|index| {
            // Those that join have theirs, too.
            let own = index % plan.nodes();
            Client { own, home: own, faithful: index % 2 == 0, ..Client::default() }
        })
        .collect();
    for (index, operation) in plan.operations.iter().enumerate() {
        if let Some(client) = clients.get_mut(operation.what.client) {
            client.operations.push(index);
        }
    }
    clients
}

impl<L: Level> World<L> {
    pub(super) fn schedule_client(&mut self, client: usize) {
        let Client { operations, next, .. } = &self.clients[client];
        if let Some(index) = operations.get(*next) {
            let at = self.plan.operations[*index].time().max(self.now);
            self.at(at, Event::Client(client));
        }
    }

    pub(super) fn client_due(&mut self, index: usize) {
        if !self.serving {
            return;
        }
        if self.clients[index].busy.is_some() {
            self.clients[index].due = true;
            return;
        }
        let client = &mut self.clients[index];
        let operation = self.plan.operations[client.operations[client.next]].what.clone();
        client.next += 1;
        self.schedule_client(index);
        let Some(host) = self.choose(index) else {
            return;
        };
        let client = &mut self.clients[index];
        client.home = host;
        client.writes += u64::from(operation.act != Act::Get);
        let mut value = format!("c{index}.{}", client.writes);
        if operation.act != Act::Append {
            let options = &self.plan.options;
            let bytes = match is_large(&operation.key) {
                true => options.value_bytes.max(options.large_bytes),
                false => options.value_bytes,
            };
            let filler = bytes.saturating_sub(value.len());
            value.extend(std::iter::repeat_n(FILLER, filler));
        }
        let record = self.begin(index, host, operation.key, operation.act, value);
        self.clients[index].busy = Some(record);
        self.enter(record);
    }

    /// The client's own node if it can be asked, else the one that it asked last, else the next that
    /// can.
    fn choose(&self, client: usize) -> Option<usize> {
        let Client { own, home, faithful, .. } = self.clients[client];
        let serves = |host: usize, patient: bool| {
            self.process(host)
                .is_some_and(|p| p.open && !p.stopping && (p.stalled.is_none() || patient))
        };
        if let Some(host) = [own, home].into_iter().find(|host| serves(*host, faithful)) {
            return Some(host);
        }
        let count = self.hosts.len();
        (1..count).map(|step| (home + step) % count).find(|host| serves(*host, false))
    }

    /// Takes note of an operation that begins.
    pub fn begin(
        &mut self,
        client: usize,
        host: usize,
        key: String,
        act: Act,
        value: String,
    ) -> usize {
        let (holder, knew, knew_flushed) = self.knowledge(host, &key);
        let record = Record {
            client,
            host,
            life: self.hosts[host].life,
            key,
            act,
            value,
            start: self.now,
            end: self.now,
            outcome: Outcome::Open,
            stalled: self.process(host).is_some_and(|p| p.stalled.is_some()),
            majority: true,
            one: true,
            strayed: false,
            reach: None,
            holders: HostSet::default(),
            vanished: false,
            holder,
            knew,
            knew_flushed,
            flushed: None,
            sum: None,
            yes: None,
        };
        if !self.history.keys.contains(&record.key) {
            self.history.keys.insert(record.key.clone());
        }
        self.history.records.push(record);
        let index = self.history.records.len() - 1;
        self.history.open.push(index);
        self.assess(index);
        index
    }

    /// Hands an operation to its process: at once, or behind what has piled up.
    pub fn enter(&mut self, record: usize) {
        let host = self.history.records[record].host;
        match &mut self.hosts[host].process {
            Some(process) if process.stalled.is_some() => {
                process.late.push(record);
            }
            _ => self.submit(record),
        }
    }

    /// What the handle does.
    pub(super) fn submit(&mut self, index: usize) {
        let record = &self.history.records[index];
        if record.outcome != Outcome::Open {
            return;
        }
        let (host, life, key) = (record.host, record.life, record.key.clone());
        let (act, value) = (record.act, record.value.clone());
        if self.hosts[host].life != life || self.hosts[host].process.is_none() {
            return self.finish(index, Outcome::Lost);
        }
        let now = self.hosts[host].clocks.read(self.now);
        self.trace.line(self.now, host, "op", || {
            let record = &self.history.records[index];
            format!(
                "{} {act:?} {key} {}",
                record.who(),
                if act == Act::Get { "" } else { &record.value }
            )
        });
        let Some(operation) = operation(act, value, now.wall_ms) else {
            return self.submit_flush(index);
        };
        let before = self.held(host, &key).map(|(version, _)| version);
        let local = L::local(self, host, key_ref(&key), &as_slices(&operation));
        match local {
            Ok(answer) => {
                let version = self.held(host, &key).map(|(version, _)| version);
                // What was there before was not written now.
                let written = version.filter(|version| Some(*version) != before);
                self.told(index, &answer);
                let outcome = outcome(answer, written, 1);
                if outcome == Outcome::Missing {
                    self.history.records[index].holders = self.holders(&key);
                }
                if let (Outcome::Found(value), Some(version)) = (&outcome, version) {
                    self.history.saw(&key, value, version);
                }
                self.finish(index, outcome);
            }
            Err(_) => {
                self.next_operation += 1;
                let id = OpId(self.next_operation);
                let process = self.hosts[host].process.as_mut().expect("just seen");
                process.waiting.insert(id, index);
                let command = Command::Key {
                    key: Key { namespace: namespace(&key), bytes: Bytes::from(key.clone()) },
                    operation,
                    level: if act == Act::Get { event::Level::One } else { event::Level::Quorum },
                    min: Version::ZERO,
                };
                if act == Act::Get {
                    self.history.records[index].holders = self.holders(&key);
                }
                L::command(self, host, id, command);
                self.learn_held(host, &key);
            }
        }
    }

    /// Flushes the namespace of [`FLUSHED`].
    fn submit_flush(&mut self, index: usize) {
        let host = self.history.records[index].host;
        self.next_operation += 1;
        let id = OpId(self.next_operation);
        let process = self.hosts[host].process.as_mut().expect("just seen");
        process.waiting.insert(id, index);
        let namespace = namespace(FLUSHED);
        let command = Command::Flush { namespace: Some(namespace) };
        L::command(self, host, id, command);
        let flushed = self.process(host).map(|process| process.store.flushes().of(namespace));
        self.history.records[index].flushed = flushed;
        if self.history.records[index].outcome != Outcome::Open {
            // It was answered before it was known up to where.
            self.complain(flushed::judge(self, index));
        }
    }

    /// Whether a node has to do with a key; the newest stamp of it that it held in this life, if so;
    /// and up to where it knows the key to be flushed.
    fn knowledge(&self, host: usize, key: &str) -> (bool, Stamp, Stamp) {
        let Some(process) = self.process(host) else {
            return (false, Stamp::ZERO, Stamp::ZERO);
        };
        let partition = process.store.partition_of(key.as_bytes());
        let life = self.hosts[host].life;
        let holder = self.role(host, partition) != Role::None;
        let known = || self.replicas.known(host, life, partition, key.as_bytes());
        let held = if holder { known() } else { None };
        let knew = held.map_or(Stamp::ZERO, |version| version.value);
        (holder, knew, self.knows_flushed(host, key))
    }

    /// Up to where a host knows the namespace of a key to be flushed.
    pub fn knows_flushed(&self, host: usize, key: &str) -> Stamp {
        let process = self.process(host);
        process.map_or(Stamp::ZERO, |process| process.store.flushes().of(namespace(key)))
    }

    /// The node answered.
    pub fn answered(&mut self, host: usize, id: OpId, reply: Reply) {
        if let Reply::Left { kept } = reply {
            return self.has_left(host, kept);
        }
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        let Some(index) = process.waiting.remove(&id) else {
            return;
        };
        let key = self.history.records[index].key.clone();
        self.learn_held(host, &key);
        if key.starts_with('n')
            && matches!(&reply, Reply::Answer { answer: Answer::Found { .. }, .. })
        {
            // A sum that nobody was told of, because its answer was lost, may have come again.
            (0..self.hosts.len()).for_each(|holder| self.learn_held(holder, &key));
        }
        let outcome = match reply {
            Reply::Answer { answer, written } => {
                let version = written.map(|w| w.version);
                self.told(index, &answer);
                let sum = self.history.records[index].sum;
                if let (Some(sum), Some(version)) = (sum, version) {
                    // Sums come again, where two sides of a cut count for themselves.
                    self.history.saw(&key, &sum.to_string(), version);
                }
                if let Some(written) = written {
                    self.complain(acks::judge(self, index, written));
                }
                outcome(answer, version, written.map_or(0, |w| w.acks))
            }
            Reply::Flushed => {
                self.assess(index);
                self.complain(flushed::judge(self, index));
                Outcome::Done { version: None, acks: 0 }
            }
            Reply::Failed(failure) => Outcome::Failed(failure),
            other => unreachable!("an answer to an operation: {other:?}"),
        };
        self.finish(index, outcome);
    }

    /// Takes note of what a client is told besides.
    fn told(&mut self, index: usize, answer: &Answer<Bytes>) {
        let record = &mut self.history.records[index];
        (record.sum, record.yes) = match answer {
            Answer::Number(sum) if record.act == Act::Add => (Some(*sum), None),
            Answer::Existed(yes) | Answer::Changed(yes) => (None, Some(*yes)),
            Answer::Written { applied, .. } => (None, Some(*applied)),
            _ => (None, None),
        };
    }

    /// An operation ends, one way or another.
    pub(super) fn finish(&mut self, index: usize, outcome: Outcome) {
        if self.history.records[index].outcome != Outcome::Open {
            return;
        }
        self.assess(index);
        self.history.close(index);
        let record = &mut self.history.records[index];
        record.outcome = outcome;
        record.end = self.now;
        if matches!(record.outcome, Outcome::Found(_)) && record.knew > Stamp::ZERO {
            // What was handed over and dropped meanwhile is not remembered.
            let (host, key) = (record.host, record.key.clone());
            let (_, knew, _) = self.knowledge(host, &key);
            let record = &mut self.history.records[index];
            record.knew = record.knew.min(knew);
        }
        let record = &self.history.records[index];
        if let (Act::Set | Act::SetFor { .. }, Some(version)) = (record.act, record.acknowledged())
        {
            let (key, value) = (record.key.clone(), record.value.clone());
            self.history.saw(&key, &value, version);
            self.note_refusals(&key, version);
        }
        let record = &self.history.records[index];
        let told = format!(
            "{} {:?} {} -> {:?} in {} us",
            record.who(),
            record.act,
            record.key,
            record.outcome,
            (record.end.0 - record.start.0) / 1_000
        );
        let (host, client) = (record.host, record.client);
        if record.outcome == Outcome::Missing {
            self.watch_evictions();
            self.excuse_forgotten(index);
            let record = &self.history.records[index];
            let key = record.key.clone();
            let holders = self.holders(&key);
            let held = |host| matches!(self.held(host, &key), Some((_, Some(_))));
            // Not who had to boot meanwhile.
            let start = self.history.records[index].start;
            let ready = |host: &usize| self.ready_since(*host, &key).is_some_and(|at| at <= start);
            let steady: HostSet = (0..self.hosts.len()).filter(ready).collect();
            let vanished = holders == HostSet::default() && !(0..self.hosts.len()).any(held);
            let record = &mut self.history.records[index];
            record.holders.retain(&holders);
            record.holders.retain(&steady);
            record.vanished = vanished;
        }
        self.trace.note(self.now, host, told.as_bytes());
        self.trace.line(self.now, host, "answer", || told);
        let Some(client_state) = self.clients.get_mut(client) else {
            return;
        };
        if client_state.busy == Some(index) {
            client_state.busy = None;
            if std::mem::take(&mut client_state.due) {
                self.at(self.now, Event::Client(client));
            }
        }
    }

    /// Where hosts had been apart, an owner may have forgotten something later under the same floor
    /// than what was written on the other side meanwhile, and does not take it.
    fn excuse_forgotten(&mut self, index: usize) {
        let (key, now) = (self.history.records[index].key.clone(), self.now);
        if self.history.cuts.is_empty() {
            return;
        }
        // Whoever had it may have been made to drop it.
        let newest = self.newest_alive(&key).or_else(|| self.history.newest(&key));
        let Some(newest) = newest else {
            return;
        };
        let mut lacks = (0..self.hosts.len()).filter(|host| self.held(*host, &key).is_none());
        if lacks.any(|host| self.covered(host, &key) >= newest) {
            self.history.dropped(&key, now);
        }
    }

    /// The newest value of a key that anybody holds.
    pub(super) fn newest_alive(&self, key: &str) -> Option<Stamp> {
        let alive = |host| match self.held(host, key) {
            Some((version, Some(_))) => Some(version.value),
            _ => None,
        };
        (0..self.hosts.len()).filter_map(alive).max()
    }

    /// The process of a host is gone, or does not go on: what was under way there is lost, for all
    /// clients, or for those that do not wait.
    pub(super) fn abandon(&mut self, host: usize, everybody: bool) {
        for index in self.history.open.clone() {
            let record = &mut self.history.records[index];
            if record.host != host {
                continue;
            }
            record.stalled = true;
            let client = record.client;
            if everybody || !self.clients.get(client).is_some_and(|c| c.faithful) {
                self.finish(index, Outcome::Lost);
            }
        }
    }

    /// Whether packets pass both ways.
    pub fn joined(&self, a: usize, b: usize) -> bool {
        self.network.passes(a, b) && self.network.passes(b, a)
    }

    /// Whether two hosts can count on each other: whoever was cut off is dialed in its turn.
    pub(super) fn in_touch(&self, a: usize, b: usize) -> bool {
        let passed = |from, to| self.network.has_passed(from, to, RECONNECT_MS, self.now);
        passed(a, b) && passed(b, a)
    }

    /// Whether a process has only just gone on after a stop: it has yet to meet the others again.
    pub fn is_fresh(&self, host: usize) -> bool {
        let since = self.hosts[host].since;
        since > Time::default() && self.now.ms_since(since) < RECONNECT_MS
    }

    /// Whether a process has been there for long enough to have met the others.
    pub fn has_met_all(&self, host: usize) -> bool {
        let started = |fault: &Timed<Fault>| {
            matches!(fault.what, Fault::Start { node, .. } if node == host)
                && fault.time() <= self.now
                && self.now.ms_since(fault.time()) < RECONNECT_MS
        };
        !self.is_fresh(host) && !self.plan.faults.iter().any(started)
    }

    /// Takes note of whom an operation under way can count on now.
    pub(super) fn assess(&mut self, index: usize) {
        let record = &self.history.records[index];
        let host = record.host;
        let Some(process) = self.process(host) else {
            return;
        };
        let counts_reach = matches!(record.act, Act::Get | Act::Flush);
        let partition = process.store.partition_of(record.key.as_bytes());
        let within = |other: &usize| *other == host || self.in_touch(host, *other);
        let ring = process.inside.ring();
        let owners = ring.owners(partition);
        let ready = owners
            .iter()
            .map(|owner| self.index(*owner))
            .filter(|owner| self.runs(*owner) && within(owner))
            .filter(|owner| self.role(*owner, partition) == Role::Ready)
            // Who has said goodbye answers nothing that it is asked now (swarm seeds 3396, 3802).
            .filter(|owner| self.process(*owner).is_some_and(|process| !process.stopping))
            .count();
        let majority = 2 * ready > owners.len();
        let all = (0..self.hosts.len()).filter(|host| self.runs(*host));
        let few = 2 * all.clone().filter(within).count() <= all.count();
        let strayed = few && !self.history.together(self.now, self.now) && {
            let reached = |owner: &NodeId| owners.contains(owner) && within(&self.index(*owner));
            let strange = |ring: &Ring| !ring.owners(partition).iter().any(reached);
            let others = self.hosts.iter().filter_map(|host| host.process.as_ref());
            let mut rings = others.map(|other| other.inside.ring());
            rings.any(|ring| !ring.seats().is_empty() && strange(ring))
        };
        let reach = counts_reach.then(|| {
            (0..self.hosts.len()).filter(|other| self.runs(*other) && within(other)).collect()
        });
        let record = &mut self.history.records[index];
        record.majority &= majority;
        record.one &= ready > 0;
        record.strayed |= strayed;
        match (&mut record.reach, reach) {
            (Some(known), Some(reach)) => known.retain(&reach),
            (unknown, reach) => *unknown = reach,
        }
    }

    /// What a host holds of a key: its version, and the value if it is alive.
    pub fn held(&self, host: usize, key: &str) -> Option<(Version, Option<String>)> {
        let process = self.process(host)?;
        let now = self.hosts[host].clocks.read(self.now).mono;
        let key = key_ref(key);
        let partition = process.store.partition_of(key.bytes);
        process.store.see(partition, &process.clock, now, |kept, context| {
            match kept.look(key, context) {
                Held::Value(parts) => {
                    let value = parts.value.unwrap_or_default();
                    let value = String::from_utf8_lossy(value).into_owned();
                    Some((parts.version, Some(value)))
                }
                Held::Dead(version) => Some((version, None)),
                Held::Nothing => None,
            }
        })
    }

    /// Whether a host was made to drop the value of a key, and keeps its mark.
    pub fn has_condemned(&self, host: usize, key: &str) -> bool {
        let now = self.hosts[host].clocks.read(self.now).mono;
        self.process(host).is_some_and(|process| {
            let partition = process.store.partition_of(key.as_bytes());
            process
                .store
                .see(partition, &process.clock, now, |kept, _| kept.is_condemned(key_ref(key)))
        })
    }

    /// Whether a host covers a version of a key: has it, or something later, or knows it to be dead.
    pub fn covers(&self, host: usize, key: &str, version: Version) -> bool {
        let Some(process) = self.process(host) else { return false };
        let now = self.hosts[host].clocks.read(self.now).mono;
        let key = key_ref(key);
        let partition = process.store.partition_of(key.bytes);
        process.store.see(partition, &process.clock, now, |kept, context| {
            kept.role() != Role::None && kept.covers(key, version, context)
        })
    }

    /// Up to where a host knows a key: what it holds, or, without a value, what it may have
    /// forgotten.
    pub fn covered(&self, host: usize, key: &str) -> Stamp {
        let Some(process) = self.process(host) else {
            return Stamp::ZERO;
        };
        let now = self.hosts[host].clocks.read(self.now).mono;
        let key = key_ref(key);
        let partition = process.store.partition_of(key.bytes);
        process.store.see(partition, &process.clock, now, |kept, context| {
            if kept.role() == Role::None {
                return Stamp::ZERO;
            }
            match kept.look(key, context) {
                Held::Value(parts) => parts.version.value,
                Held::Dead(version) => version.value.max(kept.floor(key, context)),
                Held::Nothing => kept.floor(key, context),
            }
        })
    }

    /// What a host is to a partition.
    pub fn role(&self, host: usize, partition: chickadee::placement::Partition) -> Role {
        let Some(process) = self.process(host) else {
            return Role::None;
        };
        let now = self.hosts[host].clocks.read(self.now).mono;
        process.store.see(partition, &process.clock, now, |kept, _| kept.role())
    }

    /// The hosts that hold the newest live value of a key, and answer for it: who owns it no more
    /// does not, and who has only an older one may know that it is.
    fn holders(&self, key: &str) -> HostSet {
        let key = key_ref(key);
        let count = PartitionCount::new(self.plan.options.partitions);
        let partition = count.expect("a plan says a power of two").of_slot(slot(key.bytes));
        let mut newest = None;
        let mut holders = HostSet::default();
        for (index, host) in self.hosts.iter().enumerate() {
            let Some(process) = &host.process else { continue };
            let now = host.clocks.read(self.now).mono;
            let held = process.store.see(partition, &process.clock, now, |kept, context| {
                // Of a thousand hosts nearly all hold nothing there.
                if kept.entries() == 0 {
                    return None;
                }
                match kept.look(key, context) {
                    Held::Value(parts) => Some((parts.version, kept.role() == Role::Ready)),
                    Held::Dead(_) | Held::Nothing => None,
                }
            });
            let Some((version, ready)) = held else { continue };
            if newest < Some(version) {
                newest = Some(version);
                holders = HostSet::default();
            }
            if newest == Some(version) && ready && !process.stopping {
                holders.insert(index);
            }
        }
        holders
    }

    /// Learns what a host holds of a key under which version.
    fn learn_held(&mut self, host: usize, key: &str) {
        if let Some((version, Some(value))) = self.held(host, key) {
            self.history.saw(key, &value, version);
        }
    }

    /// Reads a key at a node, for the checkers.
    pub fn read(&mut self, host: usize, key: &str) -> usize {
        let record = self.begin(READER, host, key.to_owned(), Act::Get, String::new());
        self.enter(record);
        record
    }

    /// Asks a node that runs something that it answers at once.
    pub fn ask(&mut self, host: usize, command: Command) -> Option<Reply> {
        L::ask(self, host, command)
    }

    /// How long ago something was.
    pub fn since(&self, time: Time) -> u64 {
        self.now.ms_since(time)
    }
}

fn as_slices(operation: &Operation<Bytes>) -> Operation<&[u8]> {
    match operation {
        Operation::Get => Operation::Get,
        Operation::Set { value, deadline_ms } => {
            Operation::Set { value, deadline_ms: *deadline_ms }
        }
        Operation::Delete => Operation::Delete,
        Operation::Update(update) => Operation::Update(match update {
            Update::Write { value, ttl, only, previous } => {
                Update::Write { value, ttl: *ttl, only: *only, previous: *previous }
            }
            Update::Add(by) => Update::Add(*by),
            Update::Append(tail) => Update::Append(tail),
            Update::Expire { at_ms, only } => Update::Expire { at_ms: *at_ms, only: *only },
            Update::Persist => Update::Persist,
        }),
    }
}

fn key_ref(key: &str) -> KeyRef<'_> {
    KeyRef { namespace: namespace(key), bytes: key.as_bytes() }
}

/// The operation on a key; `None` if it is on no key.
fn operation(act: Act, value: String, wall_ms: u64) -> Option<Operation<Bytes>> {
    let value = Bytes::from(value);
    Some(match act {
        Act::Get => Operation::Get,
        Act::Set => Operation::Set { value, deadline_ms: None },
        Act::SetFor { ttl_ms } => {
            Operation::Set { value, deadline_ms: Some(wall_ms.saturating_add(ttl_ms)) }
        }
        Act::Delete => Operation::Delete,
        Act::Append => Operation::Update(Update::Append([&value[..], b";"].concat().into())),
        Act::SetIfAbsent => Operation::Update(Update::Write {
            value,
            ttl: Ttl::Never,
            only: Only::IfAbsent,
            previous: false,
        }),
        Act::Expire { ttl_ms } => Operation::Update(Update::Expire {
            at_ms: wall_ms.saturating_add(ttl_ms),
            only: OnlyDeadline::default(),
        }),
        Act::Add => Operation::Update(Update::Add(1)),
        Act::Persist => Operation::Update(Update::Persist),
        Act::Flush => return None,
    })
}

fn outcome(answer: Answer<Bytes>, version: Option<Version>, acks: u8) -> Outcome {
    match answer {
        Answer::Found { value, .. } => Outcome::Found(String::from_utf8_lossy(&value).into_owned()),
        Answer::Missing => Outcome::Missing,
        _ => Outcome::Done { version, acks },
    }
}
