//! The operator's tool: reads the rows that the modules wrote.

fn main() {}
