//! Cards of other programs: read, field by field, and exported as each version, in JSON and in pictures.
//!
//! The files are in `tests/cards/`, whose README says what made them. All are of the character in `content.json`, or of
//! as much of it as the program can write.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value, json};
use troupe_characters::{
    Card, Container, Imported, Lorebook, Macros, Sheet, Version,
    lorebook::{Conversation, LoreRole, Place, Scanned, Settings, State},
    read, with_cards,
};

struct Case {
    file: &'static str,
    container: Container,
    version: Version,
    /// Fields of the sheet that are those of `content.json`, by their names in a card. The others are empty.
    holds: &'static [&'static [&'static str]],
    /// Where the entry with decorators stands; without a lorebook nowhere.
    lamp: Option<Place>,
    /// What is another than in the file, in an export as version 2 and as version 3: `-` is missing, `+` is new.
    v2: &'static [&'static [&'static str]],
    v3: &'static [&'static [&'static str]],
}

const V1: &[&str] = &["name", "description", "personality", "scenario", "first_mes", "mes_example"];
const V2: &[&str] = &["alternate_greetings", "system_prompt", "post_history_instructions", "creator_notes", "tags"];
const NICKNAME: &[&str] = &["nickname"];
/// Of a persona in the words of Pygmalion.
const PYGMALION: &[&str] = &["name", "personality as description", "scenario", "first_mes", "mes_example"];
const COMPANION: &[&str] = &["name", "personality as description", "first_mes", "mes_example"];

const AT_DEPTH: Option<Place> = Some(Place::Depth { depth: 5, role: LoreRole::Assistant });
const AFTER: Option<Place> = Some(Place::AfterPersona);

/// What version 2 demands and version 1 has not.
const NEW: &[&str] = &[
    "+spec",
    "+spec_version",
    "+data.alternate_greetings",
    "+data.character_version",
    "+data.creator",
    "+data.creator_notes",
    "+data.extensions",
    "+data.post_history_instructions",
    "+data.system_prompt",
    "+data.tags",
];
const PERSONALITY: &[&str] = &["+data.personality"];
const SCENARIO: &[&str] = &["+data.scenario"];
const SPEC: &[&str] = &["spec", "spec_version"];
/// What version 3 demands and version 2 has not.
const GROUP: &[&str] = &["+data.group_only_greetings"];
const REGEX: &[&str] = &[
    "+data.character_book.entries.0.use_regex",
    "+data.character_book.entries.1.use_regex",
    "+data.character_book.entries.2.use_regex",
    "+data.character_book.entries.3.use_regex",
];
/// What version 2 cannot say: decorators are cut off.
const DECORATORS: &[&str] = &["data.character_book.entries.2.content"];

const CASES: &[Case] = &[
    Case {
        file: "aichar-aicompanion.json",
        container: Container::Json,
        version: Version::V1,
        holds: &[COMPANION],
        lamp: None,
        v2: &[NEW, PERSONALITY, SCENARIO],
        v3: &[NEW, GROUP, PERSONALITY, SCENARIO],
    },
    Case {
        file: "aichar-neutral.json",
        container: Container::Json,
        version: Version::V1,
        holds: &[V1],
        lamp: None,
        v2: &[NEW],
        v3: &[NEW, GROUP],
    },
    Case {
        file: "aichar-pygmalion.json",
        container: Container::Json,
        version: Version::V1,
        holds: &[PYGMALION],
        lamp: None,
        v2: &[NEW, PERSONALITY],
        v3: &[NEW, GROUP, PERSONALITY],
    },
    Case {
        file: "aichar-sillytavern.png",
        container: Container::Png,
        version: Version::V1,
        holds: &[V1],
        lamp: None,
        v2: &[NEW],
        v3: &[NEW, GROUP],
    },
    Case {
        file: "aichar-tavernai.json",
        container: Container::Json,
        version: Version::V1,
        holds: &[V1],
        lamp: None,
        v2: &[NEW],
        v3: &[NEW, GROUP],
    },
    Case {
        file: "aichar-textgenerationwebui.png",
        container: Container::Png,
        version: Version::V1,
        holds: &[PYGMALION],
        lamp: None,
        v2: &[NEW, PERSONALITY],
        v3: &[NEW, GROUP, PERSONALITY],
    },
    Case {
        file: "card-forge-v3.json",
        container: Container::Json,
        version: Version::V3,
        holds: &[V1, V2, NICKNAME],
        lamp: AT_DEPTH,
        v2: &[SPEC, DECORATORS],
        v3: &[],
    },
    Case {
        file: "card-forge-v3.png",
        container: Container::Png,
        version: Version::V3,
        holds: &[V1, V2, NICKNAME],
        lamp: AT_DEPTH,
        v2: &[SPEC, DECORATORS],
        v3: &[],
    },
    Case {
        file: "ccardlib-risu-v3.json",
        container: Container::Json,
        version: Version::V3,
        holds: &[V1, V2],
        lamp: AFTER,
        v2: &[SPEC],
        v3: &[],
    },
    Case {
        file: "ccardlib-v1.json",
        container: Container::Json,
        version: Version::V1,
        holds: &[V1],
        lamp: None,
        v2: &[NEW],
        v3: &[NEW, GROUP],
    },
    Case {
        file: "ccardlib-v2-to-v3.json",
        container: Container::Json,
        version: Version::V3,
        holds: &[V1, V2],
        lamp: AFTER,
        v2: &[SPEC],
        v3: &[],
    },
    Case {
        file: "ccardlib-v2.json",
        container: Container::Json,
        version: Version::V2,
        holds: &[V1, V2],
        lamp: AFTER,
        v2: &[],
        v3: &[SPEC, GROUP, REGEX],
    },
    Case {
        file: "ccardlib.charx",
        container: Container::Charx,
        version: Version::V3,
        holds: &[V1, V2, NICKNAME],
        lamp: AT_DEPTH,
        v2: &[SPEC, DECORATORS],
        v3: &[],
    },
    Case {
        file: "character-card-utils-backfilled.json",
        container: Container::Json,
        version: Version::V2,
        holds: &[V1, V2],
        lamp: AFTER,
        v2: &[],
        v3: &[SPEC, GROUP, REGEX],
    },
    Case {
        file: "character-card-utils-obsolete.json",
        container: Container::Json,
        version: Version::V2,
        holds: &[V1, V2],
        lamp: AFTER,
        v2: &[],
        v3: &[SPEC, GROUP, REGEX],
    },
    Case {
        file: "character-card-utils-v1-to-v2.json",
        container: Container::Json,
        version: Version::V2,
        holds: &[V1],
        lamp: None,
        v2: &[],
        v3: &[SPEC, GROUP],
    },
    Case {
        file: "character-card-utils-v2.json",
        container: Container::Json,
        version: Version::V2,
        holds: &[V1, V2],
        lamp: AFTER,
        v2: &[],
        v3: &[SPEC, GROUP, REGEX],
    },
    Case {
        file: "pillow-itxt.png",
        container: Container::Png,
        version: Version::V3,
        holds: &[V1, V2, NICKNAME],
        lamp: AT_DEPTH,
        v2: &[SPEC, DECORATORS],
        v3: &[],
    },
    Case {
        file: "pillow-ztxt.png",
        container: Container::Png,
        version: Version::V3,
        holds: &[V1, V2, NICKNAME],
        lamp: AT_DEPTH,
        v2: &[SPEC, DECORATORS],
        v3: &[],
    },
    Case {
        file: "tavern-card-v1.png",
        container: Container::Png,
        version: Version::V2,
        holds: &[V1],
        lamp: None,
        v2: &[SPEC],
        v3: &[SPEC, GROUP],
    },
    Case {
        file: "tavern-card-v2.png",
        container: Container::Png,
        version: Version::V2,
        holds: &[V1, V2],
        lamp: AT_DEPTH,
        v2: &[],
        v3: &[SPEC, GROUP],
    },
    Case {
        file: "tavern-card-v3-apng.png",
        container: Container::Png,
        version: Version::V3,
        holds: &[V1, V2],
        lamp: AT_DEPTH,
        v2: &[SPEC, DECORATORS],
        v3: &[GROUP],
    },
];

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cards").join(name)).unwrap()
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn expected_sheet(case: &Case) -> Sheet {
    let content = &value(str::from_utf8(&file("content.json")).unwrap())["data"];
    let held = |field: &str| {
        let mut held = case.holds.iter().flat_map(|fields| fields.iter());
        let source = held.find_map(|held| match held.split_once(" as ") {
            Some((source, target)) => (target == field).then_some(source),
            None => (*held == field).then_some(*held),
        });
        source.map(|source| content[source].clone())
    };
    let text = |field: &str| held(field).map(|text| text.as_str().unwrap().to_owned());
    let texts = |field: &str| -> Vec<String> {
        held(field).map(|texts| serde_json::from_value(texts).unwrap()).unwrap_or_default()
    };
    Sheet {
        name: text("name").unwrap_or_default(),
        nickname: text("nickname"),
        description: text("description").unwrap_or_default(),
        personality: text("personality").unwrap_or_default(),
        scenario: text("scenario").unwrap_or_default(),
        system_prompt: text("system_prompt").unwrap_or_default(),
        greetings: text("first_mes").into_iter().chain(texts("alternate_greetings")).collect(),
        example_dialogue: text("mes_example").unwrap_or_default(),
        post_history: text("post_history_instructions").unwrap_or_default(),
        creator_notes: text("creator_notes").unwrap_or_default(),
        tags: texts("tags"),
        lorebook: None,
    }
}

fn check_sheet(case: &Case, sheet: &Sheet) {
    let expected = expected_sheet(case);
    let file = case.file;
    assert_eq!(sheet.name, expected.name, "{file}");
    assert_eq!(sheet.nickname, expected.nickname, "{file}");
    assert_eq!(sheet.description, expected.description, "{file}");
    assert_eq!(sheet.personality, expected.personality, "{file}");
    assert_eq!(sheet.scenario, expected.scenario, "{file}");
    assert_eq!(sheet.system_prompt, expected.system_prompt, "{file}");
    assert_eq!(sheet.greetings, expected.greetings, "{file}");
    assert_eq!(sheet.example_dialogue, expected.example_dialogue, "{file}");
    assert_eq!(sheet.post_history, expected.post_history, "{file}");
    assert_eq!(sheet.creator_notes, expected.creator_notes, "{file}");
    assert_eq!(sheet.tags, expected.tags, "{file}");
}

/// What a prompt would have of the lorebook after this message.
fn scan(book: &str, message: &str) -> Scanned {
    let conversation = Conversation { messages: &[message], count: 1, replies: 0, greeting: Some(0), is_cut: false };
    let settings = Settings { scan_depth: 4, budget: 1_000, max_recursion: 3, seed: 1 };
    let macros = Macros { char: "Maë".to_owned(), user: "Grace".to_owned(), ..Macros::default() };
    Lorebook::parse(book).unwrap().scan(conversation, settings, &State::default(), &macros, &str::len)
}

fn check_lorebook(file: &str, book: Option<&str>, lamp: Option<Place>) {
    let (Some(book), Some(lamp)) = (book, lamp) else {
        assert_eq!((book, lamp), (None, None), "{file}");
        return;
    };
    let scanned = scan(book, "Is the lighthouse safe in this storm? And the cat? No kraken?");
    let chosen: Vec<_> = scanned.chosen.iter().map(|entry| (entry.content.as_str(), entry.place)).collect();
    let expected = [
        ("The lighthouse of Skarra has two hundred steps.", Place::BeforePersona),
        ("猫丸 is {{char}}'s cat.", Place::Depth { depth: 2, role: LoreRole::User }),
        ("The lamp is never out.", lamp),
    ];
    assert_eq!(chosen, expected, "{file}");
    let names: Vec<_> = scanned.receipt.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["Lighthouse", "Cat", "Lamp", "Kraken"], "{file}");
    let reasons = |message| -> Vec<Value> {
        let receipt = scan(book, message).receipt;
        receipt.iter().map(|entry| serde_json::to_value(entry.reason).unwrap()).collect()
    };
    assert_eq!(reasons("灯台 in the fog, with cats"), ["key", "no_key", "constant", "disabled"], "{file}: whole words");
    assert_eq!(reasons("The lighthouse"), ["secondary_keys", "no_key", "constant", "disabled"], "{file}");
}

/// The document in the form of version 2 and later, where it is of version 1.
fn in_data(version: Version, original: &Value) -> Value {
    if version != Version::V1 {
        return original.clone();
    }
    let theirs =
        [("char_name", 0), ("char_persona", 1), ("world_scenario", 3), ("char_greeting", 4), ("example_dialogue", 5)];
    let mut document = original.as_object().unwrap().clone();
    let mut data = Map::new();
    let has_name = document.contains_key("name");
    for (theirs, index) in theirs {
        if let Some(value) = (!has_name).then(|| document.remove(theirs)).flatten() {
            data.insert(V1[index].to_owned(), value);
        }
    }
    data.extend(V1.iter().filter_map(|field| Some(((*field).to_owned(), document.remove(*field)?))));
    document.insert("data".to_owned(), Value::Object(data));
    Value::Object(document)
}

/// Where two documents differ.
fn differences(path: &str, before: &Value, after: &Value, found: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            for (name, value) in before {
                match after.get(name) {
                    Some(now) => differences(&below(name), value, now, found),
                    None => _ = found.insert(format!("-{}", below(name))),
                }
            }
            let new = after.keys().filter(|name| !before.contains_key(*name));
            found.extend(new.map(|name| format!("+{}", below(name))));
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                differences(&format!("{path}.{index}"), before, after, found);
            }
        }
        _ if before == after => {}
        _ => _ = found.insert(path.to_owned()),
    }
}

