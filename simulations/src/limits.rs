//! What a plan may say. A drawn plan keeps to it; one that was written or edited by hand is checked
//! before it is run, so that a mistake is a sentence and not a panic.

use chickadee::placement::PartitionCount;
use chickadee::store::Rules;
use chickadee::store::entry::KEY_BYTES_MAX;

use crate::plan::{ClientOperation, Fault, Options, Plan};
use crate::scenarios::NODES_MAX;
use crate::workload::LETTERS;
use crate::world::driver::VALUE_BYTES_MAX;

/// Longest run, in milliseconds: a day.
const RUN_MS_MAX: u64 = 86_400_000;
/// Most of what is counted in parts per million.
const PPM_MAX: u32 = 1_000_000;
/// Longest delay of a packet, in microseconds.
const DELAY_US_MAX: u64 = 60_000_000;
/// Most operations of clients in a run.
const OPERATIONS_MAX: u64 = 5_000_000;
/// Most faults in a run.
const FAULTS_MAX: u64 = 100_000;
/// Most partitions of all nodes together.
const REPLICAS_MAX: u64 = 500_000;
/// Most bytes that clients write in a run.
const WRITTEN_BYTES_MAX: u64 = 1 << 30;
/// Most reads at the end: every key at every node.
const READS_MAX: u64 = 10_000_000;
/// How far a clock may be off, in milliseconds: a year.
const CLOCK_MS_MAX: u64 = 365 * RUN_MS_MAX;

fn range<T: PartialOrd + Copy + std::fmt::Display>(
    name: &str,
    value: T,
    from: T,
    to: T,
) -> Result<(), String> {
    if (from..=to).contains(&value) {
        Ok(())
    } else {
        Err(format!("{name} is {value}, and must be from {from} to {to}"))
    }
}

/// Whether there is a rule of that name.
pub fn check_rule(name: &str) -> Result<(), String> {
    if Rules::default().without(name).is_some() {
        return Ok(());
    }
    let names: Vec<_> = Rules::ALL.iter().map(|(name, _)| *name).collect();
    Err(format!("there is no rule {name:?}; there are {}", names.join(", ")))
}

impl Options {
    /// Whether a run can be made of this; if not, which field is wrong.
    pub fn check(&self) -> Result<(), String> {
        range("nodes", self.nodes, 1, NODES_MAX)?;
        range("joiners", self.joiners, 0, NODES_MAX - self.nodes)?;
        range("replicas", self.replicas, 1, 16)?;
        if PartitionCount::new(self.partitions).is_none() {
            let is = self.partitions;
            return Err(format!("partitions is {is}, and must be a power of two up to 16384"));
        }
        range("shards", self.shards, 1, 1_024)?;
        range("memory_bytes_max", self.memory_bytes_max, 1 << 10, 1 << 30)?;
        for percent in &self.memory_percents {
            range("memory_percents (one of them)", *percent, 1, 100)?;
        }
        range("latency_us_max", self.latency_us_max, 0, DELAY_US_MAX)?;
        range("jitter_us_max", self.jitter_us_max, 0, DELAY_US_MAX)?;
        range("loss_ppm", self.loss_ppm, 0, PPM_MAX)?;
        range("duplicate_ppm", self.duplicate_ppm, 0, PPM_MAX)?;
        range("late_ppm", self.late_ppm, 0, PPM_MAX)?;
        range("bulk_ends_ppm", self.bulk_ends_ppm, 0, PPM_MAX)?;
        range("wall_off_ms_max", self.wall_off_ms_max, 0, CLOCK_MS_MAX as i64)?;
        range("rate_ppm_max", self.rate_ppm_max, 0, 500_000)?;
        range("wall_rate_ppm_max", self.wall_rate_ppm_max, 0, 500_000)?;
        range("weights (their number)", self.weights.len(), 1, NODES_MAX)?;
        range("clients", self.clients, 0, 10_000)?;
        range("keys", self.keys, 1, 100_000)?;
        range("pause_ms (its beginning)", self.pause_ms.0, 1, RUN_MS_MAX)?;
        range("pause_ms (its end)", self.pause_ms.1, self.pause_ms.0 + 1, RUN_MS_MAX + 1)?;
        range("hot_ppm", self.hot_ppm, 0, PPM_MAX)?;
        range("flushed_ppm", self.flushed_ppm, 0, PPM_MAX)?;
        range("ending_ppm", self.ending_ppm, 0, PPM_MAX)?;
        range("value_bytes", self.value_bytes, 0, 64 << 10)?;
        range("large_bytes", self.large_bytes, 0, VALUE_BYTES_MAX)?;
        range("bulk_rate", self.bulk_rate, 1 << 10, 1 << 40)?;
        for node in &self.core {
            range("core (a node of it)", *node, 0, self.nodes + self.joiners - 1)?;
        }
        range("healed_ms", self.healed_ms, 1, RUN_MS_MAX)?;
        range("formed_ms", self.formed_ms, 0, self.healed_ms)?;
        range("stable_ms", self.stable_ms, 0, RUN_MS_MAX)?;
        range("members_ms", self.members_ms, 0, RUN_MS_MAX)?;
        range("settle_ms", self.settle_ms, 0, RUN_MS_MAX)?;
        range("agree_ms", self.agree_ms, 0, RUN_MS_MAX)?;
        let product = |names: &str, product: u64, most: u64| {
            if product <= most {
                return Ok(());
            }
            Err(format!("{names} make {product}, and must make no more than {most}"))
        };
        let nodes = (self.nodes + self.joiners) as u64;
        let (replicas, keys) =
            (u64::from(self.partitions) * nodes, (self.keys * LETTERS.len()) as u64);
        let turns = self.healed_ms.div_ceil((self.pause_ms.0 + self.pause_ms.1) / 2);
        product("nodes, joiners and partitions", replicas, REPLICAS_MAX)?;
        product("nodes, joiners and keys of each letter", keys * nodes, READS_MAX)?;
        let operations = self.clients as u64 * turns;
        product("clients, healed_ms and pause_ms", operations, OPERATIONS_MAX)?;
        let written = operations * (self.value_bytes + self.large_bytes / 8) as u64;
        let names = "clients, healed_ms, pause_ms, value_bytes and large_bytes";
        product(names, written, WRITTEN_BYTES_MAX)
    }
}

