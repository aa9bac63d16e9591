//! Faults of a database that has a spool before it: nothing is lost, the SIP workers notice nothing, the order is kept.

use super::database::{Database, Kind};
use super::trial::Trial;

fn stopped(kind: Kind) {
    let trial = Trial::of("server stopped", Database::start(kind)).may_double_a_batch();
    trial.run(Database::stop, |database, ()| database.start_again());
}

#[test]
fn a_mariadb_that_is_stopped_loses_nothing() {
    stopped(Kind::MariaDb);
}

#[test]
fn a_postgresql_that_is_stopped_loses_nothing() {
    stopped(Kind::Postgres);
}

fn killed(kind: Kind) {
    let trial = Trial::of("server killed", Database::start(kind)).may_double_a_batch();
    trial.run(Database::kill, |database, ()| database.start_again());
}

#[test]
fn a_mariadb_that_is_killed_loses_nothing() {
    killed(Kind::MariaDb);
}

#[test]
fn a_postgresql_that_is_killed_loses_nothing() {
    killed(Kind::Postgres);
}

fn behind_a_black_hole(kind: Kind) {
    let trial = Trial::of("network black hole", Database::start_far(kind)).may_double_a_batch();
    trial.run(|database| database.network().swallow(), |database, ()| database.network().pass());
}

#[test]
fn a_network_that_swallows_packets_of_mariadb_loses_nothing() {
    behind_a_black_hole(Kind::MariaDb);
}

#[test]
fn a_network_that_swallows_packets_of_postgresql_loses_nothing() {
    behind_a_black_hole(Kind::Postgres);
}

fn locked(kind: Kind) {
    Trial::of("table locked", Database::start(kind)).run(|database| database.lock_table(), |_, lock| lock.release());
}

#[test]
fn a_locked_table_of_mariadb_loses_and_doubles_nothing() {
    locked(Kind::MariaDb);
}

#[test]
fn a_locked_table_of_postgresql_loses_and_doubles_nothing() {
    locked(Kind::Postgres);
}

#[test]
fn a_locked_sqlite_file_loses_and_doubles_nothing() {
    locked(Kind::Sqlite);
}

fn dropped(kind: Kind) {
    let trial = Trial::of("table dropped and made again", Database::start(kind)).begins_quiet();
    trial.run(|database| database.drop_table(), |database, ()| database.make_table());
}

#[test]
fn a_table_of_mariadb_that_is_dropped_and_made_again_gets_all_that_came_meanwhile() {
    dropped(Kind::MariaDb);
}

#[test]
fn a_table_of_postgresql_that_is_dropped_and_made_again_gets_all_that_came_meanwhile() {
    dropped(Kind::Postgres);
}

#[test]
fn a_table_of_sqlite_that_is_dropped_and_made_again_gets_all_that_came_meanwhile() {
    dropped(Kind::Sqlite);
}

fn password_changed(kind: Kind) {
    let trial = Trial::of("password changed, login made again", Database::start(kind)).may_double_a_batch();
    trial.run(|database| database.change_password(), |database, ()| database.make_login_again());
}

#[test]
fn a_changed_password_of_mariadb_loses_nothing() {
    password_changed(Kind::MariaDb);
}

#[test]
fn a_changed_password_of_postgresql_loses_nothing() {
    password_changed(Kind::Postgres);
}

fn too_many_connections(kind: Kind, most: &str) {
    let trial = Trial::of("too many connections", Database::start_with(kind, &[most])).may_double_a_batch();
    trial.run(|database| database.take_all_connections(), |_, taken| taken.release());
}

#[test]
fn a_mariadb_with_too_many_connections_loses_nothing() {
    too_many_connections(Kind::MariaDb, "--max-connections=12");
}

#[test]
fn a_postgresql_with_too_many_connections_loses_nothing() {
    too_many_connections(Kind::Postgres, "max_connections=12");
}

fn disk_full(kind: Kind) {
    let trial = Trial::of("disk of the database full", Database::start_on_small_disk(kind)).may_double_a_batch();
    trial.run(|database| database.disk().leave(0), |database, ()| database.disk().make_room());
}

#[test]
fn a_mariadb_whose_disk_is_full_loses_nothing() {
    disk_full(Kind::MariaDb);
}

#[test]
fn a_postgresql_whose_disk_is_full_loses_nothing() {
    disk_full(Kind::Postgres);
}

#[test]
fn a_sqlite_file_whose_disk_is_full_loses_nothing() {
    disk_full(Kind::Sqlite);
}
