use async_trait::async_trait;
use secrecy::SecretString;
use troupe_shared::model::providers::Outcome;

use super::{Call, ChatModel, Chunks, Failure};

pub(super) struct AnthropicChatModel;

impl AnthropicChatModel {
    pub(super) fn new(_: reqwest::Client, _: &str, _: Option<&SecretString>) -> Self {
        Self
    }
}

#[async_trait]
impl ChatModel for AnthropicChatModel {
    async fn stream(&self, _: Call<'_>) -> Result<Chunks, Failure> {
        Err(Failure::new(Outcome::BadCall, "not spoken yet"))
    }

    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}
