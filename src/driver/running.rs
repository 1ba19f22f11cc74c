//! A node at work, as whoever started it holds it; and who it is.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rand::RngExt;
use tokio::sync::{mpsc, watch};

use super::env::{Env, Observer};
use super::{Driver, net_options};
use crate::config::Config;
use crate::error::{EndError, StartError};
use crate::handle::Handle;
use crate::net::{Endpoint, Runtime, UdpSocket};
use crate::placement::NodeId;
use crate::tls::{Identity, NodeKey};

/// How far a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Looking for others.
    Joining,
    /// A member, or alone: the doors may open.
    Open,
    /// It has stopped.
    Stopped,
}

/// A node at work.
#[derive(Debug)]
pub struct Running {
    /// How callers reach it.
    pub handle: Handle,
    /// Who it is.
    pub id: NodeId,
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) listen_addr: SocketAddr,
    pub(crate) stage: watch::Receiver<Stage>,
    /// Why it ended, if it did so by itself.
    pub(crate) ended: Arc<OnceLock<EndError>>,
    pub(super) stop: mpsc::Sender<()>,
    pub(super) thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts a node on a thread of its own. Returns when its socket is bound.
    pub(crate) fn start(config: Config) -> Result<Running, StartError> {
        config.check()?;
        let (ready, bound) = std::sync::mpsc::channel();
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(StartError::Thread(error)))),
            };
            runtime.block_on(async move {
                match Driver::bind(config) {
                    Err(error) => drop(ready.send(Err(error))),
                    Ok((running, driver)) => {
                        if ready.send(Ok(running)).is_ok() {
                            driver.run().await;
                        }
                    }
                }
            });
        };
        let thread = std::thread::Builder::new().name("chickadee-node".to_owned()).spawn(body);
        let thread = thread.map_err(StartError::Thread)?;
        let stopped = || StartError::Thread(std::io::Error::other("the node's thread ended"));
        let mut running = bound.recv().map_err(|_| stopped())??;
        running.thread = Some(thread);
        Ok(running)
    }

    /// A node on a socket and a runtime of the caller's, who also polls its loop: for a simulated
    /// network. Must be called inside a tokio runtime. A loop that is dropped ends the node on the
    /// spot, without a word to anybody.
    ///
    /// # Errors
    /// The socket's.
    pub fn over<O: Observer>(
        config: Config,
        mut env: Env,
        socket: Arc<dyn UdpSocket>,
        runtime: Arc<dyn Runtime>,
        observer: O,
    ) -> Result<(Running, impl Future<Output = ()> + Send + 'static), StartError> {
        let listen = config.listen;
        let naming = Naming::new(&config, listen);
        let identity = naming.identity.clone().with_rng_seed(env.rng.random());
        let net = Endpoint::with_socket(socket, runtime, &identity, net_options(&config))
            .map_err(|source| StartError::Listen { addr: listen, source })?;
        let (running, driver) = Driver::new(config, naming, env, net, observer);
        Ok((running, driver.run()))
    }

    /// Stops for a restart: finishes what is under way, tells the others, ends.
    pub fn begin_stop(&self) {
        let _ = self.stop.try_send(());
    }

    /// The same, and waits for it.
    pub(crate) async fn stop(&mut self) {
        self.begin_stop();
        let mut stage = self.stage.clone();
        let _ = stage.wait_for(|stage| *stage == Stage::Stopped).await;
    }
}

/// Where a node is, and who that makes it.
pub(super) struct Naming {
    pub(super) addr: SocketAddr,
    pub(super) name: String,
    pub(super) identity: Identity,
}

impl Naming {
    /// The name may be the address, which `listen` tells in full.
    pub(super) fn new(config: &Config, listen: SocketAddr) -> Naming {
        let addr = match config.advertise {
            Some(advertise) if advertise.port() == 0 => {
                SocketAddr::new(advertise.ip(), listen.port())
            }
            Some(advertise) => advertise,
            None => listen,
        };
        let name = config.name.clone().unwrap_or_else(|| addr.to_string());
        let identity = Identity::new(&config.key, &NodeKey::derive(&config.key, &name));
        Naming { addr, name, identity }
    }
}
