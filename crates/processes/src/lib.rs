//! Processes that outlive the one that started them: identity, shim, exit records.
