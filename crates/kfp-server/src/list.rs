//! Lists: filter, sort, page (backend/src/apiserver/list and filter @2.17.0).

mod filter;

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::filter::Filter;
use crate::error::ApiError;

const DEFAULT_PAGE: usize = 20;
const LARGEST_PAGE: usize = 200;

/// Query parameters of every list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListQuery {
    page_token: String,
    page_size: i32,
    sort_by: String,
    filter: String,
    /// Only of lists of runs.
    pub(crate) experiment_id: String,
    /// Accepted and not looked at: one user, no namespaces.
    #[serde(rename = "namespace")]
    _namespace: String,
}

/// An object of a list.
pub(crate) trait Listed: Sized {
    /// KFP's name of the type, for messages.
    const TYPE: &'static str;

    fn id(&self) -> &str;

    /// How a field that can be sorted and filtered by is read; none when there is no such field.
    fn field(name: &str) -> Option<fn(&Self) -> Field>;
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Field {
    Time(Option<Timestamp>),
    Text(String),
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) objects: Vec<T>,
    pub(crate) total_size: i32,
    pub(crate) next_page_token: String,
}

/// Where the next page begins. Opaque to clients.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    sort_by: String,
    filter: String,
    value: Field,
    id: String,
}

/// The page that was asked for.
pub(crate) fn page<T: Listed>(mut objects: Vec<T>, query: &ListQuery) -> Result<Page<T>, ApiError> {
    let size = match usize::try_from(query.page_size) {
        Err(_) => {
            return Err(ApiError::invalid(format!(
                "The page size should be greater than 0. Got {}",
                query.page_size
            )));
        }
        Ok(0) => DEFAULT_PAGE,
        Ok(size) => size.min(LARGEST_PAGE),
    };
    let token = read_token(query)?;
    let (sort_by, filter) = match &token {
        Some(token) => (token.sort_by.as_str(), token.filter.as_str()),
        None => (query.sort_by.as_str(), query.filter.as_str()),
    };
    let (field, descending) = sorting::<T>(sort_by)?;
    let filter = Filter::<T>::parse(filter)?;
    objects.retain(|object| filter.matches(object));
    let total_size = i32::try_from(objects.len()).unwrap_or(i32::MAX);

    let directed = |order: Ordering| if descending { order.reverse() } else { order };
    objects.sort_by(|left, right| {
        directed(
            field(left)
                .cmp(&field(right))
                .then_with(|| left.id().cmp(right.id())),
        )
    });
    if let Some(token) = &token {
        let begins = |object: &T| {
            let order = field(object)
                .cmp(&token.value)
                .then_with(|| object.id().cmp(token.id.as_str()));
            directed(order) != Ordering::Less
        };
        let first = objects.iter().position(begins).unwrap_or(objects.len());
        objects.drain(..first);
    }
    let next_page_token = objects.get(size).map_or_else(String::new, |next| {
        let token = Token {
            sort_by: sort_by.to_owned(),
            filter: token
                .as_ref()
                .map_or(&query.filter, |token| &token.filter)
                .clone(),
            value: field(next),
            id: next.id().to_owned(),
        };
        STANDARD.encode(serde_json::to_vec(&token).expect("invariant: strings and times serialise"))
    });
    objects.truncate(size);
    Ok(Page {
        objects,
        total_size,
        next_page_token,
    })
}

fn read_token(query: &ListQuery) -> Result<Option<Token>, ApiError> {
    if query.page_token.is_empty() {
        return Ok(None);
    }
    let token: Token = STANDARD
        .decode(&query.page_token)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| ApiError::invalid("Invalid page token"))?;
    let asked_again = !query.sort_by.is_empty() || !query.filter.is_empty();
    if asked_again && (query.sort_by != token.sort_by || query.filter != token.filter) {
        return Err(ApiError::invalid(
            "page token does not match the supplied sort by and/or filtering criteria. Either specify the same \
             criteria or leave the latter empty if page token is specified",
        ));
    }
    Ok(Some(token))
}

type Reader<T> = fn(&T) -> Field;

