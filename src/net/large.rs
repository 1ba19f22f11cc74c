//! Large frames, each on a stream of its own: [`LARGE`].
//!
//! On one stream a frame of 65 KiB would wait for one of 8 MiB, and nothing could be put off. With a
//! stream for each they share the connection for bulk packet by packet, whoever has no place for one
//! yet reads the others, and one that is given up ends alone. So a frame is not cut into pieces with
//! numbers here or above: the stream does all that they would. A stream costs a hundredth of what
//! it carries here; a stream for each small request cost several times the processor time.
//!
//! A stream has the byte [`LARGE`], one frame in the form of a lane's, and ends. Its sender counts
//! it as under way until the peer's QUIC has all of it.
//!
//! The lane of bulk goes first on the connection: what brings a peer up to date is paced, at half of
//! the node's rate for one peer at most, so the rest is left for large frames. And a peer that lacks
//! places for these still has room for the lane: [`STREAMS_MAX`] streams that it does not read fill
//! no more than so many MiB of a window of 8.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::LARGE;
use super::endpoint::{Hub, RecvStream, WriteError};
use super::lane::LENGTH_BYTES;
use super::link::{Failure, LaneIn, Link, code};
use super::table::Outbox;

/// Most streams of one connection at a time, of a window of 1 MiB each.
const STREAMS_MAX: usize = 6;
/// Of these, most that carry frames above [`SHORT_BYTES`].
const LONG_STREAMS_MAX: usize = 3;
/// Frames up to this size, with their keys, need not wait for longer ones to end.
pub(super) const SHORT_BYTES: usize = (1 << 20) + (64 << 10);

/// Writes what waits until the connection ends.
pub(super) async fn write_large(hub: &Hub, link: &Arc<Link>, outbox: &Arc<Outbox>) -> Failure {
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let long = Arc::new(Semaphore::new(LONG_STREAMS_MAX));
    loop {
        let Ok(turn) = streams.clone().acquire_owned().await else { return Failure::Gone };
        // Before it is taken, so that the connection never looks silent with a frame in between.
        link.writing.fetch_add(1, Ordering::Relaxed);
        let long_turn = long.clone().try_acquire_owned().ok();
        let Some(frame) = outbox.take_large(link.id, long_turn.is_some()) else {
            link.writing.fetch_sub(1, Ordering::Relaxed);
            drop((turn, long_turn));
            tokio::select! {
                biased;
                // Also when a longer one may go.
                () = link.large.notified() => continue,
                error = link.connection.closed() => return error.into(),
            }
        };
        let long_turn = long_turn.filter(|_| frame.is_long());
        let link = link.clone();
        hub.tasks.start(Box::pin(async move {
            // What ends the connection ends its other writers, too. A frame that the peer gave up
            // is lost, and whoever waits for its effect has a deadline.
            let _ = write_one(&link, frame.parts.clone()).await;
            drop((frame, turn, long_turn));
            link.writing.fetch_sub(1, Ordering::Relaxed);
            link.touched();
            link.large.notify_one();
        }));
    }
}

async fn write_one(link: &Link, [first, second]: [Bytes; 2]) -> Result<(), WriteError> {
    let mut stream = link.connection.open_uni().await?;
    let length = u32::try_from(first.len() + second.len());
    let length = length.expect("the endpoint checked the frame's length");
    let mut head = [LARGE; 1 + LENGTH_BYTES];
    head[1..].copy_from_slice(&length.to_le_bytes());
    let head = Bytes::copy_from_slice(&head);
    stream.write_all_chunks(&mut [head, first, second]).await?;
    let _ = stream.finish();
    let _ = stream.stopped().await;
    Ok(())
}

/// Reads frames as they come, until the connection ends. `reading` is held by each reader.
pub(super) async fn read_streams(
    hub: &Arc<Hub>,
    link: &Arc<Link>,
    reading: mpsc::Sender<()>,
) -> Failure {
    loop {
        match link.connection.accept_uni().await {
            Ok(stream) => {
                let (hub, link, reading) = (hub.clone(), link.clone(), reading.clone());
                let tasks = hub.tasks.clone();
                tasks.start(Box::pin(async move {
                    let _reading = reading;
                    if let Failure::Violation(reason) = read_one(&hub, &link, stream).await {
                        link.close(code::VIOLATION, &reason);
                    }
                }));
            }
            Err(error) => return error.into(),
        }
    }
}

async fn read_one(hub: &Hub, link: &Link, stream: RecvStream) -> Failure {
    let mut stream = LaneIn::large(hub, stream);
    loop {
        match timeout(hub.options.arriving_pause, stream.read(hub, link)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return failure,
            Err(_) => return Failure::Timeout,
        }
        if stream.has_frames() {
            return match stream.pass_on(hub, link).await {
                Ok(()) => Failure::Ended,
                Err(gone) => gone.into(),
            };
        }
    }
}
