//! Tables for the parity test: the columns of the stock schemas, wide enough that the stock module loses no row.

/// A database and the way its tables are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// MariaDB.
    Mysql,
    /// PostgreSQL with a `bytea` column for the message, the one type in which the stock module stores it whole.
    PostgresBytea,
    /// PostgreSQL with a `text` column for the message.
    PostgresText,
}

const SIP_TEXTS: [&str; 30] = [
    "method",
    "reply_reason",
    "ruri",
    "ruri_user",
    "ruri_domain",
    "from_user",
    "from_domain",
    "from_tag",
    "to_user",
    "to_domain",
    "to_tag",
    "pid_user",
    "contact_user",
    "auth_user",
    "callid",
    "callid_aleg",
    "via_1",
    "via_1_branch",
    "cseq",
    "diversion",
    "reason",
    "content_type",
    "auth",
    "user_agent",
    "contact_ip",
    "originator_ip",
    "rtp_stat",
    "custom_field1",
    "custom_field2",
    "custom_field3",
];
const SIP_NUMBERS: [&str; 2] = ["contact_port", "originator_port"];
const TEXTS: [&str; 4] = ["correlation_id", "source_ip", "destination_ip", "node"];
const NUMBERS: [&str; 5] = ["source_port", "destination_port", "proto", "family", "type"];

impl Engine {
    /// The statements that make all tables of the traffic.
    pub fn schema(self) -> String {
        let sip = self.sip_table("sip_capture");
        let reports = ["rtcp_capture", "report_capture", "logs_capture"];
        reports.iter().fold(sip, |sql, name| sql + &self.table(name, &TEXTS, &NUMBERS))
    }

    /// The statement that makes a table for SIP messages.
    pub fn sip_table(self, name: &str) -> String {
        self.table(name, &Engine::texts("sip_capture"), &[&SIP_NUMBERS[..], &NUMBERS[..]].concat())
    }

    /// The text columns of a table, without the message.
    pub fn texts(table: &str) -> Vec<&'static str> {
        let sip = if table == "sip_capture" { &SIP_TEXTS[..] } else { &[] };
        [sip, &TEXTS].concat()
    }

    fn table(self, name: &str, texts: &[&str], numbers: &[&str]) -> String {
        let (id, date, text, message, rest) = match self {
            Engine::Sqlite => ("INTEGER PRIMARY KEY", "DATETIME", "TEXT", "BLOB", ""),
            // Bytes that are no UTF-8 occur in header bodies, and a strict server refuses them in a text.
            Engine::Mysql => ("BIGINT PRIMARY KEY AUTO_INCREMENT", "DATETIME", "BLOB", "LONGBLOB", " ENGINE=InnoDB"),
            Engine::PostgresBytea => ("BIGSERIAL PRIMARY KEY", "TIMESTAMP", "TEXT", "BYTEA", ""),
            Engine::PostgresText => ("BIGSERIAL PRIMARY KEY", "TIMESTAMP", "TEXT", "TEXT", ""),
        };
        let mut sql = format!("CREATE TABLE {name} (id {id}, date {date}, micro_ts BIGINT");
        for column in texts {
            sql += &format!(", {column} {text}");
        }
        for column in numbers {
            sql += &format!(", {column} INTEGER");
        }
        sql + &format!(", msg {message}){rest};\n")
    }
}
