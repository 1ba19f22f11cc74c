//! The socket, and who is connected.
//!
//! One UDP socket dials and accepts, so that the address a node is seen at is the address it can be
//! reached at. This is the only file that names quinn (besides [`tls`](crate::tls), which
//! configures its cryptography); what the rest of the layer needs of it is re-exported here.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use quinn_proto::{HashedConnectionIdGenerator, InvalidCid};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::arriving::{Arriving, Ledger};
use super::bulk::carry;
use super::connect::{accept_all, dial};
use super::events::{self, EventReceiver, EventSender};
use super::link::{Link, Verdict, close_surplus, code, superseded};
use super::probing::Probing;
use super::table::{Admission, Table};
use super::tasks::{Job, Tasks};
use super::yielding::Yielding;
use super::{BULK, LANES, LinkId, Options, SendError};
use crate::placement::peer::{Generation, NodeId};
use crate::tls::Identity;

pub(super) use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
pub(super) use quinn_proto::RttEstimator;

pub(super) use quinn::{
    ClientConfig, Connection, ConnectionError, Incoming, ReadError, RecvStream, SendStream,
    WriteError,
};

/// What tasks and timers run on; a simulator brings its own.
pub use quinn::{AsyncTimer, Runtime, default_runtime};

/// What datagrams go through; a simulator brings its own.
pub use quinn::{
    AsyncUdpSocket as UdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};

/// The receive buffer that is asked of the operating system, in bytes: at 1 Gbit/s about 60 ms, the
/// time that a busy or preempted node may not look. Less is given where the system's limit is less.
const SOCKET_BUFFER_BYTES: usize = 7 << 20;

/// A socket with its peers. Dropping it ends all of its tasks on the spot, without a word to any
/// peer, as if the process had been killed; [`shutdown`](Self::shutdown) says goodbye first.
///
/// All methods but `shutdown` return at once; what comes of them is an [`Event`](super::Event).
pub struct Endpoint {
    hub: Arc<Hub>,
    local_addr: SocketAddr,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.hub.tasks.kill();
    }
}

impl Endpoint {
    /// Binds a UDP socket. Must be called inside a tokio runtime, which then runs the endpoint.
    ///
    /// # Errors
    /// The socket's, such as an address in use.
    pub fn bind(
        listen: SocketAddr,
        identity: &Identity,
        options: Options,
    ) -> io::Result<(Endpoint, EventReceiver)> {
        let runtime = default_runtime()
            .ok_or_else(|| io::Error::other("an endpoint needs a tokio runtime around it"))?;
        let kind = socket2::Type::DGRAM;
        let domain = socket2::Domain::for_address(listen);
        let socket = socket2::Socket::new(domain, kind, Some(socket2::Protocol::UDP))?;
        if listen.is_ipv6() {
            // One socket for both, where the system can; it matters for a wildcard only.
            let _ = socket.set_only_v6(false);
        }
        // Both are wishes: the system cuts them to its own limits.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        socket.bind(&listen.into())?;
        let socket = runtime.wrap_udp_socket(socket.into())?;
        Self::with_socket(socket, runtime, identity, options)
    }

    /// Uses a socket and a runtime of the caller's, for a simulated network. Timeouts of this layer
    /// are tokio's, so they follow its paused clock.
    ///
    /// # Errors
    /// The socket's.
    pub fn with_socket(
        socket: Arc<dyn UdpSocket>,
        runtime: Arc<dyn Runtime>,
        identity: &Identity,
        options: Options,
    ) -> io::Result<(Endpoint, EventReceiver)> {
        let local_addr = socket.local_addr()?;
        let tasks = Arc::new(Tasks::new(runtime));
        let control = Arc::new(Probing { tasks: tasks.clone() });
        let of_links = Arc::new(transport(control.clone()));
        let server = server_config(identity, &of_links, &tasks, &options);
        let quic = quinn::Endpoint::new_with_abstract_socket(
            endpoint_config(identity),
            Some(server),
            socket,
            tasks.clone(),
        )?;
        let mut client = quinn::ClientConfig::new(identity.client_crypto());
        client.transport_config(of_links);
        let mut bulk_client = client.clone();
        bulk_client.transport_config(Arc::new(transport(Arc::new(Yielding { within: control }))));
        let own = NodeId(identity.id());
        let arriving = (options.arriving_bytes_max, options.arriving_bytes_max_of_one);
        let (events, receiver) = events::channel(options.events_max, options.event_bytes_max);
        let hub = Arc::new(Hub {
            own,
            identity: identity.clone(),
            tasks,
            table: Mutex::new(Table::new(own)),
            events,
            quic,
            client,
            bulk_client,
            hello: Mutex::new(Bytes::new()),
            verdicts: Mutex::new(BTreeMap::new()),
            next_link: AtomicU64::new(0),
            dialing: Mutex::new(BTreeSet::new()),
            dials: Semaphore::new(options.dials_max.max(1)),
            handshakes: Arc::default(),
            accepted: Arc::default(),
            arriving: Arriving::new(arriving.0, arriving.1, options.arriving_pause),
            options,
        });
        hub.start(accept_all(hub.clone()));
        Ok((Endpoint { hub, local_addr }, receiver))
    }

