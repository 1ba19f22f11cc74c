use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::clock::{Hlc, Now, Writer};
use super::super::entry::tests::entries;
use super::super::entry::{Content, Entry};
use super::super::operation::{Only, Ttl};
use super::*;
use crate::placement::{Life, NodeId};

const NAMESPACE: Namespace = Namespace(0);

fn key(bytes: &[u8]) -> KeyRef<'_> {
    KeyRef { namespace: NAMESPACE, bytes }
}

fn clock() -> Clock {
    Clock::new(Writer(7), Now { mono: Mono(0), wall_ms: 1_000_000 })
}

fn at(ms: u64) -> Stamp {
    Stamp { hlc: Hlc::at_ms(ms), writer: Writer(1) }
}

/// Runs steps in a context in which nothing expires unless it says so.
struct Bench {
    clock: Clock,
    flushes: Flushes,
    partition: Partition,
}

impl Bench {
    fn new(role: Role, sole: bool) -> Bench {
        let mut partition = Partition::new(42);
        (partition.role, partition.sole) = (role, sole);
        Bench { clock: clock(), flushes: Flushes::default(), partition }
    }

    fn with<R>(
        &mut self,
        expiry_ms: u64,
        step: impl FnOnce(&mut Partition, &Context<'_>) -> R,
    ) -> R {
        let context = Context {
            clock: &self.clock,
            now: Mono(0),
            expiry_ms,
            flushes: &self.flushes,
            value_bytes_max: 1 << 20,
            full: false,
        };
        step(&mut self.partition, &context)
    }

    fn merge(&mut self, bytes: &[u8], entry: &Entry) -> Merged {
        self.with(0, |p, context| p.merge(key(bytes), Parts::of(entry), context))
    }

    fn held(&mut self, bytes: &[u8]) -> Option<Bytes> {
        self.with(0, |p, context| match p.look(key(bytes), context) {
            Held::Value(parts) => parts.value.map(Bytes::copy_from_slice),
            _ => None,
        })
    }

    fn value(stamp: Stamp, text: &'static str) -> Entry {
        Entry::value(stamp, Bytes::from_static(text.as_bytes()), None)
    }

    /// Goes over the whole table as eviction would, until nothing more is freed.
    fn evict_all(&mut self, marks: bool) {
        let marks = marks.then_some(Mono(u64::MAX));
        loop {
            let mut freed = false;
            for bucket in 0..self.partition.buckets() {
                freed |= self.partition.evict_at(bucket, marks);
            }
            let hot = self.partition.values(None) > 0;
            if !freed && !hot {
                return;
            }
        }
    }

    fn recount(&self) {
        let p = &self.partition;
        let (mut values, mut marks, mut bytes, mut mark_bytes) = (0, 0, 0, 0);
        for record in &p.table {
            bytes += record.footprint();
            if record.is_mark() {
                marks += 1;
                mark_bytes += record.footprint();
            } else {
                values += 1;
            }
        }
        assert_eq!(p.values(None), values);
        assert_eq!(p.marks(), marks);
        assert_eq!(p.footprint(), bytes + p.table.allocation_size() + p.tree.footprint());
        assert!(p.tree_is_right());
        assert_eq!(p.mark_footprint(), mark_bytes);
    }
}

proptest! {
    /// Without forgetting, what is kept is what the register of `crdts` says, whatever the order,
    /// and however often.
    #[test]
    fn the_kept_merge_is_the_registers_merge(
        offers in prop::collection::vec((0u8..3, entries()), 0..40)
    ) {
        let mut bench = Bench::new(Role::Ready, false);
        let mut model: BTreeMap<u8, Entry> = BTreeMap::new();
        for (k, entry) in &offers {
            bench.merge(&[*k], entry);
            match model.get_mut(k) {
                Some(held) => held.merge(entry.clone()).unwrap(),
                None => drop(model.insert(*k, entry.clone())),
            }
            bench.recount();
        }
        for (k, entry) in &model {
            let kept = bench.partition.table.iter().find(|r| r.key().bytes == [*k]).unwrap();
            prop_assert_eq!(kept.parts().version, entry.version());
            // A mark that was there first is never upgraded under the same stamp; contents agree
            // otherwise.
            let value = match entry.content() {
                Content::Mark => None,
                Content::Value(bytes) => Some(&bytes[..]),
            };
            prop_assert_eq!(kept.parts().value, value);
        }
    }

    /// Whatever is merged, written, evicted, swept and flushed in whatever order: counters equal a
    /// recount, floors only rise, and what a partition once covered it covers for ever.
    #[test]
    fn covering_never_ends(steps in prop::collection::vec((0u8..8, 0u8..4, entries()), 0..60)) {
        let mut bench = Bench::new(Role::Ready, false);
        let mut covered: BTreeMap<u8, Version> = BTreeMap::new();
        let mut floors = *bench.partition.floors();
        for (action, k, entry) in steps {
            let bytes = [k];
            match action {
                0..=3 => {
                    let merged = bench.merge(&bytes, &entry);
                    if merged != Merged::Covered {
                        let version = covered.entry(k).or_default();
                        if let Merged::Taken { .. } = merged {
                            *version = (*version).max(entry.version());
                        }
                    }
                }
                4 => {
                    let stamp = bench.with(0, |p, c| p.write(key(&bytes), None, c));
                    covered.insert(k, Version::of(stamp));
                }
                5 => {
                    let buckets = bench.partition.buckets();
                    for bucket in 0..buckets {
                        bench.partition.evict_at(bucket, (k % 2 == 0).then_some(Mono(u64::MAX)));
                    }
                }
                6 => bench.with(5_000, |p, context| {
                    for bucket in 0..p.buckets() {
                        p.sweep_at(bucket, context);
                    }
                }),
                _ => drop(bench.flushes.raise(None, entry.version().value)),
            }
            bench.recount();
            for (old, new) in floors.iter().zip(bench.partition.floors()) {
                prop_assert!(old <= new);
            }
            floors = *bench.partition.floors();
            for (k, version) in &covered {
                let covers = bench.with(0, |p, c| {
                    // The deadline of a forgotten value is forgotten with it.
                    p.covers(key(&[*k]), Version::of(version.value), c)
                });
                prop_assert!(covers, "key {k} at {version:?}");
            }
        }
    }

    #[test]
    fn a_walk_sees_every_entry_that_was_there_all_along(
        keys in prop::collection::btree_set(0u16..500, 1..200),
        more in prop::collection::vec(500u16..600, 0..100),
        step in 1usize..20,
    ) {
        let mut bench = Bench::new(Role::Ready, false);
        for k in &keys {
            bench.merge(&k.to_le_bytes(), &Bench::value(at(5), "v"));
        }
        let mut more = more.into_iter();
        let mut seen = std::collections::BTreeSet::new();
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            cursor = bench.partition.walk(from, step, |key, _| {
                seen.insert(u16::from_le_bytes(key.bytes.try_into().unwrap()));
                true
            });
            // Others come meanwhile, and the table grows under the walk.
            if let Some(k) = more.next() {
                bench.merge(&k.to_le_bytes(), &Bench::value(at(5), "v"));
            }
        }
        prop_assert!(keys.is_subset(&seen));
    }
}

