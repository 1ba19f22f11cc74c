//! How bytes move: dials, links, frames, datagrams.

use std::net::SocketAddr;

use bytes::Bytes;
use chickadee::node::codec::Kind;
use chickadee::node::event::Input;
use chickadee::placement::NodeId;

use super::core::{Core, Held, Machine, Step};
use super::hearing::describe;
use super::{Process, World};
use crate::network::{BULK, IN_FLIGHT_BYTES_MAX, InFlight, LARGE, Link};
use crate::time::Time;

/// A dial without an answer fails after so long, in milliseconds.
const DIAL_MS_MAX: u64 = 1_200;
/// When its first packet is sent, in milliseconds: QUIC repeats it while nobody answers.
const CALLS_MS: [u64; 4] = [0, 150, 450, 1_050];
/// Datagrams wait so long behind other bytes at most, in nanoseconds.
const BACKLOG_NS_MAX: u64 = 500_000_000;

/// A dial under way.
#[derive(Clone, Debug)]
pub struct Dial {
    from: (usize, u32),
    to: (usize, u32),
    addr: SocketAddr,
    expected: Option<NodeId>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// The first packet is sent for the so many-th time.
    Call(usize),
    /// The handshake is done: the acceptor says Hello first.
    Accept,
    /// The acceptor's Hello arrives.
    Judge(Bytes),
    /// The dialer's Hello arrives.
    Confirm { link: usize, hello: Bytes },
    /// Nobody answered.
    Fail(String),
}

impl World<Core> {
    // ---- dials ------------------------------------------------------------------------------

    pub(super) fn dial(&mut self, host: usize, addr: SocketAddr, expected: Option<NodeId>) {
        let target = super::host_at(addr).filter(|target| *target < self.hosts.len());
        let from = (host, self.hosts[host].life);
        let to = (target.unwrap_or(host), 0);
        self.call(Dial { from, to, addr, expected, stage: Stage::Call(0) }, 0);
    }

    /// A dial sends its first packet, for the first time or again.
    fn call(&mut self, mut dial: Dial, count: usize) {
        let (host, target) = (dial.from.0, dial.to.0);
        if target != host && self.runs(target) && self.joined(host, target) {
            dial.to.1 = self.hosts[target].life;
            dial.stage = Stage::Accept;
            // One and a half round trips of QUIC and TLS before the acceptor can speak.
            let ns: u64 = (0..3).map(|_| self.network.reliable_ns(host, target).0).sum();
            return self.then(self.now.plus_ns(ns), Step::Dial(dial));
        }
        let next_ms = match CALLS_MS.get(count + 1) {
            Some(next_ms) => {
                dial.stage = Stage::Call(count + 1);
                *next_ms
            }
            None => {
                dial.stage = Stage::Fail("no answer".to_owned());
                DIAL_MS_MAX
            }
        };
        self.then(self.now.plus_ms(next_ms - CALLS_MS[count]), Step::Dial(dial));
    }

    fn lives(&self, (host, life): (usize, u32)) -> bool {
        self.hosts[host].life == life && self.hosts[host].process.is_some()
    }

