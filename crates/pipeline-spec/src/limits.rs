//! How much of a document is read before it is refused.

/// Bounds on a document that a stranger hands in. Memory and time stay within a small multiple of `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Depth of nesting. The parser recurses, so this bounds the stack as well.
    pub depth: usize,
    /// Number of scalars, lists and mappings after aliases are expanded.
    pub nodes: usize,
}

impl Default for Limits {
    /// 32 MiB, the upload limit of KFP's API server; 64 levels; 1,000,000 nodes.
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            depth: 64,
            nodes: 1_000_000,
        }
    }
}
