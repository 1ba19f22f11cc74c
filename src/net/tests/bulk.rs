//! The connection for bulk: that there is one, when there is none, and what a peer may do with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const LINGER: Duration = Duration::from_millis(150);
const RETRY: Duration = Duration::from_millis(300);

fn options() -> Options {
    Options { bulk_linger: LINGER, bulk_retry: RETRY, ..Options::default() }
}

/// Both accept every Hello until `to` has so many frames of bulk. Returns the links they came on.
async fn carried(from: &mut Node, to: &mut Node, count: usize) -> Vec<LinkId> {
    let mut links = Vec::new();
    let arrive = to.settle(|event| {
        if let Event::Frames { link, lane: BULK, frames, .. } = event {
            links.extend(frames.iter().map(|_| *link));
        }
        (links.len() >= count).then_some(())
    });
    tokio::select! {
        () = arrive => {}
        () = accepting(from) => {}
    }
    links
}

/// Accepts every Hello, for ever.
async fn accepting(node: &mut Node) {
    loop {
        let _ = timeout(DEADLINE, node.settle(|_| None::<()>)).await;
    }
}

/// Connects, and returns the link that `b` has to `a`.
async fn linked(a: &mut Node, b: &mut Node) -> LinkId {
    assert!(a.endpoint.dial(b.addr(), Some(b.id)));
    let up = b.settle(|event| match event {
        Event::Up { link, .. } => Some(*link),
        _ => None,
    });
    tokio::join!(a.up(), up).1
}

async fn until(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "it takes too long");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn bulk_has_a_connection_of_its_own_until_it_is_silent() {
    let (mut a, mut b) = pair(&options());
    let link = linked(&mut a, &mut b).await;
    for _ in 0..2 {
        for i in 0..50 {
            a.endpoint.send(b.id, BULK, numbered(i, 50_000)).unwrap();
        }
        assert_eq!(a.endpoint.queued(b.id), 0, "it holds no command up");
        let on = carried(&mut a, &mut b, 50).await;
        assert!(on.iter().all(|one| *one == on[0] && *one != link), "{on:?} beside {link:?}");
        assert_eq!(a.endpoint.bulk_links(b.id), (true, false));
        assert_eq!(b.endpoint.bulk_links(a.id), (false, true));
        until(|| b.endpoint.bulk_links(a.id) == (false, false)).await;
        assert_eq!(a.endpoint.bulk_links(b.id), (false, false));
    }
    // Its end is nobody's concern.
    assert!(a.endpoint.connected(b.id) && b.endpoint.connected(a.id));
    assert!(a.events.try_recv().is_none() && b.events.try_recv().is_none());
}

#[tokio::test]
async fn both_ways_have_one_each_and_they_end_with_the_link() {
    let (mut a, mut b) = pair(&Options::default());
    linked(&mut a, &mut b).await;
    a.endpoint.send(b.id, BULK, numbered(1, 64)).unwrap();
    carried(&mut a, &mut b, 1).await;
    b.endpoint.send(a.id, BULK, numbered(2, 64)).unwrap();
    carried(&mut b, &mut a, 1).await;
    assert_eq!((a.endpoint.bulk_links(b.id), a.endpoint.links(b.id)), ((true, true), 1));
    a.endpoint.close(b.id, "enough");
    assert!(b.down().await.contains("enough"));
    assert_eq!(a.down().await, "enough");
    for node in [&a, &b] {
        until(|| node.endpoint.accepted() == 0).await;
    }
    assert_eq!(a.endpoint.send(b.id, BULK, numbered(3, 4)), Err(SendError::NotConnected));
}

#[tokio::test]
async fn what_waits_for_it_has_a_bound_of_its_own() {
    let options = Options { bulk_bytes_max: 10_000, lane_bytes_max: 10_000, ..options() };
    let (mut a, mut b) = pair(&options);
    linked(&mut a, &mut b).await;
    a.endpoint.send(b.id, BULK, numbered(1, 9_000)).unwrap();
    assert_eq!(a.endpoint.send(b.id, BULK, numbered(2, 9_000)), Err(SendError::Full));
    a.endpoint.send(b.id, 0, numbered(3, 9_000)).unwrap();
    carried(&mut a, &mut b, 1).await;
    a.endpoint.send(b.id, BULK, numbered(4, 9_000)).unwrap();
    carried(&mut a, &mut b, 1).await;
}

