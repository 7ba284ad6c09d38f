//! Runs without a process, a file or a clock: every interleaving and every crash point can be had.

mod coverage;
mod package;
mod random;
mod scenarios;
mod world;
