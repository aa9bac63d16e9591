//! Faults of a server that is reached with TLS alone: sessions that are cut in the middle of a batch, handshakes that
//! nobody answers.

use super::database::{Database, Kind};
use super::trial::{PATIENCE, Trial};
use crate::common::relay::Behaviour;
use crate::common::wait::within;

/// Bytes of a client that get through before its connection is cut: the handshake, the login, and a part of a batch.
const PART_OF_A_BATCH: u64 = 40_000;
/// Bytes of a client that get through before a connection falls silent: the request for TLS, and no handshake.
const NO_HANDSHAKE: u64 = 64;

/// Cuts connections for a moment, has this done to all from then on, and waits until it is done to new ones.
fn fault(kind: Kind, name: &str, behaviour: Behaviour) {
    let struck_again = |database: &Database, before: u64| {
        within(PATIENCE, "a connection is struck", || database.relay().struck() > before);
        database.relay().struck()
    };
    let trial = Trial::of(name, Database::start_with_tls(kind)).may_double_a_batch();
    let begin = |database: &mut Database| {
        let before = database.relay().struck();
        database.relay().behave(Behaviour::CutAfter(0));
        let cut = struck_again(database, before);
        database.relay().behave(behaviour);
        cut
    };
    trial.run(begin, |database, cut| {
        struck_again(database, cut);
        database.relay().behave(Behaviour::Pass);
    });
}

#[test]
fn sessions_of_mariadb_that_are_cut_in_their_batches_lose_nothing() {
    fault(Kind::MariaDb, "TLS cut in each batch", Behaviour::CutAfter(PART_OF_A_BATCH));
}

#[test]
fn sessions_of_postgresql_that_are_cut_in_their_batches_lose_nothing() {
    fault(Kind::Postgres, "TLS cut in each batch", Behaviour::CutAfter(PART_OF_A_BATCH));
}

#[test]
fn a_black_hole_in_handshakes_with_mariadb_loses_nothing() {
    fault(Kind::MariaDb, "black hole in TLS handshakes", Behaviour::SilentAfter(NO_HANDSHAKE));
}

#[test]
fn a_black_hole_in_handshakes_with_postgresql_loses_nothing() {
    fault(Kind::Postgres, "black hole in TLS handshakes", Behaviour::SilentAfter(NO_HANDSHAKE));
}