/// A table that is full grows also where what is held is only replaced.
#[test]
fn a_walk_sees_every_entry_while_one_is_replaced() {
    for count in 1..=64u16 {
        let mut bench = Bench::new(Role::Ready, false);
        for k in 0..count {
            bench.merge(&k.to_le_bytes(), &Bench::value(at(5), "v"));
        }
        let mut seen = std::collections::BTreeSet::new();
        let (mut cursor, mut steps) = (Some(Cursor::default()), 0);
        while let Some(from) = cursor {
            cursor = bench.partition.walk(from, 1, |key, _| {
                seen.insert(key.bytes.to_vec());
                true
            });
            steps += 1;
            bench.merge(&0u16.to_le_bytes(), &Bench::value(at(5 + steps), "w"));
        }
        assert_eq!(seen.len(), usize::from(count), "of {count}");
    }
}

#[test]
fn what_was_forgotten_is_not_taken_again() {
    let mut bench = Bench::new(Role::Ready, true);
    bench.merge(b"k", &Bench::value(at(50), "v"));
    bench.evict_all(true);
    assert_eq!(bench.held(b"k"), None);
    assert_eq!(bench.merge(b"k", &Bench::value(at(50), "v")), Merged::Below(at(50)));
    assert_eq!(bench.merge(b"k", &Bench::value(at(40), "older")), Merged::Below(at(50)));
    assert_eq!(bench.merge(b"k", &Entry::mark(at(40))), Merged::Covered, "the floor says as much");
    assert_eq!(
        bench.merge(b"k", &Bench::value(at(51), "newer")),
        Merged::Taken { replaced: false }
    );
}

