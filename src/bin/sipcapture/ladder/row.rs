//! One line of a ladder, written in any order.

use crate::terminal::{Style, Terminal};
use crate::text_width::clusters;

/// What stands in one column.
#[derive(Clone)]
struct LadderCell {
    /// Empty in the second column of a wide character.
    text: String,
    style: Style,
}

impl LadderCell {
    fn blank() -> LadderCell {
        LadderCell { text: " ".into(), style: Style::Plain }
    }
}

/// One line of columns, each with its style.
#[derive(Default)]
pub struct LadderRow(Vec<LadderCell>);

impl LadderRow {
    /// Writes `text` at column `at`, over what is there. Of a wide character that is half covered, the other half
    /// becomes a blank.
    pub fn put(&mut self, at: usize, text: &str, style: Style) {
        let mut at = at;
        for (cluster, width) in clusters(text) {
            // A combining mark with no character before it would change what stands to the left.
            if width == 0 {
                continue;
            }
            let behind = at + width;
            if self.0.len() < behind {
                self.0.resize(behind, LadderCell::blank());
            }
            self.part_wide(at);
            self.part_wide(behind);
            for cell in &mut self.0[at..behind] {
                *cell = LadderCell { text: String::new(), style };
            }
            self.0[at].text = cluster.to_owned();
            at = behind;
        }
    }

    /// Makes blanks of a wide character that stands on both sides of the beginning of column `at`.
    fn part_wide(&mut self, at: usize) {
        if self.0.get(at).is_none_or(|cell| !cell.text.is_empty()) {
            return;
        }
        let is_half = |cell: &LadderCell| cell.text.is_empty();
        let first = self.0[..at].iter().rposition(|cell| !is_half(cell)).unwrap_or(0);
        let behind = self.0[at..].iter().position(|cell| !is_half(cell)).map_or(self.0.len(), |length| at + length);
        self.0[first..behind].fill(LadderCell::blank());
    }

    /// The line as `terminal` takes it.
    pub fn render(&self, terminal: &Terminal) -> String {
        let mut line = String::new();
        for run in self.0.chunk_by(|a, b| a.style == b.style) {
            let text: String = run.iter().map(|cell| cell.text.as_str()).collect();
            line.push_str(&terminal.paint(run[0].style, &text));
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(texts: &[(usize, &str)]) -> String {
        let mut row = LadderRow::default();
        for (at, text) in texts {
            row.put(*at, text, Style::Plain);
        }
        row.render(&Terminal::plain(80))
    }

    #[test]
    fn what_is_written_behind_a_wide_text_stands_in_its_own_column() {
        assert_eq!(row(&[(0, "日本"), (5, "x")]), "日本 x");
        assert_eq!(row(&[(0, "e\u{301}"), (2, "x")]), "e\u{301} x");
    }

    #[test]
    fn of_a_wide_character_that_is_half_covered_the_other_half_becomes_a_blank() {
        assert_eq!(row(&[(0, "日本語"), (1, "x")]), " x本語");
        assert_eq!(row(&[(0, "日本語"), (2, "x")]), "日x 語");
        assert_eq!(row(&[(0, "日本語"), (1, "国")]), " 国 語");
        assert_eq!(row(&[(0, "abc"), (1, "日")]), "a日");
    }
}
