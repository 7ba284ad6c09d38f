//! Pages of a table: filtered, sorted, each page beginning behind the last one's end (keyset, no offsets).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::model::{Comparison, Direction, ListOptions, Page, Predicate, PredicateValue, Sort};

const DEFAULT_PAGE: usize = 20;
const LARGEST_PAGE: usize = 200;
/// Predicates, and values in lists; well within what one statement of SQLite can have.
const LARGEST_FILTER: usize = 500;

/// A table that can be listed.
pub(crate) struct Listing<T> {
    /// Everything a record is read from: `FROM …`.
    pub(crate) from: &'static str,
    /// Fields by the names the API gives them.
    pub(crate) fields: &'static [Field],
    /// Whether it has a column `tags` that one can filter by.
    pub(crate) tags: bool,
    /// Reads a record.
    pub(crate) read: fn(&Row<'_>) -> rusqlite::Result<T>,
}

/// A field one can sort and filter by.
pub(crate) struct Field {
    /// The API's name of it.
    pub(crate) name: &'static str,
    /// An expression that is never null.
    pub(crate) column: &'static str,
    /// What it holds.
    pub(crate) kind: FieldKind,
}

impl Field {
    /// One that holds a text.
    pub(crate) const fn text(name: &'static str, column: &'static str) -> Self {
        let kind = FieldKind::Text;
        Self { name, column, kind }
    }

    /// One that holds a time.
    pub(crate) const fn time(name: &'static str, column: &'static str) -> Self {
        let kind = FieldKind::Time;
        Self { name, column, kind }
    }
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Text,
    Time,
}

/// Where a page begins. Opaque to clients.
#[derive(Serialize, Deserialize)]
struct Token {
    sort: Sort,
    filter: Vec<Predicate>,
    after: Key,
    id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Key {
    Time(i64),
    Text(String),
}

impl<T> Listing<T> {
    /// The page asked for. `base` restricts the table, with its values.
    pub(crate) fn page(
        &self,
        connection: &Connection,
        base: (&str, &[Value]),
        options: &ListOptions,
    ) -> Result<Page<T>, EngineError> {
        let size = match options.page_size {
            0 => DEFAULT_PAGE,
            size => size.min(LARGEST_PAGE),
        };
        let token = options
            .page_token
            .as_deref()
            .map(|text| read_token(text, options))
            .transpose()?;
        let default = Sort {
            field: "created_at".to_owned(),
            direction: Direction::Ascending,
        };
        let (sort, filter) = match &token {
            Some(token) => (&token.sort, &token.filter),
            None => (options.sort.as_ref().unwrap_or(&default), &options.filter),
        };
        let field = self.field(&sort.field, "sort by")?;
        let compared = filter.iter().map(|predicate| match &predicate.value {
            PredicateValue::Texts(texts) => 1 + texts.len(),
            PredicateValue::Times(times) => 1 + times.len(),
            PredicateValue::Text(_) | PredicateValue::Time(_) => 1,
        });
        if compared.sum::<usize>() > LARGEST_FILTER {
            return Err(EngineError::Invalid(format!(
                "a filter has at most {LARGEST_FILTER} predicates and values"
            )));
        }

        let mut conditions = vec![base.0.to_owned()];
        let mut values = base.1.to_vec();
        for predicate in filter {
            conditions.push(self.condition(predicate, &mut values)?);
        }
        let matching = conditions.join(" AND ");
        let count = format!("SELECT COUNT(*) {} WHERE {matching}", self.from);
        let total: i64 = connection.query_row(&count, params_from_iter(&values), |row| row.get(0))?;

        let (order, beyond) = match sort.direction {
            Direction::Ascending => ("ASC", ">"),
            Direction::Descending => ("DESC", "<"),
        };
        if let Some(token) = &token {
            conditions.push(format!("({}, id) {beyond} (?, ?)", field.column));
            values.push(match &token.after {
                Key::Time(time) => Value::from(*time),
                Key::Text(text) => Value::from(text.clone()),
            });
            values.push(Value::from(token.id.clone()));
        }
        values.push(Value::from(
            i64::try_from(size + 1).expect("invariant: a page is small"),
        ));
        let select = format!(
            "SELECT *, {column} AS sort_key {from} WHERE {conditions} ORDER BY {column} {order}, id {order} LIMIT ?",
            column = field.column,
            from = self.from,
            conditions = conditions.join(" AND "),
        );
        let mut statement = connection.prepare_cached(&select)?;
        let mut rows = statement.query(params_from_iter(&values))?;
        let mut items = Vec::new();
        let mut last: Option<(Key, String)> = None;
        let mut more = false;
        while let Some(row) = rows.next()? {
            if items.len() == size {
                more = true;
                break;
            }
            let key = match field.kind {
                FieldKind::Time => Key::Time(row.get("sort_key")?),
                FieldKind::Text => Key::Text(row.get("sort_key")?),
            };
            last = Some((key, row.get("id")?));
            items.push((self.read)(row)?);
        }
        let next = last.filter(|_| more).map(|(after, id)| {
            let token = Token {
                sort: sort.clone(),
                filter: filter.clone(),
                after,
                id,
            };
            let json = serde_json::to_vec(&token).expect("invariant: plain data");
            URL_SAFE_NO_PAD.encode(json)
        });
        Ok(Page {
            items,
            total: u64::try_from(total).unwrap_or_default(),
            next,
        })
    }

