//! Every address of the server, and its description of itself.

use axum::{
    Router, middleware,
    response::{IntoResponse, Response},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::ApiError,
    extract::correlation::correlate,
    pages,
    routes::{accounts, conversations, health, messages, personas, requests, sockets},
    state::AppState,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Troupe",
        description = "Talk with AI personas. A message is accepted with 202; its reply comes over the socket, as \
                       Server-Sent Events, or by polling. Errors are problem+json with a stable `code`: see /docs/problems."
    ),
    security(("token" = [])),
    modifiers(&Security),
    components(schemas(troupe_shared::problem::Problem)),
)]
struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        openapi.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

fn described() -> OpenApiRouter<AppState> {
    let api = OpenApiRouter::new()
        .routes(routes!(accounts::register))
        .routes(routes!(accounts::login))
        .routes(routes!(accounts::me))
        .routes(routes!(personas::create_persona, personas::list_personas))
        .routes(routes!(personas::read_persona, personas::change_persona, personas::delete_persona))
        .routes(routes!(conversations::create_conversation, conversations::list_conversations))
        .routes(routes!(
            conversations::read_conversation,
            conversations::rename_conversation,
            conversations::delete_conversation
        ))
        .routes(routes!(messages::list_messages, messages::create_message))
        .routes(routes!(requests::read_request))
        .routes(routes!(requests::follow_request))
        .routes(routes!(sockets::create_socket_ticket))
        .routes(routes!(sockets::open_socket));
    OpenApiRouter::with_openapi(Description::openapi())
        .nest("/api/v1", api)
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
}

/// The description of the API, as `/openapi.json` shows it.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().to_openapi()
}

pub(crate) fn build(state: AppState) -> Router {
    let (router, description) = described().split_for_parts();
    router
        .merge(pages::router(&description))
        .fallback(async || ApiError::NotFound("address"))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(correlate))
        .with_state(state)
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response {
    let cause =
        cause.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| cause.downcast_ref::<String>().cloned());
    ApiError::Internal(format!("panicked: {}", cause.unwrap_or_default())).into_response()
}
