//! How a link comes to be: dialing, accepting, and what can go wrong on the way.
//!
//! Both ways end in [`greet`], which exchanges the Hellos, and then in [`serve`], which stays with
//! the link until it ends. Each dial and each incoming handshake is a task of its own with a time
//! limit, and their number is bounded: nobody who dials us slowly keeps others out.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::timeout;

use super::endpoint::{ClientConfig, Connection, ConnectionError, Hub, Incoming, close_code};
use super::link::{Accepted, Failure, Link, code, greet, serve};
use super::{DialError, Event, bulk};
use crate::placement::peer::NodeId;
use crate::tls::another_cluster_key;

impl Hub {
    /// From an address to a connection with a named peer.
    pub(super) async fn connect(
        &self,
        client: &ClientConfig,
        addr: SocketAddr,
    ) -> Result<(Connection, NodeId), DialError> {
        let other = |error: &dyn std::fmt::Display| DialError::Other(error.to_string());
        let connecting = self
            .quic
            .connect_with(client.clone(), addr, &self.identity.any_name())
            .map_err(|error| other(&error))?;
        let connection = connecting.await.map_err(lost)?;
        match self.identity.peer_id(&connection) {
            Ok(id) => Ok((connection, NodeId(id))),
            Err(error) => {
                connection.close(close_code(code::WRONG_PEER), error.to_string().as_bytes());
                Err(other(&error))
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Dialing
// ---------------------------------------------------------------------------------------------

pub(super) async fn dial(hub: Arc<Hub>, addr: SocketAddr, expected: Option<NodeId>) {
    let result = try_dial(&hub, addr, expected).await;
    hub.dialing.lock().remove(&addr);
    match result {
        Ok((link, accepted)) => serve(&hub, &link, accepted, expected).await,
        Err(Some(error)) => {
            let _ = hub.events.send(Event::DialFailed { addr, expected, error }).await;
        }
        Err(None) => {}
    }
}

/// `Err(None)`: the caller refused it, and knows.
async fn try_dial(
    hub: &Hub,
    addr: SocketAddr,
    expected: Option<NodeId>,
) -> Result<(Arc<Link>, Accepted), Option<DialError>> {
    let (connection, peer) = {
        let _turn = hub.dials.acquire().await;
        let connected = timeout(hub.options.dial_timeout, hub.connect(&hub.client, addr)).await;
        connected.unwrap_or(Err(DialError::Timeout))?
    };
    let wrong = match expected {
        _ if peer == hub.own => {
            Some(DialError::Other("that is this node, or another process of its name".to_owned()))
        }
        Some(expected) if expected != peer => Some(DialError::AnotherNode(peer)),
        _ => None,
    };
    if let Some(error) = wrong {
        connection.close(close_code(code::WRONG_PEER), b"not the node that was dialed");
        return Err(Some(error));
    }
    let link = hub.link(peer, addr, true, connection);
    match greet(hub, &link).await {
        Ok(accepted) => Ok((link, accepted)),
        Err(Failure::Timeout) => Err(Some(DialError::Timeout)),
        Err(Failure::Lost(error)) => Err(Some(lost(error))),
        Err(Failure::Violation(reason)) => Err(Some(DialError::Other(reason))),
        Err(Failure::Ended) => Err(Some(DialError::Other("a lane was ended".to_owned()))),
        Err(Failure::Stale(..)) => {
            Err(Some(DialError::Other("a newer life of that node is connected".to_owned())))
        }
        Err(Failure::Declined | Failure::Gone) => Err(None),
    }
}

/// Why a connection could not be made, or was lost before it counted.
fn lost(error: ConnectionError) -> DialError {
    if let Some(refused) = refusal(&error) {
        return refused;
    }
    match error {
        error if another_cluster_key(&error) => DialError::AnotherClusterKey,
        ConnectionError::TimedOut => DialError::Timeout,
        error => DialError::Other(error.to_string()),
    }
}

/// The refusal in a CLOSE frame, if it is one.
pub(super) fn refusal(error: &ConnectionError) -> Option<DialError> {
    let ConnectionError::ApplicationClosed(close) = error else {
        return None;
    };
    let code = close.error_code.into_inner().checked_sub(code::REFUSED)?;
    let reason = String::from_utf8_lossy(&close.reason).into_owned();
    Some(DialError::Refused { code: u32::try_from(code).ok()?, reason })
}

// ---------------------------------------------------------------------------------------------
// Accepting
// ---------------------------------------------------------------------------------------------

pub(super) async fn accept_all(hub: Arc<Hub>) {
    while let Some(incoming) = hub.quic.accept().await {
        let handshakes = hub.handshakes.load(Ordering::Relaxed);
        let links = hub.accepted.load(Ordering::Relaxed);
        if handshakes >= hub.options.handshakes_max || links >= hub.options.accepted_max {
            incoming.refuse();
        } else if handshakes >= hub.options.retry_above
            && !incoming.remote_address_validated()
            && incoming.may_retry()
        {
            // Costs a dialer one round trip, and whoever forges addresses everything.
            let _ = incoming.retry();
        } else {
            let handshake = Counted::new(&hub.handshakes);
            hub.start(accept(hub.clone(), incoming, handshake));
        }
    }
}

/// One task each: a handshake that never ends must not hold up the others.
async fn accept(hub: Arc<Hub>, incoming: Incoming, handshake: Counted) {
    let addr = canonical(incoming.remote_address());
    let rejected = |another_key: bool, reason: String| {
        hub.events.offer(Event::Rejected { addr, another_key, reason });
    };
    let connection = match timeout(hub.options.handshake_timeout, incoming.into_future()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return rejected(another_cluster_key(&error), error.to_string()),
        Err(_) => return rejected(false, "its handshake took too long".to_owned()),
    };
    drop(handshake);
    let _link = Counted::new(&hub.accepted);
    let peer = match hub.identity.peer_id(&connection) {
        Ok(id) => NodeId(id),
        Err(error) => {
            connection.close(close_code(code::WRONG_PEER), error.to_string().as_bytes());
            return rejected(false, error.to_string());
        }
    };
    if peer == hub.own {
        // The dialing half of this node finds out by itself, and says so.
        return;
    }
    let link = hub.link(peer, addr, false, connection);
    match greet(&hub, &link).await {
        Ok(accepted) if link.is_bulk() => bulk::receive(&hub, &link, accepted).await,
        Ok(accepted) => serve(&hub, &link, accepted, None).await,
        Err(Failure::Timeout) => {
            rejected(false, "no Hello, or no answer to it, in time".to_owned())
        }
        Err(Failure::Lost(error)) => match refusal(&error) {
            Some(DialError::Refused { reason, .. }) => {
                let _ = hub.events.send(Event::Refused { addr, reason }).await;
            }
            _ => rejected(another_cluster_key(&error), error.to_string()),
        },
        Err(Failure::Violation(reason)) => rejected(false, reason),
        Err(Failure::Ended) => rejected(false, "a lane was ended".to_owned()),
        Err(Failure::Stale(..)) => {
            rejected(false, "a newer life of that node is connected".to_owned());
        }
        Err(Failure::Declined | Failure::Gone) => {}
    }
}

/// A socket for both families shows IPv4 peers as mapped IPv6 addresses; nobody dials those.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// One of a limited number.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