    /// The address that the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Sets the Hello of connections that are made from now on.
    ///
    /// # Panics
    /// If it is larger than [`Options::hello_bytes_max`].
    pub fn set_hello(&self, hello: Bytes) {
        assert!(hello.len() <= self.hub.options.hello_bytes_max, "the own Hello is too large");
        *self.hub.hello.lock() = hello;
    }

    /// Dials an address. Leads to [`Event::Hello`](super::Event::Hello) or
    /// [`Event::DialFailed`](super::Event::DialFailed).
    ///
    /// Answers `false`, and no event follows, if a dial to this address is under way or too many
    /// wait.
    pub fn dial(&self, addr: SocketAddr, expected: Option<NodeId>) -> bool {
        {
            let mut dialing = self.hub.dialing.lock();
            let room = dialing.len() < self.hub.options.dials_waiting_max;
            if !room || !dialing.insert(addr) {
                return false;
            }
        }
        self.hub.start(dial(self.hub.clone(), addr, expected));
        true
    }

    /// Accepts a link after its [`Event::Hello`](super::Event::Hello). Frames can be sent at once;
    /// [`Event::Up`](super::Event::Up) follows if it is the peer's first link, or its generation is
    /// newer than the ones connected, whose links are closed.
    ///
    /// Answers `false` if the link is gone, or a newer generation of the peer is connected.
    pub fn accept(&self, link: LinkId, generation: Generation) -> bool {
        let Some((link, answer)) = self.hub.verdicts.lock().remove(&link) else {
            return false;
        };
        let addr = link.addr;
        let admission = self.hub.table.lock().admit(link, generation);
        let (verdict, admitted) = match admission {
            Admission::Stale(newer, addr) => (Verdict::Stale(newer, addr), false),
            Admission::Unwanted(link) => {
                link.close(code::UNWANTED, "there is no link to that life of the node");
                (Verdict::Declined, false)
            }
            Admission::Admitted { outbox, announce, replaced, surplus } => {
                for link in replaced {
                    link.retire(false);
                    link.close(code::REPLACED, &superseded(generation, addr));
                }
                for link in surplus {
                    self.hub.start(close_surplus(self.hub.clone(), link));
                }
                (Verdict::Accepted { outbox, announce, generation }, true)
            }
        };
        // Whoever waits for the answer withdraws the question first, so it is still there.
        let _ = answer.send(verdict);
        admitted
    }

    /// Refuses a link after its [`Event::Hello`](super::Event::Hello): it is closed, the peer is
    /// told the code and the reason, and no further event comes of it here.
    pub fn refuse(&self, link: LinkId, code: u32, reason: &str) {
        if let Some((link, answer)) = self.hub.verdicts.lock().remove(&link) {
            link.close(code::REFUSED + u64::from(code), reason);
            let _ = answer.send(Verdict::Declined);
        }
    }

