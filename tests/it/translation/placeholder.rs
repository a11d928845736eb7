//! The placeholder of the message field, as chats ask for it.

use serde_json::json;
use troupe_tests::{
    Client, ClusterOptions, Gate,
    translator::{TranslatorFormat, TranslatorMood},
};

use super::{make_persona, placeholder, text, untranslated, with_translator};
use crate::small_cluster;

#[tokio::test]
async fn it_is_translated_once_for_all() {
    let (translator, options) = with_translator(TranslatorFormat::LibreTranslate).await;
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    make_persona(&user).await;
    let gate = Gate::new();
    translator.set_moods([TranslatorMood::Waits(gate.clone()), TranslatorMood::Well]);
    let elsewhere = user.at(cluster.server(1));
    let (here, there, again, ()) =
        tokio::join!(text(&user, "uk"), text(&elsewhere, "uk-UA"), text(&elsewhere, "uk"), async {
            translator.called(1).await;
            gate.open();
        });
    let expected = ("uk: Write a message to Ада".to_owned(), true);
    assert_eq!((here, there, again), (expected.clone(), expected.clone(), expected.clone()));
    assert_eq!(translator.asked().len(), 1, "one call for all");
    // From the cache, at the root as well.
    let root = user.get("/translation/placeholder?persona=ada&language=uk").await.expect(200);
    assert_eq!(
        root,
        json!({"language": "uk", "direction": "ltr", "text": "uk: Write a message to Ада", "translated": true})
    );
    assert_eq!(text(&elsewhere, "uk").await, expected);
    assert_eq!(translator.asked().len(), 1);
    // In other letters, from right to left.
    let hebrew = placeholder(&user, "he").await.expect(200);
    assert_eq!(
        hebrew,
        json!({"language": "he", "direction": "rtl", "text": "he: Write a message to אדה", "translated": true})
    );
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn it_is_translated_anew_when_the_source_has_changed() {
    let (translator, options) = with_translator(TranslatorFormat::DeepL).await;
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    make_persona(&user).await;
    assert_eq!(text(&user, "it").await.0, "IT: Write a message to Ada");
    // As an earlier version has left it, long ago.
    let done = sqlx::query(
        "update ui_translations set source_digest = sha256('Ask {name}'), text = 'Chiedi', created_at = now() - interval '8 days'",
    )
    .execute(&cluster.db)
    .await
    .unwrap();
    assert_eq!(done.rows_affected(), 1);
    assert_eq!(text(&user, "it").await.0, "IT: Write a message to Ada");
    assert_eq!(translator.asked().len(), 2);
    assert_eq!(cluster.count("ui_translations").await, 1, "what is stale is gone");
    // What somebody has approved is shown, whoever would translate it.
    sqlx::query("update ui_translations set text = 'Scrivi a {name}', reviewed = true")
        .execute(&cluster.db)
        .await
        .unwrap();
    assert_eq!(text(&user, "it").await, ("Scrivi a Ada".to_owned(), true));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn where_nobody_translates_it_is_in_english_and_reviewed_languages_need_nobody() {
    let cluster = ClusterOptions::default().servers(1).set("TROUPE_TRANSLATION__PROVIDER", "").start().await;
    let user = cluster.client(0).await;
    make_persona(&user).await;
    let english = placeholder(&user, "he").await.expect(200);
    assert_eq!(
        english,
        json!({"language": "en", "direction": "ltr", "text": "Write a message to Ada", "translated": false})
    );
    for (language, expected) in [
        ("en-GB", "Message Ada"),
        ("de", "Nachricht an Ada"),
        ("es", "Mensaje para Ada"),
        ("fr", "Message à Ada"),
        ("ar", "رسالة إلى أدا"),
    ] {
        assert_eq!(text(&user, language).await, (expected.to_owned(), true), "{language}");
    }
    assert_eq!(cluster.number("select count(*) from jobs where kind = 'translation'").await, 0);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_language_that_is_none_and_a_persona_that_is_none_are_refused() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    make_persona(&user).await;
    for wrong in ["x", "de_CH", "tlh", "de--CH", "", "%00", "q".repeat(200).as_str()] {
        let refused = placeholder(&user, wrong).await;
        let problem = refused.problem(422);
        assert_eq!(
            (&problem["code"], &problem["errors"][0]["field"]),
            (&json!("invalid"), &json!("language")),
            "{wrong}"
        );
    }
    assert_eq!(user.get("/translation/placeholder?persona=ada").await.problem(422)["code"], "invalid");
    for path in ["/translation/placeholder", "/api/v1/translation/placeholder"] {
        for nobody in ["nobody", "%00", "Ada"] {
            let missing = user.get(&format!("{path}?persona={nobody}&language=uk")).await;
            assert_eq!(missing.problem(404)["code"], "not_found", "{nobody}");
        }
        // A private persona is nobody else's business.
        let other = cluster.client(0).await.get(&format!("{path}?persona=ada&language=de")).await;
        assert_eq!(other.problem(404)["code"], "not_found");
        let anonymous = Client::anonymous(cluster.server(0)).get(&format!("{path}?persona=ada&language=de")).await;
        assert_eq!(anonymous.problem(401)["code"], "unauthenticated");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn the_languages_are_listed_with_script_and_direction() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let languages = user.get("/api/v1/translation/languages").await.expect(200);
    let items = languages["items"].as_array().unwrap();
    assert!(items.len() >= 60, "{}", items.len());
    let persian = items.iter().find(|language| language["code"] == "fa").unwrap();
    assert_eq!(
        *persian,
        json!({"code": "fa", "name": "Persian", "own_name": "فارسی", "script": "Arab", "direction": "rtl"})
    );
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn without_a_worker_the_source_comes_after_some_seconds() {
    let (translator, options) = with_translator(TranslatorFormat::LibreTranslate).await;
    let cluster = options.workers(0).start().await;
    let user = cluster.client(0).await;
    make_persona(&user).await;
    assert_eq!(text(&user, "it").await, untranslated());
    assert!(translator.asked().is_empty());
}
