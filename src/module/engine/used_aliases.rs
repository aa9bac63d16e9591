//! Which parameters the operator has set by another name, so that errors call them as the configuration does.

use crate::module::parameter::ParameterError;

/// Aliases that were set, each with the parameter that it stands for.
#[derive(Clone, Debug, Default)]
pub struct UsedAliases(Vec<(&'static str, &'static str)>);

impl UsedAliases {
    /// Notes that `parameter` is set, by `alias` unless by its own name; the last time counts.
    pub fn note(&mut self, parameter: &str, alias: Option<(&'static str, &'static str)>) {
        self.0.retain(|(_, meant)| *meant != parameter);
        self.0.extend(alias);
    }

    /// What the operator calls `parameter`.
    pub fn name<'a>(&self, parameter: &'a str) -> &'a str {
        self.0.iter().find(|(_, meant)| *meant == parameter).map_or(parameter, |(alias, _)| alias)
    }

    /// `error`, of the parameter as the operator calls it.
    pub fn named(&self, error: ParameterError) -> ParameterError {
        self.0.iter().fold(error, |error, alias| error.of_alias(*alias))
    }
}

#[cfg(test)]
mod tests {
    use crate::module::{AnyModule, KillLimits, Owner, SetError};

    /// Whose dialect has `database` for `db_url`.
    const MODULE: &str = "toy/capture";
    const NOBODY: Owner = (None, None);

    fn refused(module: &mut AnyModule, name: &str, value: &str) -> String {
        let set: Result<(), SetError> = module.life_mut().set_text(name, value.as_bytes());
        set.unwrap_err().to_string()
    }

    #[test]
    fn a_value_that_will_not_do_is_refused_by_the_name_that_the_operator_wrote() {
        let mut module = AnyModule::named(MODULE).unwrap();
        for name in ["database", "db_url", "database"] {
            let error = refused(&mut module, name, "foo//");
            assert!(error.starts_with(&format!("parameter {name}: the value \"foo//\" is not allowed: ")), "{error}");
            let error = module.life_mut().set_number(name, 1).unwrap_err().to_string();
            assert_eq!(error, format!("parameter {name}: there is no such parameter of type int"));
        }
        let error = refused(&mut module, "spool_sync", "never");
        assert!(error.starts_with("parameter spool_sync: "), "{error}");
    }

    #[test]
    fn what_the_check_finds_is_said_of_the_name_that_was_written_last() {
        for names in [&["database"][..], &["db_url"], &["database", "db_url"], &["db_url", "database"]] {
            let mut module = AnyModule::named(MODULE).unwrap();
            let module = module.life_mut();
            for name in names {
                module.set_text(name, b"sqlite:////proc/nosuch/sip.db").unwrap();
            }
            let error = module.check(NOBODY, KillLimits::default()).unwrap_err().to_string();
            let name = names.last().unwrap();
            assert!(error.starts_with(&format!("parameter {name}: the SQLite file /proc/nosuch/")), "{error}");
        }
    }

    #[test]
    fn a_database_of_the_hosts_own_driver_is_called_as_the_operator_does() {
        for name in ["database", "db_url"] {
            let mut module = AnyModule::named(MODULE).unwrap();
            module.life_mut().set_text(name, b"text:///var/lib/db").unwrap();
            let sinks = module.life().hosted_sinks();
            assert_eq!(sinks.iter().map(|sink| sink.parameter).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn an_alias_is_listed_among_the_parameters_of_its_module() {
        let parameters: Vec<_> = AnyModule::parameters(MODULE).unwrap().iter().collect();
        let position =
            |name: &str| parameters.iter().position(|known| known.name.to_bytes() == name.as_bytes()).unwrap();
        assert_eq!(position("database"), position("db_url") + 1);
        assert_eq!(parameters[position("database")].kind, parameters[position("db_url")].kind);
    }
}
