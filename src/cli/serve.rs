//! `serve`: runs one node until a signal ends it.

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use super::door::Door;
use super::settings::{Flags, Settings, environment};
use super::shutdown::Signals;
use super::{Outcome, credentials, logging, variables};
use crate::resp::listener::{self, ListenerOptions};
use crate::{EndError, Node};

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    flags: Flags,
}

const EXAMPLES: &str = "\
Every setting is also taken from the environment (CHICKADEE_LISTEN, CHICKADEE_SEED with commas, ...)
and from the file that --config names (listen = \"...\", seed = [\"...\"], ...); a flag beats the
environment, which beats the file. The cluster key can be given as CHICKADEE_CLUSTER_KEY, as a file,
or as systemd's credential `chickadee-cluster-key`; the password of Redis clients as
CHICKADEE_RESP_PASSWORD or as a file.

Examples:
  chickadee serve
  chickadee serve --listen :7380 --resp :6380 --seed 127.0.0.1:7379
  chickadee serve --listen 10.0.0.1:7379 --seed 10.0.0.2 --cluster-key-file cluster.key
  chickadee serve --config node.toml --log debug";

impl Serve {
    pub(super) fn run(self) -> Outcome {
        variables::check()?;
        let settings = Settings::load(self.flags, &environment)?;
        logging::start(settings.log);
        let password = credentials::password(&settings, &environment)?;
        let key = credentials::cluster_key(&settings, &environment)?;
        let door = Door::bind(settings.resp, settings.origin("resp").to_string())?;
        let runtime = runtime()?;
        let node = Node::start(settings.config(key)).map_err(|error| settings.explain(error))?;
        let outcome = runtime.block_on(serve(node, door, password));
        // What is left are clients that read nothing; they shall not hold up the end.
        runtime.shutdown_background();
        outcome.map_err(|error| match error.downcast::<EndError>() {
            Ok(end) => settings.explain_end(*end),
            Err(other) => other,
        })
    }
}

/// The runtime of the Redis connections: as many threads as there are cores.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn serve(node: Node, door: Door, password: Option<String>) -> Outcome {
    let mut signals = Signals::install()?;
    info!("node {} listens to peers on {}", node.name(), peers(&node));
    tokio::select! {
        opened = node.await_open() => opened?,
        _ = signals.next() => return Ok(signals.or_at_once(node.restart()).await),
    }
    let (listener, addr) = door.open()?;
    let options = ListenerOptions { password, ..ListenerOptions::default() };
    let clients = Clients::serve(listener, &node, options)?;
    info!(
        "serving Redis clients on {addr}, peers on {} as {} ({})",
        peers(&node),
        node.name(),
        node.id()
    );
    tokio::select! {
        _ = signals.next() => {}
        end = node.await_end() => {
            // Nobody is answered any more; clients had better look elsewhere.
            signals.or_at_once(clients.stop()).await;
            if end == EndError::Left {
                info!("left the cluster");
                return Ok(ExitCode::SUCCESS);
            }
            return Err(end.into());
        }
    }
    info!("stopping: finishing what is under way; a second signal stops at once");
    let end = async {
        // In this order, so that clients are answered for as long as the node answers.
        node.restart().await;
        clients.stop().await;
    };
    let code = signals.or_at_once(end).await;
    if code == ExitCode::SUCCESS {
        info!("stopped");
    }
    Ok(code)
}

/// Where a node listens, and where it is reached if that is elsewhere.
fn peers(node: &Node) -> String {
    match (node.listen_addr(), node.addr()) {
        (listen, addr) if listen == addr => addr.to_string(),
        (listen, addr) => format!("{listen} (reached at {addr})"),
    }
}

/// The Redis clients of one node.
pub(super) struct Clients {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Clients {
    pub(super) fn serve(
        listener: std::net::TcpListener,
        node: &Node,
        options: ListenerOptions,
    ) -> std::io::Result<Clients> {
        let listener = TcpListener::from_std(listener)?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(listener::serve(listener, node.handle(), options, stopped));
        Ok(Clients { stop, task })
    }

    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
    }
}
