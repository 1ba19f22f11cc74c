//! A run that says which plan it was of, should it panic.

use std::cell::RefCell;

use simulations::plan::Plan;
use simulations::run::Outcome;
use simulations::trace::Trace;

use super::level::Level;
use super::source::Named;
use super::verdict;

/// The invariant that a panic breaks.
const NO_PANIC: &str = "no-panic";

thread_local! {
    /// What to do should the run of this thread panic.
    static RUNNING: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// Runs a plan. Should it panic, `saves` is called with it, [`name_panics`] says which plan it was,
/// and the process ends.
pub(super) fn watched(
    named: &Named,
    trace: Trace,
    saves: impl FnOnce(&Plan) + Send + 'static,
) -> Outcome {
    let Named { plan, level, .. } = named;
    watching(named, saves, || level.run(plan, trace))
}

/// As [`watched`], for another way to run the plan.
pub(super) fn watching<T: Send>(
    named: &Named,
    saves: impl FnOnce(&Plan) + Send + 'static,
    runs: impl FnOnce() -> T + Send,
) -> T {
    match named.level {
        Level::Core => naming(named, saves, runs),
        // On a thread of its own, as that level wants it.
        Level::Quic => std::thread::scope(|scope| {
            let runs = || naming(named, saves, runs);
            scope.spawn(runs).join().expect("a panic ends the process")
        }),
    }
}

fn naming<T>(named: &Named, saves: impl FnOnce(&Plan) + 'static, runs: impl FnOnce() -> T) -> T {
    let (plan, again) = (named.plan.clone(), named.again.clone());
    RUNNING.replace(Some(Box::new(move || {
        let (scenario, seed) = (&plan.scenario, plan.seed);
        say!("FAIL {scenario} seed={seed} invariant={NO_PANIC}");
        saves(&plan);
        say!("{}", last(scenario, NO_PANIC, seed, &again));
    })));
    let ran = runs();
    RUNNING.take();
    ran
}

/// The last line of everything that ends with a broken invariant.
pub(super) fn last(scenario: &str, invariant: &str, seed: u64, again: &str) -> String {
    let (commit, replay) = (verdict::commit(), verdict::replay(again));
    format!("FAILED {scenario}: invariant={invariant} seed={seed} commit={commit} {replay}")
}

/// Makes a panic say which plan it belongs to: release builds abort, so nobody can say it later.
pub(super) fn name_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        if let Some(say) = RUNNING.take() {
            say();
            std::process::exit(1);
        }
    }));
}
