//! The CHICKADEE commands: the cluster as this node sees it. Maps in RESP3, flat arrays in RESP2, so
//! that both a program and a human at redis-cli can read them.

use super::encode::Encoder;
use crate::node::event::{Explanation, MemberView, Reply, StatusValue};
use crate::store::Role;

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
    out.map(9);
    number(out, "slot", u64::from(explanation.slot));
    number(out, "partition", u64::from(explanation.partition.0));
    out.bulk(b"owners");
    out.array(explanation.owners.len());
    for (id, name) in &explanation.owners {
        let owner = if name.is_empty() { id.to_string() } else { name.clone() };
        out.bulk(owner.as_bytes());
    }
    let role = match explanation.role {
        Role::None => "no owner",
        Role::Boot => "booting",
        Role::Ready => "ready",
        Role::Old => "handing off",
    };
    text(out, "role_here", role);
    text(out, "held_here", explanation.held);
    text(out, "version", &explanation.version.value.to_string());
    out.bulk(b"deadline_ms");
    match explanation.deadline_ms {
        Some(at) => out.integer(at as i64),
        None => out.null(),
    }
    text(out, "floor", &explanation.floor.to_string());
    text(out, "miss_in_doubt", if explanation.doubted { "yes" } else { "no" });
}
