//! Controllers that carry out the embedded rung's kinds as processes.
