//! What is arriving of large frames: bounded, and told to the caller before it comes.
//!
//! A frame says its length first. Where that is much, on the ways that carry much, nothing more of it
//! is read before it has its place: within what one connection may have arriving, within what all
//! may, and in the caller's own account ([`Ledger`]). Whoever is not read is stopped by QUIC's flow
//! control after a megabyte. The place is free again when the caller takes the frame, or when the
//! stream or its connection ends.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::link::{Failure, Link};

/// Frames up to this size need no reservation, in bytes.
pub(super) const LARGE_FRAME: usize = 64 << 10;

/// Both bounds are counted in so many bytes, since a permit is a `u32`.
const UNIT: usize = 1 << 10;

/// What has its place arrives at this rate at least, in bytes a second, but for a pause: the least
/// that a sender can be set to. An honest one that is slower has given up, and so has whoever
/// asked.
const RATE_MIN: u64 = 64 << 10;

/// Who accounts for what is arriving. Called from any task, and must not block.
pub trait Ledger: Send + Sync {
    /// So many bytes are about to arrive.
    fn reserve(&self, bytes: usize);
    /// They are there, or will never come.
    fn release(&self, bytes: usize);
}

/// The bounds, and the account.
pub(super) struct Arriving {
    all: Arc<Semaphore>,
    units: usize,
    units_of_one: usize,
    pause: Duration,
    ledger: OnceLock<Arc<dyn Ledger>>,
}

/// The place of one frame that is arriving, or has arrived and is not taken yet.
pub struct Reservation {
    bytes: usize,
    since: Instant,
    pause: Duration,
    ledger: Option<Arc<dyn Ledger>>,
    _places: [OwnedSemaphorePermit; 2],
}

impl Reservation {
    /// Until when more of the frame has to come, of which so many bytes are there: within a pause,
    /// and no later than a pause after these should have been. So a place is not kept by a byte now
    /// and then.
    pub(super) fn until(&self, arrived: usize) -> Instant {
        let takes = Duration::from_millis(arrived as u64 * 1_000 / RATE_MIN);
        (Instant::now() + self.pause).min(self.since + self.pause + takes)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(ledger) = &self.ledger {
            ledger.release(self.bytes);
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({})", self.bytes)
    }
}

impl Arriving {
    /// `pause`: how long nothing more may come of what has its place.
    pub(super) fn new(bytes_max: usize, bytes_max_of_one: usize, pause: Duration) -> Arriving {
        let units = |bytes: usize| (bytes / UNIT).clamp(1, u32::MAX as usize >> 3);
        let (units, units_of_one) = (units(bytes_max), units(bytes_max_of_one.min(bytes_max)));
        let ledger = OnceLock::new();
        Arriving { all: Arc::new(Semaphore::new(units)), units, units_of_one, pause, ledger }
    }

    pub(super) fn set_ledger(&self, ledger: Arc<dyn Ledger>) {
        let _ = self.ledger.set(ledger);
    }

    /// The bound of one connection.
    pub(super) fn of_one(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(self.units_of_one))
    }

    /// Waits for the place of a frame. One that is larger than a bound passes alone.
    pub(super) async fn reserve(&self, link: &Link, bytes: usize) -> Result<Reservation, Failure> {
        let place = |of: &Arc<Semaphore>, most: usize| {
            of.clone().acquire_many_owned(bytes.div_ceil(UNIT).min(most) as u32)
        };
        let places = async {
            let own = place(&link.arriving, self.units_of_one).await;
            Some([own.ok()?, place(&self.all, self.units).await.ok()?])
        };
        let places = tokio::select! {
            biased;
            places = places => places.ok_or(Failure::Gone)?,
            error = link.connection.closed() => return Err(error.into()),
        };
        let ledger = self.ledger.get().cloned();
        if let Some(ledger) = &ledger {
            ledger.reserve(bytes);
        }
        let (since, pause) = (Instant::now(), self.pause);
        Ok(Reservation { bytes, since, pause, ledger, _places: places })
    }
}
