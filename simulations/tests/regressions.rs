//! Every seed that once failed, with its story.
//!
//! A seed names a run of one commit: when the harness draws differently, its story may no longer
//! come up in it. The rule that was missing is tested where it stands; this list is the memory.

use simulations::plan::{Act, ClientOperation, Fault, Plan, Timed};
use simulations::run::{record, run};
use simulations::scenarios;
use simulations::trace::Trace;

fn holds(name: &str, seeds: &[u64]) {
    let scenario = scenarios::find(name).expect("a scenario of that name");
    for seed in seeds {
        let outcome = run(&scenario.plan(*seed, None), Trace::default());
        assert_eq!(outcome.violation, None, "{name} seed {seed}");
    }
}

/// A read with a doubted miss, and NotReady from an owner that was booting, asked that owner again
/// at the speed of the network until it was ready.
#[test]
fn a_booting_owner_is_not_asked_in_a_storm() {
    holds("kill", &[42, 44]);
}

/// A decider that waited for a dead owner was itself taken for hung, and the next owner applied the
/// same APPEND a second time.
#[test]
fn a_decider_at_work_is_not_passed_over() {
    holds("kill", &[8, 50, 53]);
}

/// The retry timers of an operation doubled every time they fired.
#[test]
fn an_operation_without_owners_does_not_multiply_its_timers() {
    holds("partition-heal-short", &[4]);
}

/// A node that had said goodbye learned that it was taken for dead, and came back to life for as
/// long as its process took to exit.
#[test]
fn a_goodbye_is_for_good() {
    holds("rolling-restart", &[1, 20]);
}

/// A process that had been stopped handed out an answer that had lain in its socket meanwhile.
#[test]
fn an_answer_from_before_a_stall_is_not_given_after_it() {
    holds("stall", &[39, 49]);
}

/// An answer that waited for a cut to be mended made later silences be noticed late.
#[test]
fn a_cut_is_not_a_round_trip() {
    holds("partition-heal-short", &[46]);
}

/// A decider was handed an update because the owner before it was silent, and waited for the same
/// silence again: 264 to 326 ms for what a majority had long answered.
#[test]
fn a_silence_is_waited_for_once() {
    holds("kill", &[49, 179, 196, 198]);
}

/// Writes to a life that had ended waited for their deadline though the next life was there, were
/// told to it as missed, and booted its partitions once more after all had agreed.
#[test]
fn a_new_life_is_asked_again() {
    holds("kill", &[135]);
}

/// A node that was killed came back with its clock set back: it took the next generation each time
/// somebody told it that it was dead, one millisecond of hours, and was no member meanwhile.
#[test]
fn a_clock_set_back_before_a_restart_keeps_nobody_out() {
    let scenario = scenarios::find("kill").expect("a scenario of that name");
    for (seed, by_ms) in [(1, -30_000), (2, -3_600_000), (3, -3_600_000)] {
        let mut plan = scenario.plan(seed, None);
        let killed = plan.faults.iter().find_map(|fault| match fault.what {
            Fault::Crash { node } => Some((fault.at_ms, node)),
            _ => None,
        });
        let (at_ms, node) = killed.expect("somebody is killed");
        let place = plan.faults.partition_point(|fault| fault.at_ms <= at_ms);
        plan.faults.insert(place, Timed { at_ms, what: Fault::Clock { node, by_ms } });
        let outcome = run(&plan, Trace::default());
        assert_eq!(outcome.violation, None, "kill seed {seed}");
    }
}

/// After a heal either side told the other's members that they were down, and was believed by those
/// who were in touch with them all along.
#[test]
fn who_is_in_touch_is_asked_before_others_are_believed() {
    holds("partition-heal-long", &[11, 14]);
}

/// One answer that had waited for a cut to be mended made the next silence be noticed 400 ms late.
#[test]
fn one_late_answer_is_no_round_trip() {
    holds("flapping", &[4, 6, 10]);
}

/// An owner that had not heard of a flush gave a value to a coordinator that had.
#[test]
fn what_a_coordinator_knows_to_be_flushed_is_no_answer() {
    holds("flush", &[3, 15, 21]);
}

/// A node cut off from everybody had its place on the ring to itself, forgot what expired meanwhile,
/// and condemned by that floor what the others had held all along.
#[test]
fn who_is_alone_forgets_nothing() {
    holds("partition-heal-long", &[16, 40, 53]);
}

