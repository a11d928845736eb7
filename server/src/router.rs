//! Every address of the server, and its description of itself.

use axum::{Router, middleware::from_fn_with_state, response::IntoResponse};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, Content, PathItem, Ref, RefOr, Response,
        path::{Operation, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    accounts, admin,
    auth::{
        middleware::{Need, Needs, authenticate_and_authorize},
        permissions::Permission,
    },
    chat, health,
    http::{
        error::{ApiError, openai as openai_error},
        middleware,
    },
    interview, knowledge, openai, pages, personas, push, sockets, speech,
    state::AppState,
    translation,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Troupe",
        description = "Talk with AI personas. A message is accepted with 202; its reply comes over the socket, as \
                       Server-Sent Events, or by polling. Errors are problem+json with a stable `code`: see /docs/problems."
    ),
    modifiers(&Security),
    components(schemas(troupe_core::problem::Problem, openai_error::OpenAiError<'static>)),
)]
struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        let permissions: Vec<_> = Permission::ALL.iter().map(|p| format!("`{p}`: {}", p.description())).collect();
        let bearer = bearer
            .description(Some(format!("An access token or an API key. Permissions:\n\n{}", permissions.join("\n\n"))));
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
            "__Host-troupe_session",
            "A browser's session, for calls of this service's own pages.",
        ));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// Errors that follow from what an operation takes, so that no route has to repeat them.
fn describe_errors(path: &str, operation: &mut Operation) {
    let speaks_openai = openai_error::applies(path);
    let (invalid, media_type, schema) = if speaks_openai {
        ("400", "application/json", "OpenAiError")
    } else {
        ("422", "application/problem+json", "Problem")
    };
    let need = Need::of(operation);
    let open = need == Need::Nothing;
    let takes = |place: &ParameterIn| {
        let mut parameters = operation.parameters.iter().flatten();
        parameters.any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == *place))
    };
    let (in_path, in_query, body) =
        (takes(&ParameterIn::Path), takes(&ParameterIn::Query), operation.request_body.is_some());
    let limited = operation.tags.iter().flatten().all(|tag| tag != health::TAG);
    let common = [
        (body, "400", "the body is not JSON"),
        (!open, "401", "the credentials are missing, wrong or expired"),
        (!open, "403", "the caller may not do this, or not with the key that was shown"),
        (in_path, "404", "there is no such thing, or it is not yours"),
        (body, "408", "the body did not come in time"),
        (body, "413", "the body is too large"),
        (body, "415", "the body is not application/json, or compressed"),
        (body || in_query, invalid, "a field is wrong, which is named"),
        (limited, "429", "the caller has called too often"),
        (true, "500", "a fault of the server"),
        (true, "503", "a part of the service does not answer, or there is too much to do"),
    ];
    if let (Need::Permission(permission), Some(wanted)) = (need, &mut operation.security) {
        wanted.push(SecurityRequirement::new("session", [permission.name()]));
    }
    let responses = &mut operation.responses.responses;
    for (_, status, what) in common.into_iter().filter(|(applies, ..)| *applies) {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::new(what)));
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
            && response.content.is_empty()
        {
            let problem = Content::new(Some(Ref::from_schema_name(schema)));
            response.content.insert(media_type.to_owned(), RefOr::T(problem));
        }
    }
}

fn described() -> OpenApiRouter<AppState> {
    let api = OpenApiRouter::new()
        .merge(accounts::routes::router())
        .merge(personas::routes::router())
        .merge(knowledge::routes::router())
        .merge(chat::routes::router())
        .merge(speech::routes::router())
        .merge(translation::routes::router())
        .merge(push::routes::router())
        .merge(sockets::routes::router())
        .merge(interview::routes::router())
        .merge(admin::routes::router())
        .merge(health::api_router());
    let mut described = OpenApiRouter::with_openapi(Description::openapi())
        .nest("/api/v1", api)
        .merge(translation::routes::root_router())
        .merge(openai::routes::router())
        .merge(health::router());
    for (path, item) in &mut described.get_openapi_mut().paths.paths {
        let PathItem { get, put, post, delete, patch, .. } = item;
        [get, put, post, delete, patch].into_iter().flatten().for_each(|operation| describe_errors(path, operation));
    }
    described
}

/// The description of the API, as `/openapi.json` shows it.
pub fn openapi() -> openapi::OpenApi {
    described().to_openapi()
}

pub(crate) fn build(state: AppState) -> Router {
    let (router, description) = described().split_for_parts();
    let needs = Needs::of(&description);
    router
        .merge(pages::router(&description))
        .fallback(async || ApiError::NotFound("address"))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(from_fn_with_state((state.auth.clone(), needs), authenticate_and_authorize))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.http.clone(), middleware::apply))
        .with_state(state)
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(cause: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let cause =
        cause.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| cause.downcast_ref::<String>().cloned());
    ApiError::Internal(format!("panicked: {}", cause.unwrap_or_default())).into_response()
}
