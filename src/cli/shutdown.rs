//! The two signals that end a node: the first one asks, a second one does not.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long an end may take before it comes anyway. Supervisors kill after 10 s.
pub(super) const STOP_MAX: Duration = Duration::from_secs(9);

/// Interrupt (Ctrl-C) and termination.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Which one came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    Interrupted,
    Terminated,
}

impl Signals {
    /// From now on signals end nothing by themselves.
    pub(super) fn install() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Ended {
        tokio::select! {
            _ = self.interrupt.recv() => Ended::Interrupted,
            _ = self.terminate.recv() => Ended::Terminated,
        }
    }

    /// Waits for an orderly end, unless it takes too long or a signal says to hurry.
    pub(super) async fn or_at_once(&mut self, end: impl Future<Output = ()>) -> ExitCode {
        tokio::select! {
            _ = tokio::time::timeout(STOP_MAX, end) => ExitCode::SUCCESS,
            ended = self.next() => ended.code(),
        }
    }
}

impl Ended {
    /// What a shell reports of a process that the signal killed.
    pub(super) fn code(self) -> ExitCode {
        match self {
            Ended::Interrupted => ExitCode::from(130),
            Ended::Terminated => ExitCode::from(143),
        }
    }
}
