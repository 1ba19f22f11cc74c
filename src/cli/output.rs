//! Standard output and error, for the parts that are no log: a reader that went away (`| head`) is
//! no reason to fail, and what a peer named itself must not drive a terminal.

use std::io::{self, Write};

/// Writes a result.
pub(super) fn print(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    // A closed pipe: nobody wants the rest.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Writes a line for the human at the terminal, who may not be there.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(line));
}

/// The text with control characters replaced.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Lays rows out in columns of two spaces between; the last column is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_end_without_spaces() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = table(&[row(["a", "state", "x"]), row(["long", "up", ""])]);
        assert_eq!(text, "a     state  x\nlong  up\n");
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
