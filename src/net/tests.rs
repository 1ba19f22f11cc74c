//! Real QUIC over loopback, one runtime, two or three nodes.
//!
//! In these tests a Hello is the sender's generation as eight bytes, and a node accepts every Hello
//! that it is told to settle.

mod bulk;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use super::*;
use crate::tls::{ClusterKey, Identity, NodeKey};

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Longer than anything here may take; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(10);

struct Node {
    id: NodeId,
    endpoint: Endpoint,
    events: EventReceiver,
}

fn identity(cluster: u8, name: &str) -> Identity {
    let cluster = ClusterKey::generate("test", [cluster; 32]).unwrap();
    Identity::new(&cluster, &NodeKey::derive(&cluster, name))
}

fn node(name: &str) -> Node {
    node_with(identity(1, name), ANYWHERE, 1, Options::default())
}

fn node_with(identity: Identity, at: SocketAddr, generation: u64, options: Options) -> Node {
    let id = NodeId(identity.id());
    let (endpoint, events) = Endpoint::bind(at, &identity, options).unwrap();
    endpoint.set_hello(Bytes::copy_from_slice(&generation.to_le_bytes()));
    Node { id, endpoint, events }
}

/// Two nodes, the one with the smaller id first.
fn pair(options: &Options) -> (Node, Node) {
    let make = |name| node_with(identity(1, name), ANYWHERE, 1, options.clone());
    let (a, b) = (make("a"), make("b"));
    if a.id < b.id { (a, b) } else { (b, a) }
}

impl Node {
    fn addr(&self) -> SocketAddr {
        self.endpoint.local_addr()
    }

    async fn event(&mut self) -> Event {
        timeout(DEADLINE, self.events.recv()).await.expect("no event").expect("endpoint is gone")
    }

    /// Accepts every Hello until an event comes that `wanted` takes.
    async fn settle<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.event().await;
            if let Event::Hello { link, bytes, .. } = &event {
                let generation = u64::from_le_bytes(bytes[..].try_into().unwrap());
                self.endpoint.accept(*link, Generation(generation));
            }
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    async fn up(&mut self) -> (NodeId, Generation) {
        self.settle(|event| match event {
            Event::Up { peer, generation, .. } => Some((*peer, *generation)),
            _ => None,
        })
        .await
    }

