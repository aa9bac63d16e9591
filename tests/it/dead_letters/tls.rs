//! Letters go to servers that demand TLS, as rows do.

use super::files::{letter, sip, spool};
use super::tool;
use crate::common::rows::count;
use crate::common::tls_database::{TlsMariaDb, TlsPostgres};

#[test]
fn letters_are_sent_to_servers_that_demand_tls() {
    let (postgres, mariadb) = (TlsPostgres::start(), TlsMariaDb::start());
    for (url, looked_up, in_clear, required) in [
        (postgres.url("only_tls", ""), postgres.local_url("only_tls"), "?sslmode=disable", "?sslmode=require"),
        (mariadb.url("only_tls", ""), mariadb.clear_url(), "?ssl-mode=DISABLED", "?ssl-mode=REQUIRED"),
    ] {
        // A letter names its database without what the URL says of TLS: that makes it no other database.
        let spool = spool(&[letter(&url, "sip_capture", sip(1)), letter(&url, "sip_capture", sip(2))]);
        let replay = |query: &str| {
            let url = format!("{url}{query}");
            tool(spool.path(), &["replay-dead-letters", "--create-tables", "--limit", "1", "--db", &url])
        };
        let refused = replay(in_clear);
        assert_ne!(refused.code, 0, "{refused:?}");
        assert_eq!(count(&looked_up, "sip_capture"), 0);
        let stored = [replay(required), replay("")];
        assert!(stored.iter().all(|run| run.code == 0 && run.out.starts_with("1 letter stored")), "{stored:?}");
        assert_eq!(count(&looked_up, "sip_capture"), 2);
        let (mode, _) = required.split_once('=').expect("it names a mode");
        let wrong = replay(&format!("{mode}=maybe"));
        assert!(wrong.code == 2 && wrong.err.contains("mode `maybe`: "), "{wrong:?}");
    }
}
