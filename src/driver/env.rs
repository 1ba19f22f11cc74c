//! What the loop is given, and who looks on.

use bytes::Bytes;
use rand::rngs::ChaCha12Rng;

use crate::handle::Time;
use crate::node::Node;
use crate::node::event::Notice;

/// Where a node's time and randomness come from.
#[derive(Debug)]
pub struct Env {
    /// Its clocks.
    pub time: Time,
    /// For everything that it draws.
    pub rng: ChaCha12Rng,
}

impl Env {
    /// The system's.
    pub(super) fn real() -> Env {
        Env { time: Time::start(), rng: rand::make_rng() }
    }
}

/// Is told what happens in a driver. Only looks on; `()` does not even that, and costs nothing.
pub trait Observer: Send + 'static {
    /// The node had a turn, and its outputs are carried out.
    fn turn(&mut self, node: &Node);
    /// A frame or datagram is handed to the network: its bytes, and a value at its end or nothing.
    fn sends(&mut self, bytes: &Bytes, value: &Bytes);
    /// The node has something to say to an operator.
    fn notice(&mut self, notice: &Notice);
}

impl Observer for () {
    fn turn(&mut self, _: &Node) {}
    fn sends(&mut self, _: &Bytes, _: &Bytes) {}
    fn notice(&mut self, _: &Notice) {}
}