    async fn down(&mut self) -> String {
        self.settle(|event| match event {
            Event::Down { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await
    }

    async fn dial_failed(&mut self) -> DialError {
        self.settle(|event| match event {
            Event::DialFailed { error, .. } => Some(error.clone()),
            _ => None,
        })
        .await
    }

    async fn rejected(&mut self) -> (bool, String) {
        self.settle(|event| match event {
            Event::Rejected { another_key, reason, .. } => Some((*another_key, reason.clone())),
            _ => None,
        })
        .await
    }

    /// The next `count` frames, as (lane, content).
    async fn frames(&mut self, count: usize) -> Vec<(u8, Bytes)> {
        let mut all = Vec::new();
        self.settle(|event| {
            if let Event::Frames { lane, frames, .. } = event {
                all.extend(frames.iter().map(|frame| (*lane, frame.clone())));
            }
            (all.len() >= count).then_some(())
        })
        .await;
        all
    }
}

async fn connect(a: &mut Node, b: &mut Node) {
    assert!(a.endpoint.dial(b.addr(), Some(b.id)));
    let (at_a, at_b) = tokio::join!(a.up(), b.up());
    assert_eq!((at_a.0, at_b.0), (b.id, a.id));
}

fn numbered(number: u32, length: usize) -> Bytes {
    let mut frame = vec![0; length.max(4)];
    frame[..4].copy_from_slice(&number.to_le_bytes());
    frame.into()
}

fn number(frame: &Bytes) -> u32 {
    u32::from_le_bytes(frame[..4].try_into().unwrap())
}

#[tokio::test]
async fn frames_arrive_in_order_on_every_lane_both_ways() {
    let (mut a, mut b) = pair(&Options::default());
    connect(&mut a, &mut b).await;
    every_lane(&mut a, &mut b).await;
    every_lane(&mut b, &mut a).await;
    assert_eq!((a.endpoint.peers(), a.endpoint.connected(b.id)), (vec![b.id], true));
}

async fn every_lane(from: &mut Node, to: &mut Node) {
    let sizes = [4, 64, 1000, 70_000, 300_000];
    for i in 0..20u32 {
        for lane in 0..LANES as u8 {
            let frame = numbered(i, sizes[i as usize % sizes.len()]);
            from.endpoint.send(to.id, lane, frame).unwrap();
        }
    }
    from.endpoint.send(to.id, 0, Bytes::new()).unwrap();
    let frames = tokio::select! {
        frames = to.frames(20 * LANES + 1) => frames,
        // For the connection of bulk, which is greeted, too.
        () = from.settle(|_| None::<()>) => unreachable!(),
    };
    for lane in 0..LANES as u8 {
        let of_lane = frames.iter().filter(|(l, frame)| *l == lane && !frame.is_empty());
        let of_lane: Vec<&Bytes> = of_lane.map(|(_, frame)| frame).collect();
        assert!(of_lane.iter().map(|frame| number(frame)).eq(0..20), "lane {lane}");
        assert!(of_lane.iter().zip(sizes.iter().cycle()).all(|(f, size)| f.len() == *size));
    }
    assert_eq!(from.endpoint.queued(to.id), 0);
}

#[tokio::test]
async fn datagrams_arrive_and_have_a_limit() {
    let (mut a, mut b) = pair(&Options::default());
    let bytes = Bytes::from(vec![7; 1150]);
    assert_eq!(a.endpoint.datagram(b.id, bytes.clone()), Err(SendError::NotConnected));
    connect(&mut a, &mut b).await;
    a.endpoint.datagram(b.id, bytes.clone()).unwrap();
    let arrived = b.settle(|event| match event {
        Event::Datagram { peer, bytes, .. } => Some((*peer, bytes.clone())),
        _ => None,
    });
    assert_eq!(arrived.await, (a.id, bytes));
    let larger = Bytes::from(vec![7; 1151]);
    assert_eq!(a.endpoint.datagram(b.id, larger), Err(SendError::TooLarge));
}

/// The acceptor's frames wait in QUIC until the dialer's caller made up its mind, and the reverse.
#[tokio::test]
async fn nothing_is_read_before_it_is_accepted() {
    let (mut a, mut b) = pair(&Options::default());
    a.endpoint.dial(b.addr(), None);
    let Event::Hello { link, peer, dialed: true, addr, .. } = a.event().await else { panic!() };
    assert_eq!((peer, addr), (b.id, b.addr()));
    assert_eq!(a.endpoint.send(b.id, 0, Bytes::new()), Err(SendError::NotConnected));
    assert!(a.endpoint.accept(link, Generation(1)));
    assert!(!a.endpoint.accept(link, Generation(1)), "an answer is given once");
    for i in 0..10 {
        a.endpoint.send(b.id, 2, numbered(i, 64)).unwrap();
    }
    let Event::Hello { link, peer, dialed: false, .. } = b.event().await else { panic!() };
    assert_eq!(peer, a.id);
    let silence = timeout(Duration::from_millis(50), b.events.recv()).await;
    assert!(silence.is_err(), "{silence:?} before it was accepted");
    assert!(b.endpoint.accept(link, Generation(1)));
    assert!(matches!(b.event().await, Event::Up { .. }));
    assert_eq!(b.frames(10).await.len(), 10);
}

/// Both dial at once and send at once. Both links are read, both sides end on the link that the
/// smaller id dialed, and its twin goes away without a word to the callers.
#[tokio::test]
async fn a_simultaneous_dial_ends_in_one_link() {
    let options = Options { surplus_linger: Duration::from_millis(100), ..Options::default() };
    for _ in 0..5 {
        let (mut a, mut b) = pair(&options);
        a.endpoint.dial(b.addr(), Some(b.id));
        b.endpoint.dial(a.addr(), Some(a.id));
        tokio::join!(a.up(), b.up());
        let run = async |from: &mut Node, to: NodeId| {
            let (mut sent, mut got) = (0, Vec::new());
            while sent < 200 || got.len() < 200 {
                for _ in 0..if sent < 200 { 5 } else { 0 } {
                    from.endpoint.send(to, 1, numbered(sent, 500)).unwrap();
                    sent += 1;
                }
                // Only what is still to come is waited for.
                if got.len() < 200 {
                    got.extend(from.frames(1).await);
                }
            }
            let mut numbers: Vec<u32> = got.iter().map(|(_, frame)| number(frame)).collect();
            numbers.sort();
            assert!(numbers.into_iter().eq(0..200), "a frame was lost or doubled");
        };
        let (a_id, b_id) = (a.id, b.id);
        tokio::join!(run(&mut a, b_id), run(&mut b, a_id));
        let begun = Instant::now();
        while a.endpoint.links(b.id) + b.endpoint.links(a.id) > 2 {
            assert!(begun.elapsed() < DEADLINE, "the surplus link stays");
            let accept_late = async |node: &mut Node| {
                let _ = timeout(Duration::from_millis(20), node.settle(|_| None::<()>)).await;
            };
            tokio::join!(accept_late(&mut a), accept_late(&mut b));
        }
        a.endpoint.send(b.id, 0, numbered(1, 4)).unwrap();
        b.endpoint.send(a.id, 0, numbered(2, 4)).unwrap();
        assert_eq!((a.frames(1).await.len(), b.frames(1).await.len()), (1, 1));
    }
}

#[tokio::test]
async fn another_cluster_key_is_named_on_both_sides() {
    let mut a = node("a");
    let mut b = node_with(identity(2, "b"), ANYWHERE, 1, Options::default());
    a.endpoint.dial(b.addr(), None);
    assert_eq!(a.dial_failed().await, DialError::AnotherClusterKey);
    let (another_key, reason) = b.rejected().await;
    assert!(another_key, "{reason}");
}

#[tokio::test]
async fn a_frame_above_the_limit_ends_the_link_with_a_reason() {
    let mut a = node("a");
    let options = Options { frame_bytes_max: 1024, ..Options::default() };
    let mut b = node_with(identity(1, "b"), ANYWHERE, 1, options);
    connect(&mut a, &mut b).await;
    assert_eq!(b.endpoint.send(a.id, 0, vec![0; 1025].into()), Err(SendError::TooLarge));
    a.endpoint.send(b.id, 0, vec![0; 1024].into()).unwrap();
    b.frames(1).await;
    a.endpoint.send(b.id, 0, vec![0; 2000].into()).unwrap();
    let reason = "a frame of 2000 bytes, where 1024 are allowed";
    assert_eq!(b.down().await, reason);
    assert!(a.down().await.contains(reason));
    assert!(!a.endpoint.connected(b.id) && !b.endpoint.connected(a.id));
}

#[tokio::test]
async fn a_silent_address_fails_after_the_dial_timeout() {
    let mut a = node("a");
    let silent = std::net::UdpSocket::bind(ANYWHERE).unwrap();
    let closed = std::net::UdpSocket::bind(ANYWHERE).unwrap().local_addr().unwrap();
    let begun = Instant::now();
    assert!(a.endpoint.dial(silent.local_addr().unwrap(), None));
    assert!(!a.endpoint.dial(silent.local_addr().unwrap(), None), "one dial per address");
    assert!(a.endpoint.dial(closed, None));
    assert_eq!(a.dial_failed().await, DialError::Timeout);
    assert_eq!(a.dial_failed().await, DialError::Timeout);
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1100) && took < Duration::from_millis(1700), "{took:?}");
    assert!(a.endpoint.dial(closed, None), "the address may be dialed again");
}

/// The harm: without stable keys for resets and connection ids, the survivor's probes vanish in the
/// new process until the idle timeout, and the freshly started node is suspected.
#[tokio::test]
async fn a_restart_on_the_same_address_is_noticed_at_once() {
    let (mut a, mut b) = pair(&Options::default());
    connect(&mut a, &mut b).await;
    a.endpoint.send(b.id, 0, numbered(1, 64)).unwrap();
    b.frames(1).await;
    // Acknowledgements and MTU probes settle: a packet of theirs would already bring the reset.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (id, addr, name) =
        (b.id, b.addr(), if identity(1, "a").id() == b.id.0 { "a" } else { "b" });
    drop(b);
    let mut b = node_with(identity(1, name), addr, 2, Options::default());
    assert_eq!((b.id, b.addr()), (id, addr));
    // Killed is killed: no CLOSE frame has left.
    let silence = timeout(Duration::from_millis(100), a.events.recv()).await;
    assert!(silence.is_err() && a.endpoint.connected(id), "{silence:?}");

    let begun = Instant::now();
    a.endpoint.send(id, 0, numbered(2, 4)).unwrap();
    let reason = a.down().await;
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(100), "{took:?}");
    assert!(reason.contains("reset"), "{reason}");
    connect(&mut b, &mut a).await;
}

