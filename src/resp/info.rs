//! INFO and CONFIG GET: what tools ask a Redis server about itself, answered as far as it is true of
//! this node.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::args::Args;
use super::glob;
use super::listener::Clients;
use super::session::DATABASES;

/// The version of Redis whose behaviour clients can expect.
pub(super) const REDIS_VERSION: &str = "7.0.0";

/// The text of INFO: of these sections, or all.
pub(super) fn info(clients: &Clients, wanted: Args<'_>) -> String {
    let named = |name: &str| {
        wanted.is_empty()
            || wanted.iter().any(|section| {
                section.eq_ignore_ascii_case(name.as_bytes())
                    || section.eq_ignore_ascii_case(b"all")
                    || section.eq_ignore_ascii_case(b"everything")
                    || section.eq_ignore_ascii_case(b"default")
            })
    };
    let store = &clients.handle.shared().store;
    let counters = store.counters();
    let uptime = clients.started.elapsed().as_secs();
    let sections: [(&str, Vec<(&str, String)>); 7] = [
        (
            "Server",
            vec![
                ("redis_version", REDIS_VERSION.to_owned()),
                ("redis_mode", "standalone".to_owned()),
                ("chickadee_version", env!("CARGO_PKG_VERSION").to_owned()),
                ("process_id", std::process::id().to_string()),
                ("tcp_port", clients.local.port().to_string()),
                ("uptime_in_seconds", uptime.to_string()),
                ("uptime_in_days", (uptime / 86_400).to_string()),
            ],
        ),
        (
            "Clients",
            vec![
                ("connected_clients", clients.lines.lock().len().to_string()),
                ("maxclients", clients.options.connections_max.to_string()),
            ],
        ),
        (
            "Memory",
            vec![
                ("used_memory", store.footprint().to_string()),
                ("maxmemory", store.options().memory_bytes_max.to_string()),
                ("maxmemory_policy", "allkeys-lru".to_owned()),
            ],
        ),
        (
            "Persistence",
            vec![("loading", "0".to_owned()), ("rdb_changes_since_last_save", "0".to_owned())],
        ),
        (
            "Stats",
            vec![
                (
                    "total_connections_received",
                    clients.accepted.load(Ordering::Relaxed).to_string(),
                ),
                ("keyspace_hits", counters.hits.load(Ordering::Relaxed).to_string()),
                ("keyspace_misses", counters.misses.load(Ordering::Relaxed).to_string()),
                ("evicted_keys", counters.evicted.load(Ordering::Relaxed).to_string()),
            ],
        ),
        ("Replication", vec![("role", "master".to_owned()), ("connected_slaves", "0".to_owned())]),
        ("Cluster", vec![("cluster_enabled", "0".to_owned())]),
    ];
    let mut text = String::new();
    for (name, lines) in sections.iter().filter(|(name, _)| named(name)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {name}\r\n");
        for (field, value) in lines {
            let _ = write!(text, "{field}:{value}\r\n");
        }
    }
    text
}

/// Settings by the names that Redis gives them, as far as one of these patterns matches.
pub(super) fn config(clients: &Clients, patterns: Args<'_>) -> Vec<(&'static str, String)> {
    let store = clients.handle.shared().store.options();
    let settings = [
        ("appendonly", "no".to_owned()),
        ("bind", clients.local.ip().to_string()),
        ("databases", DATABASES.to_string()),
        ("maxclients", clients.options.connections_max.to_string()),
        ("maxmemory", store.memory_bytes_max.to_string()),
        ("maxmemory-policy", "allkeys-lru".to_owned()),
        ("port", clients.local.port().to_string()),
        ("proto-max-bulk-len", store.value_bytes_max.to_string()),
        ("save", String::new()),
        ("timeout", "0".to_owned()),
    ];
    let wanted = |name: &str| {
        patterns.iter().any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    settings.into_iter().filter(|(name, _)| wanted(name)).collect()
}
