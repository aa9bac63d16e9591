//! Lays a flow out in the columns of a terminal.
//!
//! ```text
//!                    10.0.0.1                 10.0.0.2
//!                      :5060                    :5060
//!                        │                        │
//! 08:52:06.123           │──── INVITE (SDP) ─────►│
//! 08:52:06.125 +0.002    │◄───── 100 Trying ──────│
//! ```
//!
//! Hosts stand at equal distances: as far apart as the longest label between two of them asks for, and not farther than
//! the terminal allows. Where it is narrow, labels are cut, then the deltas are left out. A flow of very many hosts may
//! be wider than the terminal.

use super::Columns;
use super::row::LadderRow;
use crate::message::Message;
use crate::moment::{Clock, delta};
use crate::terminal::{Glyphs, Style, Terminal, printable};
use crate::text_width::text_width;

/// Widest distance between two hosts.
const MOST_SPACING: usize = 44;
/// Distance below which the deltas are left out.
const COMFORTABLE_SPACING: usize = 14;
/// Smallest distance between two hosts: an arrow with three letters.
const LEAST_SPACING: usize = 7;
/// Length of an arrow below which its label has no blanks around it.
const BARE: usize = 10;
/// Letters of a status line that must remain when it is cut for the notes behind it.
const LEAST_TEXT: usize = 7;
/// Characters of an arrow beside its label where there is room: three of line and a blank on either side, the head, and
/// one of the two hosts.
const ARROW: usize = 10;

/// One message of a flow, with the number of its leg and of its sending.
#[derive(Clone, Copy, Debug)]
pub struct LadderStep<'a> {
    /// The message.
    pub message: &'a Message,
    /// Number of its leg, `None` when there is only one.
    pub leg: Option<usize>,
    /// How many times it has been sent, this time included.
    pub sending: usize,
}

/// Draws `steps`, whose messages `columns` was made of: the heads of the hosts, then a line for each message.
pub fn draw(steps: &[LadderStep<'_>], columns: &Columns, clock: &Clock, terminal: &Terminal) -> Vec<String> {
    if steps.is_empty() {
        return Vec::new();
    }
    let drawing = Drawing::plan(steps, columns, terminal);
    let mut lines = drawing.heads(columns);
    let mut previous: Option<&Message> = None;
    for (step, &ends) in steps.iter().zip(&columns.ends) {
        let now = step.message.micro_ts;
        if previous.is_some_and(|before| clock.date(before.micro_ts) != clock.date(now)) {
            let mut row = drawing.lifelines();
            row.put(0, &clock.date(now), Style::Strong);
            lines.push(row.render(terminal));
        }
        let mut row = drawing.lifelines();
        row.put(0, &clock.milliseconds(now), Style::Plain);
        if let Some(before) = previous.filter(|_| drawing.delta_width > 0) {
            let delta = delta(now - before.micro_ts);
            row.put(TIME_WIDTH + 1 + drawing.delta_width - text_width(&delta), &delta, Style::Faint);
        }
        if let Some(leg) = step.leg {
            row.put(drawing.leg_at, &leg.to_string(), Style::Strong);
        }
        drawing.message(&mut row, step, ends);
        lines.push(row.render(terminal));
        previous = Some(step.message);
    }
    lines
}

/// Width of `08:52:06.123`.
const TIME_WIDTH: usize = 12;

/// The layout: where hosts, deltas and numbers of legs stand.
struct Drawing<'t> {
    terminal: &'t Terminal,
    /// Column of each host's line.
    lines_at: Vec<usize>,
    spacing: usize,
    delta_width: usize,
    leg_at: usize,
}