#[test]
fn an_entry_that_others_may_not_know_leaves_its_mark() {
    let mut bench = Bench::new(Role::Ready, false);
    bench.partition.open_session(NodeId([2; 16]), Life(1), 1);
    bench.merge(b"k", &Bench::value(at(50), "v"));
    bench.evict_all(false);
    assert_eq!(bench.partition.marks(), 1);
    assert_eq!(bench.merge(b"k", &Bench::value(at(50), "v")), Merged::Covered, "never upgraded");
    assert_eq!(bench.held(b"k"), None);
    bench.evict_all(true);
    assert_eq!((bench.partition.entries(), bench.partition.marks()), (0, 0));
    assert!(!bench.partition.is_blank(), "it has forgotten something");
    assert_eq!(bench.merge(b"k", &Bench::value(at(50), "v")), Merged::Below(at(50)));
}

#[test]
fn a_mark_opens_no_door_below_the_floor() {
    // Story 8 of the model: v1 is a mark here, the floor is at 30, and v2 between them comes late.
    let mut bench = Bench::new(Role::Ready, false);
    bench.merge(b"k", &Entry::mark(at(10)));
    bench.partition.adopt_floors(&[at(30); FLOORS]);
    assert_eq!(bench.merge(b"k", &Bench::value(at(20), "v2")), Merged::Below(at(30)));
    // A value held opens it: what replaces it is newer than what anybody was answered.
    let mut bench = Bench::new(Role::Ready, false);
    bench.merge(b"k", &Bench::value(at(10), "v1"));
    bench.partition.adopt_floors(&[at(30); FLOORS]);
    assert_eq!(bench.merge(b"k", &Bench::value(at(20), "v2")), Merged::Taken { replaced: true });
}

#[test]
fn a_flush_is_the_end_of_everything_at_or_below_it() {
    let mut bench = Bench::new(Role::Ready, false);
    bench.merge(b"old", &Bench::value(at(10), "v"));
    bench.merge(b"new", &Bench::value(at(30), "v"));
    bench.flushes.raise(Some(NAMESPACE), at(20));
    assert_eq!(bench.held(b"old"), None);
    assert_eq!(bench.held(b"new"), Some(Bytes::from_static(b"v")));
    assert_eq!(bench.merge(b"late", &Bench::value(at(15), "v")), Merged::Below(at(20)));
    let floors = *bench.partition.floors();
    bench.with(0, |p, context| (0..p.buckets()).for_each(|b| _ = p.sweep_at(b, context)));
    assert_eq!(bench.partition.values(None), 1, "swept");
    assert_eq!(*bench.partition.floors(), floors, "the flush stamp says it all");
}

#[test]
fn only_a_ready_owner_answers_and_only_a_sole_one_writes_alone() {
    let get = Operation::Get;
    let set = Operation::Set { value: &b"v"[..], deadline_ms: None };
    for (role, sole, get_ok, set_ok) in [
        (Role::None, false, false, false),
        (Role::Boot, false, false, false),
        (Role::Old, false, false, false),
        (Role::Ready, false, true, false),
        (Role::Ready, true, true, true),
    ] {
        let mut bench = Bench::new(role, sole);
        let mut run = |op: &Operation<&[u8]>| {
            bench.with(0, |p, context| p.apply(key(b"k"), op, context, |_| ()).is_ok())
        };
        assert_eq!((run(&get), run(&set)), (get_ok, set_ok), "{role:?} {sole}");
    }
}

