//! The tables that the benchmarks fill: columns, widths and indexes of the stock schemas.

use crate::common::stock_schema::{INDEXED, MESSAGE, TEXTS};
use crate::server::Engine;

const NUMBERS: [&str; 7] =
    ["source_port", "destination_port", "contact_port", "originator_port", "proto", "family", "type"];
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
    let (message, width) = MESSAGE;
    sql += &match engine {
        Engine::Sqlite => format!(", {message} VARCHAR({width}));\n"),
        Engine::Mysql => format!(", {message} VARCHAR({width}), PRIMARY KEY (id, date)"),
        Engine::Postgres => format!(", {message} BYTEA, PRIMARY KEY (id, date));\n"),
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
