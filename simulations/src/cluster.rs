//! A cluster to test a service against: real nodes, virtual time, faults to order.
//!
//! A test says how many nodes there are, asks any of them, lets time pass, and kills, stops or
//! separates nodes in between. A minute takes milliseconds, and the same seed gives the same run. At
//! the end [`Cluster::check`] mends everything and holds the run to all that Chickadee promises: what
//! it complains about is a bug of Chickadee's; what the test asserts itself is about the service.
//!
//! ```
//! use simulations::cluster::Cluster;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut cluster = Cluster::new(7, 5);
//! cluster.set(0, "session/42", "alice")?;
//! cluster.crash(2);
//! assert_eq!(cluster.get(4, "session/42")?.as_deref(), Some("alice"), "nobody waits for it");
//! cluster.partition(&[0, 1]);
//! cluster.run_for_ms(10_000);
//! cluster.set(4, "session/42", "bob")?;
//! cluster.unite();
//! cluster.start(2);
//! cluster.settle()?;
//! assert_eq!(cluster.get(0, "session/42")?.as_deref(), Some("bob"), "the last writer wins");
//! cluster.check()?;
//! # Ok(())
//! # }
//! ```

use std::fmt;

use chickadee::node::event::Failure;
use chickadee::store::entry::KEY_BYTES_MAX;

use crate::checkers::{Violation, convergence};
use crate::history::{Outcome, TESTER};
use crate::plan::{Act, Fault, Options, Plan, Timed};
use crate::run;
use crate::scenarios::by_hand::BY_HAND;
use crate::time::Time;
use crate::trace::Trace;
use crate::world::World;
use crate::world::core::Core;
use crate::world::driver::VALUE_BYTES_MAX;

/// An answer is waited for no longer, in milliseconds.
const PATIENCE_MS: u64 = 5_000;
/// Time between two looks whether an operation has been answered, in milliseconds.
const STEP_MS: u64 = 1;
/// Time between two looks whether all nodes agree, in milliseconds.
const LOOK_MS: u64 = 100;

/// A simulated cluster.
pub struct Cluster {
    world: World<Core>,
}

/// Why an operation has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// The node said so.
    Failed(Failure),
    /// The node does not run, stopped running meanwhile, or is stalled and has not answered for 5 s:
    /// whether a write happened, or will, is unknown.
    Lost,
    /// Key or value are longer than a node takes, which is so many bytes.
    TooLong(usize),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unanswered::Failed(failure) => write!(f, "{failure}"),
            Unanswered::Lost => write!(f, "the node does not run, or does not answer"),
            Unanswered::TooLong(most) => write!(f, "longer than the {most} bytes that are taken"),
        }
    }
}

impl std::error::Error for Unanswered {}

impl Cluster {
    /// A cluster of so many nodes that have found each other; three of them own a key. The seed draws
    /// their identities and the delays between them.
    ///
    /// # Panics
    ///
    /// If it is to have no node, or more than 1,000. All operations and faults panic if there is no
    /// node of that number: they are numbered from 0.
    pub fn new(seed: u64, nodes: usize) -> Cluster {
        Cluster::with(seed, nodes, |_| {})
    }

    /// The same with other options: memory, owners of a key, losses and delays of the network.
    ///
    /// # Panics
    ///
    /// If a run cannot be made of these options.
    pub fn with(seed: u64, nodes: usize, change: impl FnOnce(&mut Options)) -> Cluster {
        let mut plan: Plan = BY_HAND.plan(seed, Some(nodes));
        change(&mut plan.options);
        plan.check().expect("options are within their limits");
        let mut cluster = Cluster { world: World::new(plan, Trace::default()) };
        cluster.run_for_ms(cluster.world.plan.options.formed_ms);
        cluster.settle().expect("nothing is wrong yet");
        cluster
    }

    // ---- operations -------------------------------------------------------------------------