#[test]
fn a_miss_is_in_doubt_while_unsettled_at_a_mark_and_for_a_ghost() {
    let mut bench = Bench::new(Role::Ready, false);
    let miss =
        |bench: &mut Bench| bench.with(0, |p, c| p.apply(key(b"k"), &Operation::Get, c, |_| ()));
    assert_eq!(miss(&mut bench), Ok(()));
    bench.partition.note_ghost(key(b"k"));
    assert_eq!(miss(&mut bench), Err(NotHere::Doubt));
    bench.partition.clear();
    (bench.partition.role, bench.partition.sole) = (Role::Ready, false);
    bench.partition.unsettled_until = Mono(1);
    assert_eq!(miss(&mut bench), Err(NotHere::Doubt));
    bench.partition.unsettled_until = Mono(0);
    bench.merge(b"k", &Entry::mark(at(9)));
    assert_eq!(miss(&mut bench), Err(NotHere::Doubt));
}

#[test]
fn a_decision_on_anothers_value_is_a_new_write() {
    let mut bench = Bench::new(Role::Ready, false);
    let theirs = Entry::value(at(90), Bytes::from_static(b"41"), Some(9_000_000));
    let decided = bench
        .with(0, |p, c| p.decide(key(b"n"), &Update::<&[u8]>::Add(1), Some(Parts::of(&theirs)), c));
    assert_eq!(decided.answer, Answer::Number(42));
    assert!(decided.written.unwrap().value > at(90));
    assert_eq!(bench.held(b"n"), Some(Bytes::from_static(b"42")));
    // A change of the deadline of a value that only another owner holds writes the value anew.
    let decided = bench.with(0, |p, c| {
        p.decide(key(b"m"), &Update::<&[u8]>::Persist, Some(Parts::of(&theirs)), c)
    });
    let written = decided.written.unwrap();
    assert_eq!(written.value, written.deadline);
    assert_eq!(bench.held(b"m"), Some(Bytes::from_static(b"41")));
}

#[test]
fn a_decision_ignores_anothers_value_that_is_dead_here() {
    let mut bench = Bench::new(Role::Ready, false);
    bench.merge(b"k", &Entry::mark(at(95)));
    let theirs = Bench::value(at(90), "v");
    let add =
        Update::Write { value: &b"w"[..], ttl: Ttl::Never, only: Only::IfAbsent, previous: true };
    let decided = bench.with(0, |p, c| p.decide(key(b"k"), &add, Some(Parts::of(&theirs)), c));
    assert_eq!(decided.answer, Answer::Written { applied: true, previous: None });
}

#[test]
fn a_write_is_above_what_it_replaces_and_above_the_floor() {
    let mut bench = Bench::new(Role::Ready, false);
    // Ahead of this node's clock, as far as is believed.
    let ahead = at(1_000_400);
    bench.merge(b"k", &Bench::value(ahead, "theirs"));
    let stamp = bench.with(0, |p, c| p.write(key(b"k"), Some((b"mine", None)), c));
    assert!(stamp > ahead);
    bench.partition.adopt_floors(&[at(1_000_450); FLOORS]);
    let stamp = bench.with(0, |p, c| p.write(key(b"x"), Some((b"mine", None)), c));
    assert!(stamp > at(1_000_450));
}

