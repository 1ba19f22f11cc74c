//! What goes wrong, and how it is mended.

use chickadee::node::event::{Command, OpId};
use chickadee::store::{Role, Stamp};
use rand::RngExt;

use super::level::{Inside, Level};
use super::{Event, World};
use crate::checkers::{handed_over, membership};
use crate::history::{Loss, Stall};
use crate::plan::Fault;
use crate::time::Time;
use crate::workload::FLUSHED;

/// How long a node that leaves may take to hand over, in milliseconds.
const LEAVE_MS: u64 = 20_000;

impl<L: Level> World<L> {
    /// Lets a fault happen.
    pub fn apply(&mut self, fault: &Fault) {
        let told = format!("{fault:?}");
        self.trace.note(self.now, usize::MAX, told.as_bytes());
        self.trace.world(self.now, "fault", || told);
        self.assess_all();
        let formed = self.now >= Time::ms(self.plan.options.formed_ms);
        let simple = matches!(fault, Fault::Partition { .. } | Fault::Unite);
        self.history.troubled |= formed && !simple;
        self.inflict(fault);
        self.history.cut(self.network.is_cut(), self.now);
        self.assess_all();
    }

    fn inflict(&mut self, fault: &Fault) {
        match fault {
            Fault::Crash { node } => self.crash(*node),
            Fault::Start { node, seeded } => self.start(*node, *seeded),
            Fault::Stop { node } => self.stop(*node),
            Fault::Leave { node } => {
                self.hosts[*node].left = true;
                self.leave(*node);
            }
            Fault::Stall { node } => self.stall(*node),
            Fault::Resume { node } => self.resume(*node),
            Fault::Cut { from, to } => self.network.cut(*from, *to),
            Fault::Mend { from, to } => {
                self.network.mend(*from, *to, self.now);
                L::mended(self);
            }
            Fault::Partition { nodes } => {
                for inside in nodes {
                    for outside in (0..self.hosts.len()).filter(|host| !nodes.contains(host)) {
                        self.network.cut(*inside, outside);
                        self.network.cut(outside, *inside);
                    }
                }
            }
            Fault::Unite => {
                self.network.mend_all(self.now);
                L::mended(self);
            }
            Fault::Weather { loss_ppm, duplicate_ppm, jitter_us_max } => {
                self.network.set_weather(*loss_ppm, *duplicate_ppm, *jitter_us_max)
            }
            Fault::Slow { node, by_us } => self.network.set_slow(*node, *by_us),
            Fault::Throttle { from, to, bytes_per_second } => {
                self.network.throttle(*from, *to, *bytes_per_second)
            }
            Fault::Clock { node, by_ms } => {
                self.hosts[*node].clocks.wall_ahead_ms += by_ms;
                L::set_clock(self, *node);
            }
        }
    }

    /// Ends every fault: everybody runs, everything passes. With a core, only faults of the core
    /// and between its nodes end.
    pub fn heal(&mut self) {
        self.trace.world(self.now, "heal", String::new);
        let core: Vec<usize> =
            (0..self.hosts.len()).filter(|host| self.plan.in_core(*host)).collect();
        for from in &core {
            for to in &core {
                self.network.mend(*from, *to, self.now);
                self.network.throttle(*from, *to, 0);
            }
        }
        self.history.cut(self.network.is_cut(), self.now);
        L::mended(self);
        self.network.set_weather(0, 0, 1_000);
        for host in core {
            self.network.set_slow(host, 0);
            self.resume(host);
            let left = self.hosts[host].left;
            if self.hosts[host].process.as_ref().is_some_and(|p| p.stopping || left) {
                self.crash(host);
            }
            if self.hosts[host].life > 0 && !self.hosts[host].left {
                self.start(host, true);
            }
        }
    }

    /// Starts a process on a host: a new life.
    pub fn start(&mut self, host: usize, seeded: bool) {
        if self.hosts[host].process.is_some() {
            return;
        }
        // Whoever left for good is forgotten, and nobody calls it: it joins like a new one.
        let seeded = seeded || self.hosts[host].left;
        self.hosts[host].life += 1;
        let life = self.hosts[host].life;
        self.trace.line(self.now, host, "start", || {
            format!("life {life}{}", if seeded { ", with seeds" } else { "" })
        });
        L::start(self, host, seeded);
    }

    fn assess_all(&mut self) {
        for index in self.history.open.clone() {
            self.assess(index);
        }
    }

    /// The process dies, and its memory with it.
    pub(super) fn crash(&mut self, host: usize) {
        if self.hosts[host].process.is_none() {
            return;
        }
        self.watch_replicas();
        self.watch_evictions();
        self.account_losses(host);
        self.history.died(self.now);
        self.abandon(host, true);
        L::kill(self, host);
    }

