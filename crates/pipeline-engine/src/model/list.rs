//! Lists: what is asked for, and a page of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// How many there are over all pages.
    pub total: u64,
    /// Asks for the next page; `None` at the end.
    pub next: Option<String>,
}

/// Which page of which items. The default is the first page of all, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListOptions {
    /// Items on a page; 0 for the default, 20. At most 200.
    pub page_size: usize,
    /// Of an earlier page. Sort and filter are then that page's, and may be left out.
    pub page_token: Option<String>,
    /// In which order; by `created_at`, then id, where nothing is said.
    pub sort: Option<Sort>,
    /// All must hold.
    pub filter: Vec<Predicate>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// A field of the list, as KFP's API names it: `created_at`, `display_name`, `name`, `id`, and for runs also
    /// `state`, `storage_state`, `finished_at`, `experiment_id`.
    pub field: String,
    /// Which way.
    pub direction: Direction,
}

/// Which way to sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// A condition on a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    /// The field: see [`Sort::field`]; of pipelines and versions also `tags.NAME`, which can only equal a text.
    pub field: String,
    /// How it compares.
    pub comparison: Comparison,
    /// What it is compared with.
    pub value: PredicateValue,
}

/// How a field compares with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Is the value.
    Equals,
    /// Is not the value.
    NotEquals,
    /// Comes after the value.
    GreaterThan,
    /// Comes after the value or is it.
    GreaterThanEquals,
    /// Comes before the value.
    LessThan,
    /// Comes before the value or is it.
    LessThanEquals,
    /// Is one of the values.
    In,
    /// Has the value in it, whatever the case of its letters.
    IsSubstring,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredicateValue {
    /// A text.
    Text(String),
    /// A time. As in KFP's rows, its seconds are what counts.
    Time(Timestamp),
    /// Texts, for [`Comparison::In`].
    Texts(Vec<String>),
    /// Times, for [`Comparison::In`].
    Times(Vec<Timestamp>),
}
