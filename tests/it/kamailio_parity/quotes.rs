//! Quotes and backslashes are what an INSERT statement may stumble over: each is in each column that can hold it.

use super::Stored;
use super::tables::Engine;
use super::traffic::TABLES;

const MARKS: &[u8] = b"'\"\\";

/// The marks that can be in no value of a column, because Kamailio refuses the message (its refusal is in the traffic)
/// or because no sender has a say in the column.
fn impossible(column: &str) -> &'static [u8] {
    match column {
        "auth" | "source_ip" | "destination_ip" => MARKS,
        "from_user" | "from_domain" | "from_tag" | "to_user" | "to_domain" | "to_tag" | "pid_user" => b"\"\\",
        "via_1_branch" => b"\"",
        _ => b"",
    }
}

/// The columns that no message fills with one of the marks, though it could.
pub fn uncovered(stored: &Stored) -> Vec<String> {
    let mut report = Vec::new();
    for table in TABLES {
        for column in Engine::texts(table) {
            let values = || stored.iter().filter(|((of, _), _)| *of == table).flat_map(|(_, rows)| rows);
            let holds = |mark| values().any(|row| row[column].as_deref().is_some_and(|value| value.contains(mark)));
            let missing = MARKS.iter().filter(|mark| impossible(column).contains(mark) == holds(mark));
            report.extend(missing.map(|mark| {
                let right = if holds(mark) { "is listed as impossible" } else { "is missing" };
                format!("{table}: {} {right} in {column}", char::from(*mark))
            }));
        }
    }
    report
}
