//! What the output goes to: how wide it is, whether it takes colour, which characters it can draw.
//!
//! Everything that the tool prints passes through here once, so that bytes from the network never reach a terminal as
//! control sequences.

use crate::text_width::{head, tail, text_width};
use clap::ValueEnum;
use std::io::{IsTerminal, Write};

/// Width of output that does not go to a terminal and for which nobody named one.
const PIPE_WIDTH: usize = 80;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always, also into a pipe.
    Always,
    /// Never.
    Never,
}

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As the terminal writes by itself.
    #[default]
    Plain,
    /// Headings and hosts.
    Strong,
    /// Lifelines, deltas, retransmissions.
    Faint,
    /// A request.
    Request,
    /// A 1xx reply.
    Provisional,
    /// A 2xx reply.
    Success,
    /// A 3xx reply.
    Redirect,
    /// A 4xx, 5xx or 6xx reply, a call that nobody answered.
    Failure,
}

impl Style {
    /// The style of a reply with this status code.
    pub fn of_status(status: u16) -> Style {
        match status {
            100..200 => Style::Provisional,
            200..300 => Style::Success,
            300..400 => Style::Redirect,
            _ => Style::Failure,
        }
    }

    /// Parameters of the SGR sequence, empty for none.
    fn sgr(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Request => "1;36",
            Style::Provisional => "33",
            Style::Success => "32",
            Style::Redirect => "35",
            Style::Failure => "31",
        }
    }
}

/// The characters that lines are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// A host's line.
    pub life: char,
    /// A message's line.
    pub line: char,
    /// The line of a retransmission.
    pub dashed: char,
    /// Where a message's line passes a host that has no part in it.
    pub cross: char,
    /// Arrow to the right.
    pub right: char,
    /// Arrow to the left.
    pub left: char,
    /// A message that a host sends to itself.
    pub own: char,
    /// Stands for what was cut.
    pub ellipsis: char,
    /// Before the count of a retransmission.
    pub times: char,
    /// From one address to another, in a sentence.
    pub to: &'static str,
    /// Between two facts of a line.
    pub dot: &'static str,
}

/// Unicode box drawing.
pub const UNICODE: Glyphs = Glyphs {
    life: '│',
    line: '─',
    dashed: '╌',
    cross: '┼',
    right: '►',
    left: '◄',
    own: '↺',
    ellipsis: '…',
    times: '×',
    to: "→",
    dot: " · ",
};

/// The same for terminals that know ASCII only.
pub const ASCII: Glyphs = Glyphs {
    life: '|',
    line: '-',
    dashed: '.',
    cross: '+',
    right: '>',
    left: '<',
    own: '@',
    ellipsis: '~',
    times: 'x',
    to: "->",
    dot: ", ",
};

/// What standard output is.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Columns, `None` when a table may be as wide as it likes (a pipe, with no width named).
    width: Option<usize>,
    /// Whether styles are written.
    colour: bool,
    /// Whether it is a terminal, not a file or a pipe.
    pub is_terminal: bool,
    /// What to draw with.
    pub glyphs: Glyphs,
}

impl Terminal {
    /// Looks at standard output and at the environment (COLUMNS, NO_COLOR, TERM, LC_ALL, LC_CTYPE, LANG).
    pub fn detect(width: Option<usize>, color: ColorChoice, ascii: bool) -> Terminal {
        let is_terminal = std::io::stdout().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !dumb && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        };
        let width = width.or_else(columns_of_environment).or_else(|| is_terminal.then(columns_of_terminal).flatten());
        Terminal { width, colour, is_terminal, glyphs: if ascii || !locale_is_utf8() { ASCII } else { UNICODE } }
    }

    /// A terminal of this width without colour, for tests of layouts.
    #[cfg(test)]
    pub fn plain(width: usize) -> Terminal {
        Terminal { width: Some(width), colour: false, is_terminal: true, glyphs: UNICODE }
    }

    /// Columns that a table has, without limit in a pipe: nothing is cut there.
    pub fn table_width(&self) -> usize {
        self.width.unwrap_or(usize::MAX)
    }

    /// Columns that a drawing has.
    pub fn drawing_width(&self) -> usize {
        self.width.unwrap_or(PIPE_WIDTH)
    }

    /// `text` in `style`, where styles are written.
    pub fn paint(&self, style: Style, text: &str) -> String {
        match style.sgr() {
            sgr if self.colour && !sgr.is_empty() && !text.is_empty() => format!("\x1b[{sgr}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    /// `text` cut to `width` columns, its end replaced by an ellipsis when something is missing.
    pub fn fit(&self, text: &str, width: usize) -> String {
        if text_width(text) <= width {
            return text.to_owned();
        }
        let mut cut = head(text, width.saturating_sub(1)).to_owned();
        if width > 0 {
            cut.push(self.glyphs.ellipsis);
        }
        cut
    }

    /// `text` cut to `width` columns in its middle: both ends of an address tell more than its beginning.
    pub fn fit_middle(&self, text: &str, width: usize) -> String {
        if text_width(text) <= width || width < 5 {
            return self.fit(text, width);
        }
        let behind = (width - 1) / 2;
        let before = width - 1 - behind;
        format!("{}{}{}", head(text, before), self.glyphs.ellipsis, tail(text, behind))
    }
}

/// `text` with every control character written as `\xNN`, so that a message cannot steer the terminal.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            out.push_str(&format!("\\x{:02x}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

/// Writes the whole of `text` to standard output. A reader that has gone away (`| head`) is not an error.
pub fn print(text: impl AsRef<[u8]>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn columns_of_environment() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.trim().parse().ok().filter(|&columns| columns > 0)
}

fn columns_of_terminal() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

fn locale_is_utf8() -> bool {
    let value = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_default()
        .to_ascii_lowercase();
    value.contains("utf-8") || value.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_not_cut_and_what_does_not_ends_in_an_ellipsis() {
        let terminal = Terminal::plain(80);
        assert_eq!(terminal.fit("200 OK", 6), "200 OK");
        assert_eq!(terminal.fit("200 OK", 5), "200 …");
        assert_eq!(terminal.fit("200 OK", 1), "…");
        assert_eq!(terminal.fit("200 OK", 0), "");
        assert_eq!(terminal.fit("山田太郎", 8), "山田太郎");
        assert_eq!(terminal.fit("山田太郎", 7), "山田太…");
        assert_eq!(terminal.fit("山田太郎", 6), "山田…");
    }

    #[test]
    fn an_address_is_cut_in_its_middle() {
        let terminal = Terminal::plain(80);
        assert_eq!(terminal.fit_middle("2001:db8:1:2:3:4:5:6", 20), "2001:db8:1:2:3:4:5:6");
        assert_eq!(terminal.fit_middle("2001:db8:1:2:3:4:5:6", 11), "2001:…4:5:6");
        assert_eq!(terminal.fit_middle("2001:db8:1:2:3:4:5:6", 4), "200…");
        assert_eq!(terminal.fit_middle("sip:山田太郎@東京", 12), "sip:山…@東京");
    }

    #[test]
    fn control_characters_of_a_message_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\u{9b}c\r\n"), "a\\x1b[31mb\\x9bc\\x0d\\x0a");
    }

    #[test]
    fn styles_are_written_only_in_colour() {
        let mut terminal = Terminal::plain(80);
        assert_eq!(terminal.paint(Style::Failure, "486"), "486");
        terminal.colour = true;
        assert_eq!(terminal.paint(Style::Failure, "486"), "\x1b[31m486\x1b[0m");
        assert_eq!(terminal.paint(Style::Plain, "486"), "486");
    }
}
