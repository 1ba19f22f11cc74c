//! The simulator as a library: what a test of somebody else's service relies on.

use simulations::cluster::{Cluster, Unanswered};

#[test]
fn the_same_seed_takes_the_same_time() {
    let took = |seed| {
        let mut cluster = Cluster::new(seed, 4);
        cluster.set(0, "a", "1").unwrap();
        cluster.crash(1);
        cluster.get(2, "a").unwrap();
        cluster.run_for_ms(5_000);
        cluster.now_ms()
    };
    assert_eq!(took(1), took(1));
}

#[test]
fn a_node_that_does_not_run_answers_nothing() {
    let mut cluster = Cluster::new(3, 3);
    cluster.crash(1);
    assert_eq!(cluster.get(1, "a"), Err(Unanswered::Lost));
    cluster.start(1);
    cluster.settle().unwrap();
    assert_eq!(cluster.get(1, "a"), Ok(None));
    cluster.check().unwrap();
}

#[test]
fn what_ends_and_what_is_removed_is_gone_everywhere() {
    let mut cluster = Cluster::new(5, 3);
    cluster.set_for_ms(0, "short", "1", 2_000).unwrap();
    cluster.set(1, "long", "2").unwrap();
    cluster.remove(2, "long").unwrap();
    cluster.run_for_ms(3_000);
    for node in 0..3 {
        assert_eq!(cluster.get(node, "short"), Ok(None));
        assert_eq!(cluster.get(node, "long"), Ok(None));
    }
    cluster.check().unwrap();
}

#[test]
fn many_keys_and_long_lives_are_no_violation() {
    let mut cluster = Cluster::new(7, 3);
    for number in 0..8_000 {
        cluster.set(number % 3, &format!("item/{number}"), "1").unwrap();
    }
    cluster.set_for_ms(0, "for ever", "1", u64::MAX).unwrap();
    assert_eq!(cluster.get(1, "for ever"), Ok(Some("1".to_owned())));
    cluster.check().unwrap();
}

#[test]
fn what_no_node_takes_is_refused() {
    let mut cluster = Cluster::new(9, 3);
    let long = "k".repeat(65_536);
    assert_eq!(cluster.set(0, &long, "1"), Err(Unanswered::TooLong(65_535)));
    let (most, long) = (256 << 10, "v".repeat((256 << 10) + 1));
    assert_eq!(cluster.set(0, "k", &long), Err(Unanswered::TooLong(most)));
    cluster.check().unwrap();
}
