//! How many bytes of what callers hand over a node has in hand at a time.
//!
//! What is long takes its place here before there is memory for it: a command that arrives, as soon
//! as its length is known, and a value of the library's, before it goes to the node. The place goes
//! with the bytes wherever they go, to the node and into the queues of peers, and is free when the
//! last of them is gone. Whoever finds no place waits, and is not read meanwhile: nothing is refused.
//!
//! Long and short ones have places apart, so that no short one waits behind a long one, and the
//! shortest need none: how many these may be is bounded ([`SUBMISSIONS_MAX`], [`UNDER_WAY_MAX`]).
//!
//! Nobody waits for ever. What has all of its place goes on without another one, and a client that
//! is slow to send the rest, or to read its replies, loses it while others wait. A command that
//! grows while it arrives, since each of its arguments tells its own length, does not wait for those
//! who wait for it: where there is no more, one at a time may have more than there is.
//!
//! [`SUBMISSIONS_MAX`]: crate::config::SUBMISSIONS_MAX
//! [`UNDER_WAY_MAX`]: crate::config::UNDER_WAY_MAX

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{CLIENT_PATIENCE_MS, CLIENT_RATE_MIN, door_bytes};

/// Commands and values up to this size need no place, in bytes.
pub(crate) const FREE_BYTES: usize = 1 << 10;
/// Up to this size, in bytes, they are short.
pub(crate) const SHORT_BYTES: usize = 64 << 10;

/// The places of one node.
#[derive(Debug)]
pub(crate) struct Door {
    long: Arc<Semaphore>,
    short: Arc<Semaphore>,
    /// How many bytes there are of long ones, and of short ones.
    most: (usize, usize),
    /// The turn of the one that has more than there is.
    beyond: Arc<Semaphore>,
    /// How many wait for a long place.
    wanted: AtomicUsize,
}

/// A place for some bytes, free when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    bytes: usize,
    permit: OwnedSemaphorePermit,
    beyond: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// How many bytes have room in it.
    pub(crate) fn bytes(&self) -> usize {
        match self.beyond {
            Some(_) => usize::MAX,
            None => self.bytes,
        }
    }

    /// These bytes have this place as long as any part of them is somewhere.
    pub(crate) fn around(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Placed { bytes, _place: self })
    }
}

struct Placed {
    bytes: Bytes,
    _place: Place,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Counts who waits, also if that is given up.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn count(counter: &'a AtomicUsize) -> Waits<'a> {
        counter.fetch_add(1, Ordering::Relaxed);
        Waits(counter)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    /// Of a node with that memory for entries, in bytes.
    pub(crate) fn new(max_memory: usize) -> Door {
        let most = door_bytes(max_memory);
        let places = |bytes| Arc::new(Semaphore::new(bytes));
        let (beyond, wanted) = (Arc::new(Semaphore::new(1)), AtomicUsize::new(0));
        Door { long: places(most.0), short: places(most.1), most, beyond, wanted }
    }

    /// Whether somebody waits for a long place.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Waits for a place for so many bytes. More than there are of it get all of it.
    pub(crate) async fn enter(&self, bytes: usize) -> Place {
        let permit = if bytes > SHORT_BYTES {
            let _waits = Waits::count(&self.wanted);
            permit(&self.long, bytes.min(self.most.0)).await
        } else {
            permit(&self.short, bytes.min(self.most.1)).await
        };
        Place { bytes, permit, beyond: None }
    }

    /// A short place, if there is one at once.
    pub(crate) fn try_enter(&self, bytes: usize) -> Option<Place> {
        let permits = bytes.min(self.most.1) as u32;
        let permit = self.short.clone().try_acquire_many_owned(permits).ok()?;
        Some(Place { bytes, permit, beyond: None })
    }

    /// Makes a long place larger: for so many bytes in all.
    pub(crate) async fn widen(&self, mut place: Place, bytes: usize) -> Place {
        if bytes <= place.bytes() {
            return place;
        }
        let _waits = Waits::count(&self.wanted);
        let more = bytes.min(self.most.0).saturating_sub(place.permit.num_permits());
        // Biased, so that a run in simulation does not depend on a generator of tokio's.
        tokio::select! {
            biased;
            more = permit(&self.long, more) => place.permit.merge(more),
            turn = permit(&self.beyond, 1) => place.beyond = Some(turn),
        }
        place.bytes = bytes;
        place
    }
}

/// How long a command of which so many bytes are there, or a client that takes so many bytes of
/// replies, keeps a place that others want.
pub(crate) fn arrives_within(bytes: usize) -> Duration {
    Duration::from_millis(CLIENT_PATIENCE_MS + bytes as u64 * 1_000 / CLIENT_RATE_MIN)
}

async fn permit(of: &Arc<Semaphore>, bytes: usize) -> OwnedSemaphorePermit {
    let permits = of.clone().acquire_many_owned(bytes as u32).await;
    permits.expect("nobody closes the semaphores of a door")
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const MEMORY: usize = 4 << 20;
    const MOST: usize = 1 << 20;

    async fn has_no_place(door: &Door, bytes: usize) -> bool {
        timeout(Duration::from_millis(20), door.enter(bytes)).await.is_err()
    }

    #[tokio::test]
    async fn a_place_goes_with_its_bytes_and_short_ones_have_their_own() {
        let door = Door::new(MEMORY);
        let place = door.enter(MOST).await;
        let value = place.around(Bytes::from(vec![7; MOST]));
        let part = value.slice(10..20);
        drop(value);
        assert!(has_no_place(&door, SHORT_BYTES + 1).await, "a part of it is somewhere");
        assert!(!door.is_wanted(), "it has given up");
        assert!(!has_no_place(&door, SHORT_BYTES).await);
        drop(part);
        assert!(!has_no_place(&door, MOST).await);
        // More than there is passes alone.
        let all = door.enter(2 * MOST).await;
        assert!(has_no_place(&door, SHORT_BYTES + 1).await);
        drop(all);
    }

    #[tokio::test]
    async fn of_those_that_grow_beyond_what_there_is_one_goes_on() {
        let door = Door::new(MEMORY);
        let (first, second) = (door.enter(MOST / 2).await, door.enter(MOST / 2).await);
        let first = door.widen(first, MOST).await;
        assert_eq!(first.bytes(), usize::MAX);
        let waiting = door.widen(second, MOST);
        tokio::pin!(waiting);
        assert!(timeout(Duration::from_millis(20), &mut waiting).await.is_err());
        assert!(door.is_wanted());
        drop(first);
        assert_eq!(timeout(Duration::from_secs(5), waiting).await.unwrap().bytes(), MOST);
        assert!(!has_no_place(&door, MOST).await, "all of it is free again");
    }
}
