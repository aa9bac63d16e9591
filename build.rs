//! Build script: nothing to do yet.
fn main() {}
