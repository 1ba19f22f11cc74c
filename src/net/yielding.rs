//! Congestion control of connections for bulk: gives way before others have to wait.
//!
//! What waits on its way, waits in front of others: in a router, and in the receiving socket, where
//! packets of all connections stand in one line. CUBIC fills either until something is lost, and a
//! small request behind it waits for milliseconds on a fast way and for a second on a narrow one. So
//! the window of bulk grows only as long as packets are not held up by more than [`TARGET`] beyond
//! the shortest trip seen lately, and shrinks beyond, as LEDBAT (RFC 6817) does. What CUBIC allows
//! still bounds it, so it is never less careful about losses.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::endpoint::{Controller, ControllerFactory, RttEstimator};

/// Packets may be held up by so long, or by a quarter of the trip if that is longer.
const TARGET: Duration = Duration::from_millis(2);
/// The shortest trip is remembered for so long, at least: the way may be another by then.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Least window, in packets.
const PACKETS_MIN: u64 = 10;
/// Packets by which the window grows in one trip.
const GROWTH: u64 = 2;

pub(super) struct Yielding {
    /// Makes what bounds the window as well.
    pub(super) within: Arc<dyn ControllerFactory + Send + Sync>,
}

impl ControllerFactory for Yielding {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        let within = self.within.clone().build(now, mtu);
        let window = within.initial_window().max(PACKETS_MIN * u64::from(mtu));
        let (mtu, shortest) = (u64::from(mtu), [Duration::MAX; 2]);
        Box::new(Yields { within, mtu, window, starts: true, shortest, since: now, shrunk_at: now })
    }
}

struct Yields {
    within: Box<dyn Controller>,
    mtu: u64,
    window: u64,
    /// Nothing was held up yet: it doubles with each trip.
    starts: bool,
    /// The shortest trip of this while, and of the one before.
    shortest: [Duration; 2],
    since: Instant,
    /// What was sent before says nothing about the window as it is now.
    shrunk_at: Instant,
}

impl Yields {
    fn note(&mut self, now: Instant, sent: Instant, bytes: u64, idle: bool) {
        let trip = now.saturating_duration_since(sent);
        if now.saturating_duration_since(self.since) > REMEMBERED {
            (self.shortest, self.since) = ([Duration::MAX, self.shortest[0]], now);
        }
        self.shortest[0] = self.shortest[0].min(trip);
        let base = self.shortest[0].min(self.shortest[1]);
        let (held_up, target) = (trip - base, TARGET.max(base / 4));
        if held_up > target {
            self.starts = false;
            if sent >= self.shrunk_at {
                // In proportion, by half at most, and once for each trip.
                let over = (held_up - target).min(target).as_nanos() as u64;
                let less = self.window / 2 * over / target.as_nanos() as u64;
                self.window = (self.window - less).max(PACKETS_MIN * self.mtu);
                self.shrunk_at = now;
            }
        } else if !idle {
            let trips = GROWTH * self.mtu * bytes / self.window.max(1);
            // What CUBIC does not allow is not saved up.
            let most = self.within.window().max(PACKETS_MIN * self.mtu);
            let grown = self.window + if self.starts { bytes } else { trips };
            self.window = grown.min(most.max(self.window));
        }
    }
}

impl Controller for Yields {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.within.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.within.on_ack(now, sent, bytes, app_limited, rtt);
        self.note(now, sent, bytes, app_limited);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.within.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.starts = false;
        self.within.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
        self.within.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.within.window().min(self.window)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Yields { within: self.within.clone_box(), ..*self })
    }

    fn initial_window(&self) -> u64 {
        self.within.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self.within.into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::endpoint::CubicConfig;

    const MTU: u64 = 1_200;

    /// One that CUBIC lets grow as it likes.
    fn yields(now: Instant) -> Yields {
        let within = Arc::new(CubicConfig::default().initial_window(1 << 30).clone());
        let within = within.build(now, MTU as u16);
        let (window, shortest) = (PACKETS_MIN * MTU, [Duration::MAX; 2]);
        Yields { within, mtu: MTU, window, starts: true, shortest, since: now, shrunk_at: now }
    }

    /// Trips of so many milliseconds, one after the other, each of a whole window.
    fn trips(control: &mut Yields, now: &mut Instant, ms: u64, count: usize) {
        for _ in 0..count {
            let sent = *now;
            *now += Duration::from_millis(ms);
            for _ in 0..control.window / MTU {
                control.note(*now, sent, MTU, false);
            }
        }
    }

    #[test]
    fn it_grows_until_packets_are_held_up_and_shrinks_then() {
        let mut now = Instant::now();
        let mut control = yields(now);
        trips(&mut control, &mut now, 1, 6);
        let grown = control.window;
        assert!(grown >= 32 * PACKETS_MIN * MTU, "{grown}");
        trips(&mut control, &mut now, 9, 1);
        assert!(control.window <= grown / 2 + MTU, "by half, and once for a trip");
        assert!(control.window >= grown / 2 - MTU);
        trips(&mut control, &mut now, 9, 20);
        assert_eq!(control.window, PACKETS_MIN * MTU);
        trips(&mut control, &mut now, 1, 5);
        let slowly = PACKETS_MIN * MTU + 5 * GROWTH * MTU;
        assert!((slowly - 5 * MTU..=slowly).contains(&control.window), "{}", control.window);
    }

    #[test]
    fn a_longer_way_is_not_taken_for_a_line_for_ever() {
        let mut now = Instant::now();
        let mut control = yields(now);
        trips(&mut control, &mut now, 1, 3);
        trips(&mut control, &mut now, 20, 100);
        let shrunk = control.window;
        assert_eq!(shrunk, PACKETS_MIN * MTU);
        now += 2 * REMEMBERED;
        trips(&mut control, &mut now, 20, 1);
        now += 2 * REMEMBERED;
        trips(&mut control, &mut now, 20, 50);
        assert!(control.window > shrunk);
    }

    #[test]
    fn what_is_idle_saves_nothing_up() {
        let now = Instant::now();
        let mut control = yields(now);
        let before = control.window;
        control.note(now + Duration::from_millis(1), now, MTU, true);
        assert_eq!(control.window, before);
    }
}
