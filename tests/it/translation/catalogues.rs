//! The pages in languages that nobody has written them in.

use serde_json::{Value, json};
use troupe_tests::{
    Answer, Client, ClusterOptions,
    translator::{TranslatorFormat, TranslatorMood},
    within,
};

use super::with_translator;

async fn read(user: &Client, name: &str, language: &str) -> Answer {
    user.get(&format!("/api/v1/translation/catalogue?name={name}&language={language}")).await
}

/// As soon as nothing of it is to come any more.
async fn settled(user: &Client, name: &str, language: &str) -> Value {
    within("a catalogue", async {
        loop {
            let catalogue = read(user, name, language).await.expect(200);
            if catalogue["pending"] == false {
                return catalogue;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_catalogue_is_translated_once_for_all_and_kept() {
    let (translator, options) = with_translator(TranslatorFormat::LibreTranslate).await;
    let cluster = options.set("TROUPE_TRANSLATION__RETRY_PAUSE", "1h").start().await;
    let user = cluster.client(0).await;
    let first = read(&user, "common", "hi").await.expect(200);
    assert_eq!((&first["direction"], &first["pending"]), (&json!("ltr"), &json!(true)));
    let elsewhere = user.at(cluster.server(1));
    let (here, there) = tokio::join!(settled(&user, "common", "hi"), settled(&elsewhere, "common", "hi-IN"));
    assert_eq!(here, there);
    assert_eq!(here["translated"], here["total"]);
    // The first of each call has the service's mark; variables and nesting are those of the source.
    assert_eq!(here["texts"]["cancel"], "hi: Cancel");
    assert_eq!(here["texts"]["close"], "Close");
    assert_eq!(here["texts"]["connection"]["waiting"], "Reconnecting in {seconds} s");
    let calls = translator.asked();
    assert!(calls.len() <= 3, "{} calls for {} texts", calls.len(), here["total"]);
    assert!(calls.iter().all(|call| !call.text.contains(['{', '<'])), "{calls:?}");
    // Kept: nobody is asked again, also not by another user; what a person has corrected is shown.
    sqlx::query("update ui_translations set text = 'रद्द करें', reviewed = true where key = 'common.cancel'")
        .execute(&cluster.db)
        .await
        .unwrap();
    let other = cluster.client(1).await;
    assert_eq!(settled(&other, "common", "hi").await["texts"]["cancel"], "रद्द करें");
    assert_eq!(translator.asked().len(), calls.len());
    assert_eq!(read(&user, "common", "he").await.expect(200)["direction"], "rtl");
    cluster.assert_quiet().await;
}

/// What comes back mixed up is asked for in smaller pieces; a service that fails is left alone, and what it has done
/// before is kept.
#[tokio::test]
async fn what_is_refused_stays_in_english_and_the_rest_is_kept() {
    let (translator, options) = with_translator(TranslatorFormat::DeepL).await;
    let cluster = options.servers(1).set("TROUPE_TRANSLATION__RETRY_PAUSE", "2s").start().await;
    let user = cluster.client(0).await;
    translator.set_moods([TranslatorMood::Says("Annulla"), TranslatorMood::Says("Annulla"), TranslatorMood::Well]);
    let halved = settled(&user, "common", "it").await;
    assert_eq!(halved["translated"], halved["total"]);
    translator.set_moods([TranslatorMood::Well, TranslatorMood::Refuses(400)]);
    let some = settled(&user, "problems", "it").await;
    let (translated, total) = (some["translated"].as_u64().unwrap(), some["total"].as_u64().unwrap());
    assert!(0 < translated && translated < total, "{translated} of {total}");
    // It is gone on with.
    translator.set_moods([TranslatorMood::Well]);
    let all = within("the rest", async {
        loop {
            let catalogue = settled(&user, "problems", "it").await;
            if catalogue["translated"] == catalogue["total"] {
                return catalogue;
            }
        }
    })
    .await;
    assert_eq!(all["total"], total);
}

/// It is looked for in halves, and keeps no other from being translated.
#[tokio::test]
async fn a_text_that_cannot_be_translated_stays_in_english_alone() {
    let (translator, options) = with_translator(TranslatorFormat::LibreTranslate).await;
    let cluster = options.servers(1).set("TROUPE_TRANSLATION__RETRY_PAUSE", "1h").start().await;
    let user = cluster.client(0).await;
    // Of twenty texts, ten, five, two and one, each asked for twice, it is the first; all between are well.
    let markup = TranslatorMood::Says("<b>Annulla</b>");
    let refused = [markup.clone(), markup, TranslatorMood::Well];
    translator.set_moods(std::iter::repeat_n(refused, 5).flatten());
    let catalogue = settled(&user, "common", "it").await;
    assert_eq!(catalogue["translated"].as_u64().unwrap() + 1, catalogue["total"].as_u64().unwrap());
    assert_eq!(catalogue["texts"]["cancel"], Value::Null);
    assert_eq!(translator.asked().len(), 15);
}

#[tokio::test]
async fn a_catalogue_that_is_none_and_a_language_with_its_own_are_refused() {
    let cluster = ClusterOptions::default().servers(1).workers(0).set("TROUPE_TRANSLATION__PROVIDER", "").start().await;
    let user = cluster.client(0).await;
    for name in ["nothing", "..", "%00", "Common"] {
        assert_eq!(read(&user, name, "hi").await.problem(404)["code"], "not_found", "{name}");
    }
    for language in ["tlh", "x", "de", "en-GB", ""] {
        let refused = read(&user, "common", language).await;
        assert_eq!(refused.problem(422)["errors"][0]["field"], "language", "{language}");
    }
    let nobody = read(&user, "common", "hi").await.expect(200);
    assert_eq!((&nobody["texts"], &nobody["pending"]), (&json!({}), &json!(false)));
    let anonymous = Client::anonymous(cluster.server(0));
    assert_eq!(read(&anonymous, "common", "hi").await.problem(401)["code"], "unauthenticated");
}
