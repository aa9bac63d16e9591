//! `sipcapture calls`: the newest calls, a line each.

use std::collections::HashMap;

use clap::Args;
use serde_json::{Value, json};

use crate::archive::{Beginning, CallFilter};
use crate::call::Call;
use crate::message::Message;
use crate::moment::{now, talk_time};
use crate::session::{Answer, Error, Session};
use crate::terminal::{Style, Terminal, printable};

/// Blanks between two columns.
const GAP: usize = 2;
/// Where room is taken from when a line is too long, and down to which width, one after the other.
const SHRINKING: [(Kind, usize); 7] = [
    (Kind::CallId, 26),
    (Kind::Party, 12),
    (Kind::Status, 12),
    (Kind::CallId, 18),
    (Kind::Party, 8),
    (Kind::Status, 8),
    (Kind::CallId, 10),
];

/// Which calls to list.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Caller: user of From, or user@domain; "*" stands for anything
    #[arg(long, value_name = "USER")]
    from: Option<String>,
    /// Callee: user of To, or user@domain
    #[arg(long, value_name = "USER")]
    to: Option<String>,
    /// Call-ID; "*" stands for anything
    #[arg(long, value_name = "CALL-ID")]
    call_id: Option<String>,
    /// Calls that began at this time or later
    ///
    /// 15m, 2h or 7d (ago), 08:30 (today), 2026-11-21, "2026-11-21 08:30",
    /// or 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME", verbatim_doc_comment)]
    since: Option<String>,
    /// Calls that began before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What has this request instead of calls, as REGISTER or OPTIONS
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Every Call-ID, whatever its messages are
    #[arg(long, conflicts_with = "method")]
    all: bool,
    /// Lines to print, at most
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Prints the list, or its document.
pub fn run(session: &mut Session, options: &Options) -> Answer {
    let calls = find(session, options)?;
    if session.json {
        let calls: Vec<Value> = calls.iter().map(Call::to_json).collect();
        return session.document(json!({ "calls": calls }));
    }
    if calls.is_empty() {
        eprintln!("sipcapture: no such calls");
        return Ok(());
    }
    let lines = lines(&calls, session, options.method.is_some() || options.all);
    session.print(lines.join("\n") + "\n")
}

fn find(session: &mut Session, options: &Options) -> Result<Vec<Call>, Error> {
    let moment = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match session.clock.parse(text, now()) {
            Ok(moment) => Ok(Some(moment)),
            Err(why) => Err(Error::Argument(format!("{name}: {why}"))),
        },
    };
    let filter = CallFilter {
        from: options.from.clone(),
        to: options.to.clone(),
        call_id: options.call_id.clone(),
        since: moment("--since", &options.since)?,
        until: moment("--until", &options.until)?,
        beginning: match (&options.method, options.all) {
            (Some(method), _) => Beginning::Method(method.to_ascii_uppercase()),
            (None, true) => Beginning::Any,
            (None, false) => Beginning::Call,
        },
    };
    let call_ids = session.archive.recent(&filter, options.limit as usize)?;
    let messages = session.archive.messages(&call_ids, false)?;
    let mut by_call: HashMap<&str, Vec<&Message>> = HashMap::new();
    for message in &messages {
        by_call.entry(&message.call_id).or_default().push(message);
    }
    let mut calls: Vec<Call> = by_call.values().filter_map(|messages| Call::of(messages)).collect();
    if let (Beginning::Call, Some(since)) = (&filter.beginning, filter.since) {
        // Found by an INVITE that was sent again.
        calls.retain(|call| call.start >= since);
    }
    calls.sort_by(|a, b| b.start.cmp(&a.start).then_with(|| a.call_id.cmp(&b.call_id)));
    Ok(calls)
}

/// The table in the first form that fits: with domains, without, and then with columns cut.
fn lines(calls: &[Call], session: &Session, methods: bool) -> Vec<String> {
    let width = session.terminal.table_width();
    let mut table = table(calls, session, methods, true);
    if table.width() > width {
        table = self::table(calls, session, methods, false);
    }
    table.shrink(width);
    table.lines(&session.terminal)
}

fn table(calls: &[Call], session: &Session, methods: bool, wide: bool) -> Table {
    let clock = &session.clock;
    // Of a date, the narrow form keeps what differs from today.
    let today = clock.date(now());
    let same = |length: usize| !wide && calls.iter().all(|call| clock.date(call.start)[..length] == today[..length]);
    let skip = match (same("2026-11-21".len()), same("2026".len())) {
        (true, _) => "2026-11-21 ".len(),
        (false, true) => "2026-".len(),
        (false, false) => 0,
    };
    let mut table = Table::new(methods);
    for call in calls {
        let time = clock.date_time(call.start)[skip..].to_owned();
        let party = |party: &crate::message::Party| if wide { party.address() } else { party.name().to_owned() };
        let mut cells = vec![time];
        if methods {
            cells.push(call.method.clone());
        }
        cells.extend([
            party(&call.from),
            party(&call.to),
            call.messages.to_string(),
            call.talk.map(talk_time).unwrap_or_default(),
            call.outcome.text(),
            call.call_id.clone(),
        ]);
        table.rows.push((cells.iter().map(|cell| printable(cell)).collect(), call.outcome.style()));
    }
    table.measure();
    table
}

/// How a column behaves when room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
}

struct Table {
    heads: Vec<(&'static str, Kind)>,
    rows: Vec<(Vec<String>, Style)>,
    widths: Vec<usize>,
}

impl Table {
    fn new(methods: bool) -> Table {
        let mut heads = vec![("TIME", Kind::Fixed)];
        if methods {
            heads.push(("METHOD", Kind::Fixed));
        }
        heads.extend([
            ("FROM", Kind::Party),
            ("TO", Kind::Party),
            ("MSGS", Kind::Number),
            ("TALK", Kind::Number),
            ("STATUS", Kind::Status),
            ("CALL-ID", Kind::CallId),
        ]);
        Table { heads, rows: Vec::new(), widths: Vec::new() }
    }

    fn measure(&mut self) {
        let longest = |index: usize, head: &str| {
            self.rows.iter().map(|(cells, _)| cells[index].chars().count()).max().unwrap_or(0).max(head.len())
        };
        self.widths = self.heads.iter().enumerate().map(|(index, (head, _))| longest(index, head)).collect();
    }

    fn width(&self) -> usize {
        self.widths.iter().sum::<usize>() + GAP * self.widths.len().saturating_sub(1)
    }

    /// Takes the room that is missing where [`SHRINKING`] says.
    fn shrink(&mut self, width: usize) {
        for (kind, least) in SHRINKING {
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

    fn lines(&self, terminal: &Terminal) -> Vec<String> {
        let heads: Vec<String> = self.heads.iter().map(|(head, _)| (*head).to_owned()).collect();
        let head = self.line(&heads, Style::Plain, terminal);
        let rows = self.rows.iter().map(|(cells, style)| self.line(cells, *style, terminal));
        std::iter::once(terminal.paint(Style::Strong, &head)).chain(rows).collect()
    }

    fn line(&self, cells: &[String], style: Style, terminal: &Terminal) -> String {
        let mut line = String::new();
        for (index, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            let text = terminal.fit(cell, *width);
            let blanks = " ".repeat(width - text.chars().count());
            let text = match self.heads[index].1 {
                Kind::Number => format!("{blanks}{text}"),
                Kind::Status => terminal.paint(style, &text) + &blanks,
                _ => text + &blanks,
            };
            line.push_str(&text);
            line.push_str(&" ".repeat(GAP));
        }
        line.trim_end().to_owned()
    }
}