fn check_export(case: &Case, imported: &Imported, version: Version, original: &Value) {
    let file = case.file;
    let card = &imported.card;
    let exported = card.json(version);
    let mut found = BTreeSet::new();
    differences("", &in_data(case.version, original), &value(&exported), &mut found);
    let expected = if version == Version::V2 { case.v2 } else { case.v3 };
    let expected: BTreeSet<_> = expected.iter().flat_map(|paths| paths.iter()).map(|path| (*path).to_owned()).collect();
    assert_eq!(found, expected, "{file} as {}", version.name());

    let again = read(exported.as_bytes()).unwrap();
    assert_eq!((again.container, again.card.version), (Container::Json, version), "{file}");
    check_sheet(case, &again.card.sheet);
    // Version 2 has no decorators: only what is exported as the version that it came as has them as they were.
    let is_stripped = version == Version::V2 && case.version == Version::V3;
    let lamp = if is_stripped { case.lamp.and(AFTER) } else { case.lamp };
    check_lorebook(file, again.card.sheet.lorebook.as_deref(), lamp);
    assert_eq!(value(&again.card.json(version)), value(&exported), "{file}: exported once more");

    let texts = card.texts(version);
    let texts: Vec<_> = texts.iter().map(|(keyword, json)| (*keyword, json.as_str())).collect();
    let original_picture = imported.picture.as_ref().unwrap();
    let picture = read(&with_cards(original_picture.as_deref(), &texts).unwrap()).unwrap();
    assert_eq!((picture.container, picture.card.version), (Container::Png, version), "{file}");
    assert_eq!(value(&picture.json), value(&exported), "{file}: in a picture");
    assert_eq!(picture.picture, imported.picture, "{file}: the picture is the one that came, or none");
    // The text for readers that know only version 2.
    let older = Card::parse(texts[0].1).unwrap();
    assert_eq!((texts[0].0, older.version), ("chara", Version::V2), "{file}");
    assert!(older.sheet.creator_notes.ends_with(&card.sheet.creator_notes), "{file}");
}

