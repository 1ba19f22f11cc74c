//! Axes, lines, bars: a frame with units, and what is drawn into it.

use std::fmt::Write;

/// Width of a picture.
pub(super) const WIDTH: f64 = 920.0;
/// Where the frame begins and ends.
pub(super) const LEFT: f64 = 70.0;
/// See [`LEFT`].
pub(super) const RIGHT: f64 = 905.0;
/// Room above the frame, and below it for ticks and the name of the axis.
const TOP: f64 = 22.0;
const BELOW: f64 = 44.0;

/// A frame: how values become places in it.
pub(super) struct Frame {
    /// The last value of the horizontal axis; the first is 0.
    pub x_max: f64,
    /// The last value of the vertical axis.
    pub y_max: f64,
    /// Height of the picture.
    pub height: f64,
    /// What is drawn so far.
    pub svg: String,
}

impl Frame {
    /// Axes with their names and units.
    pub(super) fn new(height: f64, x: (&str, f64), y: (&str, f64)) -> Frame {
        let x_step = step(x.1, 10.0);
        let y_step = step(y.1, 4.0);
        let y_max = (y.1 / y_step).ceil() * y_step;
        let mut frame = Frame { x_max: x.1, y_max, height, svg: String::new() };
        let bottom = frame.bottom();
        for tick in 0..=(y_max / y_step).round() as usize {
            let value = tick as f64 * y_step;
            let at = frame.y(value);
            frame.put(&format!(
                "<line class=grid x1={LEFT} x2={RIGHT} y1={at:.1} y2={at:.1} />\
                 <text class=end x={} y={:.1}>{}</text>",
                LEFT - 8.0,
                at + 4.5,
                number(value)
            ));
        }
        for tick in 0..=(x.1 / x_step) as usize {
            let value = tick as f64 * x_step;
            let at = frame.x(value);
            frame.put(&format!(
                "<line class=axis x1={at:.1} x2={at:.1} y1={bottom} y2={} />\
                 <text class=middle x={at:.1} y={}>{}</text>",
                bottom + 4.0,
                bottom + 18.0,
                number(value)
            ));
        }
        frame.put(&format!(
            "<line class=axis x1={LEFT} x2={RIGHT} y1={bottom} y2={bottom} />\
             <text class=middle x={} y={}>{}</text><text x=4 y=13>{}</text>",
            (LEFT + RIGHT) / 2.0,
            bottom + 38.0,
            x.0,
            y.0
        ));
        frame
    }

    /// Adds elements.
    pub(super) fn put(&mut self, elements: &str) {
        self.svg += elements;
        self.svg.push('\n');
    }

    /// The place of a value on the horizontal axis.
    pub(super) fn x(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (value / self.x_max).clamp(0.0, 1.0)
    }

    /// The place of a value on the vertical axis.
    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom() - (self.bottom() - TOP) * value / self.y_max
    }

    fn bottom(&self) -> f64 {
        self.height - BELOW
    }

    /// A part of the horizontal axis, in the colour of faults.
    pub(super) fn band(&mut self, from: f64, to: f64, title: &str) {
        let (x, width) = (self.x(from), (self.x(to) - self.x(from)).max(1.0));
        let height = self.bottom() - TOP;
        self.put(&format!(
            "<rect class=band x={x:.1} y={TOP} width={width:.1} height={height}>\
             <title>{title}</title></rect>"
        ));
    }

    /// A moment, with a word at it.
    pub(super) fn moment(&mut self, at: f64, class: &str, word: &str) {
        let x = self.x(at);
        let (anchor, beside) = if x > RIGHT - 120.0 { ("end", -5.0) } else { ("start", 5.0) };
        self.put(&format!(
            "<line class={class} x1={x:.1} x2={x:.1} y1={TOP} y2={} />\
             <text class={class} text-anchor={anchor} x={:.1} y=15>{word}</text>",
            self.bottom(),
            x + beside
        ));
    }

    /// A line through points, in steps, with what is under it.
    pub(super) fn steps(&mut self, points: &[(f64, f64)], filled: bool) {
        let mut path = String::new();
        let mut last = None;
        for (index, (x, y)) in points.iter().enumerate() {
            // Where nothing changes there is nothing to draw.
            if last == Some(*y) && index + 1 < points.len() {
                continue;
            }
            last = Some(*y);
            let (x, y) = (self.x(*x), self.y(*y));
            let _ = if path.is_empty() {
                write!(path, "M{x:.1} {y:.1}")
            } else {
                write!(path, "H{x:.1}V{y:.1}")
            };
        }
        if let (true, Some(first), Some(end)) = (filled, points.first(), points.last()) {
            let (from, to, bottom) = (self.x(first.0), self.x(end.0), self.bottom());
            self.put(&format!("<path class=area d=\"{path}H{to:.1}V{bottom}H{from:.1}Z\" />"));
        }
        self.put(&format!("<path class=line d=\"{path}\" />"));
    }

    /// The picture, with its caption.
    pub(super) fn figure(self, caption: &str) -> String {
        figure(caption, self.height, &self.svg)
    }
}

/// A picture with its caption.
pub(super) fn figure(caption: &str, height: f64, svg: &str) -> String {
    format!(
        "<figure><figcaption>{caption}</figcaption>\n<svg role=img aria-label=\"{caption}\" \
         viewBox=\"0 0 {WIDTH} {height}\">\n{svg}</svg></figure>\n"
    )
}

/// A round distance between ticks, for about so many of them.
fn step(max: f64, ticks: f64) -> f64 {
    let raw = (max / ticks).max(1e-6);
    let power = 10f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps.into_iter().map(|factor| factor * power).find(|step| *step >= raw * 0.999).unwrap_or(raw)
}

/// A number without more digits than it needs.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!([step(49.0, 10.0), step(7.0, 4.0), step(0.9, 4.0)], [5.0, 2.0, 0.5]);
        assert_eq!([number(0.5), number(20.0), number(0.0)], ["0.5", "20", "0"]);
    }
}
