//! What quinn and the transport of one process start their tasks on.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use chickadee::net::{AsyncTimer, Runtime, UdpSocket, default_runtime};

use super::gate::{Gate, Gated, Job};

/// tokio, with a gate before every task.
#[derive(Debug)]
pub struct GatedRuntime {
    tokio: Arc<dyn Runtime>,
    gate: Arc<Gate>,
}

impl GatedRuntime {
    /// The tasks of one process. Must be called inside a tokio runtime.
    pub fn new(gate: Arc<Gate>) -> GatedRuntime {
        GatedRuntime { tokio: default_runtime().expect("tokio is around"), gate }
    }
}

impl Runtime for GatedRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        self.tokio.new_timer(at)
    }

    fn spawn(&self, job: Job) {
        self.tokio.spawn(Box::pin(Gated::new(self.gate.clone(), job)));
    }

    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> std::io::Result<Arc<dyn UdpSocket>> {
        Err(std::io::Error::other("there are no real sockets in a simulation"))
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }
}
