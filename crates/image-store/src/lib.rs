//! Image names resolved to environments on this machine.