/// A decision was handed to the same two owners in turn, ten times in three seconds, while nothing of
/// it arrived; then all of it did.
#[test]
fn no_owner_is_asked_to_decide_twice() {
    holds("one-way-cut", &[33]);
}

/// PERSIST came to one owner; another that had let the value expire gave its mark to a third, which
/// then refused the value for good.
#[test]
fn a_later_deadline_brings_back_what_expired() {
    holds("kill", &[120]);
}

/// A node that joined, with one copy of everything, called itself ready because the three members
/// that it had a link to held nothing; the holder was a fourth.
#[test]
fn members_not_met_yet_are_asked_too() {
    holds("swarm", &[66]);
}

/// After a split the owners of a key were others than those who had acknowledged an own write, and
/// what was there before it was read again; or it was given up as lost while its holders were only
/// on the other side.
#[test]
fn own_writes_outlast_their_owners() {
    holds("swarm", &[288, 326, 374, 861, 915]);
}

/// Renewals of seven holders overtook each other for ever: 2.7 million messages.
#[test]
fn what_is_passed_on_comes_to_an_end() {
    holds("swarm", &[42, 238]);
}

/// Sixteen, 18 and 20 owned a partition, but each of its eight former holders had eight sessions
/// with other former holders, and none left for an owner.
#[test]
fn owners_come_before_former_owners() {
    holds("swarm", &[400]);
}

/// The only owner of a key left while a write to it was under way.
#[test]
fn an_open_write_follows_the_owners() {
    holds("swarm", &[300]);
}

/// A former owner evicted what a peer had asked for, and nothing told that peer that what it held
/// instead was dead.
#[test]
fn what_was_wanted_and_evicted_leaves_its_mark() {
    holds("swarm", &[804]);
}

/// With one copy of everything, a node that had been stopped for 17 s answered from memory what
/// others had taken over meanwhile.
#[test]
fn the_only_owner_boots_too() {
    holds("swarm", &[604]);
}

/// A write that was stamped again took the refusal of its first stamp for the answer to the second.
#[test]
fn answers_belong_to_their_stamp() {
    holds("swarm", &[868]);
}

/// A new owner booted from another one, which had heard the former owner out before that one took the
/// last writes of this node.
#[test]
fn former_owners_are_heard_out() {
    holds("swarm", &[770]);
}

/// A node back from a stop waited for one that hung.
#[test]
fn who_is_late_waits_for_nobody_that_hangs() {
    holds("swarm", &[404, 527]);
}

/// An offer whose reply was lost was not repeated, and its partition booted for ever.
#[test]
fn an_offer_that_may_be_lost_is_repeated() {
    holds("swarm", &[508]);
}

/// Clocks that jumped: of a node that had lost all others from sight, and of one that had just
/// started.
#[test]
fn no_clock_is_believed_by_itself() {
    holds("swarm", &[355, 1027]);
    holds("clock-jump", &[19]);
}

/// A node that read its own write while it booted was told of a newer one by an owner that booted,
/// too, and kept to its own.
#[test]
fn an_own_write_is_not_newer_than_what_another_holds() {
    holds("swarm", &[1047]);
}

/// The word that a node is suspected was passed on as often as SWIM does, all of it while the node
/// was cut off: it never heard that it had something to refute.
#[test]
fn a_suspect_that_is_heard_is_told() {
    holds("swarm", &[1058]);
}

/// Of two nodes whose clocks differed the one ahead gave in, and nothing it wrote was believed until
/// the other's clock had come so far.
#[test]
fn who_has_stamped_does_not_go_back() {
    holds("swarm", &[1139]);
}

/// A node alone took over its wall clock while it had already heard a peer, and took the difference
/// for none. Its restart, without a seed, was noticed by nobody: a link that a stopping node
/// closes at once kept others from dialing it for 3 s, and the last word of another was lost with
/// its process.
#[test]
fn two_nodes_keep_time_and_find_each_other() {
    holds("clock-restart", &[1, 27, 39, 73]);
}

/// Requests to a peer that was heard all the time, and heard nothing, ran into their deadline.
#[test]
fn a_deaf_peer_is_not_waited_for() {
    holds("swarm", &[340, 1362]);
}