#[test]
fn a_flushed_key_is_not_counted_and_one_written_later_is() {
    let mut bench = Bench::new(Role::Ready, false);
    bench.merge(b"old", &Bench::value(at(10), "v"));
    let before = bench.flushes.clone();
    bench.flushes.raise(None, at(20));
    let after = bench.flushes.clone();
    bench.partition.note_flush(&before, &after);
    assert_eq!(bench.partition.values(None), 0);
    bench.merge(b"new", &Bench::value(at(30), "v"));
    assert_eq!(bench.partition.values(None), 1);
    bench.merge(b"old", &Bench::value(at(31), "w"));
    assert_eq!(bench.partition.values(None), 2, "written again");
    bench.merge(b"old", &Entry::mark(at(32)));
    bench.with(0, |p, context| (0..p.buckets()).for_each(|b| _ = p.sweep_at(b, context)));
    bench.partition.note_swept();
    assert_eq!(bench.partition.values(None), 1);
}

#[test]
fn a_new_owner_does_not_answer_with_less_than_was_written_through_it() {
    let mut bench = Bench::new(Role::Ready, false);
    let answer = |bench: &mut Bench| {
        bench.with(0, |p, context| p.apply(key(b"k"), &Operation::Get, context, |_| ()))
    };
    bench.merge(b"k", &Bench::value(at(5), "older"));
    assert_eq!(answer(&mut bench), Ok(()));
    let hash = bench.partition.hash(key(b"k"));
    bench.partition.guard(hash, Version::of(at(6)));
    assert_eq!(answer(&mut bench), Err(NotHere::Doubt), "it knows less than its clients");
    bench.merge(b"k", &Bench::value(at(6), "own"));
    assert_eq!(answer(&mut bench), Ok(()));
    bench.partition.guard(hash, Version::of(at(7)));
    bench.partition.release(key(b"k"));
    assert_eq!(answer(&mut bench), Ok(()), "what was written is lost for good");
}

/// Its deadline is put off while it is being dropped: by an owner that has not been judged yet.
#[test]
fn what_may_be_outlived_does_not_come_back_with_its_deadline() {
    let mut bench = Bench::new(Role::Ready, false);
    bench.partition.open_session(NodeId([2; 16]), Life(1), 1);
    let value = Bench::value(at(50), "v");
    bench.merge(b"k", &value);
    assert!(bench.partition.condemned(0, key(b"k"), value.version()));
    assert_eq!(bench.held(b"k"), None);
    let put_off = value.with_deadline(None, at(60));
    bench.merge(b"k", &put_off);
    assert_eq!(bench.held(b"k"), None);
}

/// Who is alone writes without a tree, and whoever opens a session adds up what is held.
#[test]
fn a_tree_is_kept_while_there_is_somebody_to_compare_with() {
    let mut bench = Bench::new(Role::Ready, false);
    let keys: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    for (n, key) in (1..).zip(&keys) {
        bench.merge(key.as_bytes(), &Bench::value(at(n), "v"));
    }
    assert!(!bench.partition.tree.is_kept());
    bench.partition.open_session(NodeId([2; 16]), Life(1), 1);
    assert!(bench.partition.tree.is_kept() && bench.partition.tree_is_right());
    assert_eq!(bench.partition.tree.entries(), 1_000);
    let before = bench.partition.tree.sum(0, 0);
    bench.merge(b"7", &Bench::value(at(5_000), "w"));
    assert!(bench.partition.tree_is_right());
    assert_ne!(bench.partition.tree.sum(0, 0), before);
    bench.partition.close_session(NodeId([2; 16]));
    assert!(!bench.partition.tree.is_kept());
}

/// Holders of the same, of which only the first is read; the second has a session with it.
fn read_and_not_read() -> (Bench, Bench) {
    let mut benches = [Bench::new(Role::Ready, false), Bench::new(Role::Ready, false)];
    for bench in &mut benches {
        bench.partition.open_session(NodeId([1; 16]), Life(1), 1);
        for k in 0..100u8 {
            bench.merge(&[k], &Bench::value(at(1), "v"));
        }
    }
    let [first, second] = benches;
    (first, second)
}

fn read(bench: &mut Bench, keys: std::ops::Range<u8>) {
    for k in keys {
        bench.with(0, |p, context| assert!(matches!(p.read(key(&[k]), context), Held::Value(_))));
    }
}

fn evict_once(bench: &mut Bench) {
    for bucket in 0..bench.partition.buckets() {
        bench.partition.evict_at(bucket, None);
    }
}

