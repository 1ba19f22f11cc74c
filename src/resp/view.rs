//! The CHICKADEE commands: the cluster as this node sees it. Maps in RESP3, flat arrays in RESP2, so
//! that both a program and a human at redis-cli can read them.

use super::encode::Encoder;
use crate::node::event::{MemberView, Reply, StatusValue};
use crate::node::explanation::{Acquaintance, Explanation, HeldKind};
use crate::store::{Role, Stamp, Version};

/// Writes a view.
pub(super) fn encode(reply: &Reply, out: &mut Encoder) {
    match reply {
        Reply::Ready(true) => out.simple("ready"),
        Reply::Ready(false) => out.simple("booting"),
        Reply::Members(members) => {
            out.array(members.len());
            for member in members {
                encode_member(member, out);
            }
        }
        Reply::Status(lines) => {
            out.map(lines.len());
            for (name, value) in lines {
                out.bulk(name.as_bytes());
                match value {
                    StatusValue::Text(text) => out.bulk(text.as_bytes()),
                    StatusValue::Number(number) => out.integer(*number as i64),
                }
            }
        }
        Reply::Explain(explanation) => encode_explanation(explanation, out),
        Reply::Left { kept: 0 } | Reply::Flushed => out.ok(),
        Reply::Left { kept } => {
            let told = format!("ERR left, but nobody had taken {kept} partitions over in time");
            out.error(told.as_bytes());
        }
        Reply::Count(count) => out.integer(*count as i64),
        Reply::Answer { .. } | Reply::Failed(_) => out.null(),
    }
}

fn text(out: &mut Encoder, name: &str, value: &str) {
    out.bulk(name.as_bytes());
    out.bulk(value.as_bytes());
}

fn number(out: &mut Encoder, name: &str, value: u64) {
    out.bulk(name.as_bytes());
    out.integer(value as i64);
}

fn encode_member(member: &MemberView, out: &mut Encoder) {
    out.map(10);
    text(out, "name", &member.name);
    text(out, "id", &member.id.to_string());
    text(out, "address", &member.addr.to_string());
    text(out, "state", member.state.word());
    text(out, "self", if member.own { "yes" } else { "no" });
    text(out, "responsive", if member.responsive { "yes" } else { "no" });
    number(out, "rtt_us", member.rtt_us);
    number(out, "generation", member.generation.0);
    number(out, "weight", u64::from(member.weight));
    text(out, "zone", &member.zone.0);
}

fn encode_explanation(explanation: &Explanation, out: &mut Encoder) {
    out.map(4);
    number(out, "slot", u64::from(explanation.slot));
    number(out, "partition", u64::from(explanation.partition.0));
    names(out, "owners", explanation.owners.iter().map(|owner| explanation.name(*owner)).collect());
    out.bulk(b"holders");
    out.array(explanation.holders.len());
    for holder in &explanation.holders {
        out.map(9);
        text(out, "name", &explanation.name(holder.id));
        let Some(holding) = &holder.holding else {
            text(out, "role", "no answer");
            for field in ["holds", "version", "deadline_ms", "floor", "miss_in_doubt"] {
                nothing(out, field);
            }
            names(out, "known_to", Vec::new());
            names(out, "out_of_step_with", Vec::new());
            continue;
        };
        text(out, "role", role(holding.role));
        let holds = match holding.kind {
            HeldKind::Value => "value",
            HeldKind::Mark => "mark",
            HeldKind::Nothing => "nothing",
        };
        text(out, "holds", holds);
        match holding.kind {
            HeldKind::Nothing => nothing(out, "version"),
            _ => text(out, "version", &version(holding.version)),
        }
        match holding.deadline_ms {
            Some(at) => number(out, "deadline_ms", at),
            None => nothing(out, "deadline_ms"),
        }
        match holding.floor {
            Stamp::ZERO => nothing(out, "floor"),
            floor => text(out, "floor", &floor.to_string()),
        }
        text(out, "miss_in_doubt", if holding.doubted { "yes" } else { "no" });
        let those = |of: fn(&Acquaintance) -> bool| {
            let those = holding.sessions.iter().filter(|session| of(session));
            those.map(|session| explanation.name(session.peer)).collect()
        };
        names(out, "known_to", those(|session| session.covers));
        names(out, "out_of_step_with", those(|session| !session.in_step));
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::None => "no owner",
        Role::Boot => "booting",
        Role::Ready => "ready",
        Role::Old => "handing off",
    }
}

/// The stamp of the value, and that of the deadline if it was changed by itself.
fn version(version: Version) -> String {
    match version.deadline == version.value {
        true => version.value.to_string(),
        false => format!("{}, deadline {}", version.value, version.deadline),
    }
}

fn nothing(out: &mut Encoder, name: &str) {
    out.bulk(name.as_bytes());
    out.null();
}

fn names(out: &mut Encoder, name: &str, names: Vec<String>) {
    out.bulk(name.as_bytes());
    out.array(names.len());
    for name in names {
        out.bulk(name.as_bytes());
    }
}