    pub(super) fn dial_on(&mut self, mut dial: Dial) {
        let (from, to) = (dial.from, dial.to);
        if !self.lives(from) {
            return;
        }
        if let Stage::Fail(reason) = dial.stage {
            let input = Input::DialFailed { addr: dial.addr, reason, difference: None };
            return self.deliver(from.0, input, None);
        }
        if let Stage::Call(count) = dial.stage {
            return self.call(dial, count);
        }
        if !self.lives(to) || !self.runs(to.0) || !self.runs(from.0) || !self.joined(from.0, to.0) {
            dial.stage = Stage::Fail("the handshake stopped".to_owned());
            return self.then(self.now.plus_ms(DIAL_MS_MAX), Step::Dial(dial));
        }
        match std::mem::replace(&mut dial.stage, Stage::Accept) {
            Stage::Accept => {
                let hello = self.process(to.0).expect("lives").inside.node.hello();
                let ns = self.network.reliable_ns(to.0, from.0).0;
                dial.stage = Stage::Judge(hello);
                self.then(self.now.plus_ns(ns), Step::Dial(dial));
            }
            Stage::Judge(hello) => {
                let peer = self.hosts[to.0].id;
                let wrong = dial.expected.is_some_and(|expected| expected != peer);
                let now = self.hosts[from.0].clocks.read(self.now);
                let process = self.hosts[from.0].process.as_mut().expect("lives");
                let judged = process.inside.node.judge_hello(peer, hello, now);
                if wrong || judged.is_err() {
                    dial.stage = Stage::Fail(format!("refused: {judged:?}"));
                    return self.then(self.now, Step::Dial(dial));
                }
                let process = self.hosts[from.0].process.as_ref().expect("lives");
                let twice = self.network.links_between(from.0, to.0).any(|link| {
                    let link = &self.network.links[link];
                    let (a, b) = (link.ends[0], link.ends[1]);
                    let same = [(a.host, a.life), (b.host, b.life)] == [to, from]
                        || [(a.host, a.life), (b.host, b.life)] == [from, to];
                    same && (a.open && b.open)
                        || [(a.host, a.life), (b.host, b.life)] == [to, from] && a.open
                });
                if twice || process.inside.links.contains_key(&to.0) {
                    // Both dialed at once: one link is enough.
                    return;
                }
                let hello = process.inside.node.hello();
                let link = self.network.open(Link::new(from, to));
                let ns = self.network.reliable_ns(from.0, to.0).0;
                let confirmed = self.now.plus_ns(ns);
                for lane in &mut self.network.links[link].lanes[0] {
                    // Nothing overtakes the Hello.
                    lane.last_arrival = confirmed.plus_ns(1);
                }
                self.then(
                    confirmed,
                    Step::Dial(Dial { stage: Stage::Confirm { link, hello }, ..dial }),
                );
                self.up(link, 0);
            }
            Stage::Confirm { link, hello } => {
                let peer = self.hosts[from.0].id;
                let now = self.hosts[to.0].clocks.read(self.now);
                let process = self.hosts[to.0].process.as_mut().expect("lives");
                if process.inside.node.judge_hello(peer, hello, now).is_err() {
                    let ns = self.network.delay_ns(to.0, from.0);
                    return self.then(self.now.plus_ns(ns), Step::Reset { link, side: 0 });
                }
                if let Some(old) = process.inside.links.insert(from.0, link)
                    && old != link
                {
                    let side = self.network.links[old].side(to.0);
                    self.network.links[old].ends[side].open = false;
                }
                self.network.links[link].ends[1].open = true;
                self.up(link, 1);
            }
            Stage::Call(_) | Stage::Fail(_) => {}
        }
    }

    fn up(&mut self, link: usize, side: usize) {
        let ends = self.network.links[link].ends;
        let (own, other) = (ends[side].host, ends[1 - side].host);
        if let Some(process) = &mut self.hosts[own].process {
            process.inside.links.insert(other, link);
        }
        self.trace.line(self.now, own, "up", || format!("link {link} to n{other}"));
        let input = Input::Up { peer: self.hosts[other].id, addr: self.hosts[other].addr };
        self.deliver(own, input, None);
    }

    /// The process of a host dies: its ends of links with it.
    pub(super) fn cut_links(&mut self, host: usize) {
        let life = self.hosts[host].life;
        for index in self.network.links_of(host).collect::<Vec<_>>() {
            let link = &mut self.network.links[index];
            for side in 0..2 {
                let end = &mut link.ends[side];
                if (end.host, end.life) == (host, life) && link.died[side].is_none() {
                    end.open = false;
                    link.died[side] = Some(self.now);
                }
            }
        }
    }

    // ---- the end of links -------------------------------------------------------------------

    pub(super) fn close(&mut self, host: usize, peer: NodeId, reason: &'static str) {
        let other = self.index(peer);
        let process = self.hosts[host].process.as_ref().expect("it just said so");
        let Some(link) = process.inside.links.get(&other).copied() else {
            return;
        };
        self.trace.line(self.now, host, "close", || format!("n{other}: {reason}"));
        let side = self.network.links[link].side(host);
        self.then(self.now, Step::Reset { link, side });
        if self.network.passes(host, other) && !self.network.lost() {
            let ns = self.network.delay_ns(host, other);
            let side = 1 - side;
            self.then(self.now.plus_ns(ns), Step::Reset { link, side });
        }
    }

    /// A process ends: whoever has a link to it, or is just getting one, is told.
    pub(super) fn shut(&mut self, host: usize, life: u32) {
        for link in self.network.links_of(host).collect::<Vec<_>>() {
            let ends = self.network.links[link].ends;
            let side = usize::from(ends[0].host == host);
            let own = ends[1 - side];
            let told = self.network.passes(host, ends[side].host) && !self.network.lost();
            if own.life == life && ends[side].open && told {
                let ns = self.network.delay_ns(host, ends[side].host);
                self.then(self.now.plus_ns(ns), Step::Reset { link, side });
            }
        }
    }

