//! The library as a stranger uses it: nodes inside one process, joined over real QUIC on loopback.

use std::time::{Duration, Instant};

use chickadee::{CacheError, ClusterKey, EndError, Failure, MemberState, Node, StartError};

const WAIT_MAX: Duration = Duration::from_secs(20);

fn key() -> ClusterKey {
    ClusterKey::generate("embedding", [42; 32]).unwrap()
}

async fn node(name: &str, seed: Option<&Node>) -> Node {
    let mut builder =
        Node::builder(key()).name(name).listen("127.0.0.1:0".parse().unwrap()).max_memory(16 << 20);
    if let Some(seed) = seed {
        builder = builder.seed(seed.addr().to_string());
    }
    builder.start().await.unwrap()
}

async fn ready(node: &Node) {
    let ready = tokio::time::timeout(WAIT_MAX, node.await_ready()).await;
    ready.unwrap_or_else(|_| panic!("{} is not ready in time", node.name())).unwrap();
}

async fn alive(node: &Node) -> usize {
    let members = node.members().await.unwrap();
    members.iter().filter(|member| member.state == MemberState::Alive).count()
}

async fn until_alive(node: &Node, count: usize) {
    let end = Instant::now() + WAIT_MAX;
    while alive(node).await != count {
        assert!(Instant::now() < end, "{} does not see {count} alive", node.name());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_one_node_inserts_another_gets() {
    let one = node("one", None).await;
    let two = node("two", Some(&one)).await;
    ready(&one).await;
    ready(&two).await;
    until_alive(&one, 2).await;
    until_alive(&two, 2).await;
    let (here, there) = (one.cache(), two.cache());
    for i in 0..100 {
        here.insert(format!("key-{i}"), format!("value-{i}"), None).await.unwrap();
        let value = there.get(format!("key-{i}")).await.unwrap();
        assert_eq!(value.as_deref(), Some(format!("value-{i}").as_bytes()), "key-{i}");
    }
    assert!(there.remove("key-7").await.unwrap());
    assert!(!there.remove("key-7").await.unwrap());
    assert_eq!(here.get("key-7").await.unwrap(), None);
    assert_eq!(here.get("never written").await.unwrap(), None);

    // Expiry needs no message: both see the end by themselves.
    let ttl = Duration::from_millis(300);
    here.insert("short", "lived", Some(ttl)).await.unwrap();
    assert!(there.get("short").await.unwrap().is_some());
    let end = Instant::now() + WAIT_MAX;
    for cache in [&here, &there] {
        while cache.get("short").await.unwrap().is_some() {
            assert!(Instant::now() < end, "an entry outlives its time to live");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    two.restart().await;
    one.restart().await;
}

#[tokio::test]
async fn a_restart_of_one_loses_nothing() {
    let one = node("one", None).await;
    let two = node("two", Some(&one)).await;
    ready(&one).await;
    ready(&two).await;
    until_alive(&one, 2).await;
    let cache = one.cache();
    for i in 0..200 {
        cache.insert(format!("key-{i}"), "kept", None).await.unwrap();
    }
    let (id, old) = (two.id(), two.cache());
    two.restart().await;
    assert_eq!(old.get("key-0").await, Err(CacheError::Stopped));
    for i in 0..200 {
        assert!(cache.get(format!("key-{i}")).await.unwrap().is_some(), "key-{i} while it is gone");
    }
    // The same name is the same place on the ring.
    let two = node("two", Some(&one)).await;
    assert_eq!(two.id(), id);
    ready(&two).await;
    until_alive(&one, 2).await;
    one.restart().await;
    let cache = two.cache();
    for i in 0..200 {
        assert!(cache.get(format!("key-{i}")).await.unwrap().is_some(), "key-{i} after it is back");
    }
    two.restart().await;
}

#[tokio::test]
async fn a_node_alone_is_ready_soon() {
    let node = node("alone", None).await;
    ready(&node).await;
    assert_eq!(alive(&node).await, 1);
    let cache = node.cache();
    cache.insert("k", "v", None).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap().as_deref(), Some(&b"v"[..]));
    node.restart().await;
}

#[tokio::test]
async fn a_dropped_node_is_gone_for_the_others() {
    let one = node("one", None).await;
    let two = node("two", Some(&one)).await;
    until_alive(&one, 2).await;
    drop(two);
    until_alive(&one, 1).await;
    one.restart().await;
}

#[tokio::test]
async fn limits_are_told_by_name() {
    let builder = Node::builder(key()).listen("127.0.0.1:0".parse().unwrap());
    let error = builder.clone().name("x".repeat(65)).start().await.unwrap_err();
    assert!(matches!(error, StartError::Setting { name: "name", .. }), "{error}");
    let error = builder.clone().max_memory(1).start().await.unwrap_err();
    assert!(matches!(error, StartError::Setting { name: "max_memory", .. }), "{error}");
    let error = builder.clone().seed("no port").start().await.unwrap_err();
    assert!(matches!(error, StartError::Setting { name: "seed", .. }), "{error}");

    let builder_at = |addr: &str| builder.clone().advertise(addr.parse().unwrap());
    for addr in ["224.0.0.1:7379", "255.255.255.255:7379", "[ff02::1]:7379"] {
        let error = builder_at(addr).start().await.unwrap_err();
        assert!(matches!(error, StartError::Setting { name: "advertise", .. }), "{error}");
    }

    let node = node("limits", None).await;
    let taken = Node::builder(key()).listen(node.addr()).start().await.unwrap_err();
    assert!(matches!(taken, StartError::Listen { addr, .. } if addr == node.addr()), "{taken}");
    let cache = node.cache();
    let long = vec![b'k'; 65_536];
    assert_eq!(cache.get(&long).await, Err(CacheError::KeyTooLong(65_536)));
    let large = cache.insert("k", vec![0; 2 << 20], None).await;
    assert!(matches!(large, Err(CacheError::ValueTooLarge { .. })), "{large:?}");
    node.restart().await;
}

/// The others talk to the process that was started last. The one before must not go on serving what
/// it holds, nor acknowledge what nobody hears of.
#[tokio::test]
async fn of_two_nodes_with_one_name_the_older_ends() {
    let one = node("one", None).await;
    let older = node("two", Some(&one)).await;
    ready(&older).await;
    until_alive(&one, 2).await;
    let newer = node("two", Some(&one)).await;
    let end = tokio::time::timeout(WAIT_MAX, older.await_end()).await.expect("it ends");
    let replaced = EndError::Replaced { name: "two".to_owned(), addr: newer.addr() };
    assert_eq!(end, replaced);
    assert!(end.to_string().contains("another process runs as \"two\" at 127.0.0.1:"), "{end}");
    assert_eq!(older.cache().get("k").await, Err(CacheError::Failed(Failure::Replaced)));
    let written = older.cache().insert("k", "v", None).await;
    assert_eq!(written, Err(CacheError::Failed(Failure::Replaced)));
    assert_eq!(older.await_ready().await, Err(replaced));
    ready(&newer).await;
    until_alive(&one, 2).await;
    newer.cache().insert("k", "v", None).await.unwrap();
    assert_eq!(one.cache().get("k").await.unwrap().as_deref(), Some(&b"v"[..]));
    // What is left of the older one says no goodbye in the name of the newer.
    older.restart().await;
    assert_eq!((alive(&one).await, alive(&newer).await), (2, 2));
    newer.restart().await;
    one.restart().await;
}
