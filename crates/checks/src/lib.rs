//! State checks over a finished run, the same on every rung.
