//! `make bench`: our modules against the stock ones, on the same machine in the same run, as ratios.
//!
//! ```text
//! cargo bench --bench capture -- [rate] [drain] [cpu] [spool] [trace] [sqlite] [mariadb] [postgresql] [udp] [tcp]
//! ```
//! Words narrow the run to those parts and to those databases and transports. `make kamailio` comes first: the modules
//! are those that it builds.

#![allow(dead_code, reason = "the servers and builders of the tests are shared, and not all of them are needed here")]

mod bursts;
#[path = "../../tests/it/common/mod.rs"]
mod common;
mod cpu;
mod drain;
mod generator;
mod rate;
mod server;
mod spool;
mod tables;
mod trace;

use common::kamailio::Module;
use server::{Database, Engine};
use trace::Transport;

fn main() {
    // cargo adds --bench.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let parts = ["rate", "drain", "cpu", "spool", "trace"];
    let databases = Engine::ALL.map(Engine::name);
    let transports = Transport::ALL.map(Transport::name);
    let targets = [&databases[..], &transports[..]].concat();
    let asked = |word: &str, among: &[&str]| {
        words.iter().any(|asked| asked == word) || !words.iter().any(|asked| among.contains(&asked.as_str()))
    };
    for word in &words {
        let known = parts.contains(&word.as_str()) || targets.contains(&word.as_str());
        assert!(known, "{word}: {} and {} are known", parts.join(", "), targets.join(", "));
    }
    if asked("trace", &parts) {
        for transport in Transport::ALL.into_iter().filter(|transport| asked(transport.name(), &targets)) {
            print_traced(transport.name(), |module| trace::added_by_packets_us(transport, module));
        }
    }
    for engine in Engine::ALL.into_iter().filter(|engine| asked(engine.name(), &targets)) {
        let database = Database::start(engine);
        if asked("rate", &parts) {
            let (stock, stock_setup) = rate::best(&database, Module::Stock);
            let (ours, our_setup) = rate::best(&database, Module::Ours);
            println!(
                "rate   {:<10} stock {stock:>6.0}/s ({stock_setup})  ours {ours:>6.0}/s ({our_setup})  ratio {:.2}",
                engine.name(),
                ours / stock
            );
        }
        let drain = (asked("drain", &parts) || asked("spool", &parts)).then(|| drain::measure(&database));
        if let Some(drain) = drain {
            println!(
                "drain  {:<10} loader {:>6.0} rows/s  ours {:>6.0} rows/s  ratio {:.2}",
                engine.name(),
                drain.loader,
                drain.ours,
                drain.ours / drain.loader
            );
        }
        if let Some(drain) = drain
            && asked("drain", &parts)
            && engine.is_remote()
        {
            let encrypted = drain::measure(&Database::start_with_tls(engine));
            println!(
                "tls    {:<10} in clear {:>6.0} rows/s  with TLS {:>6.0} rows/s  ratio {:.2}",
                engine.name(),
                drain.ours,
                encrypted.ours,
                encrypted.ours / drain.ours
            );
        }
        if let Some(drain) = drain
            && asked("spool", &parts)
        {
            let (into, replay) = (spool::rate_into(&database), spool::replay(&database));
            println!(
                "spool  {:<10} into {into:>6.0}/s  replay {replay:>6.0} rows/s  of the drain {:.2}",
                engine.name(),
                replay / drain.ours
            );
        }
        if asked("cpu", &parts) {
            for running in [true, false] {
                let shown = |module| match cpu::added_us(&database, module, running) {
                    Some(micros) => format!("{micros:.2} us"),
                    None => "waits for the database".to_owned(),
                };
                let state = if running { "running" } else { "stopped" };
                let (stock, ours) = (shown(Module::Stock), shown(Module::Ours));
                println!("cpu    {:<10} {state}: stock {stock}  ours {ours}", engine.name());
            }
        }
        if asked("trace", &parts) {
            print_traced(engine.name(), |module| trace::added_by_rows_us(&database, module));
        }
    }
}

fn print_traced(target: &str, added_us: impl Fn(Module) -> f64) {
    let (stock, ours) = (added_us(Module::Stock), added_us(Module::Ours));
    println!("trace  {target:<10} stock {stock:.2} us  ours {ours:.2} us  ratio {:.3}", ours / stock);
}