    /// Queues a frame for a peer on a lane: 0 to 3 for operations, [`CONTROL`](super::CONTROL),
    /// [`BULK`].
    ///
    /// # Errors
    /// A [`SendError`]; nothing was queued.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn send(&self, peer: NodeId, lane: u8, frame: Bytes) -> Result<(), SendError> {
        assert!(usize::from(lane) < LANES, "there is no lane {lane}");
        if frame.len() > self.hub.options.frame_bytes_max {
            return Err(SendError::TooLarge);
        }
        let mut table = self.hub.table.lock();
        if lane == BULK {
            let carrier = table.carrier(peer).ok_or(SendError::NotConnected)?;
            let (link, dial) = (carrier.link, carrier.dial);
            carrier.outbox.push(link, lane, frame, self.hub.options.bulk_bytes_max)?;
            if let Some((generation, addr)) = dial {
                self.hub.start(carry(self.hub.clone(), peer, generation, addr));
            }
            return Ok(());
        }
        let (link, outbox) = table.sending(peer).ok_or(SendError::NotConnected)?;
        outbox.push(Some(link), lane, frame, self.hub.options.lane_bytes_max)
    }

    /// Queues a large frame for a peer, given in two parts so that neither need be copied: it arrives
    /// whole, on [`LARGE`](super::LARGE), in no order with others.
    ///
    /// # Errors
    /// A [`SendError`]; nothing was queued.
    pub fn send_large(&self, peer: NodeId, frame: [Bytes; 2]) -> Result<(), SendError> {
        if frame[0].len() + frame[1].len() > self.hub.options.frame_bytes_max {
            return Err(SendError::TooLarge);
        }
        let mut table = self.hub.table.lock();
        let carrier = table.carrier(peer).ok_or(SendError::NotConnected)?;
        let (link, dial) = (carrier.link, carrier.dial);
        carrier.outbox.push_large(link, frame, self.hub.options.large_bytes_max)?;
        if let Some((generation, addr)) = dial {
            self.hub.start(carry(self.hub.clone(), peer, generation, addr));
        }
        Ok(())
    }

    /// Sends a datagram to a peer, with luck: it may be lost without notice, and of many at once
    /// the oldest are dropped.
    ///
    /// # Errors
    /// A [`SendError`], never `Full`.
    pub fn datagram(&self, peer: NodeId, bytes: Bytes) -> Result<(), SendError> {
        if bytes.len() > self.hub.options.datagram_bytes_max {
            return Err(SendError::TooLarge);
        }
        let table = self.hub.table.lock();
        let (link, _) = table.sending(peer).ok_or(SendError::NotConnected)?;
        link.connection.send_datagram(bytes).map_err(|error| match error {
            quinn::SendDatagramError::TooLarge => SendError::TooLarge,
            _ => SendError::NotConnected,
        })
    }

    /// Closes all links of a peer, what waits for it is dropped.
    /// [`Event::Down`](super::Event::Down) follows if it was connected. Links whose Hello waits for
    /// an answer are left alone: [`refuse`](Self::refuse) is for them.
    pub fn close(&self, peer: NodeId, reason: &str) {
        let links = self.hub.table.lock().remove(peer);
        for (place, link) in links.into_iter().enumerate() {
            link.retire(place == 0);
            link.close(code::CLOSED, reason);
        }
    }

    /// Closes every connection and waits, at most `patience`, until the peers know.
    pub async fn shutdown(&self, reason: &str, patience: Duration) {
        self.hub.quic.close(close_code(code::CLOSED), reason.as_bytes());
        let _ = timeout(patience, self.hub.quic.wait_idle()).await;
    }

    /// Whether a frame to this peer would be queued.
    pub fn connected(&self, peer: NodeId) -> bool {
        self.hub.table.lock().sending(peer).is_some()
    }

    /// Every connected peer, in order.
    pub fn peers(&self) -> Vec<NodeId> {
        self.hub.table.lock().peers()
    }

    /// Bytes that wait for this peer and were not yet taken by QUIC, but for those of bulk.
    pub fn queued(&self, peer: NodeId) -> usize {
        self.hub.table.lock().sending(peer).map_or(0, |(_, outbox)| outbox.bytes())
    }

    /// Bytes of large frames that wait for this peer or are under way to it.
    pub fn queued_large(&self, peer: NodeId) -> usize {
        self.hub.table.lock().sending(peer).map_or(0, |(_, outbox)| outbox.large_bytes())
    }

    /// Peers for whom large frames wait, or are under way.
    pub fn awaited_large(&self) -> impl Iterator<Item = NodeId> {
        self.hub.table.lock().awaited_large().into_iter()
    }

    /// Drops the large frames that wait for a peer or are under way to it, and closes the
    /// connection that carries them; the next one is dialed for the next frame. Where they go over
    /// the link, they are left.
    pub fn give_up_large(&self, peer: NodeId, reason: &str) {
        if let Some(link) = self.hub.table.lock().give_up_large(peer) {
            // Its dialer, too, is to take it for an end that was meant.
            link.retire(false);
            link.close(code::SURPLUS, reason);
        }
    }

    /// Says who accounts for large frames that arrive; once, before any peer is connected.
    pub fn set_ledger(&self, ledger: Arc<dyn Ledger>) {
        self.hub.arriving.set_ledger(ledger);
    }

    /// QUIC's estimate of the round trip to this peer.
    pub fn round_trip(&self, peer: NodeId) -> Option<Duration> {
        self.hub.table.lock().sending(peer).map(|(link, _)| link.connection.rtt())
    }

    /// Datagrams and [`Event::Rejected`](super::Event::Rejected) that were dropped because the
    /// caller took no events.
    pub fn events_dropped(&self) -> u64 {
        self.hub.events.dropped()
    }

    #[cfg(test)]
    pub(super) fn links(&self, peer: NodeId) -> usize {
        self.hub.table.lock().links(peer)
    }

    /// Connections for bulk to and from a peer.
    #[cfg(test)]
    pub(super) fn bulk_links(&self, peer: NodeId) -> (bool, bool) {
        self.hub.table.lock().bulk_links(peer)
    }

    /// Connections that were accepted and are not gone.
    #[cfg(test)]
    pub(super) fn accepted(&self) -> usize {
        self.hub.accepted.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) async fn connect_raw(&self, addr: SocketAddr) -> Connection {
        self.hub.connect(&self.hub.client, addr).await.expect("the raw dial of a test").0
    }
}