    /// One end learns that the link is gone.
    pub(super) fn reset(&mut self, link: usize, side: usize) {
        let end = &mut self.network.links[link].ends[side];
        if !std::mem::take(&mut end.open) {
            return;
        }
        let (host, life) = (end.host, end.life);
        let other = self.network.links[link].ends[1 - side].host;
        if self.hosts[host].life != life {
            return;
        }
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        if process.inside.links.get(&other) != Some(&link) {
            return;
        }
        process.inside.links.remove(&other);
        self.trace.line(self.now, host, "down", || format!("link {link} to n{other}"));
        let peer = self.hosts[other].id;
        self.deliver(host, Input::Down { peer }, None);
    }

    /// Bytes reached a process that does not know the link: it says so, if there is a process.
    fn unknown(&mut self, link: usize, direction: usize) {
        let ends = self.network.links[link].ends;
        let (from, to) = (ends[direction], ends[1 - direction]);
        if self.runs(to.host) && self.network.passes(to.host, from.host) {
            let ns = self.network.delay_ns(to.host, from.host);
            let side = direction;
            self.then(self.now.plus_ns(ns), Step::Reset { link, side });
        }
    }

    /// Whether the receiving end of a direction has the link.
    fn receives(&self, link: usize, direction: usize) -> bool {
        let end = self.network.links[link].ends[1 - direction];
        end.open && self.lives((end.host, end.life))
    }

    // ---- frames -----------------------------------------------------------------------------

    pub(super) fn send_frame(&mut self, host: usize, to: NodeId, lane: u8, bytes: Bytes) {
        self.learn(host, &bytes);
        self.traffic[host].sent(&bytes);
        let other = self.index(to);
        let process = self.hosts[host].process.as_ref().expect("it just said so");
        let Some(index) = process.inside.links.get(&other).copied() else {
            return;
        };
        if self.is_late(&bytes) {
            let (from, life) = (self.hosts[host].id, self.hosts[other].life);
            let at = self.now.plus_ns(self.network.late_ns());
            return self.then(at, Step::Late { from, host: other, life, bytes });
        }
        let (lane, direction) = (usize::from(lane), self.network.links[index].side(host));
        let begins = match lane {
            BULK | LARGE => {
                let chaos = self.now < Time::ms(self.plan.options.healed_ms);
                let ends_ppm = if chaos { self.plan.options.bulk_ends_ppm } else { 0 };
                self.network.bulk_from(index, direction, self.now, ends_ppm)
            }
            _ => self.now,
        };
        let (delay, sent) = self.network.reliable_ns(host, other);
        let queued = match lane {
            BULK | LARGE => self.network.bulk_queue_ns(host, other, bytes.len(), self.now),
            _ => self.network.queue_ns(host, other, bytes.len(), self.now),
        };
        let link = &mut self.network.links[index];
        let under_way = link.under_way(direction, lane);
        if *under_way + bytes.len() > IN_FLIGHT_BYTES_MAX {
            return;
        }
        *under_way += bytes.len();
        let entry = &mut link.lanes[direction][lane];
        let at = begins.plus_ns(queued + delay).max(entry.last_arrival);
        entry.last_arrival = at;
        let last_sent = begins.plus_ns(queued + sent);
        entry.queue.push_back(InFlight { bytes, last_sent, lost: false });
        self.then(at, Step::Arrive { link: index, direction, lane });
    }

    /// Whether a frame comes late. Only the exchange does not count on the order of what it hears.
    fn is_late(&mut self, bytes: &[u8]) -> bool {
        let late_ppm = self.plan.options.late_ppm;
        let exchange = bytes.first() == Some(&(Kind::Exchange as u8));
        let chaos = self.now < Time::ms(self.plan.options.healed_ms);
        late_ppm > 0 && exchange && chaos && self.network.happens(late_ppm)
    }

    /// A late frame arrives, if its sender is in touch.
    pub(super) fn arrive_late(&mut self, from: NodeId, (host, life): (usize, u32), bytes: Bytes) {
        let linked = |p: &Process<Machine>| p.inside.links.contains_key(&self.index(from));
        let receives = self.lives((host, life)) && self.process(host).is_some_and(linked);
        if receives && self.network.passes(self.index(from), host) {
            self.trace.note(self.now, host, &bytes);
            self.trace.frame(self.now, host, "frame", || format!("late: {}", describe(&bytes)));
            self.deliver(host, Input::Frame { from, bytes }, None);
        }
    }

