//! What can be asked for. The router and the API's description are made of the same list of these.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use pipeline_engine::Engine;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// One call of the API.
pub(crate) struct Operation {
    /// KFP's name of it, for example `ListRuns`.
    pub(crate) id: &'static str,
    /// What it does, in a line.
    pub(crate) summary: &'static str,
    /// Its method.
    pub(crate) method: Method,
    /// Its path, with the verb of one that has one: `/apis/v2beta1/runs/{run_id}:terminate`.
    pub(crate) path: &'static str,
    /// Its query parameters: an object's properties.
    pub(crate) query: Option<SchemaOf>,
    /// What it takes.
    pub(crate) body: Body,
    /// What it answers with.
    pub(crate) answer: Answer,
    /// What carries it out. Calls that differ in their verbs alone share one.
    pub(crate) handler: MethodRouter<Engine>,
}

/// Makes a type's schema.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a call takes.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Nothing.
    None,
    /// A message.
    Json(SchemaOf),
    /// A form with a package as its file.
    Package,
}

/// What a call answers with, and in which shape it tells that it failed.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// A message; failures are a `google.rpc.Status`.
    Json(SchemaOf),
    /// A message; failures are those of KFP's plain HTTP handlers.
    PlainJson(SchemaOf),
    /// Text; failures are those of KFP's plain HTTP handlers.
    Text,
}

impl Operation {
    fn new<H, T>(method: Method, filter: MethodFilter, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Engine>,
        T: 'static,
    {
        Self {
            id: "",
            summary: "",
            method,
            path,
            query: None,
            body: Body::None,
            answer: Answer::Json(empty),
            handler: on(filter, handler),
        }
    }

    pub(crate) fn get<T: 'static>(path: &'static str, handler: impl Handler<T, Engine>) -> Self {
        Self::new(Method::GET, MethodFilter::GET, path, handler)
    }

    pub(crate) fn post<T: 'static>(path: &'static str, handler: impl Handler<T, Engine>) -> Self {
        Self::new(Method::POST, MethodFilter::POST, path, handler)
    }

    pub(crate) fn patch<T: 'static>(path: &'static str, handler: impl Handler<T, Engine>) -> Self {
        Self::new(Method::PATCH, MethodFilter::PATCH, path, handler)
    }

    pub(crate) fn delete<T: 'static>(path: &'static str, handler: impl Handler<T, Engine>) -> Self {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, handler)
    }

    pub(crate) fn named(mut self, id: &'static str, summary: &'static str) -> Self {
        self.id = id;
        self.summary = summary;
        self
    }

    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| T::json_schema(generator));
        self
    }

    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Body::Json(|generator| generator.subschema_for::<T>());
        self
    }

    pub(crate) fn takes_a_package(mut self) -> Self {
        self.body = Body::Package;
        self
    }

    pub(crate) fn answers<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::Json(|generator| generator.subschema_for::<T>());
        self
    }

    pub(crate) fn answers_plainly<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::PlainJson(|generator| generator.subschema_for::<T>());
        self
    }

    pub(crate) fn answers_text(mut self) -> Self {
        self.answer = Answer::Text;
        self
    }

    /// The path as the router has it: a verb ends a segment, which a route cannot say, so handlers split it off.
    pub(crate) fn route(&self) -> &'static str {
        match self.path.rsplit_once(':') {
            Some((path, verb)) if !verb.contains('/') => path,
            _ => self.path,
        }
    }
}

/// `google.protobuf.Empty`.
fn empty(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}
