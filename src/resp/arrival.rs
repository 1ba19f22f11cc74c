//! A long command that is arriving: the place it has, and for how long.
//!
//! No memory is set aside for it before it has its place, and its client is not read meanwhile.
//! Whoever announces much and sends little holds a place that others may want, so then it has to be
//! there within a time that any way takes.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::connection::READ_BYTES;
use crate::handle::{Handle, Place, SHORT_BYTES};

/// Time between two looks whether others wait.
const LOOK: Duration = Duration::from_millis(250);

type Entering = Pin<Box<dyn Future<Output = Place> + Send>>;

/// What one connection knows of the command that it is in the middle of.
#[derive(Default)]
pub(super) struct Arrival {
    place: Option<Place>,
    /// It waits for a place, since then. Kept until it has one, or it would begin to wait anew.
    entering: Option<(Entering, Instant)>,
    /// Bytes that there is or will be a place for.
    bytes: usize,
    /// When it had its first place, without what it waited for more.
    begun: Option<Instant>,
}

/// What became of it.
pub(super) enum Change {
    /// It has its place.
    Entered,
    /// It is late, and others wait.
    Late,
}

impl Arrival {
    /// The command has so many bytes, as far as it is known by now.
    pub(super) fn announce(&mut self, bytes: usize, handle: &Handle) {
        if bytes <= SHORT_BYTES {
            *self = Arrival::default();
        } else if bytes > self.bytes {
            self.bytes = bytes + READ_BYTES;
            let (place, bytes, handle) = (self.place.take(), self.bytes, handle.clone());
            let entering = Box::pin(async move { handle.long_place(place, bytes).await });
            self.entering = Some((entering, Instant::now()));
        }
    }

    /// How much to read of it, of which so much is there and so much is wanted.
    pub(super) fn room(&self, there: usize, wanted: usize) -> usize {
        let most = if self.bytes > 0 { self.bytes - there } else { usize::MAX };
        wanted.max(READ_BYTES).min(most)
    }

    /// Whether nothing more may be read of it yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.entering.is_some()
    }

    /// Whether it is long, and has its place.
    pub(super) fn is_long(&self) -> bool {
        self.place.is_some()
    }

    /// It is there: its place goes with it.
    pub(super) fn take(&mut self) -> Option<Place> {
        std::mem::take(self).place
    }

    /// Waits until it has its place; or, if it has, until it is late and others wait for that, if so
    /// many bytes of it are there. Cancel safe.
    pub(super) async fn change(&mut self, there: usize, handle: &Handle) -> Change {
        if let Some((entering, since)) = &mut self.entering {
            self.place = Some(entering.await);
            let now = Instant::now();
            self.begun = Some(self.begun.map_or(now, |begun| begun + (now - *since)));
            self.entering = None;
            return Change::Entered;
        }
        let Some(begun) = self.begun else { return std::future::pending().await };
        late(begun, there, handle).await;
        Change::Late
    }
}

/// Waits until a place is kept for too long, since then and for so many bytes that have come or gone,
/// and others want one.
pub(super) async fn late(since: Instant, bytes: usize, handle: &Handle) {
    sleep_until(since + handle.patience(bytes)).await;
    while !handle.wants_long_places() {
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::handle::alone;

    async fn changes(arrival: &mut Arrival, handle: &Handle) -> Option<Change> {
        timeout(2 * LOOK, arrival.change(0, handle)).await.ok()
    }

    #[tokio::test]
    async fn a_long_command_is_read_when_it_has_a_place_and_keeps_it_while_nobody_else_waits() {
        let (handle, _submissions) = alone(4 << 20);
        let (mut first, mut second) = (Arrival::default(), Arrival::default());
        first.announce(SHORT_BYTES, &handle);
        assert!(!first.is_waiting(), "a short one needs none");
        first.announce(1 << 20, &handle);
        assert!(first.is_waiting() && !first.is_long());
        assert!(matches!(changes(&mut first, &handle).await, Some(Change::Entered)));
        assert!(!first.is_waiting() && first.is_long());
        // No more is read than there is a place for, and to the end of it no other one is needed.
        assert_eq!(first.room(1_000, (1 << 20) - 1_000), (1 << 20) - 1_000);
        assert_eq!(first.room((1 << 20) - 1, 1), READ_BYTES);
        assert_eq!(first.room((1 << 20) + 1_000, 1), READ_BYTES - 1_000);
        first.announce((1 << 20) + READ_BYTES, &handle);
        assert!(!first.is_waiting());
        // However much it has announced.
        first.begun = Instant::now().checked_sub(handle.patience(0));
        assert!(changes(&mut first, &handle).await.is_none(), "it is late, and in nobody's way");
        second.announce(SHORT_BYTES + 1, &handle);
        assert!(changes(&mut second, &handle).await.is_none());
        let since = second.entering.as_ref().map(|(_, since)| *since);
        second.announce(SHORT_BYTES + 1, &handle);
        assert_eq!(second.entering.as_ref().map(|(_, since)| *since), since, "it keeps its turn");
        let (one, other) =
            tokio::join!(changes(&mut second, &handle), changes(&mut first, &handle));
        assert!(one.is_none() && matches!(other, Some(Change::Late)));
        // Whoever waited goes on waiting, and is the next.
        drop(first);
        assert!(matches!(changes(&mut second, &handle).await, Some(Change::Entered)));
        // The rest of it was dropped as it came: too large.
        second.announce(1, &handle);
        assert!(!second.is_long());
    }
}
