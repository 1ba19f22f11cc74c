//! Congestion control that keeps trying a silent path at the caller's pace.
//!
//! When a path is cut, QUIC fills its congestion window and then sends nothing but probes, twice as
//! far apart each time. Cut for 15 s, a link would wait up to another 15 s after the path has
//! healed, and more if those few probes are lost. A probe of membership is due every 200 ms, but it
//! counts against the window and waits too. So after a time without any acknowledgement the window
//! grows by one packet per [`STEP`]: whatever the caller sends then finds out that the path is
//! back, and its acknowledgement brings everything else. A dead path costs four packets a second,
//! and only while the caller has something to send. All else is CUBIC (RFC 9438).

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::endpoint::{Controller, ControllerFactory, CubicConfig, RttEstimator};
use super::tasks::Tasks;

/// Silence per packet beyond the window.
const STEP: Duration = Duration::from_millis(250);

/// Packets beyond the window at most: a minute's worth; by then a peer was declared down.
const PACKETS_MAX: u32 = 240;

pub(super) struct Probing {
    /// Read for its clock: a window is asked for without the time.
    pub(super) tasks: Arc<Tasks>,
}

impl ControllerFactory for Probing {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        let cubic = Arc::new(CubicConfig::default()).build(now, mtu);
        let tasks = self.tasks.clone();
        Box::new(ProbingCubic { cubic, tasks, mtu, unanswered_since: None })
    }
}

struct ProbingCubic {
    cubic: Box<dyn Controller>,
    tasks: Arc<Tasks>,
    mtu: u16,
    /// When the first packet was sent after the last acknowledgement.
    unanswered_since: Option<Instant>,
}

impl Controller for ProbingCubic {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.unanswered_since.get_or_insert(now);
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.unanswered_since = None;
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = new_mtu;
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        let silence = self.unanswered_since.map_or(Duration::ZERO, |since| {
            self.tasks.runtime.now().saturating_duration_since(since)
        });
        let packets = (silence.as_millis() / STEP.as_millis()) as u32;
        self.cubic.window() + u64::from(packets.min(PACKETS_MAX)) * u64::from(self.mtu)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(ProbingCubic {
            cubic: self.cubic.clone_box(),
            tasks: self.tasks.clone(),
            mtu: self.mtu,
            unanswered_since: self.unanswered_since,
        })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self.cubic.into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::endpoint::default_runtime;

    #[tokio::test]
    async fn silence_widens_the_window_and_rest_does_not() {
        let runtime = default_runtime().unwrap();
        let now = runtime.now();
        let factory = Arc::new(Probing { tasks: Arc::new(Tasks::new(runtime)) });
        let resting = factory.clone().build(now, 1200);
        let base = resting.initial_window();
        assert_eq!(resting.window(), base);

        let silent = |for_how_long: Duration| {
            let mut controller = factory.clone().build(now, 1200);
            controller.on_sent(now - for_how_long, 1200, 0);
            // A later packet does not make the silence shorter.
            controller.on_sent(now, 1200, 1);
            controller.window() - base
        };
        assert_eq!(silent(Duration::ZERO), 0);
        // Half a step more, so that a slow machine does not reach the next one.
        assert_eq!(silent(STEP * 4 + STEP / 2), 4 * 1200);
        assert_eq!(silent(Duration::from_secs(3600)), 240 * 1200);
    }
}
