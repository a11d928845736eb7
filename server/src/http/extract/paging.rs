//! Keyset pagination by an opaque cursor.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use troupe_db::Page;
use utoipa::{IntoParams, ToSchema};

use crate::http::error::ApiError;

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 100;

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// The `next` of the page before.
    pub(crate) after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub(crate) limit: Option<i64>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page begins; null on the last.
    pub(crate) next: Option<String>,
}

impl Paging {
    /// The page with one item more than is shown, which tells whether there is a next page.
    pub(crate) fn page<T: FromStr>(&self) -> Result<Page<T>, ApiError> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::field("limit", format!("must be from 1 to {MAX_LIMIT}")));
        }
        let after = self.after.as_deref().map(str::parse).transpose();
        let after = after.map_err(|_| ApiError::field("after", "is not the next of any page"))?;
        Ok(Page { after, limit: limit + 1 })
    }
}

impl<T> Listed<T> {
    /// `limit` is that of [`Paging::page`], with the extra item.
    pub(crate) fn new<Id: ToString>(mut items: Vec<T>, limit: i64, id: impl Fn(&T) -> Id) -> Self {
        let shown = usize::try_from(limit - 1).unwrap_or_default();
        let more = items.len() > shown;
        items.truncate(shown);
        let next = items.last().filter(|_| more).map(|item| id(item).to_string());
        Self { items, next }
    }
}

/// The cursor of a list that is ordered by two names, the first of which contains no slash.
pub(crate) struct Pair(pub(crate) String, pub(crate) String);

impl FromStr for Pair {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (first, second) = text.split_once('/').filter(|_| !text.contains('\0')).ok_or(())?;
        Ok(Self(first.to_owned(), second.to_owned()))
    }
}

impl From<Pair> for (String, String) {
    fn from(Pair(first, second): Pair) -> Self {
        (first, second)
    }
}

/// Query parameters; errors name the invalid one.
pub(crate) struct Params<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Params<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|e| ApiError::field("query", e.body_text()))
    }
}
