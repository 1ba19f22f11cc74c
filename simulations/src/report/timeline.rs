//! One run over time: divergent keys, membership, and the faults behind both.

use super::chart::{Frame, LEFT, RIGHT, figure};
use super::escape;
use crate::episodes::episodes;
use crate::plan::{Fault, Plan};
use crate::run::Recording;
use crate::samples::Sample;

/// A fault as it is drawn.
struct Band {
    row: &'static str,
    from: f64,
    to: f64,
    title: String,
}

/// All pictures of a run.
pub(super) fn draw(plan: &Plan, recording: &Recording) -> String {
    let end = recording.outcome.simulated_ms as f64 / 1e3;
    let bands = bands(plan, end);
    let most = recording.samples.iter().map(|sample| sample.divergent).max().unwrap_or_default();
    let keys = over_time(plan, recording, &bands, ("keys", most.max(4) as f64), |sample| {
        sample.divergent as f64
    });
    let members = over_time(plan, recording, &bands, ("% right", 100.0), Sample::accuracy);
    keys.figure("Divergent keys: held at different versions by running nodes (shaded: faults)")
        + &members.figure("Membership: views of other nodes that are right (shaded: faults)")
        + &faults(&bands, end)
}

fn over_time(
    plan: &Plan,
    recording: &Recording,
    bands: &[Band],
    y: (&str, f64),
    value: fn(&Sample) -> f64,
) -> Frame {
    let outcome = &recording.outcome;
    let end = (outcome.simulated_ms as f64 / 1e3).max(1.0);
    let mut frame = Frame::new(250.0, ("virtual time [s]", end), y);
    for band in bands {
        frame.band(band.from, band.to, &band.title);
    }
    let at = |sample: &Sample| sample.at.0 as f64 / 1e9;
    let points: Vec<_> = recording.samples.iter().map(|s| (at(s), value(s))).collect();
    frame.steps(&points, y.0 == "keys");
    let healed = plan.options.healed_ms as f64 / 1e3;
    if healed < end {
        frame.moment(healed, "healed", "faults end");
    }
    if let Some(violation) = &outcome.violation {
        frame.moment(violation.at.0 as f64 / 1e9, "fails", violation.invariant);
    }
    frame
}

/// A row for each kind of fault.
fn faults(bands: &[Band], end: f64) -> String {
    let mut rows: Vec<&str> = bands.iter().map(|band| band.row).collect();
    rows.sort_unstable();
    rows.dedup();
    if rows.is_empty() {
        return String::new();
    }
    let x = |value: f64| LEFT + (RIGHT - LEFT) * (value / end.max(1.0)).clamp(0.0, 1.0);
    let mut svg = String::new();
    for (number, row) in rows.iter().enumerate() {
        let y = number as f64 * 22.0;
        let middle = y + 11.0;
        svg += &format!(
            "<text class=end x={} y={}>{row}</text>\
             <line class=grid x1={LEFT} x2={RIGHT} y1={middle} y2={middle} />\n",
            LEFT - 8.0,
            middle + 5.0
        );
        for band in bands.iter().filter(|band| band.row == *row) {
            let (from, to) = (x(band.from), x(band.to));
            svg += &format!(
                "<rect class=fault x={from:.1} y={} width={:.1} height=14 rx=2>\
                 <title>{}</title></rect>\n",
                y + 4.0,
                (to - from).max(2.0),
                band.title
            );
        }
    }
    figure("Faults, on the same axis", rows.len() as f64 * 22.0 + 4.0, &svg)
}

fn bands(plan: &Plan, end: f64) -> Vec<Band> {
    let healed = plan.options.healed_ms as f64 / 1e3;
    let of = |index: usize| plan.faults[index].at_ms as f64 / 1e3;
    let band = |episode: crate::episodes::Episode| {
        let (from, what) = (of(episode.fault), &plan.faults[episode.fault].what);
        let to = match what {
            Fault::Start { .. } | Fault::Leave { .. } => from,
            Fault::Clock { .. } | Fault::Weather { .. } if episode.end.is_none() => healed,
            _ => episode.end.map_or(healed, of),
        };
        let title = escape(&format!("{what:?} from {from} to {to} s"));
        Band { row: row(what), from, to: to.min(end), title }
    };
    episodes(&plan.faults).into_iter().map(band).filter(|band| band.from < end).collect()
}

fn row(fault: &Fault) -> &'static str {
    match fault {
        Fault::Crash { .. } => "crash",
        Fault::Start { .. } => "join",
        Fault::Stop { .. } => "restart",
        Fault::Leave { .. } => "leave",
        Fault::Stall { .. } | Fault::Resume { .. } => "stall",
        Fault::Cut { .. } | Fault::Mend { .. } => "cut",
        Fault::Partition { .. } | Fault::Unite => "partition",
        Fault::Weather { .. } => "weather",
        Fault::Slow { .. } => "slow",
        Fault::Throttle { .. } => "throttle",
        Fault::Clock { .. } => "clock",
    }
}
