//! What is said in a session: pushes of what the other may lack, and replies with verdicts. At most
//! one push of a partition is under way to a peer, and a bounded number of partitions at a time.

use std::collections::{BTreeSet, VecDeque};

use super::Sessions;
use super::room::UnderWay;
use super::vouching::Doubted;
use crate::node::message::{Doubt, Exchange, Floors, Full, Standing, Supply};
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::partition::exchange::{
    ENTRY_BYTES, Header, Heard, Hearing, OfferLimit, Offerer, Verdict,
};
use crate::store::sessions::{Offered, Session};
use crate::store::{Content, Entry, Held, Key, Mono, Parts, Role, Version, key_ref};

/// Most headers of one push.
pub(super) const HEADERS_MAX: usize = 256;
/// Most bytes of keys, or of entries, of one push.
const PUSH_BYTES_MAX: usize = 16 << 10;
/// A push without a reply is given up after so long, in milliseconds, and what it offered is
/// offered again.
pub(super) const STUCK_MS: u64 = 1_000;
/// A peer that does not say how it wants what it may lack is offered it after so long, in
/// milliseconds. It may have many partitions to speak of.
const ASKING_MS: u64 = 10_000;
/// A talk that is not in step after so many intervals is begun again.
const BEHIND_MAX: u8 = 4;

/// One partition's talk with one peer.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pushes: u32,
    pub(super) sent: Option<Sent>,
    /// The question under way: its number, and when it was asked.
    pub(super) asked: Option<(u64, Mono)>,
    /// Keys whose values the peer wants.
    pub(super) wanted: VecDeque<Key>,
    /// What the peer was told last of how this node stands.
    pub(super) told: Option<Standing>,
    /// How the peer wants what it may lack.
    supply: Supply,
    /// Until then it waits for the peer to say how it wants that over a new link.
    asking_until: Mono,
    /// What the peer is in doubt about.
    pub(super) doubted: Doubted,
    /// What the peer is taken to cover, and is to be asked about.
    pub(super) claims: VecDeque<Header>,
    /// Something offered could not be judged: nothing is offered until the next interval.
    later: bool,
    /// Intervals in a row in which it was not in step.
    pub(super) behind: u8,
}

/// A push under way.
#[derive(Debug)]
pub(super) struct Sent {
    push: u32,
    pub(super) at: Mono,
    items: Vec<(Key, Version)>,
    /// Whether it was said to be all.
    full: bool,
    /// Whether the peer is taken to cover it.
    claimed: bool,
    /// Whether another one has confirmed it.
    vouched: bool,
    /// About how many bytes it takes.
    pub(super) bytes: usize,
    /// If it is bulk: the bytes of bulk under way to that peer then, and for how long its reply may
    /// take on top of [`STUCK_MS`], in nanoseconds.
    pub(super) bulk: Option<(usize, u64)>,
}

/// A push, without the standing.
pub(super) struct Offer {
    pub(super) push: u32,
    pub(super) headers: Vec<(Key, Version, bool)>,
    pub(super) entries: Vec<(Key, Entry)>,
    pub(super) hot: Vec<u8>,
    pub(super) full: Option<Full>,
    pub(super) vouched: Option<u32>,
}

/// A reply, without the standing.
pub(super) struct Judged {
    pub(super) push: u32,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) doubt: Option<Box<Doubt>>,
}

impl Talk {
    /// Counts an interval. Whether it has been going on for so long that something must have been
    /// lost, so that everything is to be said again.
    pub(super) fn is_stuck(&mut self, in_step: bool) -> bool {
        self.behind = if in_step { 0 } else { self.behind + 1 };
        let stuck = self.behind >= BEHIND_MAX && !self.is_waiting() && self.wanted.is_empty();
        if stuck {
            let Talk { supply, asking_until, .. } = *self;
            *self = Talk { supply, asking_until, ..self.again() };
        }
        stuck
    }

    /// A talk that begins anew; pushes go on being counted.
    pub(super) fn again(&self) -> Talk {
        Talk { pushes: self.pushes, ..Talk::default() }
    }

    /// The link is new: the peer says first how it wants what it may lack. Else each of those who are
    /// back in touch with it would offer it the same.
    pub(super) fn over_another_link(&self, now: Mono) -> Talk {
        Talk { asking_until: now.plus_ms(ASKING_MS), ..self.again() }
    }

