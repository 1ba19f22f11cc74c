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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quic::deeds::{Deeds, Who};

    #[test]
    fn nothing_leaves_or_arrives_once_it_is_unbound() {
        let deeds = Arc::new(Deeds::default());
        let doer = Doer::new(Who { host: 0, life: 1 }, deeds.clone());
        let addr = SocketAddr::from(([10, 0, 0, 1], 7379));
        let socket = Socket::bind(addr, doer);
        let contents = &[7; 2_500];
        let send = Transmit {
            destination: addr,
            ecn: None,
            contents,
            segment_size: Some(1_200),
            src_ip: None,
        };
        socket.try_send(&send).unwrap();
        let lengths = deeds.take().into_iter().map(|(_, deed)| match deed {
            Deed::Sent { bytes, .. } => bytes.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(lengths.collect::<Vec<_>>(), [1_200, 1_200, 100], "one by one");
        socket.arrive(addr, Bytes::from_static(b"in time"));
        socket.unbind();
        socket.arrive(addr, Bytes::from_static(b"too late"));
        socket.try_send(&send).unwrap();
        assert!(deeds.take().is_empty());
        let (mut buffer, mut meta) = ([0; 1_500], [RecvMeta::default()]);
        let mut cx = Context::from_waker(Waker::noop());
        let read = socket.poll_recv(&mut cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta);
        assert!(read.is_pending());
    }
}
