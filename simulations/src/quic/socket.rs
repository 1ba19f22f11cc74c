//! What takes the place of a UDP socket: what is sent becomes a deed, what arrives waits in an inbox.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use chickadee::net::{RecvMeta, Transmit, UdpPoller, UdpSocket};

use super::deeds::{Deed, Doer};

/// Datagrams that wait for a process; what comes then is lost, as in the buffer of a socket.
const INBOX_MAX: usize = 4_096;

/// The socket of one process.
#[derive(Debug)]
pub struct Socket {
    addr: SocketAddr,
    doer: Doer,
    inbox: Mutex<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    /// The process is gone: nothing leaves any more, and nothing arrives.
    unbound: bool,
    waiting: VecDeque<(SocketAddr, Bytes)>,
    reader: Option<Waker>,
}

impl Socket {
    /// A socket of that address.
    pub fn bind(addr: SocketAddr, doer: Doer) -> Socket {
        Socket { addr, doer, inbox: Mutex::default() }
    }

    /// The process is gone. What its tasks may still say on their way out stays unsaid.
    pub fn unbind(&self) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        *inbox = Inbox { unbound: true, ..Inbox::default() };
    }

    /// A datagram arrives.
    pub fn arrive(&self, from: SocketAddr, bytes: Bytes) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.unbound || inbox.waiting.len() >= INBOX_MAX {
            return;
        }
        inbox.waiting.push_back((from, bytes));
        if let Some(reader) = inbox.reader.take() {
            reader.wake();
        }
    }
}

impl UdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.inbox.lock().unwrap_or_else(PoisonError::into_inner).unbound {
            return Ok(());
        }
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(size) {
            let bytes = Bytes::copy_from_slice(datagram);
            self.doer.did(Deed::Sent { to: transmit.destination, bytes });
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let Some((from, bytes)) = inbox.waiting.pop_front() else {
                break;
            };
            let len = bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&bytes[..len]);
            *meta = RecvMeta::default();
            (meta.addr, meta.len, meta.stride) = (from, len, len);
            count += 1;
        }
        if count == 0 {
            inbox.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    /// So that the search for a larger MTU is a part of what is simulated.
    fn may_fragment(&self) -> bool {
        false
    }
}

/// A send never waits: what is too much for a path is lost on it.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