    /// An interval begins: what could not be judged may be offered again.
    pub(super) fn resume(&mut self) {
        self.later = false;
    }

    /// Whether a push waits for its reply for too long.
    pub(super) fn is_stuck_at(&self, now: Mono) -> bool {
        let patience = |sent: &Sent| STUCK_MS * 1_000_000 + sent.bulk.map_or(0, |(_, ns)| ns);
        self.sent.as_ref().is_some_and(|sent| now.since(sent.at) >= patience(sent))
    }

    /// Whether the peer was told last that another one brings this node up to date.
    pub(super) fn has_waited(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.supply == Supply::Later)
    }

    /// Whether nothing is going on.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_waiting() && self.wanted.is_empty() && self.claims.is_empty()
    }

    /// Whether nothing is offered before the peer, or another one, has said something.
    pub(super) fn is_waited_for(&self, now: Mono) -> bool {
        now < self.asking_until || self.supply == Supply::Later
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.sent.is_some() || self.asked.is_some() || self.doubted.is_waiting()
    }
}

impl Sessions {
    /// Takes note of how a peer stands. Returns its bit, and whether it knows this node's current
    /// number; `None` if there is nothing to talk about.
    pub(super) fn hear(
        &mut self,
        from: NodeId,
        standing: &Standing,
        push: bool,
        turn: &mut Turn<'_>,
    ) -> Option<(u8, bool)> {
        let (partition, life) = (standing.partition, turn.life(from));
        let (role, session) = turn.see(partition, |kept, _| {
            let bit = kept.sessions().bit(from);
            let life = kept.sessions().with(from).map(|session| session.life);
            (kept.role(), bit.zip(life))
        });
        if role == Role::None {
            if push && !turn.ring.owners(partition).contains(&turn.own) {
                let echo = standing.number;
                turn.outbox.exchange(from, partition, &Exchange::Nothing { partition, echo });
            }
            return None;
        }
        let owners = turn.ring.owners(partition);
        if role == Role::Old && standing.role == Role::Old && !owners.contains(&from) {
            // Both wait to hand over what they have, and neither is the one to hand it to.
            if session.is_some() {
                self.close(from, partition, turn);
            }
            if push {
                let echo = standing.number;
                turn.outbox.exchange(from, partition, &Exchange::Nothing { partition, echo });
            }
            return None;
        }
        let bit = match session {
            Some((bit, known)) if known == life || !turn.rules().new_life() => bit,
            Some(_) => {
                self.close(from, partition, turn);
                self.open(from, partition, life, turn)?
            }
            // A reply to a session that is closed by now.
            None if !push => return None,
            None => self.open(from, partition, life, turn)?,
        };
        let heard = Heard {
            number: standing.number,
            echo: standing.echo,
            role: standing.role,
            valid: standing.valid,
            counts_you: standing.you_own,
            epoch: standing.epoch,
            ask: standing.ask,
            said: standing.said,
        };
        let now = turn.now.mono;
        let hearing = turn.with(partition, |kept, _| kept.hear(bit, &heard, now))?;
        if hearing == Hearing::Late {
            return Some((bit, true));
        }
        let echoed = hearing == Hearing::Current;
        if echoed && standing.valid {
            // It has heard this node out, and was judged here.
            self.find_company(partition, turn);
        } else {
            self.meet(from, standing, turn);
        }
        let talk = self.talks.entry((from, partition)).or_default();
        let asking_until = std::mem::take(&mut talk.asking_until);
        let waited = turn.now.mono < asking_until || talk.supply == Supply::Later;
        talk.supply = standing.supply;
        if waited && standing.supply == Supply::Headers {
            turn.with(partition, |kept, context| kept.compare_again(from, context.now));
        }
        Some((bit, echoed))
    }