impl<'t> Drawing<'t> {
    fn plan(steps: &[LadderStep<'_>], columns: &Columns, terminal: &'t Terminal) -> Drawing<'t> {
        let deltas = steps.windows(2).map(|pair| delta(pair[1].message.micro_ts - pair[0].message.micro_ts));
        let delta_width = deltas.map(|delta| text_width(&delta)).max().unwrap_or(0);
        let leg_width = if steps.iter().any(|step| step.leg.is_some()) { 3 } else { 0 };
        let natural = natural_spacing(steps, columns, terminal);
        let with_deltas = Drawing::place(delta_width, leg_width, natural, columns, terminal);
        if with_deltas.spacing >= COMFORTABLE_SPACING.min(natural) || delta_width == 0 {
            return with_deltas;
        }
        Drawing::place(0, leg_width, natural, columns, terminal)
    }

    fn place(
        delta_width: usize,
        leg_width: usize,
        natural: usize,
        columns: &Columns,
        terminal: &'t Terminal,
    ) -> Drawing<'t> {
        let leg_at = TIME_WIDTH + if delta_width > 0 { delta_width + 1 } else { 0 } + 1;
        let first = leg_at + leg_width + 1;
        let gaps = columns.hosts.len().saturating_sub(1).max(1);
        let fitting = |last_head: usize| terminal.drawing_width().saturating_sub(first + 1 + last_head / 2) / gaps;
        let last_head = columns.hosts.last().map_or(0, head_width);
        // The last head is cut to the spacing, so that it claims no more than that on its right.
        let spacing = fitting(last_head).max(fitting(fitting(last_head))).min(natural).max(LEAST_SPACING);
        let lines_at = (0..columns.hosts.len()).map(|index| first + index * spacing).collect();
        Drawing { terminal, lines_at, spacing, delta_width, leg_at }
    }

    /// Address and ports of each host over its line.
    fn heads(&self, columns: &Columns) -> Vec<String> {
        let mut addresses = LadderRow::default();
        let mut ports = LadderRow::default();
        let room = if columns.hosts.len() > 1 { self.spacing - 1 } else { self.terminal.drawing_width() };
        for (host, &at) in columns.hosts.iter().zip(&self.lines_at) {
            for (row, text) in [(&mut addresses, host.ip.clone()), (&mut ports, host.ports_text())] {
                let text = self.terminal.fit_middle(&printable(&text), room);
                row.put(at.saturating_sub(text_width(&text) / 2), &text, Style::Strong);
            }
        }
        [addresses, ports, self.lifelines()].into_iter().map(|row| row.render(self.terminal)).collect()
    }

    fn lifelines(&self) -> LadderRow {
        let mut row = LadderRow::default();
        for &at in &self.lines_at {
            row.put(at, &self.terminal.glyphs.life.to_string(), Style::Faint);
        }
        row
    }

    fn message(&self, row: &mut LadderRow, step: &LadderStep<'_>, (from, to): (usize, usize)) {
        let style = if step.sending > 1 { Style::Faint } else { step.message.style() };
        let label = Label::of(step, &self.terminal.glyphs);
        match from == to {
            true => self.own_message(row, &label, from, style),
            false => self.arrow(row, &label, self.lines_at[from], self.lines_at[to], step.sending > 1, style),
        }
    }

    fn arrow(&self, row: &mut LadderRow, label: &Label, from: usize, to: usize, repeated: bool, style: Style) {
        let glyphs = &self.terminal.glyphs;
        let (left, right) = (from.min(to), from.max(to));
        let line = if repeated { glyphs.dashed } else { glyphs.line };
        for at in left + 1..right {
            let passes = self.lines_at.contains(&at);
            row.put(at, &(if passes { glyphs.cross } else { line }).to_string(), style);
        }
        let (head_at, head) = if to > from { (right - 1, glyphs.right) } else { (left + 1, glyphs.left) };
        let inside = right - left - 1;
        let blanks = match inside {
            ..BARE => 0,
            _ => 2,
        };
        let label = label.fit(inside - 1 - blanks, self.terminal);
        let label = if blanks > 0 { format!(" {label} ") } else { label };
        let shaft = inside - 1;
        let start = left + 1 + usize::from(to < from) + (shaft - text_width(&label)) / 2;
        row.put(start, &label, style);
        row.put(head_at, &head.to_string(), style);
    }

    /// A message that a host sends to itself: its label stands beside the host's line.
    fn own_message(&self, row: &mut LadderRow, label: &Label, host: usize, style: Style) {
        let at = self.lines_at[host];
        let own = self.terminal.glyphs.own;
        let alone = self.lines_at.len() == 1;
        if alone || host + 1 < self.lines_at.len() {
            let room = if alone { self.terminal.drawing_width().saturating_sub(at + 3) } else { self.spacing - 4 };
            row.put(at + 1, &format!("{own} {}", label.fit(room, self.terminal)), style);
        } else {
            let text = format!("{} {own}", label.fit(self.spacing - 4, self.terminal));
            row.put(at - text_width(&text), &text, style);
        }
    }
}