#[tokio::test]
async fn where_it_cannot_be_had_the_link_carries_it_for_a_while() {
    let (mut a, mut b) = pair(&options());
    let link = linked(&mut a, &mut b).await;
    for dialer in [true, false] {
        a.endpoint.send(b.id, BULK, numbered(1, 64)).unwrap();
        let reason = loop {
            tokio::select! {
                event = a.event() => match event {
                    Event::Hello { link, .. } if dialer => a.endpoint.refuse(link, 1, "no more"),
                    Event::Hello { link, .. } => {
                        a.endpoint.accept(link, Generation(1));
                    }
                    Event::Shared { peer, reason } if peer == b.id => break reason,
                    other => panic!("{other:?}"),
                },
                event = b.event() => match event {
                    Event::Hello { link, .. } => b.endpoint.refuse(link, 1, "no more"),
                    Event::Refused { .. } | Event::Frames { .. } => {}
                    other => panic!("{other:?}"),
                },
            }
        };
        assert!(dialer || reason.contains("no more"), "{reason}");
        // More of it needs no further attempt for a while, and then there is one.
        let begun = Instant::now();
        while begun.elapsed() < RETRY / 2 {
            a.endpoint.send(b.id, BULK, numbered(2, 64)).unwrap();
            assert_eq!(carried(&mut a, &mut b, 1).await[0], link);
        }
        tokio::time::sleep(RETRY).await;
    }
    a.endpoint.send(b.id, BULK, numbered(3, 64)).unwrap();
    assert_ne!(carried(&mut a, &mut b, 1).await, [link], "it can be had now");
}

/// A dialer's Hello as a connection for bulk begins, and a frame of it.
const BEGIN: &[u8] = &[5, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9];

#[tokio::test]
async fn without_a_link_to_that_life_it_is_turned_away() {
    let (mut a, mut b) = pair(&options());
    let mut later = BEGIN.to_vec();
    later[5] = 2;
    for begin in [BEGIN, &later] {
        let raw = b.endpoint.connect_raw(a.addr()).await;
        let mut stream = raw.open_uni().await.unwrap();
        stream.write_all(begin).await.unwrap();
        let error = tokio::select! {
            error = raw.closed() => error.to_string(),
            () = accepting(&mut a) => unreachable!(),
        };
        assert!(error.contains("no link to that life"), "{error}");
        assert_eq!(a.endpoint.bulk_links(b.id), (false, false));
        if !a.endpoint.connected(b.id) {
            // To another life than the second one says.
            linked(&mut b, &mut a).await;
        }
    }
    assert_eq!(a.endpoint.links(b.id), 1);
}

/// However many a peer opens, one is read; and what it does there is no harm to its link.
#[tokio::test]
async fn of_many_the_last_is_read() {
    let (mut a, mut b) = pair(&options());
    let link = linked(&mut b, &mut a).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let raw = b.endpoint.connect_raw(a.addr()).await;
        let mut stream = raw.open_uni().await.unwrap();
        stream.write_all(BEGIN).await.unwrap();
        let on = carried(&mut b, &mut a, 1).await;
        assert_ne!(on, [link]);
        open.push((raw, stream));
    }
    let (_, rest) = open.split_last().unwrap();
    for (raw, _) in rest {
        timeout(DEADLINE, raw.closed()).await.expect("it is replaced");
    }
    let (raw, mut stream) = open.pop().unwrap();
    assert_eq!(a.endpoint.bulk_links(b.id), (false, true));
    stream.write_all(&[255, 255, 255, 255]).await.unwrap();
    assert!(raw.closed().await.to_string().contains("4294967295 bytes"));
    until(|| a.endpoint.bulk_links(b.id) == (false, false)).await;
    a.endpoint.send(b.id, 0, numbered(1, 64)).unwrap();
    assert_eq!(b.frames(1).await.len(), 1);
    assert_eq!(a.endpoint.links(b.id), 1);
}