/// Owners that know too little were asked again until the deadline, and what they had said forgotten.
#[test]
fn a_read_that_was_answered_does_not_fail() {
    holds("swarm", &[1486]);
}

/// An update that was decided by the first whom it was asked of left the second owing an answer for
/// ever: it was taken for unresponsive after every pause.
#[test]
fn nobody_owes_what_nobody_waits_for() {
    holds("swarm", &[280, 379, 831, 1351]);
}

/// A node that went on after a stop had no links, and took its partition over from nobody.
#[test]
fn a_boot_waits_for_links() {
    holds("swarm", &[604]);
}

/// A write was handed to a new owner before it knew that it was one, and not again.
#[test]
fn a_write_that_comes_too_early_comes_again() {
    holds("swarm", &[717]);
}

/// A holder that owns no more forgot tombstones; its floor rose above values that it had not been
/// offered yet, and it condemned them at all owners.
#[test]
fn who_owns_no_more_forgets_nothing() {
    holds("slow-join", &[16, 30]);
}

/// After a long cut the dials of members that had turned up again stood in a backoff of many seconds.
#[test]
fn who_is_there_again_is_dialed_at_once() {
    holds("long-absence", &[12]);
    holds("swarm", &[629]);
}

/// Where writes of both sides of a long absence met, entries were judged while a third was asked.
#[test]
fn a_long_absence_ends_in_agreement() {
    holds("long-absence", &[33, 48, 49]);
}

/// Simulated drivers told an asker 80 ms late that they are at work.
#[test]
fn far_deciders_are_not_passed_over() {
    holds("far-apart", &[16]);
    holds("flapping", &[2]);
}

/// A node that had been alone for more than a minute, and was no owner once the others were back,
/// dropped a partition that held nothing: with it went the floor that stood for what it had deleted.
#[test]
fn what_was_forgotten_alone_is_told_before_it_is_dropped() {
    holds("long-absence", &[66, 211, 227]);
}

/// After a split, an owner forgot what both sides knew before it had heard what the other side had
/// taken meanwhile; and frames that came before their sender was a member again ended its sessions.
#[test]
fn two_halves_hear_each_other_out() {
    holds("partition-heal-long", &[62, 78, 109]);
}

/// A node found something newer elsewhere, and told the next client what it held itself; and a write
/// that was refused below a floor twice failed, because a key was removed again and again.
#[test]
fn hot_keys_do_not_go_back() {
    holds("updates", &[36, 88, 94]);
}

/// A node that was stopped did not wait for one that had begun a new life, and written, meanwhile.
#[test]
fn a_new_life_may_have_written_what_was_missed() {
    holds("quick-restart", &[87]);
}

/// An epoch was the same in the next life; late frames turned a clock back; a last word that came
/// late was never corrected.
#[test]
fn late_messages_say_nothing_about_now() {
    holds("late-messages", &[32, 54, 90, 123]);
}

/// Whoever handed over waited until all owners covered what one of them had just brought it, and
/// under load they never did: it went on feeding on their news until its time was up.
#[test]
fn handing_over_ends_under_load() {
    holds("leaving", &[16, 94, 106]);
}

/// A write through a node whose clock lagged by some milliseconds was acknowledged, though the owners
/// held what had been written before it, under a later stamp: it was lost without any fault.
#[test]
fn a_write_comes_after_what_was_written_before_it() {
    holds("clock-skew", &[45, 48]);
    holds("updates", &[21, 45, 94]);
}

/// A node that had just started took those it had no link with yet for out of reach, and acknowledged
/// what was written through it alone.
#[test]
fn a_node_meets_the_others_before_it_opens() {
    holds("kill", &[14, 39, 52]);
    holds("reopen", &[54]);
}

/// What came late said that its sender was booting, which it had ceased to be. There was nothing else
/// to say, so it was taken for that for good.
#[test]
fn a_late_standing_is_not_taken_for_the_latest() {
    holds("late-messages", &[55]);
}

/// A mark that had to go for want of memory closed the sessions with everybody.
#[test]
fn a_mark_costs_only_the_sessions_that_wait_for_it() {
    holds("scarce", &[228, 262]);
}

/// What had to be dropped was taken for what a third still held: the same version. It kept the value,
/// and served it once those who knew of the deletion were gone.
#[test]
fn what_one_had_to_drop_the_next_has_to_drop_too() {
    holds("inherited", &[57, 94]);
}