/// What is written on an arrow.
struct Label {
    /// Method or status line, which may be cut.
    text: String,
    /// Body and count, which are kept as long as anything of the text is.
    notes: String,
}

impl Label {
    fn of(step: &LadderStep<'_>, glyphs: &Glyphs) -> Label {
        let mut notes = step.message.body().map(|body| format!(" ({body})")).unwrap_or_default();
        if step.sending > 1 {
            notes.push_str(&format!(" {}{}", glyphs.times, step.sending));
        }
        Label { text: printable(&step.message.first_line()), notes }
    }

    fn length(&self) -> usize {
        text_width(&self.text) + text_width(&self.notes)
    }

    fn fit(&self, room: usize, terminal: &Terminal) -> String {
        let text_room = room.saturating_sub(text_width(&self.notes));
        match self.length() <= room || text_room >= LEAST_TEXT {
            true => terminal.fit(&self.text, text_room) + &self.notes,
            false => terminal.fit(&self.text, room),
        }
    }
}

fn head_width(host: &super::FlowHost) -> usize {
    text_width(&host.ip).max(text_width(&host.ports_text()))
}

/// The distance at which nothing between two hosts would be cut.
fn natural_spacing(steps: &[LadderStep<'_>], columns: &Columns, terminal: &Terminal) -> usize {
    let heads = columns.hosts.iter().map(|host| head_width(host) + 3);
    let labels = steps.iter().zip(&columns.ends).map(|(step, (from, to))| {
        let length = Label::of(step, &terminal.glyphs).length() + ARROW;
        length.div_ceil(from.abs_diff(*to).max(1))
    });
    heads.chain(labels).max().unwrap_or(0).clamp(LEAST_SPACING, MOST_SPACING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{reply, request};

    /// Draws messages with one sending each, at `width`.
    fn drawn(messages: &[Message], width: usize) -> Vec<String> {
        let columns = Columns::of(messages);
        let steps: Vec<LadderStep<'_>> =
            messages.iter().map(|message| LadderStep { message, leg: None, sending: 1 }).collect();
        draw(&steps, &columns, &Clock::new(true), &Terminal::plain(width))
    }

    fn hop(micro_ts: i64, source: u8, destination: u8) -> Message {
        let address = |host: u8| format!("10.0.0.{host}:5060");
        request(micro_ts, "INVITE", "1 INVITE").between(&address(source), &address(destination))
    }

    #[test]
    fn hosts_stand_as_far_apart_as_labels_ask_for_and_no_farther() {
        let messages = [hop(0, 1, 2), reply(1_500_000, "200 OK", "1 INVITE")];
        let expected = [
            "                 10.0.0.1        10.0.0.2",
            "                   :5060           :5060",
            "                     │               │",
            "00:00:00.000         │─── INVITE ───►│",
            "00:00:01.500 +1.500  │◄─── 200 OK ───│",
        ];
        assert_eq!(drawn(&messages, 80), expected);
        assert_eq!(drawn(&messages, 500), expected);
    }

    #[test]
    fn an_arrow_crosses_the_hosts_between_its_ends() {
        let messages = [hop(0, 1, 2), hop(0, 2, 3), hop(0, 3, 1)];
        assert_eq!(
            drawn(&messages, 80)[3..],
            [
                "00:00:00.000         │─── INVITE ───►│               │",
                "00:00:00.000 +0.000  │               │─── INVITE ───►│",
                "00:00:00.000 +0.000  │◄─────────── INVITE ───────────│",
            ]
        );
        let long = [hop(0, 1, 2), hop(0, 2, 3), hop(0, 3, 4), hop(0, 4, 1)];
        let row = drawn(&long, 80).pop().unwrap();
        assert_eq!(row, "00:00:00.000 +0.000  │◄──────────────┼──── INVITE ───┼───────────────│");
    }

    #[test]
    fn what_a_host_sends_to_itself_stands_beside_its_line() {
        let messages = [hop(0, 1, 2), hop(0, 1, 1), hop(0, 2, 2)];
        assert_eq!(
            drawn(&messages, 80)[4..],
            ["00:00:00.000 +0.000  │↺ INVITE       │", "00:00:00.000 +0.000  │       INVITE ↺│"]
        );
        assert_eq!(drawn(&[hop(0, 1, 1)], 80)[3], "00:00:00.000  │↺ INVITE");
        assert_eq!(drawn(&[hop(0, 1, 1)], 20)[3], "00:00:00.000  │↺ IN…");
    }

    #[test]
    fn a_reason_is_cut_before_the_note_behind_it() {
        let mut progress = reply(0, "183 Session Progress", "1 INVITE").with_sdp();
        let cut = |message: &Message, width| drawn(std::slice::from_ref(message), width).pop().unwrap();
        assert_eq!(cut(&progress, 80), "00:00:00.000  │─── 183 Session Progress (SDP) ───►│");
        assert_eq!(cut(&progress, 48), "00:00:00.000  │ 183 Session Progre… (SDP) ►│");
        assert_eq!(cut(&progress, 34), "00:00:00.000  │ 183 Sessio… ►│");
        progress.reason = "\u{1b}[2J".into();
        assert!(cut(&progress, 80).contains("183 \\x1b[2J (SDP)"));
    }

    #[test]
    fn a_reason_of_wide_characters_moves_no_host() {
        let messages = [hop(0, 1, 2), reply(0, "486 通話中", "1 INVITE"), reply(0, "486 Occupe\u{301}", "1 INVITE")];
        let expected = [
            "00:00:00.000         │───── INVITE ─────►│",
            "00:00:00.000 +0.000  │◄─── 486 通話中 ───│",
            "00:00:00.000 +0.000  │◄─── 486 Occupe\u{301} ───│",
        ];
        assert_eq!(drawn(&messages, 80)[3..], expected);
        assert_eq!(drawn(&messages, 30)[4], "00:00:00.000  │◄ 486 通… │");
    }

    #[test]
    fn a_long_address_is_cut_in_its_middle_and_stays_over_its_line() {
        let ends = ("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1:5060", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:2:5060");
        let messages = [request(0, "INVITE", "1 INVITE").between(ends.0, ends.1)];
        let lines = drawn(&messages, 60);
        assert!(lines.iter().all(|line| text_width(line) <= 60), "{lines:#?}");
        assert!(lines[0].contains("2001:db8:") && lines[0].contains("…") && lines[0].ends_with("eeee:2"), "{lines:#?}");
    }

    #[test]
    fn many_hosts_keep_an_arrow_each_however_narrow_the_terminal_is() {
        let messages: Vec<Message> = (1..=9).map(|host| hop(0, host, host + 1)).collect();
        for width in [0, 1, 20, 80] {
            let lines = drawn(&messages, width);
            assert_eq!(lines.len(), 12);
            assert!(lines[3..].iter().all(|line| line.contains('►')), "{lines:#?}");
        }
        assert_eq!(drawn(&messages[..1], 1)[3], "00:00:00.000  │INVI…►│");
    }
}
