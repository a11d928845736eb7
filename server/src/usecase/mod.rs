//! What the service does, in plain values: no use case knows HTTP or sockets.

pub(crate) mod accepts;
pub(crate) mod account_data;
pub(crate) mod add_document;
pub(crate) mod ai_status;
pub(crate) mod answer_question;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod await_request;
pub(crate) mod cancel_request;
pub(crate) mod chains;
pub(crate) mod daily_question;
pub(crate) mod days;
pub mod demo_account;
pub(crate) mod exchange;
pub(crate) mod index_soon;
pub(crate) mod once;
pub(crate) mod persona_settings;
pub(crate) mod queue_state;
pub(crate) mod register;
pub(crate) mod send_message;
pub(crate) mod settle;
pub(crate) mod sign_ins;
pub(crate) mod stored_queue;
pub(crate) mod training;
pub(crate) mod why_waiting;
