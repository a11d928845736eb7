//! Messages in other languages, over HTTP.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use troupe_core::{
    ids::RequestId,
    jobs::TranslateMessage,
    model::{Role, translation::MessageTranslation},
    trace,
};
use troupe_db::{
    jobs::enqueue::NewJob,
    translations::messages::{self, Translatable},
};
use utoipa::ToSchema;

use super::super::Translation;
use crate::{
    auth::caller::Caller,
    chat::routes::requests::Waiting,
    http::{
        error::{ApiError, ProblemCode},
        extract::{body::Body, paging::Params, path::Id, validation},
    },
    ordered::{Ordered, order, until_made},
};

const MISSING: ApiError = ApiError::NotFound("request of yours");

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Translate {
    /// A tag of BCP 47, such as `uk` or `pt-BR`, of a language in `/translation/languages`.
    #[schema(example = "uk")]
    language: String,
    /// Which message: the reply, or the question.
    #[serde(default = "reply")]
    #[schema(default = "assistant")]
    role: Role,
}

fn reply() -> Role {
    Role::Assistant
}

/// What there is of a request's messages in other languages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Translations {
    items: Vec<MessageTranslation>,
}

/// Translate a reply or a question
///
/// Once: what has been translated is kept, and goes with the conversation. Prompts and exports have the original.
#[utoipa::path(post, path = "/requests/{id}/translations", tag = "translation", security(("token" = ["chat:write"])), params(("id" = RequestId, Path), Waiting),
    request_body = Translate,
    responses(
        (status = 200, body = MessageTranslation),
        (status = 202, description = "it is not there yet: ask again", headers(("Retry-After" = u32))),
        (status = 404, description = "no such request of yours"),
        (status = 409, description = "there is no reply, or not yet"),
        (status = 503, description = "nothing could translate it"),
    ))]
pub(crate) async fn translate_message(
    State(translation): State<Arc<Translation>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
    Params(waiting): Params<Waiting>,
    Body(Translate { language, role }): Body<Translate>,
) -> Result<Response, ApiError> {
    let Translation { pool, .. } = &*translation;
    let config = translation.configuration.now();
    let deadline = Instant::now() + waiting.time(config.server.max_wait)?;
    let language = validation::language("language", &language)?;
    let Translatable { status, tier, persona, message } =
        messages::translatable(pool, user, id, role).await?.ok_or(MISSING)?;
    let Some(message_id) = message else {
        return Err(if status.is_final() {
            ApiError::conflict(ProblemCode::NotCompleted, "it ended without a reply")
        } else {
            ApiError::conflict(ProblemCode::ReplyUnfinished, "the reply is still being written")
        });
    };
    if let Some(found) = messages::find(pool, message_id, language.code).await? {
        return Ok(Json(found).into_response());
    }
    if !config.translates() {
        return Err(ApiError::no_translator());
    }
    if let Some(call) = trace::current() {
        call.be_patient();
    }
    let language = language.code.to_owned();
    let wanted = TranslateMessage { message_id, persona_id: persona, user_id: user, tier, language };
    if !order(pool, &NewJob::new(&wanted).of(user), &wanted).await? {
        return Err(ApiError::overloaded());
    }
    match until_made(pool, &wanted, deadline, || messages::find(pool, message_id, &wanted.language)).await? {
        Ordered::Made(made) => Ok(Json(made).into_response()),
        Ordered::Failed => Err(ApiError::untranslated()),
        Ordered::NotYet => Ok((StatusCode::ACCEPTED, [(header::RETRY_AFTER, "1")]).into_response()),
    }
}

/// The translations of a request's messages
#[utoipa::path(get, path = "/requests/{id}/translations", tag = "translation", security(("token" = ["chat:read"])), params(("id" = RequestId, Path)),
    responses((status = 200, body = Translations), (status = 404, description = "no such request of yours")))]
pub(crate) async fn list_translations(
    State(translation): State<Arc<Translation>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
) -> Result<Json<Translations>, ApiError> {
    let items = messages::list(&translation.pool, user, id).await?.ok_or(MISSING)?;
    Ok(Json(Translations { items }))
}
