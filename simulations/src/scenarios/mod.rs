//! Scenarios by name. Each draws a plan from a seed; those that share a shape share a file. [`file`]:
//! those of others, in TOML.
//!
//! # The fourteen stories
//!
//! The rules of the exchange were found with a model of one partition and five nodes, by what went
//! wrong without them. Each of its counter-examples is a scenario whose plan forces that course of
//! events; it is the one that is to notice when the rule that answers it is left out
//! ([`crate::mutants`]).
//!
//! 1. `streamed-boot`, without `condemn`: of what a node takes over when it starts anew, an early
//!    part is removed and forgotten elsewhere before it has the rest; and it would be trusted for
//!    that part, too.
//! 2. `miss-then-lie`, without `bars`: one that has forgotten a removal says that there is
//!    nothing, and the next one asked, which never heard of it, serves the value.
//! 3. `half-booted-judge`, without `floors_together`: a node that boots has adopted one floor,
//!    and condemns by it what another holds and it lacks.
//! 4. `lonely-forgetter`, without `lonely_keeps`: a node that sees nobody forgets what ends
//!    there, and condemns by that floor all that the others hold.
//! 5. `late-floor`, without `echoes`: a floor that was told before a node gave a partition up
//!    makes it valid when it has taken it up again.
//! 6. `late-offer`, without `echoes`: an offer comes late, and its sender is taken to cover what
//!    it has lost since.
//! 7. `former-process`, without `life_numbers`: the numbers of a process that is gone count for
//!    the one in its place.
//! 8. `mark-as-door`, without `floor_refuses`: a mark is older than what is offered, and that is
//!    below the floor: the mark is no reason to take it.
//! 9. `inherited`, without `renewals`: what one has learnt from another it does not tell a third,
//!    which goes on being trusted.
//! 10. No scenario: who is said to be in step has started anew, and holds what is dead.
//! 11. `lost-nothing`, without `nothing_closes`: who says that it holds nothing is not heard, and
//!     what it lacks is awaited for ever.
//! 12. `former-life`, without `new_life` and `life_numbers`: what is said goes to the former life
//!     of a node for ever.
//! 13. `leaving`: a node that leaves is taken for gone, and waits in vain for somebody to talk to
//!     it.
//! 14. `no-longer-owner`, without `boots_hand_over`: a node that boots and owns no more throws
//!     away what it has acknowledged.
//!
//! Two cannot happen any more. The tenth: a miss names who is in step by node *and* life
//! (`node/message.rs`), so there is no way to say it of a node. The thirteenth: who leaves is a
//! member like any other until it goes, only of weight 0 (`node/parting.rs`), so nothing that is
//! done for members passes it over; that it gets rid of all it holds in time is what `leaving`
//! demands.

pub mod boots;
pub(crate) mod by_hand;
pub mod clock;
pub mod crowded;
pub mod far_apart;
pub mod file;
pub mod flapping;
pub mod flush;
pub mod heal_and_crash;
pub mod hot_key;
pub mod inherited;
pub mod join_storm;
pub mod kill;
pub mod large_values;
pub mod late_messages;
pub mod leaving;
pub mod lonely_start;
pub mod long_absence;
pub mod lossy;
pub mod miss_then_lie;
pub mod one_copy;
pub mod one_way_cut;
pub mod partition_heal;
pub mod quick_restart;
pub mod ragged_heal;
pub mod reopen;
pub mod rolling_restart;
pub mod scarce;
pub mod silence;
pub mod slow_join;
pub mod slow_meeting;
pub mod slow_node;
pub mod stall;
pub mod swarm;
pub mod thousand;
mod timeline;
pub mod updates;

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use crate::plan::{Fault, Options, Plan, Timed, three_intervals, usual_rate};
use crate::streams::{Purpose, stream};
use crate::workload;
use timeline::Timeline;

/// A way to draw plans.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens in it, in one line.
    pub about: &'static str,
    /// Fewest and most nodes, unless the command line says how many.
    pub nodes: (usize, usize),
    /// Changes the options drawn for every scenario.
    options: fn(&mut Options, &mut ChaCha12Rng),
    /// Draws the faults.
    faults: fn(&mut Timeline<'_>),
}

/// Options as they are drawn for every scenario.
const UNCHANGED: fn(&mut Options, &mut ChaCha12Rng) = |_, _| {};

/// All scenarios.
pub const ALL: [&Scenario; 53] = [
    &kill::KILL,
    &large_values::LARGE_VALUES,
    &stall::STALL,
    &partition_heal::PARTITION_HEAL_SHORT,
    &partition_heal::PARTITION_HEAL_LONG,
    &heal_and_crash::HEAL_AND_CRASH,
    &ragged_heal::RAGGED_HEAL,
    &long_absence::LONG_ABSENCE,
    &long_absence::LONG_STOP,
    &inherited::INHERITED,
    &lonely_start::LONELY_START,
    &one_way_cut::ONE_WAY_CUT,
    &flapping::FLAPPING,
    &silence::SILENCE,
    &join_storm::JOIN_STORM,
    &slow_join::SLOW_JOIN,
    &slow_meeting::SLOW_MEETING,
    &leaving::LEAVING,
    &crowded::CROWDED,
    &one_copy::ONE_COPY,
    &rolling_restart::ROLLING_RESTART,
    &quick_restart::QUICK_RESTART,
    &scarce::SCARCE,
    &reopen::REOPEN,
    &late_messages::LATE_MESSAGES,
    &lossy::LOSSY,
    &slow_node::SLOW_NODE,
    &slow_node::SLOW_WAYS,
    &far_apart::FAR_APART,
    &far_apart::CONTENDED,
    &updates::UPDATES,
    &updates::HALF_TOLD,
    &updates::SHORT_LIVED,
    &clock::CLOCK_SKEW,
    &clock::CLOCK_JUMP,
    &clock::CLOCK_RESTART,
    &hot_key::HOT_KEY,
    &flush::FLUSH,
    &boots::STREAMED_BOOT,
    &miss_then_lie::MISS_THEN_LIE,
    &boots::HALF_BOOTED_JUDGE,
    &lonely_start::LONELY_FORGETTER,
    &late_messages::LATE_FLOOR,
    &late_messages::LATE_OFFER,
    &late_messages::FORMER_PROCESS,
    &inherited::MARK_AS_DOOR,
    &slow_join::LOST_NOTHING,
    &quick_restart::LAST_WORDS,
    &quick_restart::FORMER_LIFE,
    &quick_restart::UNSEEDED_RESTART,
    &boots::NO_LONGER_OWNER,
    &swarm::SWARM,
    &thousand::THOUSAND,
];

