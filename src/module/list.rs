//! The list of the modules of all hosts, and which of them can do what more than one can.

use super::captures_sip::CapturesSip;
use super::kamailio::sipcapture::capture_node::CaptureNode;
use super::kamailio::siptrace::TraceAgent;
use super::opensips;
#[cfg(any(test, feature = "toy-host"))]
use super::toy::ToyModule;
use super::{Dialect, Module, ParameterList};
use std::sync::LazyLock;

/// Makes [`AnyModule`] of the list: a variant, the name by which shims ask for it, its type, and its parameters.
macro_rules! modules {
    ($($(#[$on:meta])* $variant:ident $name:literal $module:ty, $parameters:expr;)*) => {
        /// One module of one host.
        #[derive(Debug)]
        pub enum AnyModule {
            $(
                #[doc = concat!("`", $name, "`.")]
                $(#[$on])*
                $variant(Box<$module>),
            )*
        }

        impl AnyModule {
            /// The module called `name`, with every parameter at its default; `None` when there is none.
            pub fn named(name: &str) -> Option<AnyModule> {
                match name {
                    $($(#[$on])* $name => Some(AnyModule::$variant(Box::default())),)*
                    _ => None,
                }
            }

            /// The parameters of the module called `name`, with the aliases that its dialect has for them; `None` when
            /// there is no such module.
            pub fn parameters(name: &str) -> Option<&'static ParameterList> {
                match name {
                    $(
                        $(#[$on])*
                        $name => {
                            static LISTED: LazyLock<ParameterList> =
                                LazyLock::new(|| $parameters.with_aliases(<$module>::default().dialect().aliases));
                            Some(&LISTED)
                        }
                    )*
                    _ => None,
                }
            }

            /// What the module called `name` does otherwise than others; `None` when there is no such module.
            pub fn dialect(name: &str) -> Option<&'static Dialect> {
                match name {
                    $(
                        $(#[$on])*
                        $name => {
                            static DIALECT: LazyLock<&Dialect> = LazyLock::new(|| <$module>::default().dialect());
                            Some(*DIALECT)
                        }
                    )*
                    _ => None,
                }
            }

            /// Its life.
            pub fn life(&self) -> &dyn Module {
                match self {
                    $($(#[$on])* AnyModule::$variant(module) => &**module,)*
                }
            }

            /// Its life, to go on with.
            pub fn life_mut(&mut self) -> &mut dyn Module {
                match self {
                    $($(#[$on])* AnyModule::$variant(module) => &mut **module,)*
                }
            }
        }
    };
}

modules! {
    Sipcapture "kamailio/sipcapture" CaptureNode, super::SIPCAPTURE_PARAMETERS;
    Siptrace "kamailio/siptrace" TraceAgent, super::SIPTRACE_PARAMETERS;
    OpensipsSipcapture "opensips/sipcapture" opensips::sipcapture::capture_node::CaptureNode,
        opensips::sipcapture::parameters::PARAMETERS;
    #[cfg(any(test, feature = "toy-host"))]
    Toy "toy/capture" ToyModule, super::toy::PARAMETERS;
}

impl AnyModule {
    /// The module, if it captures SIP messages.
    pub fn captures_sip(&mut self) -> Option<&mut dyn CapturesSip> {
        match self {
            AnyModule::Sipcapture(node) => Some(&mut **node),
            AnyModule::Siptrace(_) => None,
            AnyModule::OpensipsSipcapture(node) => Some(&mut **node),
            #[cfg(any(test, feature = "toy-host"))]
            AnyModule::Toy(module) => Some(&mut **module),
        }
    }
}
