use std::collections::BTreeMap;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::node::codec;
use crate::node::message::Supply;
use crate::placement::Life;
use crate::store::partition::FLOORS;
use crate::store::partition::exchange::{Header, Heard, OfferLimit, Offerer, Verdict};
use crate::store::sessions::Offered;
use crate::store::{
    Clock, Context, Flushes, Hlc, KeyRef, Mono, Namespace, Now, Partition as Kept, Parts, Role,
    Stamp, Version, Writer,
};

/// Two holders of a partition that have just met.
struct Pair {
    kept: [Kept; 2],
    bit: [u8; 2],
    clock: Clock,
    flushes: Flushes,
    /// Bytes of the messages, and how many there were.
    sent: (usize, usize),
}

fn heard(side: usize) -> Heard {
    let other = 1 - side;
    Heard {
        number: 1 + side as u64,
        echo: 1 + other as u64,
        role: Role::Ready,
        valid: false,
        counts_you: true,
        epoch: 1,
        ask: 1,
        said: 1,
    }
}

fn standing() -> Standing {
    Standing {
        partition: Partition(700),
        number: 1 << 50,
        echo: 1 << 50,
        role: Role::Ready,
        valid: true,
        you_own: true,
        alone: None,
        epoch: 1_000,
        ask: 1,
        supply: Supply::Headers,
        said: 100,
    }
}

impl Pair {
    fn new() -> Pair {
        let mut kept = [Kept::new(42), Kept::new(42)];
        let mut bit = [0; 2];
        for side in 0..2 {
            let peer = NodeId([1 - side as u8; 16]);
            let open = kept[side].open_session(peer, Life(1), 1 + side as u64);
            bit[side] = open.expect("there is room");
            kept[side].hear(bit[side], &heard(1 - side), Mono(0)).expect("it is news");
        }
        let clock = Clock::new(Writer(7), Now { mono: Mono(0), wall_ms: 1_000_000 });
        Pair { kept, bit, clock, flushes: Flushes::default(), sent: (0, 0) }
    }

