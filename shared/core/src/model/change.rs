//! A change of an optional setting, which distinguishes an omitted field from null.

use std::ops::Deref;

use serde::{Deserialize, Deserializer};

/// A change of a setting that has a default. A field of this type needs `#[serde(default)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// Omitted: unchanged.
    #[default]
    Keep,
    /// Null: restore the default.
    Clear,
    Set(T),
}

impl<T> Change<T> {
    /// The new value; `None` also where it is unchanged.
    pub fn value(self) -> Option<T> {
        if let Self::Set(value) = self { Some(value) } else { None }
    }

    pub fn as_deref(&self) -> Change<&T::Target>
    where
        T: Deref,
    {
        match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(value),
        }
    }

    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T> From<Option<T>> for Change<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_the_same_as_nothing() {
        #[derive(Deserialize)]
        struct Wanted {
            #[serde(default)]
            model: Change<String>,
        }
        let model = |json: &str| serde_json::from_str::<Wanted>(json).unwrap().model;
        assert_eq!(model("{}"), Change::Keep);
        assert_eq!(model(r#"{"model":null}"#), Change::Clear);
        assert_eq!(model(r#"{"model":"m"}"#), Change::Set("m".to_owned()));
    }
}
