//! The tables that the benchmarks fill: columns, widths and indexes of the stock schemas.

use crate::server::Engine;

/// Columns of text and their widths.
const TEXTS: [(&str, u32); 34] = [
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
const NUMBERS: [&str; 7] =
    ["source_port", "destination_port", "contact_port", "originator_port", "proto", "family", "type"];
const INDEXED: [&str; 8] =
    ["ruri_user", "from_user", "to_user", "pid_user", "auth_user", "callid_aleg", "date", "callid"];

/// The statements that make an empty `name`, whatever was there before.
pub fn fresh(engine: Engine, name: &str) -> String {
    let mut sql = format!("DROP TABLE IF EXISTS {name};\nCREATE TABLE {name} (");
    sql += match engine {
        Engine::Sqlite => "id INTEGER PRIMARY KEY, date DATETIME, micro_ts BIGINT",
        Engine::Mysql => "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, date TIMESTAMP NOT NULL, micro_ts BIGINT",
        Engine::Postgres => "id BIGSERIAL, date TIMESTAMP NOT NULL, micro_ts BIGINT",
    };
    for (column, width) in TEXTS {
        // SQLite stores NULL for what is absent when the stock driver writes.
        let absent = if engine == Engine::Sqlite { "" } else { " NOT NULL DEFAULT ''" };
        sql += &format!(", {column} VARCHAR({width}){absent}");
    }
    for column in NUMBERS {
        sql += &format!(", {column} INTEGER");
    }
    sql += match engine {
        Engine::Sqlite => ", msg VARCHAR(1500));\n",
        Engine::Mysql => ", msg VARCHAR(1500), PRIMARY KEY (id, date)",
        Engine::Postgres => ", msg BYTEA, PRIMARY KEY (id, date));\n",
    };
    if engine == Engine::Mysql {
        for column in INDEXED {
            sql += &format!(", KEY {column} ({column})");
        }
        sql += ") ENGINE=InnoDB DEFAULT CHARSET=utf8 ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;\n";
    } else {
        for column in INDEXED {
            sql += &format!("CREATE INDEX {name}_{column} ON {name} ({column});\n");
        }
    }
    sql
}
