//! The committed bindings of `c_shim/core.h` against the header itself.
//!
//! Nothing but this test reads the header with bindgen, so that who only builds needs no libclang. `make bindings` has
//! it write the file instead of comparing it.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The bindings, relative to the root of the project.
const COMMITTED: &str = "src/abi/contract.rs";

/// The headers that gcc brings with it (stddef.h), so that libclang needs none of its own.
fn compiler_headers() -> String {
    let printed = Command::new("gcc").arg("-print-file-name=include").output().expect("gcc should be installed");
    String::from_utf8(printed.stdout).expect("a path in UTF-8").trim().to_owned()
}

/// What bindgen makes of the header, formatted as the project's own code is.
fn generated(root: &Path) -> String {
    let bindings = bindgen::Builder::default()
        .header(root.join("c_shim/core.h").to_str().expect("a path in UTF-8"))
        .clang_args(["-isystem", &compiler_headers()])
        .allowlist_item("(sc|SC)_.*")
        .opaque_type("sc_core")
        .newtype_enum("sc_.*")
        .derive_default(true)
        .layout_tests(false)
        .disable_header_comment()
        .raw_line("//! Made from `c_shim/core.h` by `make bindings`; not to be edited.")
        .rust_target(bindgen::RustTarget::stable(85, 0).expect("the first with edition 2024"))
        .rust_edition(bindgen::RustEdition::Edition2024)
        .formatter(bindgen::Formatter::Rustfmt)
        .rustfmt_configuration_file(Some(root.join("rustfmt.toml")))
        .generate()
        .expect("c_shim/core.h should be readable by bindgen (needs libclang)")
        .to_string();
    bindings.clone() + &list_of_functions(&bindings)
}

/// A macro that hands the names of all functions to another, so that none can be forgotten where each is checked.
fn list_of_functions(bindings: &str) -> String {
    let declared = bindings.lines().filter_map(|line| line.trim_start().strip_prefix("pub fn "));
    let names = declared.map(|rest| format!("            {},\n", rest.split('(').next().expect("a name")));
    let names = names.collect::<String>();
    format!(
        "/// Hands the name of every function to the macro `check`.\nmacro_rules! each_function {{\n    ($check:ident) => {{\n        \
         $check! {{\n{names}        }}\n    }};\n}}\npub(super) use each_function;\n"
    )
}

#[test]
fn the_committed_bindings_are_those_of_the_header() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (committed, generated) = (root.join(COMMITTED), generated(root));
    if env::var_os("SIPCAPTURE_WRITE_BINDINGS").is_some() {
        fs::write(&committed, generated).expect("the bindings should be writable");
        return;
    }
    let committed = fs::read_to_string(&committed).expect("the bindings should be committed");
    let differing = committed.lines().zip(generated.lines()).position(|(committed, generated)| committed != generated);
    assert!(
        committed == generated,
        "{COMMITTED} is not what c_shim/core.h says (first difference at line {}): run `make bindings`",
        differing.unwrap_or(committed.lines().count().min(generated.lines().count())) + 1
    );
}
