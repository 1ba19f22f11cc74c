//! A connection of its own for what may be much: [`BULK`].
//!
//! Streams and datagrams of one connection share its congestion window, and what is lost of one
//! holds up the others. So the lane of bulk is carried by a second connection to the same peer, which
//! the sender dials when it has something to send, and closes after a silence. It is greeted as a
//! link is, only that the dialer's Hello comes on the lane of bulk instead of the control lane: that
//! is what tells the two apart. It carries that one lane and large frames (`large`), one way, and
//! nothing else. The table takes it only beside a link to the same life of the peer, one in each
//! direction, and it ends with that.
//!
//! Where it cannot be had, the lane goes over the link, behind everything else, and it is tried again
//! later.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::connect::refusal;
use super::endpoint::{Hub, close_code};
use super::large::{read_streams, write_large};
use super::link::{Accepted, Failure, Link, code, greet, open_greeting, read_lane, write_lane};
use super::{BULK, DialError, Event};
use crate::placement::peer::{Generation, NodeId};

/// How long what was written last is given to arrive when the connection is closed.
const LAST_BYTES: Duration = Duration::from_secs(60);

/// Carries the lane of bulk to a peer, until nothing more is sent or the connection ends.
pub(super) async fn carry(hub: Arc<Hub>, peer: NodeId, generation: Generation, addr: SocketAddr) {
    let ended = match dial(&hub, peer, addr).await {
        Ok((link, accepted)) => send(&hub, &link, accepted).await,
        Err(reason) => Err(reason),
    };
    let Err(reason) = ended else { return };
    if hub.table.lock().share(peer, generation) {
        hub.events.offer(Event::Shared { peer, reason });
        sleep(hub.options.bulk_retry).await;
        hub.table.lock().share_no_more(peer, generation);
    }
}

async fn dial(
    hub: &Hub,
    expected: NodeId,
    addr: SocketAddr,
) -> Result<(Arc<Link>, Accepted), String> {
    let connected = {
        let _turn = hub.dials.acquire().await;
        timeout(hub.options.dial_timeout, hub.connect(&hub.bulk_client, addr)).await
    };
    let (connection, peer) =
        connected.unwrap_or(Err(DialError::Timeout)).map_err(|error| error.to_string())?;
    if peer != expected {
        connection.close(close_code(code::WRONG_PEER), b"not the node that was dialed");
        return Err(DialError::AnotherNode(peer).to_string());
    }
    let link = hub.link(peer, addr, true, connection);
    link.make_bulk();
    let accepted = greet(hub, &link).await.map_err(describe)?;
    Ok((link, accepted))
}

fn describe(failure: Failure) -> String {
    match failure {
        Failure::Timeout => DialError::Timeout.to_string(),
        Failure::Lost(error) => match refusal(&error) {
            Some(refused) => refused.to_string(),
            None => error.to_string(),
        },
        Failure::Violation(reason) => reason,
        Failure::Ended => "it ended".to_owned(),
        Failure::Declined | Failure::Stale(..) => "the peer has another life by now".to_owned(),
        Failure::Gone => "its caller is gone".to_owned(),
    }
}

/// The dialer's part: writes all there is.
async fn send(hub: &Hub, link: &Arc<Link>, accepted: Accepted) -> Result<(), String> {
    let outbox = accepted.outbox;
    let greeting = timeout(hub.options.hello_timeout, open_greeting(hub, link, BULK));
    let failure = match greeting.await {
        Ok(Ok(mut stream)) => {
            let failure = tokio::select! {
                biased;
                failure = write_lane(link, &outbox, usize::from(BULK), &mut stream) => Some(failure),
                failure = write_large(hub, link, &outbox) => Some(failure),
                () = silence(hub, link) => None,
            };
            if failure.is_none() {
                // It is out of the table, so no more will come; what is under way is to arrive.
                let _ = stream.finish();
                let _ = timeout(LAST_BYTES, stream.stopped()).await;
            }
            failure
        }
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::Timeout),
    };
    hub.table.lock().leave_bulk(link);
    let Some(failure) = failure else {
        link.close(code::SURPLUS, "nothing more is sent");
        return Ok(());
    };
    if link.is_retired() {
        // It was given up, or its peer has another life.
        return Ok(());
    }
    let reason = link.reason().unwrap_or_else(|| describe(failure));
    link.close(code::CLOSED, "");
    Err(reason)
}

/// Ends when nothing was written for a while; from then on the link is not in the table.
async fn silence(hub: &Hub, link: &Link) {
    loop {
        let seen = link.seen();
        sleep(hub.options.bulk_linger).await;
        let mut table = hub.table.lock();
        if link.is_silent_since(seen) && table.retire_bulk(link) {
            return;
        }
    }
}

/// The acceptor's part: reads all that comes.
pub(super) async fn receive(hub: &Arc<Hub>, link: &Arc<Link>, mut accepted: Accepted) {
    let (reading, mut all_read) = mpsc::channel(1);
    let failure = tokio::select! {
        biased;
        failure = read_lane(hub, link, &mut accepted.lane_in) => failure,
        failure = read_streams(hub, link, reading) => failure,
    };
    if let Failure::Ended = failure {
        // What has arrived of large frames is passed on before the connection is closed over it.
        let _: Option<()> = all_read.recv().await;
    }
    hub.table.lock().leave_bulk(link);
    match failure {
        Failure::Violation(reason) => link.close(code::VIOLATION, &reason),
        _ => link.close(code::CLOSED, ""),
    }
}