type Waiting = (Arc<Link>, oneshot::Sender<Verdict>);

/// What the endpoint's tasks share.
pub(super) struct Hub {
    pub(super) own: NodeId,
    pub(super) identity: Identity,
    pub(super) options: Options,
    pub(super) tasks: Arc<Tasks>,
    pub(super) table: Mutex<Table>,
    pub(super) events: EventSender,
    pub(super) quic: quinn::Endpoint,
    pub(super) client: quinn::ClientConfig,
    /// For connections for bulk, which give way.
    pub(super) bulk_client: quinn::ClientConfig,
    hello: Mutex<Bytes>,
    /// Links that wait for the caller's answer to their Hello.
    verdicts: Mutex<BTreeMap<LinkId, Waiting>>,
    next_link: AtomicU64,
    /// Addresses being dialed, so that each is dialed once at a time.
    pub(super) dialing: Mutex<BTreeSet<SocketAddr>>,
    pub(super) dials: Semaphore,
    pub(super) handshakes: Arc<AtomicUsize>,
    pub(super) accepted: Arc<AtomicUsize>,
    pub(super) arriving: Arriving,
}

impl Hub {
    pub(super) fn hello(&self) -> Bytes {
        self.hello.lock().clone()
    }

    pub(super) fn await_verdict(&self, link: Arc<Link>, answer: oneshot::Sender<Verdict>) {
        self.verdicts.lock().insert(link.id, (link, answer));
    }

    /// Whether the caller had not answered yet; now it cannot.
    pub(super) fn forget_verdict(&self, link: LinkId) -> bool {
        self.verdicts.lock().remove(&link).is_some()
    }

    pub(super) fn start(&self, job: impl Future<Output = ()> + Send + 'static) {
        self.tasks.start(Box::pin(job));
    }

    pub(super) fn link(
        &self,
        peer: NodeId,
        addr: SocketAddr,
        dialed: bool,
        to: Connection,
    ) -> Arc<Link> {
        let id = LinkId(self.next_link.fetch_add(1, Ordering::Relaxed));
        Arc::new(Link::new(id, peer, addr, dialed, to, self.arriving.of_one()))
    }
}

// ---------------------------------------------------------------------------------------------
// Configuring quinn
// ---------------------------------------------------------------------------------------------

