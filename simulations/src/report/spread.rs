//! All runs: how long the nodes took to agree; and who sent how much.

use super::chart::{Frame, LEFT, RIGHT, figure};
use crate::run::{Outcome, Recording};

/// Bars of a distribution.
const BARS: usize = 24;
/// Nodes that are drawn; of more, those that sent most.
const NODES_MAX: usize = 24;

/// How long after the last fault the nodes agreed, over all runs.
pub(super) fn agreement(outcomes: &[Outcome]) -> String {
    let mut agreed: Vec<f64> =
        outcomes.iter().filter_map(|o| o.agreed_ms).map(|ms| ms as f64 / 1e3).collect();
    agreed.sort_by(f64::total_cmp);
    let Some(max) = agreed.last().copied() else {
        return "<h2>Time to agree</h2><p>The nodes agreed in no run.</p>\n".to_owned();
    };
    let end = (max * 1.1).max(2.0);
    let width = end / BARS as f64;
    let mut counts = [0_usize; BARS];
    agreed.iter().for_each(|s| counts[((s / width) as usize).min(BARS - 1)] += 1);
    let most = counts.into_iter().max().unwrap_or(1).max(4);
    let mut frame = Frame::new(
        250.0,
        ("time from the end of the faults until all nodes agree [s]", end),
        ("runs", most as f64),
    );
    for (bar, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        let (from, to) = (bar as f64 * width, (bar + 1) as f64 * width);
        let (x, y) = (frame.x(from) + 1.0, frame.y(count as f64));
        let (wide, high) = (frame.x(to) - frame.x(from) - 2.0, frame.y(0.0) - y);
        frame.put(&format!(
            "<rect class=bar x={x:.1} y={y:.1} width={wide:.1} height={high:.1} rx=1.5>\
             <title>{count} runs: {from:.2} to {to:.2} s</title></rect>"
        ));
    }
    let at = |part: usize| agreed[(agreed.len() * part / 100).min(agreed.len() - 1)];
    let never = outcomes.len() - agreed.len();
    let never = if never > 0 { format!("; {never} never agreed") } else { String::new() };
    let spread = format!("p50 {:.2} s, p99 {:.2} s, at most {max:.2} s{never}", at(50), at(99));
    format!("<h2>Time to agree, {} runs</h2>\n<p>{spread}</p>\n", outcomes.len())
        + &frame.figure("Distribution of convergence times")
}

/// What each node sent, by kind of frame.
pub(super) fn bytes(recording: &Recording) -> String {
    let seconds = (recording.outcome.simulated_ms as f64 / 1e3).max(1.0);
    let mut nodes: Vec<_> = recording.traffic.iter().enumerate().collect();
    nodes.sort_by_key(|(_, traffic)| std::cmp::Reverse(traffic.bytes()));
    let left_out = nodes.len().saturating_sub(NODES_MAX);
    nodes.truncate(NODES_MAX);
    nodes.sort_by_key(|(node, _)| *node);
    let most = nodes.iter().map(|(_, traffic)| traffic.bytes()).max().unwrap_or_default().max(1);
    let scale = (RIGHT - LEFT - 160.0) / most as f64;
    let mut svg = String::new();
    for (row, (node, traffic)) in nodes.iter().enumerate() {
        let y = row as f64 * 26.0 + 4.0;
        svg += &format!("<text class=end x={} y={}>node {node}</text>", LEFT - 8.0, y + 14.0);
        let mut x = LEFT;
        for (kind, (name, bytes)) in traffic.kinds().enumerate() {
            let width = bytes as f64 * scale;
            if width > 0.0 {
                let kib = bytes as f64 / 1024.0;
                svg += &format!(
                    "<rect x={x:.1} y={y} width={width:.1} height=18 style=\"fill:var(--k{kind})\">\
                     <title>node {node}: {name} {kib:.1} KiB</title></rect>"
                );
            }
            x += width;
        }
        let (kib, rate) =
            (traffic.bytes() as f64 / 1024.0, traffic.bytes() as f64 / 1024.0 / seconds);
        let x = x + 8.0;
        svg += &format!("<text x={x:.1} y={}>{kib:.0} KiB, {rate:.1} KiB/s</text>\n", y + 14.0);
    }
    let kinds = recording.outcome.traffic.kinds().enumerate().filter(|(_, (_, bytes))| *bytes > 0);
    let legend: String = kinds
        .map(|(kind, (name, _))| {
            format!("<span><i style=\"background:var(--k{kind})\"></i>{name}</span>")
        })
        .collect();
    let height = nodes.len() as f64 * 26.0 + 6.0;
    let more = if left_out > 0 {
        format!(" ({left_out} that sent less are not shown)")
    } else {
        String::new()
    };
    figure(&format!("Bytes sent by each node, by kind of frame [KiB]{more}"), height, &svg)
        + &format!("<div class=legend>{legend}</div>\n")
}
