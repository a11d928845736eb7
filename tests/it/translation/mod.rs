//! Texts of the interface in other languages: who translates them, what is kept, and what happens when nobody can.

mod catalogues;
mod messages;
mod placeholder;
mod table;
mod translators;

use serde_json::{Value, json};
use troupe_tests::{
    Answer, Client, ClusterOptions,
    translator::{ScriptedTranslator, TranslatorFormat},
};

/// What a translator gets of the placeholder.
const PROTECTED: &str = "Write a message to ⟦0⟧";

async fn with_translator(format: TranslatorFormat) -> (ScriptedTranslator, ClusterOptions) {
    let translator = ScriptedTranslator::start(format).await;
    let options = translator.configure(ClusterOptions::default());
    (translator, options)
}

async fn make_persona(user: &Client) {
    let persona = json!({"slug": "ada", "name": "Ada", "system_prompt": "You are Ada."});
    user.post("/api/v1/personas", &persona).await.expect(201);
}

async fn placeholder(user: &Client, language: &str) -> Answer {
    user.get(&format!("/api/v1/translation/placeholder?persona=ada&language={language}")).await
}

/// Of an answer that must be one: the text, and whether it is translated.
async fn text(user: &Client, language: &str) -> (String, bool) {
    let answer = placeholder(user, language).await.expect(200);
    (answer["text"].as_str().unwrap().to_owned(), answer["translated"] == Value::Bool(true))
}

fn untranslated() -> (String, bool) {
    ("Write a message to Ada".to_owned(), false)
}