fn transport(
    control: Arc<dyn ControllerFactory + Send + Sync + 'static>,
) -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        // Longer than any suspicion, so that a refutation does not pay a handshake. Whether a peer
        // lives is not judged here, so there is no keep-alive either.
        .max_idle_timeout(Some(quinn::VarInt::from_u32(600_000).into()))
        .keep_alive_interval(None)
        // With the default of 333 ms one lost packet of a handshake takes longer than a probe.
        .initial_rtt(Duration::from_millis(50))
        .initial_mtu(1200)
        .min_mtu(1200)
        .mtu_discovery_config(Some(quinn::MtuDiscoveryConfig::default()))
        .max_concurrent_uni_streams(16u32.into())
        .max_concurrent_bidi_streams(0u32.into())
        .stream_receive_window((1u32 << 20).into())
        .receive_window((8u32 << 20).into())
        .send_window(8 << 20)
        .congestion_controller_factory(control)
        // Small, so that a silent peer is not sent seconds of stale probes when it wakes up.
        .datagram_send_buffer_size(64 << 10)
        .datagram_receive_buffer_size(Some(256 << 10));
    transport
}

fn server_config(
    identity: &Identity,
    transport: &Arc<quinn::TransportConfig>,
    tasks: &Arc<Tasks>,
    options: &Options,
) -> quinn::ServerConfig {
    let mut server = quinn::ServerConfig::with_crypto(identity.server_crypto());
    let mut tokens = quinn::ValidationTokenConfig::default();
    tokens.sent(0).log(Arc::new(quinn::NoneTokenLog));
    server
        .transport_config(transport.clone())
        .max_incoming(options.handshakes_max)
        .validation_token_config(tokens)
        .time_source(Arc::new(Elapsed { start: tasks.runtime.now(), tasks: tasks.clone() }));
    server
}

fn endpoint_config(identity: &Identity) -> quinn::EndpointConfig {
    // Both keys are the same in every life of the node. Then a restarted node answers packets of
    // an old connection with a reset that the peer believes, and the peer knows in milliseconds.
    // With the reset key alone the packet would not be recognised as ours, and dropped.
    let mut config = quinn::EndpointConfig::new(identity.reset_key());
    let key = identity.connection_id_key();
    let seed = identity.rng_seed();
    config.rng_seed(seed);
    // By default one reset in 20 ms leaves, to whichever peer comes first. The others of a
    // restarted node retransmit into the void, ever more slowly, until one of their packets is
    // lucky. A reset is smaller than the packet it answers, and is itself never answered, so there
    // is nothing to amplify.
    config.min_reset_interval(Duration::ZERO);
    config.cid_generator(move || match seed {
        None => Box::new(HashedConnectionIdGenerator::from_key(key)),
        Some(seed) => Box::new(SeededIds { key, rng: ChaCha8Rng::from_seed(seed) }),
    });
    config
}

/// Connection ids for a simulation: as quinn's hashed ones, but drawn from a seed.
struct SeededIds {
    key: u64,
    rng: ChaCha8Rng,
}

impl SeededIds {
    fn id(&self, nonce: [u8; 4]) -> quinn::ConnectionId {
        let mark = xxhash_rust::xxh3::xxh3_64_with_seed(&nonce, self.key) as u32;
        quinn::ConnectionId::new(&[nonce, mark.to_le_bytes()].concat())
    }
}

impl quinn::ConnectionIdGenerator for SeededIds {
    fn generate_cid(&mut self) -> quinn::ConnectionId {
        let nonce = self.rng.next_u32().to_le_bytes();
        self.id(nonce)
    }

    fn validate(&self, cid: &quinn::ConnectionId) -> Result<(), InvalidCid> {
        let nonce = cid.first_chunk().ok_or(InvalidCid)?;
        if *cid == self.id(*nonce) { Ok(()) } else { Err(InvalidCid) }
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The clock of retry tokens, which only this endpoint reads again: the runtime's, so that no
/// change of the wall clock voids them, and a simulation replays.
struct Elapsed {
    start: Instant,
    tasks: Arc<Tasks>,
}

impl quinn::TimeSource for Elapsed {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.tasks.runtime.now().saturating_duration_since(self.start)
    }
}

/// quinn's own tasks are started, and ended, with ours.
impl Runtime for Tasks {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn quinn::AsyncTimer>> {
        self.runtime.new_timer(at)
    }

    fn spawn(&self, job: Job) {
        self.start(job);
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpSocket>> {
        self.runtime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }
}

pub(super) fn close_code(code: u64) -> quinn::VarInt {
    quinn::VarInt::from_u64(code).expect("our codes are far below 2^62")
}
