//! Characters of the community: they come as cards, speak as their cards say, and go as they came.

use std::io::{Cursor, Write};

use reqwest::Method;
use serde_json::{Value, json};
use troupe_characters::{Card, Version, read, with_cards};
use troupe_tests::{Answer, Client, Cluster};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::small_cluster;

/// With what is known, what is not, and lore for each place.
pub(crate) fn card() -> Value {
    let entry = |id: u32, key: &str, content: &str, more: Value| {
        let mut entry = json!({"id": id, "keys": [key], "content": content, "enabled": true, "insertion_order": id,
            "use_regex": false, "extensions": {}});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    json!({
        "spec": "chara_card_v3", "spec_version": "3.0", "beside": {"kept": true},
        "data": {
            "name": "Ada Lovelace", "nickname": "Ada", "description": "{{char}} counts for {{user}}.", "personality": "exact",
            "scenario": "", "system_prompt": "Be brief.", "first_mes": "Good day, {{user}}.", "alternate_greetings": ["Hm?"],
            "mes_example": "<START>\n{{user}}: Hi\n{{char}}: Good day.", "post_history_instructions": "Stay {{char}}.",
            "creator_notes": "Handle with care.", "tags": ["maths"], "creator": "somebody", "character_version": "7",
            "extensions": {"someone/else": [1, {"a": null}]}, "group_only_greetings": [], "future": 1.5,
            "character_book": {"extensions": {}, "entries": [
                entry(1, "engine", "The Engine weaves.", json!({"position": "after_char"})),
                entry(2, "/w[e3]av/i", "Looms are loud.", json!({"content": "@@depth 1\nLooms are loud."})),
                entry(3, "moon", "The moon is far.", json!({})),
                entry(4, "/(?<=a)b/", "Never.", json!({})),
                entry(5, "engine", "It stays.", json!({"extensions": {"sticky": 3}})),
            ]},
        },
    })
}

async fn upload(user: &Client, method: Method, path: &str, kind: &str, file: impl Into<Vec<u8>>) -> Answer {
    user.answer(user.call(method, path).header("content-type", kind).body(file.into())).await
}

pub(super) async fn import(user: &Client, slug: &str, file: impl Into<Vec<u8>>) -> Answer {
    upload(user, Method::POST, &format!("/api/v1/personas/import?slug={slug}"), "application/octet-stream", file).await
}

async fn file(user: &Client, path: &str) -> Vec<u8> {
    let answer = user.call(Method::GET, path).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    answer.bytes().await.expect("a file").to_vec()
}

fn png(json: &Value) -> Vec<u8> {
    with_cards(None, &[("ccv3", &json.to_string())]).unwrap()
}

fn charx(json: &Value) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("card.json", SimpleFileOptions::default()).unwrap();
    zip.write_all(json.to_string().as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

pub(super) fn told(cluster: &Cluster, question: &str) -> Vec<(String, String)> {
    cluster.provider.calls_of(question).last().expect("a call").messages()
}

/// Of each entry its id and why it was used or not.
async fn reasons(user: &Client, request: &str) -> Vec<String> {
    let lore = user.get(&format!("/api/v1/requests/{request}/lore")).await.expect(200);
    let entries = lore["entries"].as_array().expect("entries").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    entries.map(|entry| format!("{} {}", text(&entry["id"]), text(&entry["reason"]))).collect()
}

#[tokio::test]
async fn a_card_becomes_a_persona_that_speaks_as_it_says() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let made = import(&user, "ada", card().to_string()).await.expect(201);
    let persona = &made["persona"];
    assert_eq!((&persona["name"], &persona["visibility"]), (&json!("Ada Lovelace"), &json!("private")));
    assert_eq!(persona["greetings"], json!(["Good day, {{user}}.", "Hm?"]));
    assert_eq!((&persona["tags"], &persona["has_lorebook"]), (&json!(["maths"]), &json!(true)));
    assert_eq!(persona["system_prompt"], "Be brief.\n\n{{char}} counts for {{user}}.\n\nPersonality: exact");
    let report = &made["report"];
    assert_eq!(
        (&report["container"], &report["version"], &report["lorebook_entries"]),
        (&json!("json"), &json!("v3"), &json!(5))
    );
    assert_eq!(report["unused"], json!(["character_version", "creator", "extensions", "future", "/beside"]));
    assert_eq!(
        (&report["key_faults"][0]["entry"], &report["key_faults"][0]["key"]),
        (&json!("4"), &json!("/(?<=a)b/"))
    );
    assert!(report["used"].as_array().unwrap().contains(&json!({"from": "first_mes", "to": "greetings"})), "{report}");

    let name = user.get("/api/v1/auth/me").await.expect(200)["name"].as_str().unwrap().to_owned();
    let conversation = user.conversation("ada").await;
    let sent = user.send(&conversation, "Tell me of the ENGINE.").await;
    user.reply(&sent.request).await;
    let system = |text: &str| ("system".to_owned(), text.to_owned());
    let prompt = told(&cluster, "Tell me of the ENGINE.");
    let expected = [
        system(&format!(
            "Be brief.\n\nAda counts for {name}.\n\nPersonality: exact\n\nThe Engine weaves.\n\nExamples of how you speak, which are \
             no part of the conversation:\n\n{name}: Hi\nAda: Good day."
        )),
        ("assistant".to_owned(), format!("Good day, {name}.")),
        system("Looms are loud."),
        ("user".to_owned(), "Tell me of the ENGINE.".to_owned()),
        system("Stay Ada."),
    ];
    let mut expected = expected.to_vec();
    // The one that stays has no place of its own: before the persona.
    expected[0].1.insert_str(0, "It stays.\n\n");
    assert_eq!(prompt, expected);
    let all = ["1 key", "2 key_in_entry", "3 no_key", "4 key_does_not_compile", "5 key"];
    assert_eq!(reasons(&user, &sent.request).await, all);
    let lore = user.get(&format!("/api/v1/requests/{}/lore", sent.request)).await.expect(200);
    assert_eq!(
        lore["entries"][1],
        json!({"id": "2", "used": true, "reason": "key_in_entry", "key": "/w[e3]av/i", "entry": "1",
            "place": {"at": "depth", "depth": 1, "role": "system"}, "tokens": lore["entries"][1]["tokens"]})
    );

    // One entry stays for a turn; then it needs its key again.
    let next = user.send(&conversation, "And else?").await;
    user.reply(&next.request).await;
    let reasons_of_next = reasons(&user, &next.request).await;
    assert_eq!(
        (reasons_of_next[0].as_str(), reasons_of_next[4].as_str()),
        ("1 key", "5 sticky"),
        "the key is three messages back"
    );
    // What is the opening is not stored.
    assert_eq!(user.messages(&conversation).await[0], ("user".to_owned(), "Tell me of the ENGINE.".to_owned()));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_card_goes_as_it_came_and_with_what_was_changed() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let exported =
        |bytes: &[u8], version| -> Value { serde_json::from_str(&read(bytes).unwrap().card.json(version)).unwrap() };
    for (slug, bytes) in
        [("by-json", card().to_string().into_bytes()), ("by-png", png(&card())), ("by-charx", charx(&card()))]
    {
        let made = import(&user, slug, bytes.clone()).await.expect(201);
        assert_eq!(made["report"]["container"], slug.trim_start_matches("by-"));
        let path = format!("/api/v1/personas/{slug}/card");
        assert_eq!(user.get(&path).await.expect(200), card(), "{slug}");
        let picture = file(&user, &format!("{path}?as=png")).await;
        assert_eq!(exported(&picture, Version::V3), card(), "{slug}");
        let v2 = user.get(&format!("{path}?format=v2")).await.expect(200);
        assert_eq!((&v2["spec"], &v2["data"]["extensions"]), (&json!("chara_card_v2"), &card()["data"]["extensions"]));
        assert_eq!(v2["data"]["character_book"]["entries"][1]["content"], "Looms are loud.", "without decorators");
    }
    let path = "/api/v1/personas/by-json";
    let change = json!({"greetings": ["Hello."], "nickname": null, "post_history": "", "tags": [], "system_prompt": "You are new."});
    user.patch(path, &change).await.expect(200);
    assert_eq!(user.delete(&format!("{path}/lorebook")).await.status, 204);
    user.get(&format!("{path}/lorebook")).await.problem(404);
    let mut expected = card();
    let data = expected["data"].as_object_mut().unwrap();
    data.remove("character_book");
    let changes = json!({"first_mes": "Hello.", "alternate_greetings": [], "nickname": null, "post_history_instructions": "", "tags": [],
        "description": "You are new.", "personality": "", "system_prompt": ""});
    data.extend(changes.as_object().unwrap().clone());
    assert_eq!(user.get(&format!("{path}/card")).await.expect(200), expected);

    // Of what came as no card, one is made.
    let own =
        json!({"slug": "own", "name": "Own", "system_prompt": "You are my own.", "greetings": ["Hi."], "tags": ["a"]});
    user.post("/api/v1/personas", &own).await.expect(201);
    let made = Card::parse(&user.get("/api/v1/personas/own/card").await.expect(200).to_string()).unwrap();
    assert_eq!((made.sheet.name.as_str(), made.sheet.description.as_str()), ("Own", "You are my own."));
    assert_eq!((made.sheet.greetings, made.sheet.tags), (vec!["Hi.".to_owned()], vec!["a".to_owned()]));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_no_card_is_refused_by_name_and_nothing_is_stored() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let personas = cluster.count("personas").await;
    let mut broken = png(&card());
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    let cut = &png(&card())[..60];
    let mut lorebook = card()["data"]["character_book"].clone();
    lorebook["spec"] = json!("lorebook_v3");
    for (bytes, code, fault) in [
        (b"hello".to_vec(), "unsupported_media_type", "neither JSON, PNG nor CHARX"),
        (b"{\"name\":".to_vec(), "invalid", "is no JSON"),
        (b"{}".to_vec(), "invalid", "it has no `name`"),
        (broken, "invalid", "wrong checksum"),
        (cut.to_vec(), "invalid", "claims"),
        (with_cards(None, &[]).unwrap(), "invalid", "without a character"),
        (charx(&card())[..200].to_vec(), "invalid", "no archive that can be read"),
        (lorebook.to_string().into_bytes(), "invalid", "is a lorebook"),
        (
            json!({"name": "A", "description": "x".repeat(40_000)}).to_string().into_bytes(),
            "invalid",
            "must not have more than 32768",
        ),
    ] {
        let answer = import(&user, "ada", bytes).await;
        let problem = answer.problem(if code == "invalid" { 422 } else { 415 });
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem.to_string().contains(fault), "{fault}: {problem}");
    }
    import(&user, "-", card().to_string()).await.problem(422);
    assert_eq!(cluster.count("personas").await, personas);
    assert_eq!((cluster.count("persona_cards").await, cluster.count("persona_lorebooks").await), (0, 0));

    // A slug is taken once; without one it is made of the name.
    import(&user, "ada", card().to_string()).await.expect(201);
    assert_eq!(import(&user, "ada", card().to_string()).await.problem(409)["code"], "slug_taken");
    let path = "/api/v1/personas/import";
    let slugs = [
        upload(&user, Method::POST, path, "application/json", card().to_string()).await.expect(201),
        upload(&user, Method::POST, path, "image/png", png(&card())).await.expect(201),
    ];
    assert_eq!(slugs[0]["persona"]["slug"], "ada-lovelace");
    assert!(slugs[1]["persona"]["slug"].as_str().unwrap().starts_with("ada-lovelace-"), "{}", slugs[1]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn lorebooks_come_by_themselves_and_are_their_owners_alone() {
    let cluster = small_cluster().await;
    let (owner, user) = (cluster.client(0).await, cluster.client(0).await);
    let body = json!({"slug": "nan", "name": "Nan", "system_prompt": "You are kind.", "visibility": "public",
        "creator_notes": "Mine.", "greetings": ["Hello."], "tags": ["kind"]});
    owner.post("/api/v1/personas", &body).await.expect(201);
    let path = "/api/v1/personas/nan/lorebook";
    owner.get(path).await.problem(404);
    let world = json!({"entries": {"0": {"uid": 0, "key": ["lamp"], "comment": "Lamp", "content": "{{user}} has a lamp.", "position": 4,
        "depth": 0, "role": 0, "order": 1, "disable": false}}});
    let stored = upload(&owner, Method::PUT, path, "application/json", world.to_string()).await.expect(200);
    assert_eq!(stored, json!({"entries": 1, "key_faults": [], "unknown_decorators": []}));
    let shown = owner.get(path).await.expect(200);
    assert_eq!((&shown["spec"], &shown["data"]["entries"][0]["keys"]), (&json!("lorebook_v3"), &json!(["lamp"])));
    let bad = upload(&owner, Method::PUT, path, "application/json", "{\"entries\": 7}").await;
    assert!(bad.problem(422).to_string().contains("is no list"), "{}", bad.text);

    // Others see what everybody may see.
    let seen = user.get("/api/v1/personas/nan").await.expect(200);
    assert_eq!((&seen["greetings"], &seen["tags"]), (&json!(["Hello."]), &json!(["kind"])));
    for hidden in ["creator_notes", "example_dialogue", "post_history", "system_prompt"] {
        assert_eq!(seen[hidden], Value::Null, "{hidden}");
    }
    user.get(path).await.problem(404);
    user.get("/api/v1/personas/nan/card").await.problem(404);
    upload(&user, Method::PUT, path, "application/json", world.to_string()).await.problem(404);
    user.delete(path).await.problem(404);
    let sent = user.send(&user.conversation("nan").await, "A lamp?").await;
    user.reply(&sent.request).await;
    let prompt = told(&cluster, "A lamp?");
    let name = user.get("/api/v1/auth/me").await.expect(200)["name"].as_str().unwrap().to_owned();
    assert_eq!(prompt.last(), Some(&("system".to_owned(), format!("{name} has a lamp."))));
    let lore = user.get(&format!("/api/v1/requests/{}/lore", sent.request)).await.expect(200);
    assert_eq!(lore["withheld"], true);
    assert_eq!((&lore["entries"][0]["reason"], &lore["entries"][0]["key"]), (&json!("key"), &Value::Null));
    owner.get(&format!("/api/v1/requests/{}/lore", sent.request)).await.problem(404);

    // A persona without a lorebook has a receipt of nothing, and nothing is stored for it.
    let plain = user.send(&user.conversation("demo").await, "A lamp?!").await;
    user.reply(&plain.request).await;
    let lore = user.get(&format!("/api/v1/requests/{}/lore", plain.request)).await.expect(200);
    assert_eq!(lore, json!({"withheld": true, "entries": []}));
    assert_eq!(cluster.count("lore_receipts").await, 1);
    cluster.assert_quiet().await;
}
