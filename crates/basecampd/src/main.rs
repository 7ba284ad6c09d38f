//! The daemon of the embedded rung.

fn main() {}
