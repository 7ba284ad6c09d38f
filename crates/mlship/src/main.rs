//! Deploys a model version.

fn main() {}