    /// This node called a partition ready because it had met nobody, and here is somebody who has
    /// more to tell: it boots, keeping what it holds. Of two such, the one with fewer entries gives
    /// in, then the one with the larger id.
    fn meet(&mut self, from: NodeId, standing: &Standing, turn: &mut Turn<'_>) {
        let partition = standing.partition;
        if !turn.rules().boot_after_solitude()
            || !self.solitude.is_alone(partition)
            || !matches!(standing.role, Role::Ready | Role::Old)
            || turn.role(partition) != Role::Ready
        {
            return;
        }
        let entries = turn.see(partition, |kept, _| kept.entries() as u32);
        let gives_in = standing.alone.is_none_or(|theirs| (theirs, turn.own) > (entries, from));
        if gives_in {
            self.doubt([partition], turn);
        }
    }

    pub(super) fn on_push(
        &mut self,
        from: NodeId,
        bit: u8,
        echoed: bool,
        partition: Partition,
        offer: Offer,
        turn: &mut Turn<'_>,
    ) {
        let Offer { push, headers, entries, hot, full, vouched } = offer;
        let by = Offerer { bit, echoed, vouched };
        if !headers.is_empty() || !entries.is_empty() {
            self.brought.insert(from, turn.now.mono);
        }
        let (mut repaired, mut all) = (0, false);
        let verdicts: Vec<Verdict> = turn.with(partition, |kept, context| {
            let mut verdicts = Vec::with_capacity(headers.len() + entries.len());
            for (key, version, live) in headers {
                let header = Header { key, version, live };
                verdicts.push(kept.judge(by, &header, context));
            }
            for (at, (key, entry)) in entries.iter().enumerate() {
                let (verdict, taken) = kept.take(by, key_ref(key), Parts::of(entry), context);
                repaired += u64::from(taken);
                if hot.get(at / 8).is_some_and(|bits| bits & 1 << (at % 8) != 0) {
                    kept.warm(&[kept.hash(key_ref(key))]);
                }
                verdicts.push(verdict);
            }
            // It is all only when nothing of it is still on its way.
            let missing = |verdict: &Verdict| matches!(verdict, Verdict::Want | Verdict::Later);
            if echoed
                && !verdicts.iter().any(missing)
                && let Some(full) = full
            {
                let offered = full.floors.map(|f| Offered {
                    floors: f.floors,
                    valid: f.valid,
                    knowledge: f.knowledge,
                });
                kept.note_full(bit, full.ask, offered);
                all = true;
            }
            verdicts
        });
        self.stats.repaired += repaired;
        let no_room = verdicts.iter().filter(|verdict| **verdict == Verdict::NoRoom);
        self.stats.no_room += no_room.count() as u64;
        if all {
            self.supplied(from, partition, turn);
        }
        if verdicts.contains(&Verdict::Later) {
            turn.outbox.ahead.push(from);
        }
        let standing = self.standing(from, bit, partition, turn);
        if let Some(talk) = self.talks.get_mut(&(from, partition)) {
            talk.told = Some(standing.clone());
        }
        let standing = counted(standing, bit, turn);
        let doubt = verdicts.contains(&Verdict::Doubt).then(|| {
            turn.see(partition, |kept, _| {
                Box::new(Doubt { adopted: kept.adopted(), by: kept.vouchers(bit).collect() })
            })
        });
        let message = Exchange::Reply { standing, push, verdicts, doubt };
        turn.outbox.exchange(from, partition, &message);
        self.follow_up(from, bit, partition, turn);
    }

