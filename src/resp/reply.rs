//! How the answers to the parts of a command become its reply.

use super::encode::Encoder;
use super::{CommandError, view};
use crate::node::event::Reply;
use crate::store::Answer;

/// How the answers to the parts of a command become its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finish {
    Get,
    /// SET without conditions, MSET.
    Ok,
    /// SET with a condition; whether the old value is the answer.
    SetIf {
        answer_old: bool,
    },
    /// DEL, UNLINK, EXISTS: how many.
    Count,
    Mget,
    Ttl,
    Pttl,
    Strlen,
    Type,
    /// Whatever number or flag comes.
    Number,
    /// INCR and its like.
    Sum,
    DbSize,
    View,
}

/// Makes a reply of the answers to a command's parts.
pub(super) fn combine(finish: Finish, parts: Vec<Option<Reply>>, now_ms: u64, out: &mut Encoder) {
    let failed = parts.iter().find_map(|part| match part {
        Some(Reply::Failed(failure)) => Some(*failure),
        _ => None,
    });
    if let Some(failure) = failed {
        return out.error(format!("ERR {failure}").as_bytes());
    }
    let answers = parts.iter().map(|part| match part {
        Some(Reply::Answer { answer, .. }) => Some(answer.as_ref()),
        _ => None,
    });
    match finish {
        Finish::Count => {
            let there = |answer: &Option<Answer<&[u8]>>| {
                matches!(answer, Some(Answer::Found { .. } | Answer::Existed(true)))
            };
            out.integer(answers.filter(there).count() as i64);
        }
        Finish::Mget => {
            out.array(parts.len());
            for answer in answers {
                encode(Finish::Get, answer, now_ms, out);
            }
        }
        Finish::Ok => out.ok(),
        Finish::DbSize | Finish::View => match parts.into_iter().next().flatten() {
            Some(Reply::Count(count)) => out.integer(count as i64),
            Some(reply) => view::encode(&reply, out),
            None => out.null(),
        },
        finish => encode(finish, answers.into_iter().next().flatten(), now_ms, out),
    }
}

/// Makes a reply of one answer.
pub(super) fn encode(
    finish: Finish,
    answer: Option<Answer<&[u8]>>,
    now_ms: u64,
    out: &mut Encoder,
) {
    let Some(answer) = answer else {
        return out.null();
    };
    match (finish, answer) {
        (_, Answer::NotANumber) => CommandError::NotAnInteger.encode(out),
        (_, Answer::Overflow) => CommandError::IncrementOverflow.encode(out),
        (_, Answer::TooLarge) => CommandError::TooLong.encode(out),
        (Finish::Ok, _) => out.ok(),
        (Finish::SetIf { answer_old: true }, Answer::Written { previous, .. }) => match previous {
            Some(value) => out.bulk(value),
            None => out.null(),
        },
        (Finish::SetIf { .. }, Answer::Written { applied: true, .. }) => out.ok(),
        (Finish::Ttl | Finish::Pttl, Answer::Found { deadline_ms: None, .. }) => out.integer(-1),
        (Finish::Ttl, Answer::Found { deadline_ms: Some(at), .. }) => {
            out.integer((at.saturating_sub(now_ms) as i64 + 500) / 1000);
        }
        (Finish::Pttl, Answer::Found { deadline_ms: Some(at), .. }) => {
            out.integer(at.saturating_sub(now_ms) as i64);
        }
        (Finish::Ttl | Finish::Pttl, _) => out.integer(-2),
        (Finish::Strlen, Answer::Found { value, .. }) => out.integer(value.len() as i64),
        (Finish::Strlen, _) => out.integer(0),
        (Finish::Type, Answer::Found { .. }) => out.simple("string"),
        (Finish::Type, _) => out.simple("none"),
        (_, Answer::Found { value, .. }) => out.bulk(value),
        (_, Answer::Existed(yes) | Answer::Changed(yes)) => out.integer(i64::from(yes)),
        (_, Answer::Number(number)) => out.integer(number),
        (_, Answer::Missing | Answer::Done | Answer::Written { .. }) => out.null(),
    }
}
