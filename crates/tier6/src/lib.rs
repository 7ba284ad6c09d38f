//! The rungs: bring one up, look at it, take it down.