#[test]
fn what_is_read_elsewhere_is_spared_for_two_rounds() {
    let (mut first, mut second) = read_and_not_read();
    read(&mut first, 0..10);
    let hashes = first.partition.take_heated();
    assert_eq!(hashes.len(), 10);
    second.partition.warm(&hashes);
    for round in 0..3 {
        let held = (0..100u8).filter(|k| second.held(&[*k]).is_some()).count();
        assert_eq!(held, if round == 0 { 100 } else { 10 }, "round {round}");
        evict_once(&mut second);
    }
    evict_once(&mut second);
    assert_eq!(second.partition.values(None), 0, "nobody has read it for long");
}

#[test]
fn what_is_read_is_told_once_in_a_round_and_not_without_bound() {
    let (mut first, _) = read_and_not_read();
    read(&mut first, 0..10);
    read(&mut first, 0..10);
    assert_eq!(first.partition.take_heated().len(), 10);
    read(&mut first, 0..10);
    assert_eq!(first.partition.take_heated(), [], "it was told");
    evict_once(&mut first);
    read(&mut first, 0..10);
    assert_eq!(first.partition.take_heated().len(), 10, "it would have been evicted next");
    for k in 0..=255 {
        first.merge(&[k, k], &Bench::value(at(1), "v"));
        first
            .with(0, |p, context| assert!(matches!(p.read(key(&[k, k]), context), Held::Value(_))));
    }
    assert_eq!(first.partition.take_heated().len(), heat::HEATED_MAX);
}

#[test]
fn what_is_read_is_offered_first_where_the_values_go_along() {
    let (mut first, _) = read_and_not_read();
    read(&mut first, 40..50);
    let limit = |hot_first| exchange::OfferLimit {
        headers: 256,
        bytes: 1 << 20,
        inline: usize::MAX,
        hot_first,
        before: Mono(u64::MAX),
    };
    let (hot, all) = first.with(0, |p, context| p.offer(0, limit(true), context));
    let mut hot: Vec<u8> = hot.iter().map(|header| header.key.bytes[0]).collect();
    hot.sort_unstable();
    assert_eq!((hot, all), ((40..50).collect(), false));
    let (rest, _) = first.with(0, |p, context| p.offer(0, limit(true), context));
    assert!(rest.len() >= 90);
    first.partition.offer_again(0);
    let (at_once, _) = first.with(0, |p, context| p.offer(0, limit(false), context));
    assert_eq!(at_once.len(), 100);
}

#[test]
fn what_is_dropped_does_not_say_that_nobody_is_out_of_sight() {
    let mut bench = Bench::new(Role::Old, false);
    bench.partition.lonely = true;
    bench.partition.clear();
    assert!(bench.partition.lonely, "whoever knows it says it only once");
}

#[test]
fn a_mark_that_one_who_answers_waits_for_stays_as_long_as_it_may() {
    let mut bench = Bench::new(Role::Ready, false);
    let bit = bench.partition.open_session(NodeId([2; 16]), Life(1), 1).unwrap();
    let heard = exchange::Heard {
        number: 1,
        echo: 1,
        role: Role::Ready,
        valid: true,
        counts_you: true,
        epoch: 1,
        ask: 1,
        said: 1,
    };
    bench.partition.hear(bit, &heard, Mono(5_000));
    bench.merge(b"k", &Bench::value(at(900), "v"));
    bench.evict_all(false);
    assert_eq!(bench.partition.marks(), 1, "the peer may lack it");
    let evict = |bench: &mut Bench, since| {
        let buckets = 0..bench.partition.buckets();
        buckets.fold(false, |freed, bucket| freed | bench.partition.evict_at(bucket, Some(since)))
    };
    assert!(!evict(&mut bench, Mono(5_000)), "it was heard then");
    assert!(bench.partition.sessions().get(bit).is_some());
    assert!(evict(&mut bench, Mono(5_001)), "it has been silent since");
    assert!(bench.partition.sessions().get(bit).is_none(), "so it is judged anew");
}