    fn context(&self) -> Context<'_> {
        Context {
            clock: &self.clock,
            now: Mono(0),
            expiry_ms: 0,
            flushes: &self.flushes,
            value_bytes_max: 1 << 20,
            full: false,
        }
    }

    fn with<R>(&mut self, side: usize, step: impl FnOnce(&mut Kept, &Context<'_>) -> R) -> R {
        let mut kept = std::mem::replace(&mut self.kept[side], Kept::new(0));
        let result = step(&mut kept, &self.context());
        self.kept[side] = kept;
        result
    }

    /// One side takes key `key` at time `at`; `live`: a value, not a mark.
    fn put(&mut self, side: usize, key: u32, at: u64, live: bool) {
        let bytes = key.to_le_bytes();
        let version = Version::of(Stamp { hlc: Hlc::at_ms(at), writer: Writer(1) });
        let parts = Parts { version, value: live.then_some(b"value"), deadline_ms: None };
        let key = KeyRef { namespace: Namespace(0), bytes: &bytes };
        self.with(side, |kept, context| kept.merge(key, parts, context));
    }

    fn send(&mut self, message: &Exchange) -> Exchange {
        let mut frame = BytesMut::new();
        codec::put(&mut frame, message);
        self.sent.0 += frame.len();
        self.sent.1 += 1;
        codec::take(&mut &frame[..]).expect("just written")
    }

    /// Side 0 compares. `meanwhile` happens before each message arrives. Returns how many entries
    /// were settled on its side, if it came to an end.
    fn compare(&mut self, meanwhile: impl FnMut(&mut Pair)) -> Option<u64> {
        let first = self.kept[0].compare(self.bit[0], 1, Mono(0))?;
        self.converse(first, meanwhile).map(|(equal, _)| equal)
    }

    /// Side 0 audits. Returns what side 1 lacks of what it is taken to cover.
    fn audit(&mut self) -> Option<Vec<Header>> {
        let first = self.kept[0].audit(self.bit[0], 1, Mono(0))?;
        self.converse(first, |_| {}).and_then(|(_, lacked)| lacked)
    }

    fn converse(
        &mut self,
        first: Question,
        mut meanwhile: impl FnMut(&mut Pair),
    ) -> Option<(u64, Option<Vec<Header>>)> {
        let (asker, answerer) = (self.bit[0], self.bit[1]);
        let mut question = first;
        loop {
            let asked = self.send(&Exchange::Compare { standing: standing(), number: 1, question });
            meanwhile(self);
            let Exchange::Compare { question: asked, .. } = asked else {
                panic!("another message")
            };
            let (findings, _) = self.kept[1].answer(answerer, &asked, Mono(0))?;
            let Some(findings) = findings else { panic!("no answer to {asked:?}") };
            let answer =
                self.send(&Exchange::Compared { standing: standing(), number: 1, findings });
            meanwhile(self);
            let Exchange::Compared { findings, .. } = answer else { panic!("another message") };
            match self.kept[0].learn_findings(asker, 1, &findings)? {
                Next::Ask(next) => question = next,
                Next::Over { equal, tell, lacked } => {
                    if tell {
                        let question = Question::End;
                        self.send(&Exchange::Compare { standing: standing(), number: 1, question });
                        self.kept[1].answer(answerer, &Question::End, Mono(0));
                    }
                    return Some((equal, lacked));
                }
            }
        }
    }

    /// Both have offered all they had, have become valid, and say so.
    fn get_in_step(&mut self) {
        for side in 0..2 {
            self.offered(side);
            let (floors, bit) = (*self.kept[1 - side].floors(), self.bit[side]);
            let offered = Offered { floors, valid: vec![], knowledge: vec![] };
            let ask = self.kept[side].sessions().get(bit).expect("it is open").ask;
            self.kept[side].note_full(bit, ask, Some(offered));
            self.kept[side].note_answered(bit);
            self.kept[side].become_valid(bit, (NodeId([side as u8; 16]), Life(1)));
            let valid = Heard { valid: true, said: 2, ..heard(1 - side) };
            self.kept[side].hear(bit, &valid, Mono(0)).expect("it is news");
        }
    }

    /// What a side offers the other.
    fn offered(&mut self, side: usize) -> Vec<Header> {
        let bit = self.bit[side];
        let limit = OfferLimit {
            headers: 1 << 20,
            bytes: 1 << 30,
            inline: 0,
            hot_first: false,
            before: Mono(u64::MAX),
        };
        self.with(side, |kept, context| {
            let mut all = Vec::new();
            loop {
                let (headers, complete) = kept.offer(bit, limit, context);
                all.extend(headers);
                assert!(!kept.is_asking(bit), "nothing is held back any more");
                if complete {
                    break;
                }
            }
            all
        })
    }

    fn held(&mut self, side: usize) -> Vec<(u32, Version)> {
        self.with(side, |kept, _| {
            let mut held = Vec::new();
            kept.walk(Default::default(), usize::MAX / 64, |key, parts| {
                held.push((number(key.bytes), parts.version));
                true
            });
            held
        })
    }

    /// Whatever a side does not offer, the other covers.
    fn assert_sound(&mut self) {
        for side in 0..2 {
            let offered = self.offered(side);
            for (key, version) in self.held(side) {
                let bytes = key.to_le_bytes();
                let key_ref = KeyRef { namespace: Namespace(0), bytes: &bytes };
                let told = offered.iter().any(|header| header.key.bytes == bytes[..]);
                let covered = self.with(1 - side, |kept, c| kept.covers(key_ref, version, c));
                assert!(told || covered, "{key} at {version:?} is neither told nor covered");
            }
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("keys of four bytes"))
}

/// What happens to a side: key, time, and whether it is a value.
fn changes(most: usize) -> impl Strategy<Value = Vec<(usize, u32, u64, bool)>> {
    prop::collection::vec((0usize..2, 0u32..400, 2u64..40, any::<bool>()), 0..most)
}

proptest! {
    /// Whatever two sides hold, and whatever changes meanwhile: nothing is taken for covered that is
    /// not.
    #[test]
    fn what_is_settled_is_covered(
        common in 0u32..400,
        before in changes(60),
        meanwhile in changes(60),
    ) {
        let mut pair = Pair::new();
        for key in 0..common {
            (0..2).for_each(|side| pair.put(side, key, 1, true));
        }
        for (side, key, at, live) in before {
            pair.put(side, key, at, live);
        }
        let mut meanwhile = meanwhile.into_iter();
        pair.compare(|pair| {
            for (side, key, at, live) in meanwhile.by_ref().take(20) {
                pair.put(side, key, at, live);
            }
        });
        pair.assert_sound();
    }

    /// Where nothing changes meanwhile, just what differs is offered.
    #[test]
    fn only_what_differs_is_offered(common in 4u32..400, before in changes(60)) {
        let mut pair = Pair::new();
        for key in 0..common {
            (0..2).for_each(|side| pair.put(side, key, 1, true));
        }
        for (side, key, at, _) in before {
            pair.put(side, key, at, true);
        }
        let held = [pair.held(0), pair.held(1)];
        prop_assume!(held[1].len() >= held[0].len() / 4);
        let equal = pair.compare(|_| {}).expect("it comes to an end");
        let both = held[0].iter().filter(|entry| held[1].contains(entry)).count();
        prop_assert_eq!(equal, both as u64);
        for (side, held) in held.iter().enumerate() {
            prop_assert_eq!(pair.offered(side).len(), held.len() - both);
        }
    }

    /// What comes from the network may say anything.
    #[test]
    fn any_question_and_any_answer_is_answered_or_ignored(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        held in 0u32..200,
    ) {
        let mut pair = Pair::new();
        (0..held).for_each(|key| pair.put(0, key, 1, true));
        let bit = pair.bit[0];
        let mut body = &bytes[..];
        while let Ok(question) = codec::take::<Question>(&mut body) {
            pair.kept[0].answer(bit, &question, Mono(0));
        }
        let mut body = &bytes[..];
        pair.kept[0].compare(bit, 1, Mono(u64::MAX));
        while let Ok(findings) = codec::take::<Findings>(&mut body) {
            pair.kept[0].learn_findings(bit, 1, &findings);
        }
    }
}

/// Of two entries that a peer is taken to cover and does not hold, it has forgotten one, and never
/// had the other.
#[test]
fn an_audit_finds_what_a_peer_would_take_though_it_is_taken_to_cover_it() {
    let mut pair = Pair::new();
    for key in 0..200 {
        (0..2).for_each(|side| pair.put(side, key, 2, true));
    }
    assert_eq!(pair.audit(), None, "they are not in step yet");
    pair.compare(|_| {});
    pair.get_in_step();
    assert_eq!(pair.audit(), Some(vec![]));
    let (forgotten, missed) = (700u32, 800u32);
    let floors = [Stamp { hlc: Hlc::at_ms(1), writer: Writer(9) }; FLOORS];
    pair.kept[1].adopt_floors(&floors);
    for (key, at) in [(forgotten, 1), (missed, 3)] {
        pair.put(0, key, at, true);
        let bytes = key.to_le_bytes();
        let version = Version::of(Stamp { hlc: Hlc::at_ms(at), writer: Writer(1) });
        let (bit, key) = (pair.bit[0], KeyRef { namespace: Namespace(0), bytes: &bytes });
        pair.kept[0].acked(bit, key, version);
    }
    let bit = pair.bit[1];
    let judged = pair.audit().expect("nothing speaks against it").into_iter().map(|header| {
        let verdict = pair.with(1, |kept, context| {
            kept.judge(Offerer { bit, echoed: true, vouched: None }, &header, context)
        });
        (number(&header.key.bytes), verdict)
    });
    let judged: BTreeMap<_, _> = judged.collect();
    assert_eq!(judged, BTreeMap::from([(forgotten, Verdict::Ack), (missed, Verdict::Want)]));
}

#[test]
fn an_overflow_of_changes_ends_it_and_all_is_offered() {
    let mut pair = Pair::new();
    for key in 0..100 {
        (0..2).for_each(|side| pair.put(side, key, 1, true));
    }
    let mut at = 1;
    let end = pair.compare(|pair| {
        for key in 0..2_500 {
            at += 1;
            pair.put(0, 1_000 + key, at, true);
        }
    });
    assert_eq!(end, None);
    assert_eq!(pair.offered(0).len(), 2_600);
}

/// How much is said about a partition of a million entries of which a hundred differ.
#[test]
#[ignore = "takes seconds; for the figures"]
fn a_hundred_of_a_million() {
    for (entries, differ) in [(1_000, 0), (1_000, 10), (1_000_000, 0), (1_000_000, 100)] {
        let mut pair = Pair::new();
        for key in 0..entries {
            (0..2).for_each(|side| pair.put(side, key, 1, true));
        }
        (0..differ).for_each(|n| pair.put(0, n * (entries / differ), 2, true));
        let equal = pair.compare(|_| {}).expect("it comes to an end");
        let compared = pair.sent;
        let headers = pair.offered(0).into_iter().chain(pair.offered(1));
        let headers: Vec<_> = headers.map(|h| (h.key, h.version, h.live)).collect();
        let verdicts = vec![Verdict::Want; headers.len()];
        let offered = headers.len();
        let (push, full) = (1, None);
        pair.send(&Exchange::Push {
            standing: standing(),
            push,
            headers,
            entries: vec![],
            hot: vec![],
            full,
            vouched: None,
        });
        pair.send(&Exchange::Reply { standing: standing(), push, verdicts, doubt: None });
        println!(
            "{differ} of {entries} differ: {} bytes in {} messages compared, {equal} equal; \
             {offered} headers, {} bytes in all",
            compared.0, compared.1, pair.sent.0
        );
        assert!(pair.sent.0 <= 64 << 10);
    }
}