    /// Reads a key at a node.
    pub fn get(&mut self, node: usize, key: &str) -> Result<Option<String>, Unanswered> {
        match self.ask(node, key, Act::Get, "")? {
            Outcome::Found(value) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// Writes a key at a node.
    pub fn set(&mut self, node: usize, key: &str, value: &str) -> Result<(), Unanswered> {
        self.ask(node, key, Act::Set, value).map(|_| ())
    }

    /// Writes a key that ends after so many milliseconds.
    pub fn set_for_ms(
        &mut self,
        node: usize,
        key: &str,
        value: &str,
        ttl_ms: u64,
    ) -> Result<(), Unanswered> {
        self.ask(node, key, Act::SetFor { ttl_ms }, value).map(|_| ())
    }

    /// Removes a key at a node.
    pub fn remove(&mut self, node: usize, key: &str) -> Result<(), Unanswered> {
        self.ask(node, key, Act::Delete, "").map(|_| ())
    }

    fn find(&self, node: usize) {
        let nodes = self.world.plan.nodes();
        assert!(node < nodes, "there is no node {node}: they are numbered from 0 to {}", nodes - 1);
    }

    /// Asks a node, and lets time pass until it has answered.
    fn ask(
        &mut self,
        node: usize,
        key: &str,
        act: Act,
        value: &str,
    ) -> Result<Outcome, Unanswered> {
        for (bytes, most) in [(key.len(), KEY_BYTES_MAX), (value.len(), VALUE_BYTES_MAX)] {
            if bytes > most {
                return Err(Unanswered::TooLong(most));
            }
        }
        self.find(node);
        let record = self.world.begin(TESTER, node, key.to_owned(), act, value.to_owned());
        self.world.enter(record);
        let patience = self.world.now.plus_ms(PATIENCE_MS);
        loop {
            match &self.world.history.records[record].outcome {
                // What is broken stops the world; `check` says what it was.
                Outcome::Open if self.world.violation.is_some() => return Err(Unanswered::Lost),
                // A node that is stopped answers when it goes on.
                Outcome::Open if self.world.now >= patience => return Err(Unanswered::Lost),
                Outcome::Open => self.run_for_ms(STEP_MS),
                Outcome::Failed(failure) => return Err(Unanswered::Failed(*failure)),
                Outcome::Lost => return Err(Unanswered::Lost),
                answer => return Ok(answer.clone()),
            }
        }
    }

    // ---- time -------------------------------------------------------------------------------

    /// Lets so many milliseconds pass.
    pub fn run_for_ms(&mut self, ms: u64) {
        self.world.run_until(self.world.now.plus_ms(ms));
    }

    /// Milliseconds since the beginning.
    pub fn now_ms(&self) -> u64 {
        self.world.now.ms_since(Time(0))
    }

    /// Lets time pass until all nodes that run agree about members, owners and entries; faults that
    /// last are not mended. An error is that they do not within 30 s, or that something is broken.
    pub fn settle(&mut self) -> Result<(), Violation> {
        let until = self.world.now.plus_ms(self.world.plan.options.settle_ms);
        loop {
            self.run_for_ms(LOOK_MS);
            if let Some(violation) = &self.world.violation {
                return Err(violation.clone());
            }
            let Some(text) = convergence::disagreement(&mut self.world) else { return Ok(()) };
            if self.world.now >= until {
                let (invariant, at) = ("convergence", self.world.now);
                return Err(Violation { invariant, at, key: None, node: None, text });
            }
        }
    }

    // ---- faults -----------------------------------------------------------------------------

    /// Kills the process of a node: its memory is lost, and nobody is told.
    pub fn crash(&mut self, node: usize) {
        self.inflict(Fault::Crash { node });
    }

    /// Starts a node that does not run, with empty memory.
    pub fn start(&mut self, node: usize) {
        self.inflict(Fault::Start { node, seeded: true });
    }

    /// Asks a node to stop: it says goodbye and exits within 1.5 s.
    pub fn stop(&mut self, node: usize) {
        self.inflict(Fault::Stop { node });
    }

    /// Stops the process of a node as by SIGSTOP: it keeps its memory, and does nothing.
    pub fn stall(&mut self, node: usize) {
        self.inflict(Fault::Stall { node });
    }

    /// Lets it go on.
    pub fn resume(&mut self, node: usize) {
        self.inflict(Fault::Resume { node });
    }

    /// Nothing passes between these nodes and all others.
    pub fn partition(&mut self, nodes: &[usize]) {
        self.inflict(Fault::Partition { nodes: nodes.to_vec() });
    }

    /// Everything passes again.
    pub fn unite(&mut self) {
        self.inflict(Fault::Unite);
    }

    /// Lets any fault happen now.
    ///
    /// # Panics
    ///
    /// If there is no such node: they are numbered from 0.
    pub fn inflict(&mut self, fault: Fault) {
        fault.nodes().into_iter().for_each(|node| self.find(node));
        self.world.apply(&fault);
        // Checkers excuse what a plan says.
        let at_ms = self.now_ms();
        self.world.plan.faults.push(Timed { at_ms, what: fault });
    }

    // ---- the end ----------------------------------------------------------------------------

    /// Mends all faults, waits until all nodes agree, reads every key everywhere, and judges all that
    /// happened by what Chickadee promises.
    pub fn check(mut self) -> Result<(), Violation> {
        self.world.plan.options.healed_ms = self.now_ms();
        let plan = self.world.plan.clone();
        run::finish(&plan, &mut self.world).violation.map_or(Ok(()), Err)
    }
}
