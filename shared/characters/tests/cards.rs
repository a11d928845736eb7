//! Cards of all versions from files of all kinds, and back.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::{Cursor, Write};

use proptest::prelude::*;
use serde_json::{Value, json};
use troupe_characters::{
    Card, CardError, Container, Sheet, Version,
    limits::{MAX_ENTRIES, MAX_GREETINGS, MAX_JSON_BYTES, MAX_KEY_CHARS, MAX_KEYS, MAX_PATTERNS, MAX_TEXT_CHARS},
    read, with_cards,
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// With a field of each kind, and others that nobody knows, among them a number that no float holds.
const V3: &str = r#"{"spec":"chara_card_v3","spec_version":"3.0","data":{"name":"Ada","description":"{{char}} counts.",
    "tags":["maths","19th century"],"creator":"me","character_version":"1.0","mes_example":"<START>\n{{user}}: Hi\n{{char}}: Good day.",
    "extensions":{"someone/else":{"z":1.10,"big":123456789012345678901234567890,"a":"\u00e9"}},"system_prompt":"{{original}} Be brief.",
    "post_history_instructions":"Stay in character.","first_mes":"Good day, {{user}}.","alternate_greetings":["Hello?"],
    "personality":"exact","scenario":"London","creator_notes":"Handle with care.","nickname":"A.","group_only_greetings":["Both of you!"],
    "character_book":{"scan_depth":2,"extensions":{},"entries":[{"keys":["engine"],"content":"@@depth 1\nThe Engine.","enabled":true,
        "insertion_order":1,"use_regex":false,"extensions":{"own":1e2},"new_field":[1,2]}]},
    "assets":[{"type":"icon","uri":"embeded://assets/icon/images/main.png","name":"main","ext":"png"}],
    "source":["https://example.com/ada"],"creation_date":1,"future":{"deep":[{"x":null}]}},"beside":true}"#;
const V1: &str = r#"{"name":"Bo","description":"A dog.","personality":"","scenario":"","first_mes":"Woof, <USER>.","mes_example":"",
    "talkativeness":"0.5","create_date":"2023-1-1"}"#;

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn read_json(json: &str) -> Card {
    read(json.as_bytes()).unwrap().card
}