/// A node that left for good, just after it was found again, kept its place with some and not with
/// others.
#[test]
fn who_left_has_no_place() {
    holds("inherited", &[1, 13, 125, 136]);
}

/// A node that was alone with a clock that is behind stamped above what another had flushed, before
/// it compared clocks with it; and a dial that a stopping node answered counted as a link.
#[test]
fn clocks_are_compared_before_anything_else() {
    holds("clock-restart", &[20, 22, 43, 100, 134]);
}

/// What a node had written as the only owner was given up when the next owner did not have it yet,
/// though the node still held it.
#[test]
fn what_is_still_held_is_not_given_up() {
    holds("clock-restart", &[88, 249]);
    holds("swarm", &[1522]);
}

/// A mark that came while a partition booted was forgotten in the moment in which it was ready,
/// before it was found to be alone: the floor condemned what a holder had that was met a moment
/// later. And a table that was full grew when an entry was only replaced: the walk over what was to
/// be handed over passed over some of it.
#[test]
fn who_takes_over_from_one_that_boots_loses_nothing() {
    holds("no-longer-owner", &[37, 88, 96]);
}

/// A peer was told what it had missed every half second, each time under another number: what is half
/// a second away never acknowledged one that still counted, and the peer booted anew each time.
#[test]
fn whoever_is_told_from_afar_what_it_missed_boots_once() {
    for by_us in [260_000, 400_000] {
        let mut plan = scenarios::find("kill").expect("there is one").plan(1, Some(3));
        plan.options.core = vec![0, 2];
        plan.options.clients = 3;
        plan.options.formed_ms = 9_000;
        plan.options.healed_ms = 40_000;
        plan.faults.retain(|fault| fault.at_ms < 1_000);
        for (at_ms, what) in [
            (10_000, Fault::Partition { nodes: vec![0] }),
            (12_500, Fault::Unite),
            (12_600, Fault::Slow { node: 1, by_us }),
        ] {
            plan.faults.push(Timed { at_ms, what });
        }
        let write = |count: u64| {
            let (client, key) = (1 + count as usize % 2, format!("k{count}"));
            let what = ClientOperation { client, key, act: Act::Set };
            Timed { at_ms: 10_300 + 5 * count, what }
        };
        plan.operations = (0..400).map(write).collect();
        assert_eq!(run(&plan, Trace::default()).violation, None, "{by_us} µs");
    }
}

/// A node that knew no seed was there again a third of a second after it was killed. Each of eighteen
/// others probed another one, nobody had anything to ask of it, and it served alone after 1.2 s.
#[test]
fn a_node_without_seeds_is_called_by_whoever_watches_it() {
    holds("swarm", &[1837]);
    holds("unseeded-restart", &[16, 21, 43, 81]);
}

/// A write was answered before its coordinator became an owner and was none of those asked; when the
/// last of those had acknowledged it, the coordinator counted itself, too.
#[test]
fn who_becomes_an_owner_later_does_not_cover_what_it_was_not_asked() {
    holds("swarm", &[130]);
}

/// An operation asked a decider's other owners first and wrote then, under one number. The answer to
/// the question was taken for one to the write: that owner counted as quick, and the next time it was
/// slow as hung, so that another one decided, too.
#[test]
fn an_answer_is_to_what_was_asked_last_or_none() {
    holds("updates", &[44]);
}

/// What is known to be on its way is not missing: at its deadline a booting owner said that it was.
#[test]
fn a_value_that_comes_too_late_is_no_miss() {
    holds("large-values", &[59]);
}

/// An owner that held nothing found a value at another one. What was written before it came only
/// then, and was the answer to the next who asked.
#[test]
fn what_was_found_elsewhere_is_not_fallen_short_of() {
    holds("half-told", &[3, 43]);
}

/// One that was stopped was called level by those who had taken what it missed, because somebody else
/// had written it; and he was dead.
#[test]
fn who_has_what_a_dead_one_wrote_offers_it_before_it_says_level() {
    holds("quick-restart", &[5016, 5133]);
}

/// A node that was cut off from all others took a write of a key that was not its to own in their
/// eyes; they had forgotten something later of the same floor. That was held against them, and is not
/// promised.
#[test]
fn who_stands_in_for_owners_it_cannot_see_may_be_overruled() {
    holds("partition-heal-long", &[5000]);
}

