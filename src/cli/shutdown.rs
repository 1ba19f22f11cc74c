//! The signals that end a node: the first one asks, a second one does not.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long an end may take before it comes anyway. Supervisors kill after 10 s.
pub(super) const STOP_MAX: Duration = Duration::from_secs(9);
/// The same signal again within this time is the same one.
const AGAIN_MIN: Duration = Duration::from_millis(300);

/// Interrupt (Ctrl-C), termination, and hangup (the terminal was closed).
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    /// The one that came last.
    last: Option<Ended>,
}

/// Which one came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Interrupted,
    Terminated,
    HungUp,
}

impl Signals {
    /// From now on signals end nothing by themselves.
    pub(super) fn install() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match hangup_is_ignored() {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
            last: None,
        })
    }

    /// Waits for the next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Ended {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            _ = self.interrupt.recv() => Ended::Interrupted,
            _ = self.terminate.recv() => Ended::Terminated,
            _ = hangup => Ended::HungUp,
        };
        self.last = Some(ended);
        ended
    }

    /// Waits for an orderly end, unless it takes too long or a signal says to hurry.
    pub(super) async fn or_at_once(&mut self, end: impl Future<Output = ()>) -> ExitCode {
        tokio::select! {
            _ = tokio::time::timeout(STOP_MAX, end) => ExitCode::SUCCESS,
            ended = self.another() => ended.code(),
        }
    }

    /// Waits for the next one that is not the first one again: whoever signals a process and its
    /// group (`timeout` and some shells do) means it once.
    async fn another(&mut self) -> Ended {
        let (first, begun) = (self.last, tokio::time::Instant::now());
        loop {
            let ended = self.next().await;
            if Some(ended) != first || begun.elapsed() >= AGAIN_MIN {
                return ended;
            }
        }
    }
}

impl Ended {
    /// What a shell reports of a process that the signal killed.
    pub(super) fn code(self) -> ExitCode {
        match self {
            Ended::Interrupted => ExitCode::from(130),
            Ended::Terminated => ExitCode::from(143),
            Ended::HungUp => ExitCode::from(129),
        }
    }
}

/// Whether whoever started this process, `nohup` for one, had it ignore the end of the terminal: to
/// listen to the signal would undo that. Where the system does not tell, it is listened to.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The mask's lowest bit is signal 1, which is this one.
    ignored.is_some_and(|mask| mask & 1 != 0)
}