/// Most nodes of a run, those that join later included.
pub const NODES_MAX: usize = 1_010;

/// More than so many nodes are started all at once.
const MANY: usize = 100;

/// The scenario of that name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    ALL.into_iter().find(|scenario| scenario.name == name)
}

impl Scenario {
    /// Whether a run takes so long that it is for the night.
    pub fn is_nightly(&self) -> bool {
        self.nodes.0 > 100
    }

    /// Draws a plan.
    pub fn plan(&self, seed: u64, nodes: Option<usize>) -> Plan {
        draw((self.name, self.nodes), (seed, nodes), self.options, self.faults)
    }
}

/// Draws a plan for a scenario of that name, with so many nodes at least and at most, from a seed;
/// `change` changes what is drawn for every scenario, `happen` draws what happens.
fn draw(
    (name, most): (&str, (usize, usize)),
    (seed, nodes): (u64, Option<usize>),
    change: impl FnOnce(&mut Options, &mut ChaCha12Rng),
    happen: impl FnOnce(&mut Timeline<'_>),
) -> Plan {
    let mut rng = stream(seed, Purpose::Options, 0);
    let drawn = rng.random_range(most.0..=most.1);
    let nodes = nodes.unwrap_or(drawn);
    let mut options = Options {
        nodes,
        joiners: 0,
        replicas: 3,
        partitions: 16,
        shards: rng.random_range(4..=8),
        memory_bytes_max: 16 << 20,
        memory_percents: Vec::new(),
        restarts_seeded: rng.random_bool(0.5),
        latency_us_max: *pick(&[300, 1_000, 5_000, 15_000], &mut rng),
        jitter_us_max: *pick(&[100, 1_000, 3_000], &mut rng),
        loss_ppm: 0,
        duplicate_ppm: 0,
        late_ppm: 0,
        bulk_ends_ppm: 3_000,
        wall_off_ms_max: *pick(&[0, 10, 200], &mut rng),
        rate_ppm_max: *pick(&[0, 100, 1_000], &mut rng),
        wall_rate_ppm_max: 500,
        weights: vec![64],
        zones: 0,
        clients: nodes.clamp(4, 12) + rng.random_range(0..4),
        keys: rng.random_range(4..16),
        pause_ms: (20, 120),
        hot_ppm: 0,
        flushed_ppm: 0,
        ending_ppm: 0,
        value_bytes: 0,
        large_bytes: 0,
        bulk_rate: usual_rate(),
        core: Vec::new(),
        stable_ms: 8_000,
        formed_ms: 9_000,
        healed_ms: 49_000,
        members_ms: 20_000,
        settle_ms: 30_000,
        agree_ms: three_intervals(),
    };
    change(&mut options, &mut rng);
    let mut rng = stream(seed, Purpose::Faults, 0);
    // However many they are, the last has begun long before the cluster is to have formed.
    let pause_ms = if options.nodes > MANY { 4 } else { 100 };
    let mut faults: Vec<Timed<Fault>> = (0..options.nodes)
        .map(|node| Timed {
            at_ms: node as u64 * rng.random_range(0..pause_ms),
            // The first node is where the others find the cluster.
            what: Fault::Start { node, seeded: node > 0 },
        })
        .collect();
    let mut timeline = Timeline::new(&options, &mut rng);
    happen(&mut timeline);
    faults.extend(timeline.faults());
    faults.retain(|fault| fault.at_ms < options.healed_ms);
    faults.sort_by_key(|fault| fault.at_ms);
    seed_the_unknown(&mut faults);
    let operations = workload::draw(&options, &mut stream(seed, Purpose::Workload, 0));
    let without = Vec::new();
    Plan { scenario: name.to_owned(), seed, without, options, faults, operations }
}

/// Gives seeds to those who start when nobody runs who knows them: a node without is found by whoever
/// remembers it. Where all have died, nobody does (swarm seed 5192).
fn seed_the_unknown(faults: &mut [Timed<Fault>]) {
    // Those that run, and whom they know.
    let mut known: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for fault in faults.iter_mut() {
        match &mut fault.what {
            Fault::Start { node, seeded } => {
                known.remove(node);
                *seeded |= fault.at_ms > 0 && !known.values().any(|known| known.contains(node));
                let all: BTreeSet<usize> = known.keys().chain([&*node]).copied().collect();
                let all = known.values().flatten().copied().chain(all).collect();
                known.insert(*node, all);
                for known in known.values_mut() {
                    known.insert(*node);
                }
            }
            Fault::Crash { node } | Fault::Stop { node } | Fault::Leave { node } => {
                known.remove(node);
            }
            _ => {}
        }
    }
}

/// One of several, all equally likely.
fn pick<'a, T>(from: &'a [T], rng: &mut ChaCha12Rng) -> &'a T {
    &from[rng.random_range(0..from.len())]
}