/// So many keys of one partition are overwritten while an owner of it is stopped, by one who is
/// killed before it goes on; and from so long after that it is asked for them.
/// What it missed comes to it at that rate.
fn overwritten_meanwhile(keys: u64, asked_ms: u64, bulk_rate: u64) -> Plan {
    let (stalled_ms, resumed_ms) = (17_000, 17_910);
    let mut plan = scenarios::find("last-words").expect("there is one").plan(1, Some(3));
    let options = &mut plan.options;
    (options.partitions, options.clients) = (1, 120);
    (options.bulk_rate, options.value_bytes, options.memory_bytes_max) =
        (bulk_rate, 1_000, 1 << 30);
    options.keys = keys as usize;
    options.healed_ms = 60_000;
    plan.keep_starts();
    let mut happen = |at_ms, what| plan.faults.push(Timed { at_ms, what });
    happen(stalled_ms, Fault::Stall { node: 2 });
    happen(resumed_ms - 10, Fault::Crash { node: 1 });
    happen(resumed_ms - 5, Fault::Start { node: 1, seeded: true });
    happen(resumed_ms, Fault::Resume { node: 2 });
    let operation = |at_ms, number: u64, node, act| {
        let (client, key) = ((3 * (number % 40) + node) as usize, format!("k{number}"));
        Timed { at_ms, what: ClientOperation { client, key, act } }
    };
    let before = (0..keys).map(|key| operation(9_500 + key, key, 0, Act::Set));
    let meanwhile =
        (0..keys).map(|key| operation(stalled_ms + 100 + key * 700 / keys, key, 1, Act::Set));
    let after = (0..300)
        .map(|read| operation(resumed_ms + asked_ms + 2 * read, read * keys / 300, 2, Act::Get));
    plan.operations = before.chain(meanwhile).chain(after).collect();
    plan.operations.sort_by_key(|operation| operation.at_ms);
    plan
}

/// More was written than is listed, so that all that is held had to be looked through, and that did
/// not count as owed; and offering it took longer than the two seconds that one that was stopped
/// waited.
#[test]
fn who_was_stopped_waits_for_much_that_it_missed() {
    for (keys, asked_ms) in [(4_097, 260), (4_000, 2_100)] {
        let outcome = run(&overwritten_meanwhile(keys, asked_ms, 1 << 20), Trace::default());
        assert_eq!(outcome.violation, None, "{keys} keys, asked after {asked_ms} ms");
    }
}

/// And if it takes longer than it waits, it boots rather than serve what others have moved past.
#[test]
fn who_waited_for_too_long_boots() {
    let outcome = run(&overwritten_meanwhile(4_000, 10_300, 256 << 10), Trace::default());
    assert_eq!(outcome.violation, None);
}

/// A node that had said goodbye counted as one that could be asked; and one that did not know yet
/// that it was an owner as one that could have taken a write; and it was held against one that was
/// stopped that it did not know of what only another one had, who was stopped himself.
#[test]
fn nobody_is_asked_who_is_not_there() {
    holds("swarm", &[2378, 3396, 3802, 4593, 4648, 5112, 5192]);
}

/// A node that dropped a partition while others were out of sight, and took it over again before they
/// were back, forgot what the others kept for them, and condemned what they had held all along.
#[test]
fn who_is_out_of_sight_stays_so_for_what_is_taken_over_again() {
    holds("swarm", &[3611]);
}

/// A node that was stopped declared another one down when it went on, whose refutation lay unread in
/// its socket; it was the only one that had what the first one had written.
#[test]
fn nobody_is_declared_down_before_it_was_heard() {
    holds("swarm", &[3692]);
}

/// A node that owned a partition only while others were cut off forgot there what was written
/// meanwhile. When it owned it no more, it asked one of the others for a client, and did not hold
/// against the answer what it had forgotten, as it would have held what it had.
#[test]
fn what_was_forgotten_counts_where_nobody_may_answer() {
    holds("swarm", &[6198]);
}

/// Two clocks, each within the bound of true time, were further apart than stamps are believed; and
/// what a frame showed of its sender's clock was what that had from others' stamps. And whoever had
/// just started with a clock that was ahead left the others with its hybrid time when it gave in.
#[test]
fn no_two_clocks_are_further_apart_than_stamps_are_believed() {
    holds("clock-jump", &[1503, 7031, 7187]);
}