#[test]
fn cards_of_other_programs_are_read_and_exported_field_by_field() {
    for case in CASES {
        let imported = read(&file(case.file)).unwrap();
        assert_eq!((imported.container, imported.card.version), (case.container, case.version), "{}", case.file);
        let has_picture = case.container != Container::Json;
        assert_eq!(imported.picture.as_ref().map(Option::is_some), Ok(has_picture), "{}", case.file);
        check_sheet(case, &imported.card.sheet);
        check_lorebook(case.file, imported.card.sheet.lorebook.as_deref(), case.lamp);
        let original = value(&imported.json);
        for version in [Version::V2, Version::V3] {
            check_export(case, &imported, version, &original);
        }
    }
}

#[test]
fn every_file_is_in_the_table_and_in_the_readme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cards");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let others = ["README.md", "content.json", "make.mjs", "make.py"];
    let cards: BTreeSet<_> = names.filter(|name| !others.contains(&name.as_str())).collect();
    let tested: BTreeSet<_> = CASES.iter().map(|case| case.file.to_owned()).collect();
    assert_eq!(cards, tested);
    for card in cards {
        assert!(readme.contains(&format!("`{card}`")), "{card}");
    }
}

#[test]
fn an_animated_picture_stays_one() {
    let picture = read(&file("tavern-card-v3-apng.png")).unwrap().picture.unwrap().unwrap();
    let count = |kind: &[u8]| picture.windows(4).filter(|window| *window == kind).count();
    assert_eq!((count(b"acTL"), count(b"fcTL"), count(b"tEXt")), (1, 3, 0));
}

#[test]
fn what_is_edited_is_also_edited_in_version_1_around_version_2() {
    let renamed = |name: &str| {
        let card = read(&file(name)).unwrap().card;
        let sheet = Sheet { name: "Nia".to_owned(), ..card.sheet.clone() };
        value(&card.with(sheet).json(Version::V2))
    };
    let backfilled = renamed("character-card-utils-backfilled.json");
    assert_eq!((&backfilled["name"], &backfilled["data"]["name"]), (&json!("Nia"), &json!("Nia")));
    let obsolete = renamed("character-card-utils-obsolete.json");
    assert_eq!(obsolete["data"]["name"], "Nia");
    assert!(obsolete["name"].as_str().unwrap().starts_with("This is a V2 Character Card."), "a notice stays");
}
