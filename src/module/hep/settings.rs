//! The parameters of HEP intake.

use crate::module::hep::access::{AllowList, AuthKey};
use crate::module::parameter::{ParameterError, refuse};
use std::ffi::CStr;

/// The texts among these parameters.
pub(in crate::module) const TEXTS: &[&CStr] = &[c"hep_auth_key", c"hep_allow"];
/// The numbers among these parameters.
pub(in crate::module) const NUMBERS: &[&CStr] = &[c"hep_capture_on", c"nonsip_hook"];

const ADDRESSES: &str = "addresses and networks such as 192.0.2.7, 198.51.100.0/24 and 2001:db8::/32, separated by commas or blanks, are allowed";

/// Which HEP packets are taken, as set so far.
#[derive(Clone, Debug, Default)]
pub struct HepSettings {
    /// `hep_capture_on`.
    pub capture_on: bool,
    /// `nonsip_hook`: the script looks at each HEP packet first.
    pub asks_script: bool,
    /// `hep_allow`.
    pub allow: AllowList,
    /// `hep_auth_key`.
    pub auth_key: AuthKey,
}

impl HepSettings {
    /// Sets a parameter that no error may show; false when it is not one of these.
    pub fn set_secret(&mut self, name: &str, value: &[u8]) -> bool {
        let is_key = name == "hep_auth_key";
        if is_key {
            self.auth_key = AuthKey::new(value);
        }
        is_key
    }

    /// Sets a text parameter; `None` when it is not one of these.
    pub fn set_text(&mut self, name: &str, text: &str) -> Option<Result<(), ParameterError>> {
        match name {
            "hep_allow" => Some(match AllowList::parse(text) {
                Ok(allow) => {
                    self.allow = allow;
                    Ok(())
                }
                Err(item) => Err(refuse(name, item, ADDRESSES)),
            }),
            _ => None,
        }
    }

    /// Sets a number parameter; `None` when it is not one of these. What is not 0 is on, as in the stock module.
    pub fn set_number(&mut self, name: &str, value: i64) -> Option<Result<(), ParameterError>> {
        match name {
            "hep_capture_on" => self.capture_on = value != 0,
            "nonsip_hook" => self.asks_script = value != 0,
            _ => return None,
        }
        Some(Ok(()))
    }
}
