//! Turns `c_shim/core.h` into Rust, so that the contract is declared once.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=c_shim/core.h");
    let bindings = bindgen::Builder::default()
        .header("c_shim/core.h")
        .allowlist_item("(sc|SC)_.*")
        .opaque_type("sc_core")
        .newtype_enum("sc_.*")
        .derive_default(true)
        .layout_tests(false)
        .raw_line("// Made from c_shim/core.h by build.rs.")
        .generate()
        .expect("c_shim/core.h must be readable by bindgen (needs libclang)");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("core.rs");
    bindings.write_to_file(&target).expect("OUT_DIR must be writable");
}
