//! The verbs of the binary.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::resp::listener::{ListenerOptions, serve};
use crate::{ClusterKey, Config, Node};

#[derive(Parser, Debug)]
#[command(name = "chickadee", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Runs one node.
    Serve(Serve),
    /// Runs a small cluster in this process.
    Demo(Demo),
}

#[derive(clap::Args, Debug)]
struct Serve {
    #[arg(long)]
    name: Option<String>,
    #[arg(long, default_value = "127.0.0.1:7379")]
    listen: SocketAddr,
    #[arg(long, default_value = "127.0.0.1:6379")]
    resp: SocketAddr,
    #[arg(long)]
    seed: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct Demo {
    #[arg(long, default_value_t = 3)]
    nodes: u16,
    #[arg(long, default_value_t = 6379)]
    base_port: u16,
}

/// Runs the binary.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "chickadee=info".into()),
        )
        .with_target(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match cli.verb {
            Verb::Serve(args) => {
                let mut config = Config::new(dev_key());
                config.name = args.name;
                config.listen = args.listen;
                config.seeds = args.seed;
                let node = Node::start(config).unwrap();
                node.await_open().await;
                let listener = TcpListener::bind(args.resp).await.unwrap();
                let (stop, stopped) = watch::channel(false);
                let task = tokio::spawn(serve(
                    listener,
                    node.handle(),
                    ListenerOptions::default(),
                    stopped,
                ));
                tokio::signal::ctrl_c().await.unwrap();
                node.restart().await;
                stop.send_replace(true);
                let _ = task.await;
            }
            Verb::Demo(args) => {
                let mut nodes = Vec::new();
                for i in 0..args.nodes {
                    let mut config = Config::new(dev_key());
                    config.listen = SocketAddr::new([127, 0, 0, 1].into(), 7379 + i);
                    if i > 0 {
                        config.seeds = vec!["127.0.0.1:7379".to_owned()];
                    }
                    nodes.push(Node::start(config).unwrap());
                }
                let (_stop, stopped) = watch::channel(false);
                for (i, node) in nodes.iter().enumerate() {
                    node.await_open().await;
                    let addr = SocketAddr::new([127, 0, 0, 1].into(), args.base_port + i as u16);
                    let listener = TcpListener::bind(addr).await.unwrap();
                    tokio::spawn(serve(
                        listener,
                        node.handle(),
                        ListenerOptions::default(),
                        stopped.clone(),
                    ));
                }
                tokio::signal::ctrl_c().await.unwrap();
                for node in nodes {
                    node.restart().await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    ExitCode::SUCCESS
}

fn dev_key() -> ClusterKey {
    ClusterKey::generate("dev", [7; 32]).unwrap()
}
