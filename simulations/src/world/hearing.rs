//! What processes say: their notices, and the frames they send.

use bytes::Bytes;
use chickadee::node::codec::{self, Kind};
use chickadee::node::event::{MemberView, Notice};
use chickadee::node::message::Request;
use chickadee::store::{Content, Parts};

use super::World;
use super::level::Level;
use crate::checkers::{Violation, says_ready, staying};
use crate::samples::Told;

/// The kind bytes of a batch of requests, and of a large one.
const REQUESTS: [u8; 2] = [4, 11];

impl<L: Level> World<L> {
    /// A node said something to its operator.
    pub(crate) fn noticed(&mut self, host: usize, notice: &Notice) {
        if self.samples.is_some() {
            self.told.push(Told { at: self.now, host, notice: notice.clone() });
        }
        if let (Notice::Open, Some(process)) = (notice, &mut self.hosts[host].process) {
            process.open = true;
        }
        if let (Notice::Replaced { .. }, None) = (notice, &self.violation) {
            // No plan starts two processes of one name at a time.
            self.violation = Some(Violation {
                invariant: "not replaced",
                at: self.now,
                key: None,
                node: Some(host),
                text: format!("takes its own life for another process: {notice:?}"),
            });
        }
        let violation = staying::judge(self, host, notice);
        self.complain(violation);
        if let Notice::Ready = notice {
            let violation = says_ready::told(self, host);
            self.complain(violation);
        }
        let index = |view: &MemberView| self.level.index(view.id);
        if let Some(process) = &mut self.hosts[host].process {
            match notice {
                Notice::MemberUp(view) => process.members.insert(index(view)),
                Notice::MemberDown(view) => process.members.remove(&index(view)),
                _ => false,
            };
        }
        self.trace.line(self.now, host, "notice", || match notice {
            Notice::MemberUp(view) => format!("n{} is a member", index(view)),
            Notice::MemberSuspect(view) => format!("n{} is suspected", index(view)),
            Notice::MemberDown(view) => format!("n{} is down", index(view)),
            other => format!("{other:?}"),
        });
    }

    /// Learns from a frame under which version a value goes around.
    pub(crate) fn learn(&mut self, host: usize, frame: &Bytes) {
        if !frame.first().is_some_and(|kind| REQUESTS.contains(kind)) {
            return;
        }
        let Ok((kind, _, body)) = codec::open(frame.clone()) else {
            return;
        };
        let requests: Vec<(u64, Request)> = match kind {
            Kind::LargeRequest => codec::take_with_value(body).into_iter().collect(),
            _ => codec::items(&body).flatten().collect(),
        };
        for (_, request) in requests {
            if let Request::Write { key, entry } = request
                && let Content::Value(value) = entry.content()
            {
                let parts = Parts {
                    version: entry.version(),
                    value: Some(value),
                    deadline_ms: entry.deadline_ms(),
                };
                let complaint = self.contents.see(self.now, host, &key.bytes, parts);
                self.complain(complaint);
                let key = String::from_utf8_lossy(&key.bytes);
                let value = String::from_utf8_lossy(value);
                self.history.saw(&key, &value, entry.version());
                self.history.ends(&key, &value, entry.deadline_ms());
            }
        }
    }
}

/// A frame for a reader.
pub(crate) fn describe(bytes: &Bytes) -> String {
    use chickadee::node::message::{Exchange, Lateness, Response};
    fn all<T: serde::de::DeserializeOwned + std::fmt::Debug>(body: &Bytes) -> String {
        let items = codec::items::<T>(body).flatten();
        items.map(|item| format!("{item:?}")).collect::<Vec<_>>().join("; ")
    }
    let Ok((kind, _, body)) = codec::open(bytes.clone()) else {
        return format!("{} bytes, malformed", bytes.len());
    };
    let items = match kind {
        Kind::Requests => all::<(u64, Request)>(&body),
        Kind::Responses => all::<(u64, Response)>(&body),
        Kind::Exchange => all::<Exchange>(&body),
        Kind::Lateness => all::<Lateness>(&body),
        _ => String::new(),
    };
    format!("{kind:?} {} bytes {}", bytes.len(), shorter(&items))
}

/// The same text with every stamp as the last digits of its time, for human eyes.
fn shorter(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("Stamp { hlc: Hlc(") {
        out.push_str(before);
        let time = after.split(')').next().unwrap_or_default();
        let time: u64 = time.parse().unwrap_or_default();
        out.push_str(&format!("@{}.{}", (time >> 16) % 1_000_000, time & 0xffff));
        rest = after.split_once(" }").map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out.replace("Namespace(0), bytes: ", "")
}