fn sorting<T: Listed>(sort_by: &str) -> Result<(Reader<T>, bool), ApiError> {
    let lower = sort_by.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let (name, descending) = match words.as_slice() {
        [] => ("created_at", false),
        [name] | [name, "asc"] => (*name, false),
        [name, "desc"] => (*name, true),
        _ => {
            return Err(ApiError::invalid(format!(
                "Received invalid sort by format {sort_by:?}. Supported format: \"field_name\", \"field_name desc\", \
                 or \"field_name asc\""
            )));
        }
    };
    let field = T::field(name).ok_or_else(|| {
        ApiError::invalid(format!(
            "Invalid sorting field: {name:?} on listable type {}",
            T::TYPE
        ))
    })?;
    Ok((field, descending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[derive(Debug)]
    pub(super) struct Thing(pub(super) &'static str, pub(super) i64);

    impl Listed for Thing {
        const TYPE: &'static str = "Thing";

        fn id(&self) -> &str {
            self.0
        }

        fn field(name: &str) -> Option<fn(&Self) -> Field> {
            match name {
                "name" => Some(|thing| Field::Text(thing.0.trim_end_matches(char::is_numeric).to_owned())),
                "created_at" => Some(|thing| Field::Time(Timestamp::from_second(thing.1).ok())),
                _ => None,
            }
        }
    }

    fn things() -> Vec<Thing> {
        vec![
            Thing("b1", 3),
            Thing("a1", 2),
            Thing("b2", 1),
            Thing("a2", 3),
            Thing("c1", 2),
        ]
    }

    fn query(size: i32, token: &str, sort_by: &str, filter: &str) -> ListQuery {
        ListQuery {
            page_token: token.to_owned(),
            page_size: size,
            sort_by: sort_by.to_owned(),
            filter: filter.to_owned(),
            ..ListQuery::default()
        }
    }

    #[rstest]
    #[case::default("", &["b2", "a1", "c1", "a2", "b1"])]
    #[case::newest_first("created_at desc", &["b1", "a2", "c1", "a1", "b2"])]
    #[case::by_name("NAME asc", &["a1", "a2", "b1", "b2", "c1"])]
    fn pages_join_to_the_whole_list(#[case] sort_by: &str, #[case] expected: &[&str]) {
        for size in [1, 2, 3, 5, 9] {
            let mut seen = Vec::new();
            let mut token = String::new();
            loop {
                let page = page(things(), &query(size, &token, sort_by, "")).unwrap();
                assert_eq!(page.total_size, 5);
                seen.extend(page.objects.iter().map(|thing| thing.0));
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(seen, expected, "page size {size}");
        }
    }

    #[test]
    fn a_page_goes_on_where_it_stopped_when_objects_came_and_went() {
        let first = page(things(), &query(2, "", "created_at desc", "")).unwrap();
        assert_eq!(first.objects.len(), 2);
        let mut later = things();
        later.retain(|thing| thing.0 != "c1");
        later.push(Thing("new", 9));
        let second = page(later, &query(2, &first.next_page_token, "", "")).unwrap();
        let names: Vec<_> = second.objects.iter().map(|thing| thing.0).collect();
        assert_eq!(names, ["a1", "b2"]);
    }

    #[rstest]
    #[case::size(query(-1, "", "", ""), "The page size should be greater than 0. Got -1")]
    #[case::token(query(1, "!", "", ""), "Invalid page token")]
    #[case::field(
        query(1, "", "colour", ""),
        "Invalid sorting field: \"colour\" on listable type Thing"
    )]
    #[case::format(
        query(1, "", "name up", ""),
        "Received invalid sort by format \"name up\". Supported format: \"field_name\", \"field_name desc\", or \"field_name asc\""
    )]
    fn a_list_that_makes_no_sense_is_refused(#[case] query: ListQuery, #[case] message: &str) {
        assert_eq!(page(things(), &query).unwrap_err().status().message, message);
    }

    #[test]
    fn a_token_belongs_to_its_sorting() {
        let first = page(things(), &query(1, "", "name", "")).unwrap();
        let error = page(things(), &query(1, &first.next_page_token, "created_at", "")).unwrap_err();
        assert!(error.status().message.starts_with("page token does not match"));
    }
}