    pub(super) fn on_reply(
        &mut self,
        from: NodeId,
        bit: u8,
        echoed: bool,
        partition: Partition,
        judged: Judged,
        turn: &mut Turn<'_>,
    ) {
        let Judged { push, verdicts, doubt } = judged;
        let talk = self.talks.entry((from, partition)).or_default();
        let Some(sent) = talk.sent.take_if(|sent| sent.push == push) else {
            return self.follow_up(from, bit, partition, turn);
        };
        if let Some((under_way, _)) = sent.bulk {
            let took_ns = turn.now.mono.since(sent.at);
            self.paces.answered(from, sent.bytes, under_way, took_ns);
        }
        if !echoed || verdicts.len() != sent.items.len() {
            give_up(bit, partition, &sent, turn);
            return self.follow_up(from, bit, partition, turn);
        }
        let (mut condemned, mut repaired, mut vouched) = (0, 0, 0);
        let (mut doubted, mut no_room) = (Vec::new(), BTreeSet::new());
        turn.with(partition, |kept, _| {
            let (mut later, mut unfinished) = (false, false);
            for ((key, version), verdict) in sent.items.into_iter().zip(&verdicts) {
                match verdict {
                    Verdict::Ack => {
                        vouched += u64::from(sent.vouched);
                        kept.acked(bit, key_ref(&key), version);
                    }
                    Verdict::Want => {
                        repaired += u64::from(sent.claimed);
                        talk.wanted.push_back(key);
                        unfinished = true;
                    }
                    Verdict::Condemn => {
                        condemned += u64::from(kept.condemned(bit, key_ref(&key), version));
                    }
                    Verdict::Later => later = true,
                    Verdict::Doubt => doubted.push((key, version)),
                    Verdict::NoRoom => {
                        no_room.insert(kept.hash(key_ref(&key)));
                    }
                }
            }
            if !no_room.is_empty() {
                kept.note_no_room(bit, &no_room);
            }
            if later {
                kept.offer_again(bit);
            }
            talk.later |= later;
            if sent.full && (later || unfinished) {
                kept.note_unanswered(bit);
            }
        });
        self.stats.condemned += condemned;
        self.stats.audit_repaired += repaired;
        self.stats.vouched += vouched;
        if !doubted.is_empty() {
            self.ask_third(from, bit, partition, (doubt, doubted), turn);
        }
        self.end_doubt(from, bit, partition, turn);
        self.follow_up(from, bit, partition, turn);
    }

    /// What a message may have made possible.
    pub(super) fn follow_up(
        &mut self,
        from: NodeId,
        bit: u8,
        partition: Partition,
        turn: &mut Turn<'_>,
    ) {
        if turn.role(partition) != Role::Boot || !turn.rules().floors_together() {
            let own = (turn.own, self.life);
            turn.with(partition, |kept, _| {
                let valid = kept.sessions().get(bit).is_none_or(|session| session.valid);
                if !valid && kept.may_become_valid(bit) {
                    kept.become_valid(bit, own);
                }
            });
        }
        if self.has_to_say(from, bit, partition, turn) {
            self.due.insert((from, partition));
        }
    }

    pub(super) fn has_to_say(
        &self,
        to: NodeId,
        bit: u8,
        partition: Partition,
        turn: &Turn<'_>,
    ) -> bool {
        let Some(talk) = self.talks.get(&(to, partition)) else {
            return true;
        };
        let before = self.recent(to, turn);
        let (in_step, owes) = turn.see(partition, |kept, _| {
            let in_step = kept.sessions().get(bit).is_some_and(|s| s.is_in_step());
            (in_step, kept.owes(bit, before))
        });
        let news = talk.told.as_ref() != Some(&self.standing(to, bit, partition, turn));
        !talk.wanted.is_empty() || !talk.claims.is_empty() || news || owes || !in_step
    }

