//! A process: the real driver on a simulated socket.

use std::num::NonZeroU8;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chickadee::driver::{Env, Observer, Running};
use chickadee::node::Node;
use chickadee::node::event::Notice;
use chickadee::node::report::{Queues, SessionStats};
use chickadee::placement::{PartitionCount, Ring};
use chickadee::{ClusterKey, Config};

use super::deeds::{Deed, Doer};
use super::gate::{Gate, Gated, Mortal};
use super::runtime::GatedRuntime;
use super::socket::Socket;
use crate::plan::Options;
use crate::world::driver::VALUE_BYTES_MAX;
use crate::world::level::Inside;

/// A process.
#[derive(Debug)]
pub struct Machine {
    /// What callers have of it.
    pub running: Running,
    /// What it receives from.
    pub socket: Arc<Socket>,
    /// What stops it.
    pub gate: Arc<Gate>,
    driver: Mortal,
    shown: Arc<Mutex<Shown>>,
    seen: Shown,
}

/// How the inside of a node was after a turn.
#[derive(Clone, Debug)]
struct Shown {
    ring: Arc<Ring>,
    queues: Queues,
    exchanged: SessionStats,
}

impl Machine {
    /// Starts a process. Must be called inside the runtime.
    pub fn start(config: Config, env: Env, doer: &Doer) -> Machine {
        let gate = Arc::new(Gate::default());
        let socket = Arc::new(Socket::bind(config.listen, doer.clone()));
        let ring = Arc::new(Ring::build(Vec::new(), config.partitions, config.replicas));
        let seen = Shown { ring, queues: Queues::default(), exchanged: SessionStats::default() };
        let shown = Arc::new(Mutex::new(seen.clone()));
        let observer = Witness { doer: doer.clone(), shown: shown.clone() };
        let runtime = Arc::new(GatedRuntime::new(gate.clone()));
        let (running, driver) = Running::over(config, env, socket.clone(), runtime, observer)
            .expect("a simulated socket binds");
        let doer = doer.clone();
        let driver = Mortal::new(Box::pin(async move {
            driver.await;
            doer.did(Deed::Exited);
        }));
        tokio::spawn(Gated::new(gate.clone(), Box::pin(driver.clone())));
        Machine { running, socket, gate, driver, shown, seen }
    }

    /// Takes note of what its node showed last.
    pub fn look(&mut self) {
        self.seen.clone_from(&self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// It ends on the spot, without a word.
    pub fn kill(&self) {
        self.socket.unbind();
        self.driver.end();
    }
}

impl Inside for Machine {
    fn ring(&self) -> &Ring {
        &self.seen.ring
    }

    fn queues(&self) -> Queues {
        self.seen.queues
    }

    fn exchanged(&self) -> SessionStats {
        self.seen.exchanged
    }

    fn is_behind(&self) -> bool {
        false
    }
}

/// The settings of a node for a plan.
pub fn config(options: &Options, index: usize, key: &ClusterKey) -> Config {
    let mut config = Config::new(key.clone());
    config.name = Some(name(index));
    config.max_memory = options.memory_of(index);
    config.replicas = NonZeroU8::new(options.replicas).expect("a plan says at least one");
    config.weight = options.weights[index % options.weights.len()];
    config.partitions =
        PartitionCount::new(options.partitions).expect("a plan says a power of two");
    config.value_bytes_max = VALUE_BYTES_MAX;
    if options.large_bytes > 0 {
        config.bulk_rate = options.bulk_rate;
    }
    if options.zones > 0 {
        config.zone = format!("z{}", index % options.zones);
    }
    config
}

/// The name of a node, which decides on its id.
pub fn name(index: usize) -> String {
    format!("n{index}")
}

/// Looks on in a driver.
struct Witness {
    doer: Doer,
    shown: Arc<Mutex<Shown>>,
}

impl Observer for Witness {
    fn turn(&mut self, node: &Node) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&shown.ring, node.ring()) {
            shown.ring = node.ring().clone();
        }
        shown.queues = node.queues();
        shown.exchanged = node.exchanged();
    }

    fn sends(&mut self, bytes: &Bytes, value: &Bytes) {
        let whole = match value.is_empty() {
            true => bytes.clone(),
            false => [&bytes[..], value].concat().into(),
        };
        self.doer.did(Deed::Said(whole));
    }

    fn notice(&mut self, notice: &Notice) {
        self.doer.did(Deed::Noticed(notice.clone()));
    }
}
