//! The ids of the protocol: a prefix and the id of a request.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use troupe_core::ids::{ConversationId, RequestId};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! prefixed {
    ($($name:ident($id:ty) = $prefix:literal;)+) => {$(
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
        #[schema(value_type = String)]
        pub(crate) struct $name(pub(crate) $id);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.as_uuid().simple())
            }
        }

        impl FromStr for $name {
            type Err = NoId;

            fn from_str(text: &str) -> Result<Self, NoId> {
                let id = text.strip_prefix($prefix).and_then(|id| Uuid::try_parse(id).ok()).ok_or(NoId)?;
                Ok(Self(id.into()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

prefixed! {
    ResponseId(RequestId) = "resp_";
    ConversationName(ConversationId) = "conv_";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no id of this kind")]
pub(crate) struct NoId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = ResponseId(RequestId::new());
        assert_eq!(id.to_string().parse(), Ok(id));
        let conversation = id.to_string().replace("resp_", "conv_");
        for other in ["", "resp_", "resp_x", &conversation, &id.0.to_string()] {
            assert_eq!(other.parse::<ResponseId>(), Err(NoId), "{other}");
        }
    }
}