    /// Takes a turn in one talk, and counts what is under way then.
    pub(super) fn say(
        &mut self,
        to: NodeId,
        partition: Partition,
        under_way: &mut UnderWay,
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now.mono;
        let Some(bit) = turn.see(partition, |kept, _| kept.sessions().bit(to)) else {
            self.talks.remove(&(to, partition));
            return;
        };
        let standing = self.standing(to, bit, partition, turn);
        let before = self.recent(to, turn);
        let talk = self.talks.entry((to, partition)).or_default();
        if talk.sent.is_some() {
            return;
        }
        self.give_up_comparison(to, bit, partition, turn);
        let talk = self.talks.entry((to, partition)).or_default();
        let supply = [talk.supply, standing.supply];
        let waits = now < talk.asking_until || supply.contains(&Supply::Later);
        if talk.doubted.is_waiting() && !talk.doubted.is_late(now) {
            return;
        }
        let vouched = self.vouched(to, bit, partition, turn);
        let talk = self.talks.entry((to, partition)).or_default();
        let mut entries = match vouched {
            None => values(&mut talk.wanted, partition, turn),
            Some(_) => Vec::new(),
        };
        self.stats.wanted += entries.len() as u64;
        let (vouched, confirmed) = vouched.unzip();
        if vouched.is_some() {
            // Before anything else, while it counts.
        } else if supply.contains(&Supply::Everything) {
            turn.with(partition, |kept, _| kept.end_comparison(bit, false));
        } else if entries.is_empty() && !waits && self.compare(to, bit, partition, &standing, turn)
        {
            under_way.ask();
            return;
        }
        let talk = self.talks.entry((to, partition)).or_default();
        let (mut headers, mut full) = (confirmed.unwrap_or_default(), None);
        if headers.is_empty() && entries.is_empty() && standing.echo != 0 && !talk.later && !waits {
            let own = (turn.own, self.life);
            let supply = talk.supply;
            let mut looks_on = false;
            turn.with(partition, |kept, context| {
                let Some(session) = kept.sessions().get(bit) else { return };
                let inline = if session.no_room { 0 } else { supply.inline() };
                let before = if session.is_in_step() { before } else { now };
                let (most, bytes) = (HEADERS_MAX, PUSH_BYTES_MAX);
                let hot_first = inline > 0;
                let limit = OfferLimit { headers: most, bytes, inline, hot_first, before };
                let all;
                (headers, all) = kept.offer(bit, limit, context);
                looks_on = headers.is_empty() && !all && kept.is_scanning(bit, now);
                headers.retain(|header| match kept.look(key_ref(&header.key), context) {
                    Held::Value(parts) if parts.value.is_some_and(|v| v.len() < inline) => {
                        entries.push((header.key.clone(), parts.to_entry()));
                        false
                    }
                    _ => true,
                });
                let Some(session) = kept.sessions().get(bit) else { return };
                if all && session.asked != session.answered {
                    let ask = session.asked;
                    let floors = (!session.is_trusted()).then(|| {
                        let (floors, valid) = (*kept.floors(), kept.sessions().valid());
                        Box::new(Floors { floors, valid, knowledge: kept.knowledge(own) })
                    });
                    full = Some(Full { ask, floors });
                    kept.note_answered(bit);
                }
            });
            if looks_on {
                self.unfinished = true;
                self.due.insert((to, partition));
            }
        }
        let talk = self.talks.entry((to, partition)).or_default();
        if !turn.see(partition, |kept, _| kept.sessions().get(bit).is_some_and(Session::is_in_step))
        {
            // What it is taken to cover may be another matter by now.
            talk.claims.clear();
        }
        let claimed = headers.is_empty() && entries.is_empty() && !talk.claims.is_empty();
        if claimed {
            headers.extend(talk.claims.drain(..talk.claims.len().min(HEADERS_MAX)));
        }
        let news = talk.told.as_ref() != Some(&standing);
        if headers.is_empty() && entries.is_empty() && full.is_none() && !news {
            return;
        }
        talk.pushes = talk.pushes.wrapping_add(1);
        let offered = headers.iter().map(|header| (header.key.clone(), header.version));
        let sent = entries.iter().map(|(key, entry)| (key.clone(), entry.version()));
        let items = offered.chain(sent).collect();
        let values = entries.iter().map(bytes_of).sum::<usize>();
        let offers = headers.iter().map(|header| header.key.bytes.len() + ENTRY_BYTES);
        let bytes = values + offers.sum::<usize>();
        let bulk = under_way
            .add(bytes)
            .then(|| (under_way.bulk, self.paces.sent(to, bytes, under_way.bulk, now)));
        let push = talk.pushes;
        talk.sent = Some(Sent {
            push,
            at: now,
            items,
            full: full.is_some(),
            claimed,
            vouched: vouched.is_some(),
            bytes,
            bulk,
        });
        talk.told = Some(standing.clone());
        self.waiting.insert((to, partition));
        self.stats.offered += headers.len() as u64;
        self.stats.repair_bytes += values as u64;
        let headers = headers.into_iter().map(|h| (h.key, h.version, h.live)).collect();
        let hot = hot(&entries, partition, turn);
        let standing = counted(standing, bit, turn);
        let message = Exchange::Push { standing, push, headers, entries, hot, full, vouched };
        match bulk {
            Some(_) => turn.outbox.bulk(to, &message),
            None => turn.outbox.exchange(to, partition, &message),
        }
    }

