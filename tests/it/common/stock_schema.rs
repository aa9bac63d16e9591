//! The tables of the stock modules' SQL files: the columns of `sip_capture` in their order, beside `id`, `date` and
//! `micro_ts`, and `sip_trace`.

/// Columns of text and their widths.
pub const TEXTS: [(&str, u32); 34] = [
    ("method", 50),
    ("reply_reason", 100),
    ("ruri", 200),
    ("ruri_user", 100),
    ("ruri_domain", 150),
    ("from_user", 100),
    ("from_domain", 150),
    ("from_tag", 64),
    ("to_user", 100),
    ("to_domain", 150),
    ("to_tag", 64),
    ("pid_user", 100),
    ("contact_user", 120),
    ("auth_user", 120),
    ("callid", 120),
    ("callid_aleg", 120),
    ("via_1", 256),
    ("via_1_branch", 80),
    ("cseq", 25),
    ("diversion", 256),
    ("reason", 200),
    ("content_type", 256),
    ("auth", 256),
    ("user_agent", 256),
    ("source_ip", 60),
    ("destination_ip", 60),
    ("contact_ip", 60),
    ("originator_ip", 60),
    ("correlation_id", 256),
    ("custom_field1", 120),
    ("custom_field2", 120),
    ("custom_field3", 120),
    ("rtp_stat", 256),
    ("node", 125),
];

/// The column of the message and its width.
pub const MESSAGE: (&str, u32) = ("msg", 1500);

/// Columns that have an index.
pub const INDEXED: [&str; 8] =
    ["ruri_user", "from_user", "to_user", "pid_user", "auth_user", "callid_aleg", "date", "callid"];

/// `sip_trace` in version 4, with what a database calls the kinds of four of its columns.
pub fn trace_table(id: &str, time: &str, number: &str, message: &str) -> String {
    let texts = [
        ("callid", 255),
        ("traced_user", 255),
        ("method", 50),
        ("status", 255),
        ("fromip", 64),
        ("toip", 64),
        ("fromtag", 128),
        ("totag", 128),
        ("direction", 4),
    ];
    let texts = texts.map(|(name, width)| format!("{name} VARCHAR({width}) DEFAULT '' NOT NULL"));
    format!(
        "CREATE TABLE sip_trace (id {id} PRIMARY KEY NOT NULL, time_stamp {time} DEFAULT '2000-01-01 00:00:01' NOT NULL, \
         time_us {number} DEFAULT 0 NOT NULL, msg {message} NOT NULL, {})",
        texts.join(", ")
    )
}