    fn field(&self, name: &str, purpose: &str) -> Result<&'static Field, EngineError> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .ok_or_else(|| {
                let known: Vec<_> = self.fields.iter().map(|field| field.name).collect();
                EngineError::Invalid(format!(
                    "no field `{name}` to {purpose}; there are {}",
                    known.join(", ")
                ))
            })
    }

    fn condition(&self, predicate: &Predicate, values: &mut Vec<Value>) -> Result<String, EngineError> {
        if let Some(tag) = predicate.field.strip_prefix("tags.")
            && self.tags
        {
            return tagged(tag, predicate, values);
        }
        let field = self.field(&predicate.field, "filter by")?;
        // Filters go by whole seconds, as KFP's rows do.
        let column = match field.kind {
            FieldKind::Text => field.column.to_owned(),
            FieldKind::Time => format!("({} / 1000000)", field.column),
        };
        let refuse = || {
            Err(EngineError::Invalid(format!(
                "filter on `{}`: its comparison cannot take its value",
                predicate.field
            )))
        };
        let given: Vec<Value> = match (&predicate.value, field.kind) {
            (PredicateValue::Text(text), FieldKind::Text) => vec![text.clone().into()],
            (PredicateValue::Texts(texts), FieldKind::Text) => {
                texts.iter().cloned().map(Value::from).collect()
            }
            (PredicateValue::Time(time), FieldKind::Time) => vec![time.as_second().into()],
            (PredicateValue::Times(times), FieldKind::Time) => {
                times.iter().map(|time| time.as_second().into()).collect()
            }
            _ => return refuse(),
        };
        let is_list = matches!(
            predicate.value,
            PredicateValue::Texts(_) | PredicateValue::Times(_)
        );
        let condition = match predicate.comparison {
            Comparison::In if is_list => format!("{column} IN ({})", vec!["?"; given.len()].join(", ")),
            _ if is_list => return refuse(),
            Comparison::In => return refuse(),
            Comparison::IsSubstring if field.kind == FieldKind::Text => {
                format!("instr(lower({column}), lower(?)) > 0")
            }
            Comparison::IsSubstring => return refuse(),
            Comparison::Equals => format!("{column} = ?"),
            Comparison::NotEquals => format!("{column} <> ?"),
            Comparison::GreaterThan => format!("{column} > ?"),
            Comparison::GreaterThanEquals => format!("{column} >= ?"),
            Comparison::LessThan => format!("{column} < ?"),
            Comparison::LessThanEquals => format!("{column} <= ?"),
        };
        values.extend(given);
        Ok(condition)
    }
}

/// Tags are kept as pairs of name and value.
fn tagged(tag: &str, predicate: &Predicate, values: &mut Vec<Value>) -> Result<String, EngineError> {
    match (predicate.comparison, &predicate.value) {
        (Comparison::Equals, PredicateValue::Text(value)) => {
            values.extend([Value::from(tag.to_owned()), Value::from(value.clone())]);
            Ok("EXISTS (SELECT 1 FROM json_each(tags) WHERE value ->> 0 = ? AND value ->> 1 = ?)".to_owned())
        }
        _ => Err(EngineError::Invalid(format!(
            "only EQUALS operation is supported for tag filtering, with a text: tag `{tag}`"
        ))),
    }
}