/// Whether a run may have so many faults.
pub(crate) fn check_faults(count: u64) -> Result<(), String> {
    if count <= FAULTS_MAX {
        return Ok(());
    }
    Err(format!("{count} faults would happen, and {FAULTS_MAX} are the most that may"))
}

impl Fault {
    /// The nodes that it names.
    pub fn nodes(&self) -> Vec<usize> {
        match self {
            Fault::Crash { node }
            | Fault::Start { node, .. }
            | Fault::Stop { node }
            | Fault::Leave { node }
            | Fault::Stall { node }
            | Fault::Resume { node }
            | Fault::Slow { node, .. }
            | Fault::Clock { node, .. } => vec![*node],
            Fault::Cut { from, to } | Fault::Mend { from, to } => vec![*from, *to],
            Fault::Throttle { from, to, .. } => vec![*from, *to],
            Fault::Partition { nodes } => nodes.clone(),
            Fault::Unite | Fault::Weather { .. } => Vec::new(),
        }
    }

    fn check(&self, nodes: usize) -> Result<(), String> {
        for node in self.nodes() {
            range("its node", node, 0, nodes - 1)?;
        }
        match self {
            Fault::Weather { loss_ppm, duplicate_ppm, jitter_us_max } => {
                range("loss_ppm", *loss_ppm, 0, PPM_MAX)?;
                range("duplicate_ppm", *duplicate_ppm, 0, PPM_MAX)?;
                range("jitter_us_max", *jitter_us_max, 0, DELAY_US_MAX)
            }
            Fault::Slow { by_us, .. } => range("by_us", *by_us, 0, DELAY_US_MAX),
            Fault::Clock { by_ms, .. } => range("by_ms", by_ms.unsigned_abs(), 0, CLOCK_MS_MAX),
            _ => Ok(()),
        }
    }
}

impl Plan {
    /// Whether it can be run; if not, what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        self.options.check().map_err(|why| format!("options: {why}"))?;
        self.without.iter().try_for_each(|name| check_rule(name))?;
        check_faults(self.faults.len() as u64)?;
        for (number, fault) in self.faults.iter().enumerate() {
            let of = |why: String| format!("fault {number} of the list: {why}");
            range("at_ms", fault.at_ms, 0, RUN_MS_MAX).map_err(of)?;
            fault.what.check(self.nodes()).map_err(of)?;
        }
        for (number, operation) in self.operations.iter().enumerate() {
            let of = |why: String| format!("operation {number} of the list: {why}");
            range("at_ms", operation.at_ms, 0, RUN_MS_MAX).map_err(of)?;
            let ClientOperation { client, key, .. } = &operation.what;
            range("client", *client, 0, self.options.clients.saturating_sub(1)).map_err(of)?;
            range("key (its bytes)", key.len(), 1, KEY_BYTES_MAX).map_err(of)?;
            if !key.starts_with(LETTERS) {
                let letters: String = LETTERS.iter().collect();
                return Err(of(format!("key {key:?} does not begin with one of {letters:?}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::scenarios;

    #[test]
    fn every_drawn_plan_can_be_run() {
        for scenario in scenarios::ALL.into_iter().filter(|scenario| !scenario.is_nightly()) {
            for seed in 0..50 {
                assert_eq!(scenario.plan(seed, None).check(), Ok(()), "{} {seed}", scenario.name);
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let mut plan = scenarios::find("kill").expect("there is one").plan(1, Some(3));
        plan.options.loss_ppm = 1_000_001;
        let why = plan.check().expect_err("more than all packets");
        assert_eq!(why, "options: loss_ppm is 1000001, and must be from 0 to 1000000");
        plan.options.loss_ppm = 0;
        plan.options.clients = 10_000;
        plan.options.healed_ms = 86_400_000;
        let why = plan.check().expect_err("more than fit in memory");
        assert!(why.starts_with("options: clients, healed_ms and pause_ms make "), "{why}");
        plan = scenarios::find("kill").expect("there is one").plan(1, Some(3));
        plan.operations[0].what.client = 1_000;
        let why = plan.check().expect_err("no such client");
        assert!(why.starts_with("operation 0 of the list: client is 1000, "), "{why}");
        plan.operations[0].what.client = 0;
        plan.faults[0].what = crate::plan::Fault::Crash { node: 3 };
        let why = plan.check().expect_err("nodes are numbered from 0");
        assert_eq!(why, "fault 0 of the list: its node is 3, and must be from 0 to 2");
    }
}
