//! Shows the warnings of the sinks.

/// Shows the warnings of the sinks from now on: columns that a table lacks, keys of a URL that are ignored.
pub fn say_warnings() {
    struct Warnings;
    impl log::Log for Warnings {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() <= log::Level::Warn && metadata.target().starts_with("sipcapture")
        }
        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) {
                eprintln!("sipcapture: {}", crate::terminal::printable(&record.args().to_string()));
            }
        }
        fn flush(&self) {}
    }
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}