/// The harm: quinn spaces resets 20 ms apart, over all peers, so only one of them learnt it.
#[tokio::test]
async fn every_peer_notices_a_restart_at_once() {
    let mut b = node("b");
    let mut peers = Vec::new();
    for i in 0..10 {
        let mut peer = node(&format!("peer {i}"));
        connect(&mut peer, &mut b).await;
        peers.push(peer);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (id, addr) = (b.id, b.addr());
    drop(b);
    let _b = node_with(identity(1, "b"), addr, 2, Options::default());
    let begun = Instant::now();
    for peer in &peers {
        peer.endpoint.send(id, 0, numbered(2, 64)).unwrap();
    }
    for peer in &mut peers {
        peer.down().await;
    }
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_newer_life_replaces_the_older_at_once() {
    let mut a = node("a");
    let mut old = node_with(identity(1, "b"), ANYWHERE, 1, Options::default());
    connect(&mut old, &mut a).await;
    let mut new = node_with(identity(1, "b"), ANYWHERE, 2, Options::default());
    new.endpoint.dial(a.addr(), None);
    let (at_a, _) = tokio::join!(a.up(), new.up());
    assert_eq!(at_a, (new.id, Generation(2)), "a second Up, without a Down");
    let superseded = |event: &Event| match event {
        Event::Superseded { generation, addr } => Some((*generation, *addr)),
        _ => None,
    };
    assert_eq!(old.settle(superseded).await, (Generation(2), new.addr()));
    assert!(old.down().await.contains("newer life"));
    a.endpoint.send(new.id, 0, numbered(1, 4)).unwrap();
    new.frames(1).await;
    // And the former life does not come back.
    old.endpoint.dial(a.addr(), None);
    let (rejected, told) = tokio::join!(a.rejected(), old.settle(superseded));
    assert!(rejected.1.contains("newer life"));
    assert_eq!(told, (Generation(2), new.addr()), "it is told each time");
    assert!(a.endpoint.connected(new.id) && a.endpoint.links(new.id) == 1);
}

/// B takes no events. What A may queue for it is bounded, and nothing of it is lost.
#[tokio::test]
async fn a_slow_peer_fills_its_queue_and_no_more() {
    let options =
        Options { lane_bytes_max: 1 << 20, event_bytes_max: 1 << 20, ..Options::default() };
    let (mut a, mut b) = pair(&options);
    connect(&mut a, &mut b).await;
    let (mut sent, mut full) = (0u32, 0);
    // Full again and again: QUIC's windows are full too.
    while full < 20 {
        match a.endpoint.send(b.id, 0, numbered(sent, 50_000)) {
            Ok(()) => sent += 1,
            Err(error) => {
                assert_eq!(error, SendError::Full);
                full += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert!(a.endpoint.queued(b.id) <= 1 << 20);
    }
    let inside = (sent as usize) * 50_000;
    assert!(inside < 16 << 20, "{inside} bytes went somewhere");
    let frames = b.frames(sent as usize).await;
    assert!(frames.iter().map(|(_, frame)| number(frame)).eq(0..sent));
    while a.endpoint.queued(b.id) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_dialer_without_a_hello_is_rejected_in_time() {
    let options = Options { hello_timeout: Duration::from_millis(200), ..Options::default() };
    let (mut a, b) = pair(&options);
    let begun = Instant::now();
    let raw = b.endpoint.connect_raw(a.addr()).await;
    let (another_key, reason) = a.rejected().await;
    assert!(!another_key && reason.contains("Hello"), "{reason}");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert!(raw.closed().await.to_string().contains("Hello"));
}

#[tokio::test]
async fn an_unanswered_hello_fails_the_dial() {
    let options = Options { hello_timeout: Duration::from_millis(200), ..Options::default() };
    let (mut a, b) = pair(&options);
    a.endpoint.dial(b.addr(), None);
    let Event::Hello { link, .. } = a.event().await else { panic!() };
    // Whichever side's patience ends first.
    a.dial_failed().await;
    assert!(!a.endpoint.accept(link, Generation(1)), "too late");
    assert!(!a.endpoint.connected(b.id));
}

#[tokio::test]
async fn a_refusal_reaches_the_other_side() {
    let (mut a, mut b) = pair(&Options::default());
    // The dialer refuses the acceptor's Hello.
    a.endpoint.dial(b.addr(), None);
    let Event::Hello { link, .. } = a.event().await else { panic!() };
    a.endpoint.refuse(link, 7, "not you");
    let Event::Refused { addr, reason } = b.event().await else { panic!() };
    assert_eq!((addr, reason.as_str()), (a.addr(), "not you"));
    // The acceptor refuses the dialer's, which believes it is connected.
    a.endpoint.dial(b.addr(), None);
    a.up().await;
    let Event::Hello { link, .. } = b.event().await else { panic!() };
    b.endpoint.refuse(link, 8, "nor you");
    let refused = DialError::Refused { code: 8, reason: "nor you".to_owned() };
    assert_eq!(a.dial_failed().await, refused);
    assert!(a.down().await.contains("nor you"));
    assert!(!a.endpoint.connected(b.id));
    assert!(b.events.try_recv().is_none());
}

#[tokio::test]
async fn a_dial_that_finds_the_wrong_node_says_so() {
    let (mut a, b) = pair(&Options::default());
    a.endpoint.dial(b.addr(), Some(NodeId([9; 16])));
    assert_eq!(a.dial_failed().await, DialError::AnotherNode(b.id));
    a.endpoint.dial(a.addr(), None);
    let itself = DialError::Other("that is this node, or another process of its name".to_owned());
    assert_eq!(a.dial_failed().await, itself);
}

#[tokio::test]
async fn close_and_shutdown_tell_the_peer() {
    let (mut a, mut b) = pair(&Options::default());
    connect(&mut a, &mut b).await;
    a.endpoint.close(b.id, "declared down");
    assert_eq!(a.endpoint.send(b.id, 0, Bytes::new()), Err(SendError::NotConnected));
    assert_eq!(a.down().await, "declared down");
    assert!(b.down().await.contains("declared down"));
    connect(&mut b, &mut a).await;
    b.endpoint.shutdown("leaving", Duration::from_secs(1)).await;
    assert!(a.down().await.contains("leaving"));
}

/// Above `retry_above` a dialer must prove its address first, which costs it nothing but time.
#[tokio::test]
async fn a_crowded_acceptor_asks_for_a_proof_of_address() {
    let mut a = node("a");
    let options = Options { retry_above: 0, ..Options::default() };
    let mut b = node_with(identity(1, "b"), ANYWHERE, 1, options);
    connect(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_full_acceptor_refuses() {
    let mut a = node("a");
    let options = Options { accepted_max: 1, ..Options::default() };
    let mut b = node_with(identity(1, "b"), ANYWHERE, 1, options);
    connect(&mut a, &mut b).await;
    let mut c = node("c");
    c.endpoint.dial(b.addr(), None);
    let DialError::Other(reason) = c.dial_failed().await else { panic!() };
    assert!(reason.contains("refused"), "{reason}");
    // A place is free again when a link has ended.
    a.endpoint.close(b.id, "enough");
    b.down().await;
    c.endpoint.dial(b.addr(), None);
    tokio::join!(c.up(), b.up());
}

/// A member that breaks the rules of the lanes loses its link, and hears why.
#[tokio::test]
async fn broken_lanes_end_the_link() {
    let (mut a, b) = pair(&Options::default());
    let hello: &[u8] = &[4, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let before = "rejected";
    for (streams, end, wanted) in [
        (&[&[0, 1, 2][..]][..], before, "not the control lane"),
        (&[&[6]], before, "no lane 6"),
        (&[&[4, 255, 255, 255, 255]], before, "4294967295 bytes"),
        (&[hello, &[4]], "down", "lane 4 was opened twice"),
        (&[hello, &[200]], "down", "no lane 200"),
    ] {
        let raw = b.endpoint.connect_raw(a.addr()).await;
        let mut open = Vec::new();
        for bytes in streams {
            let mut stream = raw.open_uni().await.unwrap();
            stream.write_all(bytes).await.unwrap();
            open.push(stream);
        }
        let reason = if end == before { a.rejected().await.1 } else { a.down().await };
        assert!(reason.contains(wanted), "{reason} instead of {wanted}");
        assert!(raw.closed().await.to_string().contains(wanted));
    }
    // A lane that ends, in the midst of a frame.
    let raw = b.endpoint.connect_raw(a.addr()).await;
    let mut control = raw.open_uni().await.unwrap();
    control.write_all(hello).await.unwrap();
    control.write_all(&[9, 0, 0, 0, 1]).await.unwrap();
    control.finish().unwrap();
    assert_eq!(a.down().await, "a lane was ended");
}

/// Not a test but a measurement: processor time per 64-byte frame, both ends in one thread.
#[tokio::test]
#[ignore = "a measurement: run it alone, with --release and --nocapture"]
async fn cost_of_a_small_frame() {
    let (mut a, mut b) = pair(&Options::default());
    connect(&mut a, &mut b).await;
    let frame = Bytes::from(vec![7; 64]);
    for batch in [1, 16, 64, 1024] {
        let rounds = 300_000 / batch;
        let (begun, used) = (Instant::now(), thread_time());
        for _ in 0..rounds {
            for _ in 0..batch {
                a.endpoint.send(b.id, 0, frame.clone()).unwrap();
            }
            let mut left = batch;
            let mut events = Vec::new();
            while left > 0 {
                b.events.recv_many(&mut events, 64).await;
                for event in events.drain(..) {
                    if let Event::Frames { frames, .. } = event {
                        left -= frames.len();
                    }
                }
            }
        }
        let frames = (rounds * batch) as u32;
        let (wall, used) = (begun.elapsed() / frames, (thread_time() - used) / frames);
        println!("batches of {batch:4}: {used:?} processor time per frame, {wall:?} wall");
    }
}

/// Processor time of this thread (Linux).
fn thread_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0))
}
