//! Runs a pipeline spec on one machine, durably.
