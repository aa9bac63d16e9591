//! `sipcapture calls`: the newest calls, a line each.

use crate::archive::{Beginning, CallFilter};
use crate::call::Call;
use crate::listing::{ListedKind, TextTable};
use crate::message::Message;
use crate::moment::{now, talk_time};
use crate::session::{CallSession, CommandResult, Error};
use crate::terminal::printable;
use clap::Args;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Where room is taken from when a line is too long, and down to which width, one after the other.
const SHRINKING: [(ListedKind, usize); 7] = [
    (ListedKind::CallId, 26),
    (ListedKind::Party, 12),
    (ListedKind::Status, 12),
    (ListedKind::CallId, 18),
    (ListedKind::Party, 8),
    (ListedKind::Status, 8),
    (ListedKind::CallId, 10),
];

/// Which calls to list.
#[derive(Args, Clone, Debug)]
pub struct CallsOptions {
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
    #[arg(
        long,
        short = 'n',
        value_name = "COUNT",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    limit: u32,
}

/// Prints the list, or its document.
pub fn run(session: &mut CallSession, options: &CallsOptions) -> CommandResult {
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

fn find(session: &mut CallSession, options: &CallsOptions) -> Result<Vec<Call>, Error> {
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
fn lines(calls: &[Call], session: &CallSession, methods: bool) -> Vec<String> {
    let width = session.terminal.table_width();
    let mut table = table(calls, session, methods, true);
    if table.width() > width {
        table = self::table(calls, session, methods, false);
    }
    table.shrink(width, &SHRINKING);
    table.lines(&session.terminal)
}

fn table(calls: &[Call], session: &CallSession, methods: bool, wide: bool) -> TextTable {
    let clock = &session.clock;
    // Of a date, the narrow form keeps what differs from today.
    let today = clock.date(now());
    let same = |length: usize| !wide && calls.iter().all(|call| clock.date(call.start)[..length] == today[..length]);
    let skip = match (same("2026-11-21".len()), same("2026".len())) {
        (true, _) => "2026-11-21 ".len(),
        (false, true) => "2026-".len(),
        (false, false) => 0,
    };
    let mut table = TextTable::new(&heads(methods));
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
        table.push(cells.iter().map(|cell| printable(cell)).collect(), call.outcome.style());
    }
    table.measure();
    table
}

fn heads(methods: bool) -> Vec<(&'static str, ListedKind)> {
    let mut heads = vec![("TIME", ListedKind::Fixed)];
    if methods {
        heads.push(("METHOD", ListedKind::Fixed));
    }
    heads.extend([
        ("FROM", ListedKind::Party),
        ("TO", ListedKind::Party),
        ("MSGS", ListedKind::Number),
        ("TALK", ListedKind::Number),
        ("STATUS", ListedKind::Status),
        ("CALL-ID", ListedKind::CallId),
    ]);
    heads
}