    pub(super) fn arrive(&mut self, index: usize, direction: usize, lane: usize) {
        let ends = self.network.links[index].ends;
        let (from, to) = (ends[direction], ends[1 - direction]);
        let passes = self.network.passes(from.host, to.host);
        let receives = self.receives(index, direction);
        let link = &mut self.network.links[index];
        let died = link.died[direction];
        let entry = &mut link.lanes[direction][lane];
        let Some(first) = entry.queue.front() else {
            return;
        };
        if died.is_some_and(|died| first.last_sent > died || !passes) {
            // Never sent, or never again; and nothing behind it is taken out of order.
            let lost: usize = entry.queue.drain(..).map(|f| f.bytes.len()).sum();
            *link.under_way(direction, lane) -= lost;
            return;
        }
        if first.lost {
            let lost = entry.queue.pop_front().map_or(0, |frame| frame.bytes.len());
            *link.under_way(direction, lane) -= lost;
            return;
        }
        if !passes {
            entry.waiting += 1;
            return;
        }
        let bytes = entry.queue.pop_front().expect("just seen").bytes;
        if !receives {
            *link.under_way(direction, lane) -= bytes.len();
            return self.unknown(index, direction);
        }
        let held = Some((index, direction, lane, bytes.len()));
        self.trace.note(self.now, to.host, &bytes);
        self.trace.frame(self.now, to.host, "frame", || {
            format!("from n{} lane {lane}: {}", from.host, describe(&bytes))
        });
        let from = self.hosts[from.host].id;
        self.deliver(to.host, Input::Frame { from, bytes }, held);
    }

    /// What a frame occupied is free again.
    pub(super) fn release(&mut self, held: Held) {
        if let Some((link, direction, lane, bytes)) = held {
            *self.network.links[link].under_way(direction, lane) -= bytes;
        }
    }

    /// A cut was mended: what waited is sent again.
    pub(super) fn send_waiting(&mut self) {
        for index in 0..self.network.links.len() {
            for direction in 0..2 {
                let ends = self.network.links[index].ends;
                let (from, to) = (ends[direction].host, ends[1 - direction].host);
                if !self.network.passes(from, to) {
                    continue;
                }
                let later = self.now.plus_ns(self.network.patience_ns());
                for lane in 0..crate::network::LANES {
                    let entry = &mut self.network.links[index].lanes[direction][lane];
                    let waiting = std::mem::take(&mut entry.waiting);
                    if waiting == 0 {
                        continue;
                    }
                    entry.last_arrival = entry.last_arrival.max(later);
                    for _ in 0..waiting {
                        self.then(later, Step::Arrive { link: index, direction, lane });
                    }
                }
            }
        }
    }

    // ---- datagrams --------------------------------------------------------------------------

    pub(super) fn send_datagram(&mut self, host: usize, to: NodeId, bytes: Bytes) {
        let other = self.index(to);
        let process = self.hosts[host].process.as_ref().expect("it just said so");
        let Some(link) = process.inside.links.get(&other).copied() else {
            return;
        };
        let direction = self.network.links[link].side(host);
        if self.network.backlog_ns(host, other, self.now) > BACKLOG_NS_MAX {
            // A datagram does not wait for ever: the buffer of the socket is full.
            return;
        }
        let queued = self.network.queue_ns(host, other, bytes.len(), self.now);
        let copies = match (self.network.lost(), self.network.doubled()) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        self.traffic[host].sent(&bytes);
        for _ in 0..copies {
            let ns = self.network.delay_ns(host, other);
            let bytes = bytes.clone();
            self.then(self.now.plus_ns(queued + ns), Step::Datagram { link, direction, bytes });
        }
    }

    pub(super) fn datagram(&mut self, link: usize, direction: usize, bytes: Bytes) {
        let ends = self.network.links[link].ends;
        let (from, to) = (ends[direction].host, ends[1 - direction].host);
        if !self.network.passes(from, to) {
            return;
        }
        if !self.receives(link, direction) {
            if !ends[1 - direction].open
                && ends[1 - direction].life == self.hosts[to].life
                && direction == 0
                && self.now < self.network.links[link].lanes[0][0].last_arrival
            {
                // It overtook the Hello.
                return;
            }
            return self.unknown(link, direction);
        }
        if self.process(to).is_some_and(|p| p.inside.inbox.len() > 4_096) {
            // The socket's buffer is full.
            return;
        }
        self.trace.note(self.now, to, &bytes);
        let from = self.hosts[from].id;
        self.deliver(to, Input::Datagram { from, bytes }, None);
    }
}
