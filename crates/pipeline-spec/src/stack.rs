//! A stack of its own for parsers that recurse.

/// Runs `work` on a fresh stack of 64 MiB, of which only what is used is ever backed by memory: the YAML and the CEL
/// parser take up to 150 KiB a level, more than the usual 2 MiB hold within the allowed depths.
///
/// # Errors
/// Where the system has no thread to give.
pub(crate) fn on_own_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    const STACK: usize = 64 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work)?;
        match thread.join() {
            Ok(value) => Ok(value),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
