//! `demo`: a small cluster in this process, to be tried out with any Redis client.
//!
//! The nodes are real ones, which find each other and talk over QUIC on loopback; only the process
//! is shared. They use this user's development key, so that a node of a process of its own, started
//! without a key, can join them.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::warn;

use super::door::Door;
use super::serve::{Clients, runtime};
use super::settings::{REDIS_PORT, environment};
use super::shutdown::Signals;
use super::{Outcome, credentials, logging, memory, output, quantity};
use crate::config::{MEMORY_BYTES_MIN, PEER_PORT, REPLICAS};
use crate::resp::listener::ListenerOptions;
use crate::{ClusterKey, Config, EndError, Node, StartError};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = count)]
    nodes: u16,
    /// The first node's Redis port; the others follow, and peers are 1000 above; 0 takes free ones
    #[arg(long, value_name = "PORT", default_value_t = REDIS_PORT)]
    base_port: u16,
    /// End after that time, such as 30 (seconds) or 5m [default: run until Ctrl-C]
    #[arg(long = "for", value_name = "SECONDS", value_parser = quantity::seconds)]
    duration: Option<Duration>,
    /// How much to log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = logging::level)]
    log: LevelFilter,
}

const EXAMPLES: &str = "\
Examples:
  chickadee demo
  chickadee demo --nodes 5 --base-port 7000
  chickadee demo --for 30 --log info";

/// Why the demonstration does not start.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("--base-port {0} leaves no room for {1} nodes: ports end at 65535")]
    Ports(u16, u16),
    #[error("{0}; --base-port moves all ports")]
    Start(StartError),
}

impl Demo {
    pub(super) fn run(self) -> Outcome {
        logging::start(self.log);
        let ports = self.ports()?;
        let key = match credentials::development_key(&environment) {
            Ok(key) => key,
            Err(error) => {
                warn!("{error}; a key of this process' own is used, so nobody else can join");
                credentials::generate("demo")?
            }
        };
        // All of them first: what is in use has to be told before anything runs.
        let doors = ports
            .iter()
            .map(|(resp, _)| Door::bind(loopback(*resp), "--base-port".to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        let nodes = self.start(&key, &ports).map_err(DemoError::Start)?;
        let runtime = runtime()?;
        let outcome = runtime.block_on(self.serve(nodes, doors));
        runtime.shutdown_background();
        outcome
    }

    /// The ports of each node, for Redis clients and for peers.
    fn ports(&self) -> Result<Vec<(u16, u16)>, DemoError> {
        if self.base_port == 0 {
            return Ok(vec![(0, 0); usize::from(self.nodes)]);
        }
        let above = PEER_PORT - REDIS_PORT;
        let port = |i: u16| {
            let resp = self.base_port.checked_add(i)?;
            Some((resp, resp.checked_add(above)?))
        };
        let ports: Option<Vec<_>> = (0..self.nodes).map(port).collect();
        ports.ok_or(DemoError::Ports(self.base_port, self.nodes))
    }

    fn start(&self, key: &ClusterKey, ports: &[(u16, u16)]) -> Result<Vec<Node>, StartError> {
        let mut nodes: Vec<Node> = Vec::new();
        for (i, (_, port)) in ports.iter().enumerate() {
            let mut config = Config::new(key.clone());
            config.name = Some(format!("demo-{}", i + 1));
            config.listen = loopback(*port);
            config.max_memory = (memory::default_bytes() / ports.len()).max(MEMORY_BYTES_MIN);
            // One address is enough; they learn of each other from there.
            config.seeds = nodes.first().map(|node| node.addr().to_string()).into_iter().collect();
            nodes.push(Node::start(config)?);
        }
        Ok(nodes)
    }

    async fn serve(&self, nodes: Vec<Node>, doors: Vec<Door>) -> Outcome {
        let mut signals = Signals::install()?;
        let open = async {
            for node in &nodes {
                node.await_open().await?;
            }
            Ok::<_, EndError>(())
        };
        tokio::select! {
            opened = open => opened?,
            _ = signals.next() => return Ok(signals.or_at_once(restart(nodes)).await),
        }
        let (mut clients, mut addrs) = (Vec::new(), Vec::new());
        for (node, door) in nodes.iter().zip(doors) {
            let (listener, addr) = door.open()?;
            clients.push(Clients::serve(listener, node, ListenerOptions::default())?);
            addrs.push(addr);
        }
        output::print(guide(&nodes, &addrs).as_bytes())?;
        let over = async {
            match self.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = signals.next() => {}
            () = over => {}
        }
        let end = async {
            restart(nodes).await;
            for clients in clients {
                clients.stop().await;
            }
        };
        Ok(signals.or_at_once(end).await)
    }
}

/// Ends all nodes together: their places will not be taken over by one another.
async fn restart(nodes: Vec<Node>) {
    let ends: Vec<_> = nodes.into_iter().map(|node| tokio::spawn(node.restart())).collect();
    for end in ends {
        let _ = end.await;
    }
}

fn count(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().filter(|count| (1..=32).contains(count));
    count.ok_or_else(|| format!("`{text}` is no number of nodes; 1 to 32 are allowed"))
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

/// What runs, and what to try with it.
fn guide(nodes: &[Node], addrs: &[SocketAddr]) -> String {
    let mut rows = vec![["node", "Redis clients", "peers"].map(str::to_owned).to_vec()];
    for (node, addr) in nodes.iter().zip(addrs) {
        rows.push(vec![node.name().to_owned(), addr.to_string(), node.addr().to_string()]);
    }
    let mut text = output::table(&rows);
    let (first, last) = (addrs[0].port(), addrs[addrs.len() - 1].port());
    let copies = match nodes.len().min(usize::from(REPLICAS.get())) {
        1 => "one copy is kept".to_owned(),
        copies => format!("{copies} copies are kept"),
    };
    let _ = write!(
        text,
        "
Every node serves every key; of each entry {copies}. Try, in another terminal:

  redis-cli -p {first} set greeting hello
  redis-cli -p {last} get greeting
  {program} members --connect :{last}
  {program} explain greeting --connect :{first}

These nodes share one process. For one to kill, start another (it joins, and fetches its share):

  {program} serve --name extra --listen :0 --resp :0 --seed {seed}

then end it with Ctrl-C, or with `kill -9`, and read on: nothing is missed.
Ctrl-C ends the demonstration.
",
        program = program(),
        seed = nodes[0].addr(),
    );
    text
}

/// How this program was called, so that what is to be tried can be copied.
fn program() -> String {
    let program = std::env::args().next();
    program.unwrap_or_else(|| "chickadee".to_owned())
}
