//! Comparing instead of offering: when a session has begun anew, all that is held would have to be
//! offered, and mostly the peer holds it, too. One side asks, from the sums of its tree downwards;
//! what is equal is settled on both sides, and only the rest is offered. See
//! `store/partition/comparison` for what makes it sound.
//!
//! Whoever would begin to offer asks. If both do, the one with the smaller id goes on, and the other
//! answers. Nothing of the partition but news is offered meanwhile, on either side. A question
//! without an answer is given up after [`STUCK_MS`], and so is a comparison while too much changes.

use super::Sessions;
use super::talk::counted;
use crate::node::message::{Exchange, Standing};
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::partition::comparison::{Findings, Next, Question, STUCK_MS};

impl Sessions {
    /// Begins a comparison, if one is called for. Returns whether there is a question under way now
    /// that was not before.
    pub(super) fn compare(
        &mut self,
        to: NodeId,
        bit: u8,
        partition: Partition,
        standing: &Standing,
        turn: &mut Turn<'_>,
    ) -> bool {
        let (number, now) = (self.numbers + 1, turn.now.mono);
        let first = turn.with(partition, |kept, _| kept.compare(bit, number, now));
        let Some(question) = first else { return false };
        self.numbers = number;
        self.ask(to, bit, standing.clone(), (number, question), turn);
        true
    }

    pub(super) fn ask(
        &mut self,
        to: NodeId,
        bit: u8,
        standing: Standing,
        (number, question): (u64, Question),
        turn: &mut Turn<'_>,
    ) {
        let partition = standing.partition;
        let talk = self.talks.entry((to, partition)).or_default();
        talk.told = Some(standing.clone());
        talk.asked = (question != Question::End).then_some((number, turn.now.mono));
        self.waiting.insert((to, partition));
        let standing = counted(standing, bit, turn);
        turn.outbox.exchange(to, partition, &Exchange::Compare { standing, number, question });
    }

    /// Gives up a comparison whose answer does not come, and forgets one that came to nothing.
    pub(super) fn give_up_comparison(
        &mut self,
        to: NodeId,
        bit: u8,
        partition: Partition,
        turn: &Turn<'_>,
    ) {
        let Some(talk) = self.talks.get_mut(&(to, partition)) else { return };
        let Some((_, asked)) = talk.asked else { return };
        let late = turn.now.mono.since(asked) >= STUCK_MS * 1_000_000;
        let open = turn.with(partition, |kept, _| {
            if late {
                kept.end_comparison(bit, false);
            }
            kept.is_asking(bit)
        });
        if !open {
            talk.asked = None;
        }
    }

    /// A peer compares. `question`: its number and itself, if it was asked under this node's current
    /// number; otherwise the peer will hear of that, and ask again.
    pub(super) fn on_compare(
        &mut self,
        from: NodeId,
        bit: u8,
        partition: Partition,
        question: Option<(u64, &Question)>,
        turn: &mut Turn<'_>,
    ) {
        if let Some((number, question)) = question
            && !self.insists(from, bit, partition, turn)
        {
            let now = turn.now.mono;
            let answer = turn.with(partition, |kept, _| kept.answer(bit, question, now));
            let (findings, equal) = answer.unwrap_or_default();
            self.stats.equal += equal;
            if let Some(findings) = findings {
                self.report(from, bit, partition, (number, findings), turn);
            }
        }
        self.follow_up(from, bit, partition, turn);
    }

    /// Whether this node asks itself, and goes on with it although the peer asks, too.
    fn insists(
        &mut self,
        from: NodeId,
        bit: u8,
        partition: Partition,
        turn: &mut Turn<'_>,
    ) -> bool {
        let insists = turn.with(partition, |kept, _| {
            let insists = kept.is_asking(bit) && turn.own < from;
            if !insists {
                kept.end_comparison(bit, false);
            }
            insists
        });
        if let (Some(talk), false) = (self.talks.get_mut(&(from, partition)), insists) {
            talk.asked = None;
            // It takes its time, but it goes on.
            talk.behind = 0;
        }
        insists
    }

    fn report(
        &mut self,
        to: NodeId,
        bit: u8,
        partition: Partition,
        (number, findings): (u64, Findings),
        turn: &mut Turn<'_>,
    ) {
        let standing = self.standing(to, bit, partition, turn);
        if let Some(talk) = self.talks.get_mut(&(to, partition)) {
            talk.told = Some(standing.clone());
        }
        let standing = counted(standing, bit, turn);
        turn.outbox.exchange(to, partition, &Exchange::Compared { standing, number, findings });
    }

    /// A peer has compared. `findings`: the number of the question and what it found, if it said so
    /// under this node's current number; otherwise it says nothing about this session.
    pub(super) fn on_compared(
        &mut self,
        from: NodeId,
        bit: u8,
        partition: Partition,
        findings: Option<(u64, &Findings)>,
        turn: &mut Turn<'_>,
    ) {
        let asked = self.talks.get(&(from, partition)).and_then(|talk| talk.asked);
        if let Some((number, findings)) = findings
            && asked.is_some_and(|(asked, _)| asked == number)
        {
            let next = turn.with(partition, |kept, _| kept.learn_findings(bit, number, findings));
            let standing = self.standing(from, bit, partition, turn);
            match next {
                Some(Next::Ask(question)) => {
                    self.ask(from, bit, standing, (number, question), turn);
                }
                Some(Next::Over { equal, tell, lacked }) => {
                    self.stats.equal += equal;
                    match lacked {
                        Some(lacked) => self.audited(from, partition, lacked),
                        None => self.stats.compared += 1,
                    }
                    if let Some(talk) = self.talks.get_mut(&(from, partition)) {
                        talk.asked = None;
                    }
                    if tell {
                        self.ask(from, bit, standing, (number, Question::End), turn);
                    }
                }
                None => {}
            }
        }
        self.follow_up(from, bit, partition, turn);
    }
}

#[cfg(test)]
mod tests;
