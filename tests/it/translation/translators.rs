//! Who translates, in which formats, and what is made of answers that are none.

use troupe_tests::{
    ClusterOptions, Script,
    translator::{TranslatorFormat, TranslatorMood},
};

use super::{PROTECTED, make_persona, text, untranslated, with_translator};

/// In whatever way a service fails, it is asked once more where that may help; then the source stands, and is stored
/// nowhere.
#[tokio::test]
async fn what_is_no_translation_is_asked_for_once_more_and_then_the_source_stands() {
    let failures = [
        (TranslatorMood::Refuses(500), 2),
        (TranslatorMood::Refuses(429), 2),
        (TranslatorMood::Refuses(400), 1),
        (TranslatorMood::Silent, 2),
        (TranslatorMood::Babbles("{\"translatedText\": \"broken"), 2),
        (TranslatorMood::Babbles("<!doctype html><title>502</title>"), 2),
        (TranslatorMood::Says("Scrivi un messaggio"), 2),
        (TranslatorMood::Says("Scrivi a ⟦0⟧, anzi a ⟦0⟧"), 2),
        (TranslatorMood::Says("Scrivi a <img src=x onerror=alert(1)>⟦0⟧"), 2),
        (TranslatorMood::Says("Scrivi a ⟦0⟧ &lt;b&gt;"), 2),
        (TranslatorMood::Says(""), 2),
    ];
    for format in TranslatorFormat::ALL {
        let (translator, options) = with_translator(format).await;
        let cluster = options.start().await;
        let user = cluster.client(0).await;
        make_persona(&user).await;
        for (failure, calls) in &failures {
            let before = translator.asked().len();
            translator.set_moods([failure.clone()]);
            assert_eq!(text(&user, "it").await, untranslated(), "{format:?} {failure:?}");
            let asked = translator.asked().split_off(before);
            assert_eq!(asked.len(), *calls, "{format:?} {failure:?}");
            assert!(asked.iter().all(|asked| asked.text == PROTECTED), "{asked:?}");
            assert_eq!(cluster.count("ui_translations").await, 0);
        }
        // Once is forgiven.
        translator.set_moods([TranslatorMood::Says("Scrivi un messaggio"), TranslatorMood::Says("Scrivi a ⟦ 0 ⟧")]);
        assert_eq!(text(&user, "it").await, ("Scrivi a Ada".to_owned(), true), "{format:?}");
        let stored: String = sqlx::query_scalar("select provider || ': ' || text from ui_translations")
            .fetch_one(&cluster.db)
            .await
            .unwrap();
        assert_eq!(stored, format!("{}: Scrivi a {{name}}", format.name()));
    }
}

/// A server that has seen it fail leaves it alone for a while.
#[tokio::test]
async fn what_has_failed_is_not_tried_again_at_once() {
    let (translator, options) = with_translator(TranslatorFormat::LibreTranslate).await;
    let cluster = options.servers(1).set("TROUPE_TRANSLATION__RETRY_PAUSE", "1h").start().await;
    let user = cluster.client(0).await;
    make_persona(&user).await;
    translator.set_moods([TranslatorMood::Refuses(400), TranslatorMood::Well]);
    assert_eq!(text(&user, "it").await, untranslated());
    assert_eq!(text(&user, "it").await, untranslated());
    assert_eq!(translator.asked().len(), 1);
    // Another language is another text.
    assert_eq!(text(&user, "pl").await, ("pl: Write a message to Ada".to_owned(), true));
}

#[tokio::test]
async fn the_chain_of_replies_translates() {
    let cluster = ClusterOptions::default()
        .set("TROUPE_TRANSLATION__PROVIDER", "chain")
        .set("TROUPE_TRANSLATION__RETRY_PAUSE", "0s")
        .start()
        .await;
    let user = cluster.client(0).await;
    make_persona(&user).await;
    cluster.provider.on(
        PROTECTED,
        [Script::text("Certo! Ecco la traduzione:\nScrivi a ⟦0⟧"), Script::text("Scrivi un messaggio a ⟦0⟧")],
    );
    assert_eq!(text(&user, "it").await, ("Scrivi un messaggio a Ada".to_owned(), true));
    let calls = cluster.provider.calls_of(PROTECTED);
    assert_eq!(calls.len(), 2);
    let system = calls[0].messages().remove(0).1;
    assert!(system.contains("into Italian (it)"), "{system}");
    let stored: String =
        sqlx::query_scalar("select provider from ui_translations").fetch_one(&cluster.db).await.unwrap();
    assert!(stored.starts_with("openai/"), "{stored}");
    // What no link can give is not translated.
    cluster.provider.on(PROTECTED, [Script::error(500)]);
    assert_eq!(text(&user, "pl").await, untranslated());
}