    /// Takes note of what only nodes outside of the core hold: nobody may ever ask them. And of what
    /// they may be asked for and not know: those that cannot reach them may have written it.
    pub fn account_outsiders(&mut self) {
        let outside = |host: &usize| !self.plan.in_core(*host) && self.process(*host).is_some();
        for host in (0..self.hosts.len()).filter(outside).collect::<Vec<_>>() {
            self.account_losses(host);
        }
        let core = membership::live(self);
        for host in &core {
            for key in self.history.keys.clone() {
                if self.asks_outside(*host, &key, &core) {
                    self.history.outside.insert((*host, key));
                }
            }
        }
    }

    /// Whether a node of the core may be answered for a key by an owner outside that others of the
    /// core cannot reach.
    fn asks_outside(&self, host: usize, key: &str, core: &[usize]) -> bool {
        let Some(process) = self.process(host) else { return false };
        let partition = process.store.partition_of(key.as_bytes());
        let owners = process.inside.ring().owners(partition).iter();
        let mut owners = owners.map(|owner| self.index(*owner));
        let apart = |owner: usize| core.iter().any(|other| !self.joined(*other, owner));
        self.role(host, partition) != Role::Ready
            && owners.any(|owner| !self.plan.in_core(owner) && apart(owner))
    }

    /// Takes note of what nobody else holds, or nobody in the core does if the node is not in it.
    fn account_losses(&mut self, host: usize) {
        let healed = self.now >= Time::ms(self.plan.options.healed_ms);
        let counts = |other: &usize| *other != host && (!healed || self.plan.in_core(*other));
        let most = |known: &dyn Fn(usize) -> Stamp| {
            let others = (0..self.hosts.len()).filter(counts);
            (others.map(known).max().unwrap_or_default(), known(host))
        };
        let mut losses = Vec::new();
        for key in &self.history.keys {
            let (above, up_to) = most(&|host| self.covered(host, key));
            if above < up_to {
                let after = self.told_until(host, key, counts).unwrap_or_default();
                losses.push(Loss { key: key.clone(), above, up_to, after, at: self.now });
            }
        }
        let (above, up_to) = most(&|host| self.knows_flushed(host, FLUSHED));
        if above < up_to {
            let (key, after) = (FLUSHED.to_owned(), Time::default());
            losses.push(Loss { key, above, up_to, after, at: self.now });
        }
        for loss in losses {
            self.trace.world(loss.at, "loss", || {
                let Loss { key, above, up_to, after, .. } = &loss;
                format!("{key} above {above} up to {up_to}, written after {after}")
            });
            self.history.losses.push(loss);
        }
    }

    /// The process is asked to stop: it says goodbye, answers what is under way, and exits.
    fn stop(&mut self, host: usize) {
        if !self.runs(host) {
            return;
        }
        L::stop(self, host);
        // From now on it tells nobody what it holds.
        self.account_losses(host);
        self.hosts[host].process.as_mut().expect("it runs").stopping = true;
    }

    /// The process is asked to leave for good: it hands over what it holds.
    fn leave(&mut self, host: usize) {
        if self.runs(host) {
            self.next_operation += 1;
            let id = OpId(self.next_operation);
            L::command(self, host, id, Command::Leave { within_ms: LEAVE_MS });
        }
    }

    /// It has left, and ends.
    pub(super) fn has_left(&mut self, host: usize, kept: usize) {
        self.trace.line(self.now, host, "left", || format!("and kept {kept} partitions"));
        self.complain(handed_over::judge(self, host, kept));
        self.stop(host);
    }

    /// The process does not go on.
    fn stall(&mut self, host: usize) {
        let now = self.now;
        if let Some(process) = &mut self.hosts[host].process
            && process.stalled.is_none()
        {
            process.stalled = Some(now);
            L::stall(self, host);
            self.abandon(host, false);
        }
    }

    /// Lets a process go on.
    pub fn resume(&mut self, host: usize) {
        let now = self.now;
        let life = self.hosts[host].life;
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        let Some(from) = process.stalled.take() else {
            return;
        };
        let knew = process.members.iter().copied().collect();
        self.history.stalls.push(Stall { host, life, from, to: now, knew });
        // Clients are served by other threads than the driver's: either may run first.
        for record in std::mem::take(&mut process.late) {
            let at = now.plus_ns(self.schedule.random_range(0..3_000_000));
            self.at(at, Event::Late { record });
        }
        self.hosts[host].since = now;
        L::resume(self, host);
    }
}