fn read_token(text: &str, options: &ListOptions) -> Result<Token, EngineError> {
    let token: Token = URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| EngineError::Invalid("the page token is none that was given out".to_owned()))?;
    let other_sort = options.sort.as_ref().is_some_and(|sort| *sort != token.sort);
    let other_filter = !options.filter.is_empty() && options.filter != token.filter;
    if other_sort || other_filter {
        return Err(EngineError::Invalid(
            "the page token belongs to another sort order or filter: give the same ones, or neither"
                .to_owned(),
        ));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const THINGS: Listing<String> = Listing {
        from: "FROM things",
        fields: &[
            Field::time("created_at", "created_at"),
            Field::text("name", "name"),
        ],
        tags: false,
        read: |row| row.get("id"),
    };

    fn second(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    fn things() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE things (id TEXT, name TEXT, created_at INTEGER);
                 INSERT INTO things VALUES
                 ('b1','b',3000000),('a1','a',2000001),('b2','b',1000000),('a2','a',3000000),('c1','c',2000002);",
            )
            .unwrap();
        connection
    }

    fn sort(field: &str, direction: Direction) -> Option<Sort> {
        Some(Sort {
            field: field.into(),
            direction,
        })
    }

    #[rstest]
    #[case::default(None, &["b2", "a1", "c1", "a2", "b1"])]
    #[case::newest_first(sort("created_at", Direction::Descending), &["b1", "a2", "c1", "a1", "b2"])]
    #[case::by_name(sort("name", Direction::Ascending), &["a1", "a2", "b1", "b2", "c1"])]
    fn pages_join_to_the_whole_list(#[case] sort: Option<Sort>, #[case] expected: &[&str]) {
        let connection = things();
        for page_size in 1..=6 {
            let mut seen = Vec::new();
            let mut options = ListOptions {
                page_size,
                sort: sort.clone(),
                ..ListOptions::default()
            };
            loop {
                let page = THINGS.page(&connection, ("TRUE", &[]), &options).unwrap();
                assert_eq!(page.total, 5);
                seen.extend(page.items);
                match page.next {
                    Some(token) => {
                        options = ListOptions {
                            page_token: Some(token),
                            ..options
                        }
                    }
                    None => break,
                }
            }
            assert_eq!(seen, expected, "pages of {page_size}");
        }
    }

    #[rstest]
    #[case("name", Comparison::Equals, PredicateValue::Text("b".into()), &["b2", "b1"])]
    #[case("name", Comparison::In, PredicateValue::Texts(vec!["a".into(), "c".into()]), &["a1", "c1", "a2"])]
    #[case("name", Comparison::IsSubstring, PredicateValue::Text("C".into()), &["c1"])]
    #[case("name", Comparison::NotEquals, PredicateValue::Text("b".into()), &["a1", "c1", "a2"])]
    #[case("name", Comparison::GreaterThan, PredicateValue::Text("b".into()), &["c1"])]
    #[case("name", Comparison::LessThanEquals, PredicateValue::Text("a".into()), &["a1", "a2"])]
    #[case("created_at", Comparison::Equals, PredicateValue::Time(second(2)), &["a1", "c1"])]
    #[case("created_at", Comparison::LessThan, PredicateValue::Time(second(2)), &["b2"])]
    #[case("created_at", Comparison::In, PredicateValue::Times(vec![second(1), second(3)]), &["b2", "a2", "b1"])]
    #[case("name", Comparison::In, PredicateValue::Texts(vec![]), &[])]
    #[case(
        "created_at",
        Comparison::GreaterThanEquals,
        PredicateValue::Time(second(3)),
        &["a2", "b1"]
    )]
    fn a_predicate_keeps_what_it_holds_for(
        #[case] field: &str,
        #[case] comparison: Comparison,
        #[case] value: PredicateValue,
        #[case] expected: &[&str],
    ) {
        let filter = vec![Predicate {
            field: field.into(),
            comparison,
            value,
        }];
        let options = ListOptions {
            filter,
            ..ListOptions::default()
        };
        assert_eq!(
            THINGS.page(&things(), ("TRUE", &[]), &options).unwrap().items,
            expected
        );
    }

    #[test]
    fn the_largest_filter_is_one_that_sqlite_takes() {
        let one = Predicate {
            field: "name".into(),
            comparison: Comparison::NotEquals,
            value: PredicateValue::Text("x".into()),
        };
        let of = |number| ListOptions {
            filter: vec![one.clone(); number],
            ..ListOptions::default()
        };
        let page = THINGS
            .page(&things(), ("TRUE", &[]), &of(LARGEST_FILTER))
            .unwrap();
        assert_eq!(page.total, 5);
        let refused = THINGS
            .page(&things(), ("TRUE", &[]), &of(LARGEST_FILTER + 1))
            .unwrap_err();
        assert!(matches!(refused, EngineError::Invalid(_)), "{refused}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |options: ListOptions| {
            THINGS
                .page(&things(), ("TRUE", &[]), &options)
                .map(|page| page.items)
                .unwrap_err()
                .to_string()
        };
        let options = ListOptions {
            sort: sort("colour", Direction::Ascending),
            ..ListOptions::default()
        };
        assert_eq!(
            refused(options),
            "no field `colour` to sort by; there are created_at, name"
        );
        let options = ListOptions {
            page_token: Some("!".into()),
            ..ListOptions::default()
        };
        assert_eq!(refused(options), "the page token is none that was given out");
        let filter = |comparison, value| ListOptions {
            filter: vec![Predicate {
                field: "name".into(),
                comparison,
                value,
            }],
            ..ListOptions::default()
        };
        for (comparison, value) in [
            (Comparison::In, PredicateValue::Text("a".into())),
            (Comparison::Equals, PredicateValue::Texts(vec!["a".into()])),
            (Comparison::Equals, PredicateValue::Time(second(1))),
            (Comparison::IsSubstring, PredicateValue::Times(vec![])),
        ] {
            assert_eq!(
                refused(filter(comparison, value)),
                "filter on `name`: its comparison cannot take its value"
            );
        }
        let first = ListOptions {
            page_size: 1,
            ..ListOptions::default()
        };
        let token = THINGS.page(&things(), ("TRUE", &[]), &first).unwrap().next;
        let options = ListOptions {
            page_token: token,
            sort: sort("name", Direction::Ascending),
            ..ListOptions::default()
        };
        assert!(refused(options).starts_with("the page token belongs to another"));
    }
}