/// Sums of what was reserved, now and at most.
#[derive(Default)]
struct Sums {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Ledger for Sums {
    fn reserve(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn release(&self, bytes: usize) {
        self.now.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Both settle until `to` has so many large frames. Returns them in the order of their arrival.
async fn large(from: &mut Node, to: &mut Node, count: usize) -> Vec<Bytes> {
    let mut all = Vec::new();
    let arrive = to.settle(|event| {
        if let Event::Frames { lane: LARGE, frames, .. } = event {
            all.extend(frames.iter().cloned());
        }
        (all.len() >= count).then_some(())
    });
    tokio::select! {
        () = arrive => {}
        () = accepting(from) => {}
    }
    all
}

fn parts(first: u8, bytes: usize) -> [Bytes; 2] {
    [Bytes::from(vec![first; 30]), Bytes::from(vec![first; bytes])]
}

#[tokio::test]
async fn a_large_frame_passes_longer_ones_and_arrives_whole() {
    let (mut a, mut b) = pair(&Options::default());
    linked(&mut a, &mut b).await;
    for n in 0..5 {
        a.endpoint.send_large(b.id, parts(n, 8 << 20)).unwrap();
    }
    a.endpoint.send_large(b.id, parts(9, 65 << 10)).unwrap();
    assert!(a.endpoint.queued_large(b.id) > 40 << 20);
    assert_eq!(a.endpoint.queued(b.id), 0, "small commands go on");
    let all = large(&mut a, &mut b, 6).await;
    assert_eq!(all[0], vec![9; 30 + (65 << 10)], "the short one came first");
    for frame in &all[1..] {
        assert_eq!(frame.len(), 30 + (8 << 20));
        assert!(frame.iter().all(|byte| *byte == frame[0]));
    }
    until(|| a.endpoint.queued_large(b.id) == 0).await;
}

#[tokio::test]
async fn what_arrives_is_reserved_within_a_bound_and_free_when_the_connection_dies() {
    let options = Options {
        arriving_bytes_max: 4 << 20,
        arriving_bytes_max_of_one: 2 << 20,
        ..Options::default()
    };
    let (mut a, mut b) = pair(&options);
    let sums = Arc::new(Sums::default());
    b.endpoint.set_ledger(sums.clone());
    linked(&mut a, &mut b).await;
    for n in 0..8 {
        a.endpoint.send_large(b.id, parts(n, 900 << 10)).unwrap();
    }
    large(&mut a, &mut b, 8).await;
    until(|| sums.now.load(Ordering::Relaxed) == 0).await;
    let most = sums.most.load(Ordering::Relaxed);
    assert!((900 << 10..=2 << 20).contains(&most), "{most}");
    // Half of these have their places when the sender dies, and the rest never begins.
    for n in 0..8 {
        a.endpoint.send_large(b.id, parts(n, 900 << 10)).unwrap();
    }
    until(|| sums.now.load(Ordering::Relaxed) > 0).await;
    drop(a);
    b.endpoint.close(NodeId([9; 16]), "nobody");
    let b_events = async {
        loop {
            let _ = timeout(Duration::from_millis(50), b.events.recv()).await;
            if sums.now.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    };
    // Whoever died says nothing; its link is closed when it is declared down.
    b.endpoint.close(b.endpoint.peers()[0], "declared down");
    timeout(DEADLINE, b_events).await.expect("the places are free");
}

#[tokio::test]
async fn without_a_connection_for_bulk_large_frames_go_over_the_link() {
    let (mut a, mut b) = pair(&Options { bulk_retry: Duration::from_secs(60), ..options() });
    let link = linked(&mut a, &mut b).await;
    // Refused: the only Hello from now on is that of the connection for bulk.
    let (endpoint, events) = (&b.endpoint, &mut b.events);
    let arrived = async {
        loop {
            match timeout(DEADLINE, events.recv()).await.unwrap().unwrap() {
                Event::Hello { link, .. } => endpoint.refuse(link, 1, "no"),
                Event::Frames { link, frames, .. } => return (link, frames),
                _ => {}
            }
        }
    };
    let to = b.id;
    let sending = async {
        loop {
            // The first may have been on the connection that was refused.
            a.endpoint.send_large(to, parts(7, 1 << 20)).unwrap();
            let _ = timeout(Duration::from_millis(100), a.settle(|_| None::<()>)).await;
        }
    };
    let (on, frames) = tokio::select! {
        arrived = arrived => arrived,
        () = sending => unreachable!(),
    };
    assert_eq!(on, link);
    assert_eq!(frames[0], vec![7; 30 + (1 << 20)]);
}

#[tokio::test]
async fn a_byte_now_and_then_keeps_no_place() {
    let options = Options { arriving_pause: Duration::from_millis(300), ..options() };
    let (mut a, mut b) = pair(&options);
    let sums = Arc::new(Sums::default());
    a.endpoint.set_ledger(sums.clone());
    linked(&mut b, &mut a).await;
    let raw = b.endpoint.connect_raw(a.addr()).await;
    let mut lane = raw.open_uni().await.unwrap();
    lane.write_all(BEGIN).await.unwrap();
    carried(&mut b, &mut a, 1).await;
    let mut stream = raw.open_uni().await.unwrap();
    stream.write_all(&[LARGE, 0, 0, 16, 0]).await.unwrap();
    until(|| sums.now.load(Ordering::Relaxed) == 1 << 20).await;
    let begun = Instant::now();
    while stream.write_all(&[7]).await.is_ok() {
        assert!(begun.elapsed() < DEADLINE / 4, "each byte comes in time, and all of them never");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until(|| sums.now.load(Ordering::Relaxed) == 0).await;
    assert!(raw.close_reason().is_none(), "the others on that connection go on");
}

#[tokio::test]
async fn what_waits_for_a_silent_peer_can_be_dropped_and_the_next_goes_on_a_new_connection() {
    let (mut a, mut b) = pair(&Options::default());
    linked(&mut a, &mut b).await;
    a.endpoint.send_large(b.id, parts(0, 1 << 20)).unwrap();
    large(&mut a, &mut b, 1).await;
    for n in 1..6 {
        a.endpoint.send_large(b.id, parts(n, 8 << 20)).unwrap();
    }
    assert_eq!(a.endpoint.awaited_large().collect::<Vec<_>>(), [b.id]);
    a.endpoint.give_up_large(b.id, "silent");
    until(|| a.endpoint.awaited_large().next().is_none()).await;
    assert_eq!((a.endpoint.queued_large(b.id), a.endpoint.bulk_links(b.id).0), (0, false));
    a.endpoint.send_large(b.id, parts(9, 1 << 20)).unwrap();
    let arrived = timeout(DEADLINE, async {
        while large(&mut a, &mut b, 1).await.last().is_some_and(|frame| frame[0] != 9) {}
    });
    arrived.await.expect("at once, and not only after those before it");
    assert!(a.endpoint.bulk_links(b.id).0, "and not over the link");
}

/// Of several large frames on one lane, one after the other, each has its place only while it is
/// there: together they are more than may arrive.
#[tokio::test]
async fn large_frames_on_one_lane_do_not_wait_for_themselves() {
    let bound = 200_000;
    let options =
        Options { arriving_bytes_max: bound, arriving_bytes_max_of_one: bound, ..options() };
    let (mut a, mut b) = pair(&options);
    linked(&mut a, &mut b).await;
    for i in 0..20 {
        a.endpoint.send(b.id, BULK, numbered(i, 150_000)).unwrap();
    }
    let carried = timeout(DEADLINE, carried(&mut a, &mut b, 20)).await;
    assert_eq!(carried.expect("they all arrive").len(), 20);
}
