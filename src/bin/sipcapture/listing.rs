//! Tables of text: columns as wide as what stands in them, cut where room is short.

use crate::terminal::{Style, Terminal};
use crate::text_width::text_width;

/// Blanks between two columns.
const GAP: usize = 2;

/// How a column behaves when room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// Never cut.
    Fixed,
    /// Never cut, flush right.
    Number,
    /// Who calls or is called.
    Party,
    /// Coloured.
    Status,
    /// Cut only on a terminal, where a part of it is enough for the other subcommands.
    CallId,
    /// A sentence, best at the end of the line.
    Sentence,
}

/// Rows of text in columns.
pub struct TextTable {
    heads: Vec<(&'static str, ListedKind)>,
    rows: Vec<(Vec<String>, Style)>,
    widths: Vec<usize>,
}

impl TextTable {
    /// No rows yet.
    pub fn new(heads: &[(&'static str, ListedKind)]) -> TextTable {
        TextTable { heads: heads.to_vec(), rows: Vec::new(), widths: Vec::new() }
    }

    /// Adds a row: a text for each column, fit for a terminal.
    pub fn push(&mut self, cells: Vec<String>, style: Style) {
        self.rows.push((cells, style));
    }

    /// Gives every column the width of its longest text. To be called when all rows are there.
    pub fn measure(&mut self) {
        let longest = |index: usize, head: &str| {
            self.rows.iter().map(|(cells, _)| text_width(&cells[index])).max().unwrap_or(0).max(head.len())
        };
        self.widths = self.heads.iter().enumerate().map(|(index, (head, _))| longest(index, head)).collect();
    }

    /// How wide the lines are.
    pub fn width(&self) -> usize {
        self.widths.iter().sum::<usize>() + GAP * self.widths.len().saturating_sub(1)
    }

    /// Takes the room that is missing from the widest columns of each of these kinds, down to its width, one after the
    /// other.
    pub fn shrink(&mut self, width: usize, shrinking: &[(ListedKind, usize)]) {
        for &(kind, least) in shrinking {
            while self.width() > width {
                let widest = (0..self.heads.len())
                    .filter(|&index| self.heads[index].1 == kind && self.widths[index] > least)
                    .max_by_key(|&index| self.widths[index]);
                match widest {
                    Some(index) => self.widths[index] -= 1,
                    None => break,
                }
            }
        }
    }

    /// The head, and a line for each row.
    pub fn lines(&self, terminal: &Terminal) -> Vec<String> {
        let heads: Vec<String> = self.heads.iter().map(|(head, _)| (*head).to_owned()).collect();
        let head = self.line(&heads, Style::Plain, terminal);
        let rows = self.rows.iter().map(|(cells, style)| self.line(cells, *style, terminal));
        std::iter::once(terminal.paint(Style::Strong, &head)).chain(rows).collect()
    }

    fn line(&self, cells: &[String], style: Style, terminal: &Terminal) -> String {
        let mut line = String::new();
        for (index, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            let text = terminal.fit(cell, *width);
            let blanks = " ".repeat(width - text_width(&text));
            let text = match self.heads[index].1 {
                ListedKind::Number => format!("{blanks}{text}"),
                ListedKind::Status => terminal.paint(style, &text) + &blanks,
                _ => text + &blanks,
            };
            line.push_str(&text);
            line.push_str(&" ".repeat(GAP));
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(callers: &[&str], width: usize) -> Vec<String> {
        let mut table = TextTable::new(&[("FROM", ListedKind::Party), ("MSGS", ListedKind::Number)]);
        for caller in callers {
            table.push(vec![(*caller).to_owned(), "7".to_owned()], Style::Plain);
        }
        table.measure();
        table.shrink(width, &[(ListedKind::Party, 4)]);
        table.lines(&Terminal::plain(width))
    }

    #[test]
    fn columns_stay_in_line_whatever_is_written_in_them() {
        let expected = [
            "FROM      MSGS",
            "alice        7",
            "山田太郎     7",
            "Rene\u{301}         7",
            "😀👩\u{200d}👩\u{200d}👧👍🏽       7",
        ];
        assert_eq!(lines(&["alice", "山田太郎", "Rene\u{301}", "😀👩\u{200d}👩\u{200d}👧👍🏽"], 80), expected);
    }

    #[test]
    fn a_wide_text_is_cut_to_its_column_and_the_next_column_stays_in_line() {
        let expected = ["FROM   MSGS", "alice     7", "山田…     7", "e\u{301}e\u{301}e\u{301}e\u{301}…     7"];
        let combining = "e\u{301}".repeat(8);
        assert_eq!(lines(&["alice", "山田太郎", &combining], 11), expected);
        assert_eq!(lines(&["山田太郎"], 10), ["FROM  MSGS", "山…      7"]);
    }
}