fn charx(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn all_that_is_known_is_read() {
    let card = read_json(V3);
    assert_eq!(card.version, Version::V3);
    let Sheet { name, nickname, greetings, example_dialogue, post_history, creator_notes, tags, .. } = &card.sheet;
    assert_eq!((name.as_str(), nickname.as_deref()), ("Ada", Some("A.")));
    assert_eq!(greetings, &["Good day, {{user}}.", "Hello?"]);
    assert!(example_dialogue.starts_with("<START>"));
    assert_eq!((post_history.as_str(), creator_notes.as_str()), ("Stay in character.", "Handle with care."));
    assert_eq!(tags, &["maths", "19th century"]);
    assert_eq!(
        card.sheet.prompt(),
        "{{original}} Be brief.\n\n{{char}} counts.\n\nPersonality: exact\n\nScenario: London"
    );
    let unused = [
        "creator",
        "character_version",
        "extensions",
        "group_only_greetings",
        "assets",
        "source",
        "creation_date",
        "future",
        "/beside",
    ];
    assert_eq!(card.unused(), unused);
}

#[test]
fn a_card_that_was_not_edited_is_exported_as_it_came() {
    let exported = read_json(V3).json(Version::V3);
    assert_eq!(value(&exported), value(V3));
    for text in [r#""z":1.10"#, "123456789012345678901234567890", r#""own":1e2"#, r#""\u00e9""#] {
        assert!(exported.contains(text), "{text} in {exported}");
    }
    let v2 = V3.replace("chara_card_v3", "chara_card_v2").replace("3.0", "2.0");
    assert_eq!(value(&read_json(&v2).json(Version::V2)), value(&v2));
}

#[test]
fn a_version_becomes_another() {
    let v2 = value(&read_json(V3).json(Version::V2));
    assert_eq!((&v2["spec"], &v2["spec_version"]), (&json!("chara_card_v2"), &json!("2.0")));
    let mut expected = value(V3)["data"].clone();
    expected["character_book"]["entries"][0]["content"] = json!("The Engine.");
    assert_eq!(v2["data"], expected, "decorators are for version 3");
    let v3 = value(&read_json(V1).json(Version::V3));
    assert_eq!((&v3["spec"], &v3["talkativeness"]), (&json!("chara_card_v3"), &json!("0.5")));
    for (field, empty) in [
        ("creator_notes", json!("")),
        ("alternate_greetings", json!([])),
        ("group_only_greetings", json!([])),
        ("extensions", json!({})),
    ] {
        assert_eq!(v3["data"][field], empty, "{field}");
    }
    assert_eq!(v3["data"]["first_mes"], "Woof, <USER>.");
}

#[test]
fn what_was_edited_is_exported_and_nothing_else_changes() {
    let card = read_json(V3);
    let sheet =
        Sheet { name: "Ada L.".to_owned(), greetings: vec!["Hm?".to_owned()], lorebook: None, ..card.sheet.clone() };
    let exported = value(&card.with(sheet).json(Version::V3));
    let mut expected = value(V3);
    expected["data"]["name"] = json!("Ada L.");
    expected["data"]["first_mes"] = json!("Hm?");
    expected["data"]["alternate_greetings"] = json!([]);
    expected["data"].as_object_mut().unwrap().remove("character_book");
    assert_eq!(exported, expected);
    let new = Card::new(Sheet { name: "New".to_owned(), ..Sheet::default() });
    assert_eq!(read_json(&new.json(Version::V2)).sheet.name, "New");
}

#[test]
fn pictures_carry_cards() {
    let card = read_json(V3);
    let texts = card.texts(Version::V3);
    let texts: Vec<_> = texts.iter().map(|(keyword, json)| (*keyword, json.as_str())).collect();
    let picture = with_cards(Some(&a_picture()), &texts).unwrap();
    let imported = read(&picture).unwrap();
    assert_eq!((imported.container, imported.card.version), (Container::Png, Version::V3));
    assert_eq!(value(&imported.card.json(Version::V3)), value(V3));
    let texts = imported.card.texts(Version::V2);
    let older = with_cards(imported.picture.clone().unwrap().as_deref(), &[(texts[0].0, &texts[0].1)]).unwrap();
    let older = read(&older).unwrap();
    assert_eq!(older.card.version, Version::V2);
    assert_eq!(older.card.sheet.creator_notes, "Handle with care.", "only beside version 3 it says what it is");
    assert_eq!(older.picture, imported.picture);
    assert_eq!(imported.picture, Ok(Some(a_picture())));
    let plain = with_cards(None, &[(texts[0].0, &texts[0].1)]).unwrap();
    assert_eq!(read(&plain).unwrap().picture, Ok(None), "our plain one stands for none");
}

/// One that says something.
fn a_picture() -> Vec<u8> {
    with_cards(None, &[("comment", "A face.")]).unwrap()
}

#[test]
fn archives_carry_a_card_and_its_picture() {
    let picture = a_picture();
    let bytes = charx(&[("card.json", V3.as_bytes()), ("assets/icon/images/main.png", &picture)]);
    let imported = read(&bytes).unwrap();
    assert_eq!((imported.container, imported.picture), (Container::Charx, Ok(Some(picture))));
    assert_eq!(value(&imported.json), value(V3));
    let picture = |files: &[(&str, &[u8])]| {
        let mut all = vec![("card.json", V3.as_bytes())];
        all.extend(files);
        read(&charx(&all)).unwrap().picture
    };
    let path = "assets/icon/images/main.png";
    assert_eq!(picture(&[(path, b"\xff\xd8\xff")]), Ok(Some(b"\xff\xd8\xff".to_vec())), "of any kind");
    let missing = CardError::ArchiveWithoutPicture(path.to_owned());
    assert_eq!(picture(&[]), Err(missing), "a card without its picture is still one");
    assert_eq!(picture(&[(path, b"\x89PNG\r\n\x1a\n")]), Err(CardError::PngTruncated));
    let after_a_picture = [b"\xff\xd8\xff\xe0some jpeg".to_vec(), bytes].concat();
    assert_eq!(read(&after_a_picture).unwrap().card.sheet.name, "Ada");
}

#[test]
fn what_is_no_character_is_refused_by_name() {
    let fault = |text: &str| read(text.as_bytes()).unwrap_err();
    assert_eq!(fault("hello"), CardError::UnknownFormat);
    assert_eq!(fault(""), CardError::UnknownFormat);
    assert!(matches!(fault("{\"name\":"), CardError::MalformedJson(_)));
    assert!(matches!(fault("[1]"), CardError::MalformedJson(_)));
    assert_eq!(fault("{}"), CardError::NoCharacter("it has no `name`"));
    assert_eq!(fault(r#"{"spec":"chara_card_v2"}"#), CardError::NoCharacter("it has no `data`"));
    assert_eq!(fault(r#"{"spec":"chara_card_v2","data":[]}"#), CardError::NoCharacter("its `data` is no object"));
    assert_eq!(fault(r#"{"spec":"lorebook_v3","data":{"entries":[]}}"#), CardError::OnlyLorebook);
    assert_eq!(fault(r#"{"entries":{"0":{}}}"#), CardError::OnlyLorebook);
    assert_eq!(fault(r#"{"name":7}"#), CardError::Field { field: "name".to_owned(), fault: "is no text" });
    assert_eq!(fault(r#"{"name":" "}"#), CardError::Field { field: "name".to_owned(), fault: "is empty" });
    assert_eq!(read(b"{\"name\":\"\xff\"}").unwrap_err(), CardError::NotUtf8);
    assert_eq!(fault(&format!("{{\"name\":\"{}\"}}", "x".repeat(MAX_JSON_BYTES))), CardError::JsonTooLarge);
    assert_eq!(fault(&"[".repeat(100_000)), CardError::JsonTooDeep);
    let long = "x".repeat(MAX_TEXT_CHARS + 1);
    assert_eq!(
        fault(&json!({"name": "A", "scenario": long}).to_string()),
        CardError::TextTooLong("scenario".to_owned())
    );
    let data =
        |field: &str, value: Value| json!({"spec": "chara_card_v2", "data": {"name": "A", field: value}}).to_string();
    let greetings = vec!["hi"; MAX_GREETINGS + 1];
    assert_eq!(
        fault(&data("alternate_greetings", json!(greetings))),
        CardError::TooMany { what: "greetings", most: MAX_GREETINGS }
    );
    let book = |entries: Value| data("character_book", json!({"entries": entries}));
    assert_eq!(
        fault(&book(json!(vec![json!({}); MAX_ENTRIES + 1]))),
        CardError::TooMany { what: "entries", most: MAX_ENTRIES }
    );
    assert_eq!(
        fault(&book(json!([{"keys": vec!["k"; MAX_KEYS + 1]}]))),
        CardError::TooMany { what: "keys", most: MAX_KEYS }
    );
    assert!(matches!(fault(&book(json!([{"keys": ["k".repeat(MAX_KEY_CHARS + 1)]}]))), CardError::Field { .. }));
    let patterns = json!(vec![json!({"keys": vec!["/a/"; 100]}); 6]);
    assert_eq!(fault(&book(patterns)), CardError::TooMany { what: "keys that are patterns", most: MAX_PATTERNS });
    assert!(matches!(fault(&book(json!(7))), CardError::Field { .. }));
}

#[test]
fn what_is_odd_is_read_all_the_same() {
    let card = read_json(
        "\u{feff} {\"spec\":\"chara_card_v9\",\"data\":{\"name\":\"A\",\"tags\":null,\"description\":7,\"alternate_greetings\":\"Hi\"}}",
    );
    assert_eq!((card.version, &card.sheet.tags, card.sheet.description.as_str()), (Version::V2, &Vec::new(), ""));
    assert_eq!(card.sheet.greetings, ["", "Hi"]);
    // Version 2 is often written with version 1 around it.
    let doubled =
        r#"{"name":"old","first_mes":"old","spec":"chara_card_v2","spec_version":"2.0","data":{"name":"new"}}"#;
    assert_eq!(read_json(doubled).sheet.name, "new");
    let duplicates = r#"{"name":"first","name":"second"}"#;
    assert_eq!(read_json(duplicates).sheet.name, "second");
    let with_zero = r#"{"name":"A","first_mes":"a\u0000b"}"#;
    let card = read_json(with_zero);
    assert_eq!(card.sheet.greetings, ["ab"]);
    assert!(card.json(Version::V2).contains("a\\u0000b"));
}

#[test]
fn a_name_of_a_specification_that_there_is_none_of_is_not_exported() {
    // As tavern-card writes what it has read of version 1.
    let v1 = r#"{"spec":"chara_card_v1","spec_version":"1.0","data":{"name":"A"}}"#;
    for json in [v1, r#"{"spec":7,"data":{"name":"A"}}"#, r#"{"spec":"chara_card_v2","data":{"name":"A"}}"#] {
        let card = read_json(json);
        assert_eq!(card.version, Version::V2);
        let exported = value(&card.json(Version::V2));
        assert_eq!((&exported["spec"], &exported["spec_version"]), (&json!("chara_card_v2"), &json!("2.0")), "{json}");
    }
}

#[test]
fn cards_of_pygmalion_are_read_as_version_1() {
    let theirs = json!({"char_name": "Bo", "char_persona": "A dog.", "world_scenario": "a yard",
        "char_greeting": "Woof", "example_dialogue": "You: sit", "metadata": {"version": 1}});
    let card = read_json(&theirs.to_string());
    let sheet = &card.sheet;
    assert_eq!((card.version, sheet.name.as_str(), sheet.description.as_str()), (Version::V1, "Bo", "A dog."));
    assert_eq!((&sheet.greetings[..], sheet.scenario.as_str()), (&["Woof".to_owned()][..], "a yard"));
    assert_eq!(sheet.example_dialogue, "You: sit");
    assert_eq!(card.unused(), ["/metadata"]);
    // Where both are there, theirs is one that nothing is made of.
    let both = read_json(r#"{"name":"A","char_name":"B","char_greeting":"hi"}"#);
    assert_eq!((both.sheet.name.as_str(), both.sheet.greetings.len()), ("A", 0));
    assert_eq!(both.unused(), ["/char_name", "/char_greeting"]);
}

proptest! {
    #[test]
    fn whatever_comes_is_a_card_or_a_named_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..4) {
        let begin: &[u8] = [&b""[..], b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"{\"name\":"][kind as usize];
        if let Err(fault) = read(&[begin, &bytes].concat()) {
            prop_assert!(!fault.to_string().is_empty());
        }
    }

    #[test]
    fn a_card_with_a_changed_byte_is_refused_or_read(place in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0..3) {
        let texts = [("ccv3", V3)];
        let mut bytes = match kind {
            0 => V3.as_bytes().to_vec(),
            1 => with_cards(None, &texts).unwrap(),
            _ => charx(&[("card.json", V3.as_bytes())]),
        };
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(imported) = read(&bytes) {
            // What was read can be written.
            prop_assert!(!imported.card.json(Version::V2).is_empty());
        }
    }
}