/// Two in a row started with clocks that were hours off. The first gave in at once, but counted as
/// what it had shown for two seconds more; so with the second it was a majority.
#[test]
fn a_clock_that_has_just_given_in_is_not_followed() {
    holds("clock-jump", &[7074]);
}

/// It was held against a decision that later deletions had overtaken it, and against an owner that it
/// did not take what was no later than what it had forgotten of another key in the same millisecond.
#[test]
fn what_is_overtaken_may_be_refused() {
    holds("clock-jump", &[7175]);
    holds("clock-skew", &[375]);
}

/// What a decider had told a client was later than what the same node stamped next, whose clock was
/// behind, and which did not adopt the time of one that had only just linked up again.
#[test]
fn what_is_told_is_before_what_is_written_next() {
    holds("ragged-heal", &[7243]);
}

/// No clock was off, but the way was long: two nodes looked late to each other, gave in, and looked
/// later still, so that what had ended was served seconds after. And the first answer over a way of
/// 100 ms came after its sender was taken for hung, so that another one decided as well.
#[test]
fn a_long_way_is_no_clock_that_is_behind_and_no_silence() {
    holds("slow-ways", &[1, 13, 27, 37, 239]);
    holds("contended", &[7, 12, 67]);
}

/// A node that had been linked for long and was never asked for anything was stopped: how far away it
/// is was not known, and an APPEND waited for it twice as long as for another.
#[test]
fn who_is_linked_says_how_far_away_it_is() {
    holds("swarm", &[340]);
}

/// What an owner refused had been acknowledged before it was told of it: that it was refused was not
/// seen.
#[test]
fn what_is_refused_late_is_refused() {
    holds("slow-meeting", &[11]);
}

/// What another node had written got a new deadline here, and passed for what was written here since:
/// a write that began later was not stamped above it.
#[test]
fn a_new_deadline_is_no_write_of_ones_own() {
    holds("half-told", &[1154]);
}

/// Cut off from the others, a node had needed nobody to write; when they were back, another owner was
/// asked to decide what came next, and not told of that.
#[test]
fn a_decision_comes_after_what_its_asker_holds() {
    holds("ragged-heal", &[15]);
}

/// Whoever had said that a large value comes was killed, and was waited for as long as it would have
/// taken: 6.6 s.
#[test]
fn who_is_killed_while_it_sends_is_not_waited_for() {
    for (sender, empty, asked) in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    {
        let mut plan = scenarios::find("far-apart").expect("there is one").plan(1, Some(3));
        let options = &mut plan.options;
        (options.replicas, options.latency_us_max, options.jitter_us_max) = (2, 2_000, 100);
        (options.large_bytes, options.bulk_rate) = (190_000, 30_000);
        plan.keep_starts();
        let mut happen = |at_ms, what| plan.faults.push(Timed { at_ms, what });
        // The other owner starts anew, and gets nothing of what the first one has.
        happen(20_000, Fault::Cut { from: sender, to: empty });
        happen(20_000, Fault::Cut { from: empty, to: sender });
        happen(20_100, Fault::Crash { node: empty });
        happen(20_200, Fault::Start { node: empty, seeded: true });
        let bytes_per_second = 60_000;
        happen(21_000, Fault::Throttle { from: sender, to: asked, bytes_per_second });
        happen(25_100, Fault::Crash { node: sender });
        let operation = |at_ms, client, act| {
            let key = "k3".to_owned();
            Timed { at_ms, what: ClientOperation { client, key, act } }
        };
        plan.operations =
            vec![operation(10_000, sender, Act::Set), operation(25_000, asked, Act::Get)];
        let recording = record(&plan, Trace::default());
        assert_eq!(recording.outcome.violation, None);
        let read = recording.operations.iter().find(|r| r.act == Act::Get && !r.is_final());
        let read = read.expect("it was asked");
        let took_ms = read.end.ms_since(read.start);
        assert!(took_ms < 1_000, "{sender} {empty} {asked}: {took_ms} ms, {:?}", read.outcome);
    }
}

/// What a holder that may not answer had been found to have was served, and not kept where it was
/// asked: when that holder was stopped, the older value was served again.
#[test]
fn what_was_served_of_one_that_may_not_answer_is_kept() {
    holds("one-copy", &[5097, 5101]);
}
