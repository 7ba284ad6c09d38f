//! Command line for rungs, pipelines, runs.

fn main() {}
