//! The rules that keep the promises, one switch each.
//!
//! A rule that can be left out without anybody noticing is either not needed or not watched. So with
//! the feature `simulation` a [`Rules`] is data, each of its fields one rule, and the simulator
//! leaves out one after the other and demands that a scenario breaks (`simulations mutants`).
//! Without the feature it has no size, and every rule is the constant `true`: a build for use
//! contains no switch.

macro_rules! rules {
    ($($(#[doc = $about:literal])+ $rule:ident,)+) => {
        /// Which rules are kept: all of them, outside of the simulator.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct Rules {
            $(#[cfg(feature = "simulation")] $rule: bool,)+
        }

        impl Rules {
            $(
                $(#[doc = $about])+
                #[cfg(feature = "simulation")]
                pub const fn $rule(&self) -> bool {
                    self.$rule
                }

                $(#[doc = $about])+
                #[cfg(not(feature = "simulation"))]
                pub const fn $rule(&self) -> bool {
                    true
                }
            )+
        }

        impl Default for Rules {
            fn default() -> Rules {
                Rules { $(#[cfg(feature = "simulation")] $rule: true,)+ }
            }
        }

        #[cfg(feature = "simulation")]
        impl Rules {
            /// The rules by name, each with what it is and what goes wrong without it.
            pub const ALL: &[(&str, &str)] =
                &[$((stringify!($rule), concat!($($about),+).trim_ascii()),)+];

            /// The same without the rule of that name, if there is one.
            pub fn without(mut self, name: &str) -> Option<Rules> {
                match name {
                    $(stringify!($rule) => self.$rule = false,)+
                    _ => return None,
                }
                Some(self)
            }
        }
    };
}

rules! {
    // ---- who is there -----------------------------------------------------------------------

    /// A random seed is contacted every 5 s, always: a state that was lost would be told to nobody
    /// again for half a minute, and foca falls silent on a node that sees no one.
    reannounce,
    /// Each peer is watched by one: a node without seeds that was started anew within a moment serves
    /// alone, as if there were nothing, until somebody says something to it.
    watches,
    /// Who went down or lost its link is dialed at its last address: two halves that both have taken
    /// the other for dead would never find each other.
    redial,
    /// A timer of a suspicion that was refuted meanwhile is dropped: foca 2.0.0 tells the live member
    /// that it is dead, and it takes another identity for nothing.
    refuted_suspects,
    /// A suspect that is heard is told that it is suspected: the word may have been lost as often as
    /// SWIM passes it on, and a member that lives would be declared down.
    suspects_told,
    /// Both ends of a new link tell each other all members they know: a node would learn them one by
    /// one from gossip, or not at all.
    state_on_link,
    /// A word that a member in touch is down waits until that member, asked, is silent: after a heal
    /// nearly everybody would be down for nearly everybody.
    hearsay,
    /// A node opens its doors when it has met those it has found: what is written before would be
    /// acknowledged by itself alone.
    meets_first,
    /// A member that went down keeps its place on the ring for a minute: a restart would move
    /// partitions there and back.
    ring_hold,

    // ---- what time it is --------------------------------------------------------------------

    /// Stamps of one time are told apart by their writer, and the larger wins everywhere: two
    /// replicas would each keep the value that came first.
    tie_break,
    /// The clock of every frame is observed: a node whose clock is behind would stamp a write below
    /// what its client has just read, and it would be lost.
    observe,
    /// A stamp too far ahead is refused: one clock that is off would write what nobody can overwrite.
    clock_bound,
    /// Nothing is believed of the clock of one that has just linked up: it may be hours off, and
    /// about to give in.
    settling,
    /// A clock that is off the median of the cluster follows it: all that the node writes would be
    /// refused.
    follow_median,
    /// A write is stamped above what is held of the key: it would be acknowledged and lost.
    above_held,
    /// And above the floor of the key: the other owners would refuse it.
    above_floor,
    /// An owner that holds something later than a write says so, and the write is stamped anew above
    /// it: a clock that lags by some milliseconds would lose what was written after all others.
    after_newer,
    /// Of two whose clocks differ, the one that has stamped stays, and the other follows: nothing
    /// that it writes would be believed until the other's clock has come so far.
    stamped_stay,
    /// Deadlines are checked at every read: what has ended would be served until it is swept.
    deadlines,

    // ---- who answers ------------------------------------------------------------------------

    /// A peer that owes an answer and is silent is not waited for: one that hangs would hold up every
    /// operation until its deadline.
    responsiveness,
    /// A read that waits is asked of the next owner, too, after 50 ms.
    hedging,
    /// A node's own writes that not all owners have are remembered, and reads demand them: a client
    /// would not read what it has just written.
    own_writes,
    /// A node that did not run for a while asks whether it missed something before it answers: it
    /// would serve what was overwritten meanwhile.
    lateness,
    /// And its reads are asked again: answers that lay in its socket are as old as its memory.
    reads_again,
    /// What an owner that holds nothing has found at another one it does not fall short of later:
    /// what was written before that may come only then, and would be served.
    found_guards,
    /// Whoever owns a key alone, and may not answer yet, asks everybody: another one may have taken
    /// its place while it was stopped, and what it held would be served as its own.
    alone_asks,
    /// A decider asks the other owners where it may not know the newest version, and does not
    /// decide before a majority has answered, or all that can: an APPEND would replace what it
    /// should extend.
    decider_asks,
    /// A decider at work says so: its silence would be taken for a hang, and the next would decide
    /// the same again.
    working,
    /// An operation has as much more time as its value takes: over a narrow way it would never end.
    large_deadline,
    /// A write refused below a floor is stamped again above it: it would be acknowledged by those who
    /// took it, and be missing elsewhere.
    restamp,
    /// Whom a write did not reach is told so, and looks after it.
    behind,
    /// Whoever was stopped is offered what it is not known to have before it is called level: what
    /// its writer has died over it would learn only in the next interval.
    arrears,
    /// A booting owner answers NotReady: it lacks what it does not know of.
    boot_not_ready,
    /// A miss in doubt asks the other owners: a value that another owner holds would be missing.
    doubts,
    /// A miss tells what is dead, and a reader refuses older values: a value would be served by an
    /// owner that does not know of its removal, after one that does.
    bars,

    // ---- what is forgotten ------------------------------------------------------------------

    /// Forgetting raises the floor: what was forgotten would be taken up again.
    floors,
    /// What is at or below the floor is refused: the same, by a late message.
    floor_refuses,
    /// What somebody may not know of leaves a mark when its content goes: the others would keep what
    /// was removed.
    marks,
    /// What was condemned is known to be so: a third that holds that value would be acknowledged, and
    /// a change of its deadline would bring it back.
    condemned_stay,
    /// A booting node forgets nothing: its floor would condemn what it has not been told of yet.
    boot_keeps,
    /// Nor does one that owns no more: writes do not come to it, and its floor would condemn what it
    /// has not been offered yet.
    old_keeps,
    /// Nor does one whose other holders are out of sight: it would condemn what they hold.
    lonely_keeps,
    /// Nor does anybody before whoever was out of touch, or is not valid yet, has told what it has:
    /// the floor would pass over that, and one who lacks it would not take it, or condemn it.
    hears_out,
    /// Flushes are told in Hello, state and frames: who missed one would serve what it removed.
    flush_table,

    // ---- what is exchanged ------------------------------------------------------------------

    /// Only what echoes the current number of a session counts: a late message would set bits that
    /// say no more what they said.
    echoes,
    /// Who hands over does not wait until all owners cover what one of them brought it: under load it
    /// would never be done (leaving seed 94).
    theirs_pass,
    /// Where there is no room for another session, one that only waits to hand over makes way for one
    /// with a smaller id: two who have met half of the owners each would wait for ever.
    makes_way,
    /// What a peer has said of how it stands counts until it has said something later, not until
    /// something else arrives: one that boots no more would be taken for one that boots, for as long
    /// as there is nothing else to say (late-messages seed 55).
    in_order,
    /// A session ends with the life of its peer: a new one would be trusted for what the old one
    /// covered.
    new_life,
    /// Who says that it holds nothing has no session any more: its bit would be awaited for ever.
    nothing_closes,
    /// Session numbers of a later life are larger: one of the former life would count in this one.
    life_numbers,
    /// Acknowledgements are relayed with the epoch they were given in: those given before a session
    /// began anew would count in it.
    epochs,
    /// A value below the floor of a peer that is not valid is condemned, not acknowledged: it may
    /// have been outlived, and would be trusted.
    condemn,
    /// What a peer may have outlived is kept only if another one, asked after that, still holds it:
    /// what it has overwritten or removed would be acknowledged.
    confirms,
    /// Who becomes valid adopts the floor: what others have forgotten would be taken from a third.
    adopt_floors,
    /// And gives its sessions new numbers: those who trust it have not adopted what it adopted.
    renewals,
    /// What goes leaves the sums of the tree: two holders would differ for ever, or seem equal.
    sums,
    /// Keys changed while a comparison is open are excepted from what it settles: what has come since
    /// the copy of the sums would count as known to a peer that was never told of it.
    records,
    /// A booting node adopts all floors together, in the end: with one of them it would condemn what
    /// it has not been told of yet.
    floors_together,
    /// A node that was declared down, or hung for as long, boots again: it lacks what was written
    /// meanwhile, and would call it missing.
    boot_after_absence,
    /// A node that began alone boots when it meets others: it would condemn what they hold.
    boot_after_solitude,
    /// A booting node that owns no more hands over what it has, as a ready one does: it may be the
    /// only one that took a write.
    boots_hand_over,
    /// A holder that owns no more drops nothing before all owners are ready and have it.
    handoff_checks,
}

#[cfg(test)]
mod tests {
    use super::Rules;

    #[cfg(not(feature = "simulation"))]
    #[test]
    fn a_build_for_use_contains_no_switch() {
        assert_eq!(size_of::<Rules>(), 0);
    }

    #[cfg(feature = "simulation")]
    #[test]
    fn a_rule_is_switched_off_by_its_name() {
        let all = Rules::default();
        for (name, about) in Rules::ALL {
            assert_ne!(all.without(name), Some(all), "{name}");
            assert!(about.len() > 20, "{name} says what it is");
        }
        assert_eq!(all.without("gravity"), None);
    }
}
