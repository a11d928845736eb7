//! The property with cards that are made up, and with those of other programs.

use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

const FIELDS: &[&str] = &[
    "name",
    "nickname",
    "description",
    "personality",
    "scenario",
    "first_mes",
    "mes_example",
    "creator_notes",
    "system_prompt",
    "post_history_instructions",
    "alternate_greetings",
    "tags",
    "extensions",
    "character_book",
    "char_name",
    "char_persona",
    "char_greeting",
    "assets",
    "data",
    "spec",
    "spec_version",
    "entries",
    "keys",
    "secondary_keys",
    "selective",
    "content",
    "enabled",
    "insertion_order",
    "position",
    "depth",
    "use_regex",
    "constant",
    "id",
    "uid",
    "selectiveLogic",
    "type",
    "uri",
    "unknown",
    "",
];

fn text() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "",
        "A",
        " ",
        "ü🏮",
        "{{char}}",
        "@@depth 4\n@@@role user\n\nx",
        "@@x",
        "a\0b",
        "\u{feff}",
        "/k(i|e)ng/i",
        "/(/",
        "embeded://picture.png",
        "icon",
        "main",
        "chara_card_v1",
        "chara_card_v2",
        "chara_card_v3",
        "lorebook_v3",
        "null",
        "\\u0041\"",
    ];
    prop_oneof![prop::sample::select(WORDS).prop_map(str::to_owned), "\\PC{0,8}"]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..7_u32).prop_map(Value::from),
        text().prop_map(Value::from),
    ]
}

/// Any JSON, with the names of fields that mean something.
fn any_value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array), object(inner)]
    })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let fields = prop::collection::vec((prop::sample::select(FIELDS), value), 0..5);
    fields.prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn texts() -> impl Strategy<Value = Value> {
    prop::collection::vec(text(), 0..4).prop_map(Value::from)
}

fn entry() -> impl Strategy<Value = Value> {
    (object(leaf()), texts(), text(), object(leaf())).prop_map(|(mut entry, keys, content, extensions)| {
        entry["keys"] = keys;
        entry["content"] = json!(content);
        entry["extensions"] = extensions;
        entry
    })
}

/// Fields as a card has them, and between them others.
fn data() -> impl Strategy<Value = Value> {
    let name = prop_oneof![9 => "[A-Za-zé🏮]{1,6}".prop_map(Value::from), 1 => any_value()];
    let book = prop::option::of(prop::collection::vec(entry(), 0..3));
    (object(any_value()), name, texts(), book, any::<bool>(), prop::collection::vec(text(), 4)).prop_map(
        |(mut data, name, greetings, book, has_icon, texts)| {
            data["name"] = name;
            data["alternate_greetings"] = greetings;
            for (field, text) in ["first_mes", "description", "creator_notes", "scenario"].iter().zip(texts) {
                data[*field] = json!(text);
            }
            if has_icon {
                data["assets"] = json!([{"type": "icon", "name": "main", "uri": "embeded://picture.png"}]);
            }
            if let Some(entries) = book {
                data["character_book"] = json!({"entries": entries});
            }
            data
        },
    )
}

fn document() -> impl Strategy<Value = Value> {
    let spec = prop::sample::select(&["chara_card_v2", "chara_card_v3", "chara_card_v1"][..]);
    prop_oneof![
        1 => any_value(),
        3 => data(),
        6 => (object(any_value()), prop::option::of(spec), data()).prop_map(|(mut document, spec, data)| {
            document["data"] = data;
            if let Some(spec) = spec {
                document["spec"] = json!(spec);
            }
            document
        }),
    ]
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn in_container(json: &str, container: usize) -> Vec<u8> {
    let picture = |keyword| with_cards(None, &[(keyword, json), ("comment", "A face.")]).unwrap();
    match container {
        0 => json.as_bytes().to_vec(),
        1 => picture("chara"),
        2 => picture("ccv3"),
        _ => archive(&[("card.json", json.as_bytes()), ("picture.png", &picture("chara"))]),
    }
}

/// The cards of other programs, in `tests/cards/`.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cards");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind != "md")).collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn cards_of_other_programs_make_the_round_trip() {
    for seed in seeds() {
        card(&seed);
    }
}

#[test]
fn most_of_what_is_made_up_is_a_card() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let made = (0..200).map(|_| document().new_tree(&mut runner).unwrap().current().to_string());
    let read = made.filter(|json| read(json.as_bytes()).is_ok()).count();
    assert!(read > 100, "{read} of 200");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_read_is_exported_and_read_again_equal(document in document(), container in 0..4_usize) {
        card(&in_container(&document.to_string(), container));
    }

    #[test]
    fn so_is_a_card_whose_bytes_were_changed(
        seed in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut seeds = seeds();
        let mut bytes = seeds.swap_remove(seed.index(seeds.len()));
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        card(&bytes);
    }
}
