//! The state of the whole server: that of each feature. Handlers see no more than their feature's, by `FromRef`.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::{
    accounts::Accounts, admin::Admin, auth::Auth, chat::Chat, health::Probes, http::Http, interview::Interview,
    knowledge::Knowledge, openai::OpenAi, personas::Personas, push::Push, sockets::Sockets, speech::Speech,
    translation::Translation,
};

#[derive(Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) http: Arc<Http>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) personas: Arc<Personas>,
    pub(crate) interview: Arc<Interview>,
    pub(crate) knowledge: Arc<Knowledge>,
    pub(crate) chat: Arc<Chat>,
    pub(crate) openai: Arc<OpenAi>,
    pub(crate) speech: Arc<Speech>,
    pub(crate) translation: Arc<Translation>,
    pub(crate) push: Arc<Push>,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) admin: Arc<Admin>,
    pub(crate) health: Arc<Probes>,
}