    /// How this node stands to a peer in a partition.
    pub(super) fn standing(
        &self,
        to: NodeId,
        bit: u8,
        partition: Partition,
        turn: &Turn<'_>,
    ) -> Standing {
        let you_own = turn.ring.owners(partition).contains(&to);
        let alone = self.solitude.is_alone(partition);
        turn.with(partition, |kept, _| {
            let session = kept.sessions().get(bit);
            let supply = self.supply(to, partition, kept, turn);
            Standing {
                supply,
                partition,
                number: session.map_or(0, |s| s.mine),
                echo: session.map_or(0, |s| s.theirs),
                role: kept.role(),
                valid: session.is_some_and(|s| s.valid),
                you_own,
                alone: alone.then(|| kept.entries() as u32),
                epoch: kept.sessions().epoch(),
                ask: session.map_or(0, |s| s.ask),
                said: 0,
            }
        })
    }

    pub(super) fn on_nothing(
        &mut self,
        from: NodeId,
        partition: Partition,
        echo: u64,
        turn: &mut Turn<'_>,
    ) {
        if let Some(boot) = self.boots.get_mut(&partition) {
            boot.unheard.remove(&from);
        }
        let mine = turn.see(partition, |kept, _| kept.sessions().with(from).map(|s| s.mine));
        let owner = turn.ring.owners(partition).contains(&from);
        if mine == Some(echo) && !owner && turn.rules().nothing_closes() {
            self.close(from, partition, turn);
        } else if let Some(talk) = self.talks.get_mut(&(from, partition)) {
            // Its view lags: it will count itself an owner soon.
            talk.sent = None;
            talk.told = None;
        }
    }

    pub(super) fn on_who(&mut self, from: NodeId, partition: Partition, turn: &mut Turn<'_>) {
        if turn.role(partition) == Role::None {
            let nothing = Exchange::Nothing { partition, echo: 0 };
            return turn.outbox.exchange(from, partition, &nothing);
        }
        let known = turn.see(partition, |kept, _| kept.sessions().bit(from).is_some());
        if !known {
            self.open(from, partition, turn.life(from), turn);
        }
        if let Some(talk) = self.talks.get_mut(&(from, partition)) {
            talk.told = None;
        }
        self.due.insert((from, partition));
    }
}

/// A standing as it is said: with its place in the order of what is said.
pub(super) fn counted(standing: Standing, bit: u8, turn: &Turn<'_>) -> Standing {
    let said = turn.with(standing.partition, |kept, _| kept.say(bit));
    Standing { said, ..standing }
}

/// Nobody knows what became of a push: what it said is said again.
pub(super) fn give_up(bit: u8, partition: Partition, sent: &Sent, turn: &Turn<'_>) {
    turn.with(partition, |kept, _| {
        kept.offer_again(bit);
        if sent.full {
            kept.note_unanswered(bit);
        }
    });
}

/// The values that a peer wants, as many as one push may carry.
fn values(
    wanted: &mut VecDeque<Key>,
    partition: Partition,
    turn: &mut Turn<'_>,
) -> Vec<(Key, Entry)> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    while bytes < PUSH_BYTES_MAX
        && let Some(key) = wanted.pop_front()
    {
        let found = turn.see(partition, |kept, context| match kept.look(key_ref(&key), context) {
            Held::Value(parts) => Some(parts.to_entry()),
            // Gone or overwritten by a mark meanwhile; that is offered by itself.
            Held::Dead(_) | Held::Nothing => None,
        });
        let Some(entry) = found else { continue };
        let entry = (key, entry);
        bytes += bytes_of(&entry);
        entries.push(entry);
    }
    entries
}

/// Which of these are read, a bit each.
fn hot(entries: &[(Key, Entry)], partition: Partition, turn: &Turn<'_>) -> Vec<u8> {
    turn.see(partition, |kept, _| {
        let mut hot = Vec::new();
        for (at, (key, _)) in entries.iter().enumerate() {
            if kept.is_hot(key_ref(key)) {
                hot.resize(at / 8 + 1, 0);
                hot[at / 8] |= 1 << (at % 8);
            }
        }
        hot
    })
}

/// What an entry takes in a push.
fn bytes_of((key, entry): &(Key, Entry)) -> usize {
    let value = match entry.content() {
        Content::Value(value) => value.len(),
        Content::Mark => 0,
    };
    key.bytes.len() + value + ENTRY_BYTES
}
