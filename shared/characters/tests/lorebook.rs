//! What the specification says of lorebooks, and what SillyTavern does where it says nothing: a table of cases.
//!
//! A case is a lorebook, a conversation and what becomes of each entry: `id: reason`, and where a key was found, `id:
//! reason key@message` or `id: reason key<entry`.

#![expect(clippy::needless_pass_by_value, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use serde_json::{Value, json};
use troupe_characters::{
    Lorebook, Macros,
    lorebook::{Conversation, Place, Scanned, Settings, State},
};

struct Case {
    what: &'static str,
    book: Value,
    /// The newest first.
    messages: &'static [&'static str],
    expected: &'static [&'static str],
}

const SETTINGS: Settings = Settings { scan_depth: 4, budget: 1_000, max_recursion: 3, seed: 1 };

fn scan(book: &Value, messages: &[&str]) -> Scanned {
    scan_with(book, conversation(messages), SETTINGS, &State::default())
}

fn conversation<'a>(messages: &'a [&'a str]) -> Conversation<'a> {
    let count = u32::try_from(messages.len()).unwrap();
    Conversation { messages, count, replies: count / 2, greeting: Some(0), is_cut: false }
}

fn scan_with(book: &Value, conversation: Conversation<'_>, settings: Settings, before: &State) -> Scanned {
    let book = Lorebook::parse(&book.to_string()).unwrap();
    let macros = Macros { char: "Ada".to_owned(), user: "Grace".to_owned(), ..Macros::default() };
    book.scan(conversation, settings, before, &macros, &str::len)
}

fn told(scanned: &Scanned) -> Vec<String> {
    let told = scanned.receipt.iter().map(|entry| {
        let reason = serde_json::to_value(entry.reason).unwrap();
        let reason = reason.as_str().unwrap();
        let key = entry.key.as_deref().unwrap_or_default();
        match (entry.message, &entry.entry) {
            (Some(message), _) => format!("{}: {reason} {key}@{message}", entry.id),
            (_, Some(other)) => format!("{}: {reason} {key}<{other}", entry.id),
            _ => format!("{}: {reason}", entry.id),
        }
    });
    told.collect()
}

fn chosen(scanned: &Scanned) -> Vec<&str> {
    scanned.chosen.iter().map(|entry| entry.content.as_str()).collect()
}

/// An entry with these fields over the usual ones.
fn entry(id: u32, keys: &[&str], fields: Value) -> Value {
    let mut entry = json!({"id": id, "keys": keys, "content": format!("text {id}"), "enabled": true,
        "insertion_order": id, "use_regex": false, "extensions": {}});
    let Value::Object(fields) = fields else { panic!("{fields} is no object") };
    entry.as_object_mut().unwrap().extend(fields);
    entry
}

fn book(entries: Vec<Value>) -> Value {
    json!({"entries": entries, "extensions": {}})
}

fn one(keys: &[&str], fields: Value) -> Value {
    book(vec![entry(1, keys, fields)])
}

fn decorated(keys: &[&str], decorators: &str) -> Value {
    one(keys, json!({"content": format!("{decorators}\ntext")}))
}

fn sillytavern(keys: &[&str], secondary: &[&str], logic: u32) -> Value {
    one(
        keys,
        json!({"secondary_keys": secondary, "selective": true, "use_regex": true, "extensions": {"selectiveLogic": logic}}),
    )
}

fn check(cases: Vec<Case>) {
    for Case { what, book, messages, expected } in cases {
        assert_eq!(told(&scan(&book, messages)), expected, "{what}");
    }
}

#[test]
fn keys_and_the_messages_that_they_are_in() {
    check(vec![
        Case {
            what: "one of the keys",
            book: one(&["castle", "king"], json!({})),
            messages: &["Hm.", "The king!"],
            expected: &["1: key king@1"],
        },
        Case {
            what: "the newest message first",
            book: one(&["king"], json!({})),
            messages: &["king", "king"],
            expected: &["1: key king@0"],
        },
        Case { what: "no key", book: one(&["castle"], json!({})), messages: &["The king!"], expected: &["1: no_key"] },
        Case { what: "no keys at all", book: one(&[], json!({})), messages: &["The king!"], expected: &["1: no_key"] },
        Case {
            what: "disabled in any case",
            book: one(&["king"], json!({"enabled": false, "constant": true, "content": "@@activate\nx"})),
            messages: &["king"],
            expected: &["1: disabled"],
        },
        Case {
            what: "without content",
            book: one(&["king"], json!({"content": ""})),
            messages: &["king"],
            expected: &["1: no_content"],
        },
        Case {
            what: "only decorators",
            book: one(&["king"], json!({"content": "@@depth 1\n\n"})),
            messages: &["king"],
            expected: &["1: no_content"],
        },
        Case {
            what: "constant",
            book: one(&["castle"], json!({"constant": true})),
            messages: &["Hm."],
            expected: &["1: constant"],
        },
        Case {
            what: "case does not matter",
            book: one(&["KING"], json!({})),
            messages: &["king"],
            expected: &["1: key KING@0"],
        },
        Case {
            what: "case matters",
            book: one(&["KING"], json!({"case_sensitive": true})),
            messages: &["king"],
            expected: &["1: no_key"],
        },
        Case {
            what: "parts of words",
            book: one(&["king"], json!({})),
            messages: &["kingdom"],
            expected: &["1: key king@0"],
        },
        Case {
            what: "whole words",
            book: one(&["king"], json!({"extensions": {"match_whole_words": true}})),
            messages: &["kingdom"],
            expected: &["1: no_key"],
        },
        Case {
            what: "the scan depth of the settings",
            book: one(&["king"], json!({})),
            messages: &["a", "b", "c", "d", "king"],
            expected: &["1: no_key"],
        },
        Case {
            what: "the scan depth of the lorebook",
            book: json!({"scan_depth": 1, "entries": [entry(1, &["king"], json!({}))]}),
            messages: &["a", "king"],
            expected: &["1: no_key"],
        },
        Case {
            what: "the scan depth of the entry",
            book: json!({"scan_depth": 1, "entries": [entry(1, &["king"], json!({"extensions": {"scan_depth": 2}}))]}),
            messages: &["a", "king"],
            expected: &["1: key king@1"],
        },
        Case {
            what: "the scan depth of the decorator",
            book: json!({"scan_depth": 9, "entries": [entry(1, &["king"], json!({"content": "@@scan_depth 1\nx"}))]}),
            messages: &["a", "king"],
            expected: &["1: no_key"],
        },
        Case {
            what: "macros in keys",
            book: one(&["{{char}} and {{user}}"], json!({})),
            messages: &["ada and grace"],
            expected: &["1: key {{char}} and {{user}}@0"],
        },
        Case {
            what: "ids that are doubled or missing",
            book: json!({"entries": [{"keys": ["a"], "content": "x"}, {"id": "a", "keys": [], "content": "x"}, {"id": "a", "keys": ["a"], "content": "x"}]}),
            messages: &["a"],
            expected: &["#0: key a@0", "a: no_key", "#2: key a@0"],
        },
    ]);
}

#[test]
fn patterns() {
    check(vec![
        Case {
            what: "every key is a pattern",
            book: one(&["k.ng"], json!({"use_regex": true})),
            messages: &["the kong"],
            expected: &["1: key k.ng@0"],
        },
        Case {
            what: "one between slashes",
            book: one(&["/k(i|o)ng\\b/i"], json!({"use_regex": true})),
            messages: &["KONG!"],
            expected: &["1: key /k(i|o)ng\\b/i@0"],
        },
        Case {
            what: "slashes are enough",
            book: one(&["/^k/"], json!({})),
            messages: &["king"],
            expected: &["1: key /^k/@0"],
        },
        Case {
            what: "one that does not compile makes no match",
            book: one(&["king", "(k"], json!({"use_regex": true})),
            messages: &["king"],
            expected: &["1: key_does_not_compile"],
        },
        Case {
            what: "of texts the others count",
            book: one(&["/(?=k)/", "king"], json!({})),
            messages: &["king"],
            expected: &["1: key king@0"],
        },
        Case {
            what: "none that compiles",
            book: one(&["/(?=k)/"], json!({})),
            messages: &["king"],
            expected: &["1: key_does_not_compile"],
        },
        Case {
            what: "secondary keys are ignored",
            book: one(&["king"], json!({"use_regex": true, "selective": true, "secondary_keys": ["queen"]})),
            messages: &["king"],
            expected: &["1: key king@0"],
        },
        Case {
            what: "SillyTavern says so of texts",
            book: sillytavern(&["k.ng"], &[], 0),
            messages: &["king"],
            expected: &["1: no_key"],
        },
        Case {
            what: "exclude_keys are ignored",
            book: one(&["king"], json!({"use_regex": true, "content": "@@exclude_keys king\nx"})),
            messages: &["king"],
            expected: &["1: key king@0"],
        },
    ]);
}

#[test]
fn secondary_keys() {
    let book = |logic| sillytavern(&["king"], &["queen", "fool"], logic);
    check(vec![
        Case { what: "AND ANY, one", book: book(0), messages: &["king", "queen"], expected: &["1: key king@0"] },
        Case { what: "AND ANY, none", book: book(0), messages: &["king"], expected: &["1: secondary_keys"] },
        Case { what: "NOT ALL, all", book: book(1), messages: &["king queen fool"], expected: &["1: secondary_keys"] },
        Case { what: "NOT ALL, one", book: book(1), messages: &["king queen"], expected: &["1: key king@0"] },
        Case { what: "NOT ANY, one", book: book(2), messages: &["king queen"], expected: &["1: secondary_keys"] },
        Case { what: "NOT ANY, none", book: book(2), messages: &["king"], expected: &["1: key king@0"] },
        Case { what: "AND ALL, one", book: book(3), messages: &["king queen"], expected: &["1: secondary_keys"] },
        Case {
            what: "AND ALL, all",
            book: book(3),
            messages: &["fool", "king", "queen"],
            expected: &["1: key king@1"],
        },
        Case { what: "without a primary key", book: book(2), messages: &["nobody"], expected: &["1: no_key"] },
        Case {
            what: "not selective",
            book: one(&["king"], json!({"secondary_keys": ["queen"]})),
            messages: &["king"],
            expected: &["1: key king@0"],
        },
    ]);
}

#[test]
fn decorators_that_decide() {
    let long: &[&str] = &["king", "b", "c", "d", "e"];
    check(vec![
        Case {
            what: "dont_activate",
            book: decorated(&["king"], "@@dont_activate"),
            messages: &["king"],
            expected: &["1: dont_activate"],
        },
        Case { what: "activate", book: decorated(&[], "@@activate"), messages: &["hm"], expected: &["1: activated"] },
        Case {
            what: "activate goes before",
            book: decorated(&[], "@@dont_activate\n@@activate"),
            messages: &["hm"],
            expected: &["1: activated"],
        },
        Case {
            what: "additional keys",
            book: decorated(&["king"], "@@additional_keys queen, fool"),
            messages: &["king", "fool"],
            expected: &["1: key king@0"],
        },
        Case {
            what: "additional keys missing",
            book: decorated(&["king"], "@@additional_keys queen"),
            messages: &["king"],
            expected: &["1: additional_keys"],
        },
        Case {
            what: "of each list one",
            book: decorated(&["king"], "@@additional_keys queen\n@@additional_keys fool"),
            messages: &["king", "queen"],
            expected: &["1: additional_keys"],
        },
        Case {
            what: "exclude keys",
            book: decorated(&["king"], "@@exclude_keys queen,fool"),
            messages: &["king", "fool"],
            expected: &["1: exclude_keys"],
        },
        Case {
            what: "two replies are there",
            book: decorated(&["king"], "@@activate_only_after 2"),
            messages: long,
            expected: &["1: key king@0"],
        },
        Case {
            what: "three are not",
            book: decorated(&["king"], "@@activate_only_after 3"),
            messages: long,
            expected: &["1: not_yet"],
        },
        Case {
            what: "every second",
            book: decorated(&["king"], "@@activate_only_every 2"),
            messages: long,
            expected: &["1: key king@0"],
        },
        Case {
            what: "not every third",
            book: decorated(&["king"], "@@activate_only_every 3"),
            messages: long,
            expected: &["1: not_this_turn"],
        },
        Case {
            what: "this greeting",
            book: decorated(&["king"], "@@is_greeting 0"),
            messages: &["king"],
            expected: &["1: key king@0"],
        },
        Case {
            what: "another greeting",
            book: decorated(&["king"], "@@is_greeting 1"),
            messages: &["king"],
            expected: &["1: other_greeting"],
        },
        Case {
            what: "constant, if the decorators agree",
            book: one(&[], json!({"constant": true, "content": "@@activate_only_after 9\nx"})),
            messages: &["king"],
            expected: &["1: not_yet"],
        },
        Case {
            what: "unknown ones change nothing",
            book: decorated(&["king"], "@@instruct_depth 3\n@@is_user_icon x\n@@someones_own 1"),
            messages: &["king"],
            expected: &["1: key king@0"],
        },
    ]);
}

#[test]
fn entries_bring_others_as_far_as_they_may() {
    let ring = |fields: fn(u32) -> Value| {
        let entries = (0..6).map(|id| {
            let mut entry = entry(id, &[&format!("key{id}.")], fields(id));
            entry["content"] = json!(format!("See key{}.", (id + 1) % 6));
            entry
        });
        book(entries.collect())
    };
    let ext = |extensions: Value| json!({"extensions": extensions});
    check(vec![
        Case {
            what: "three rounds after the first, and a ring ends",
            book: ring(|_| json!({})),
            messages: &["key0."],
            expected: &[
                "0: key key0.@0",
                "1: key_in_entry key1.<0",
                "2: key_in_entry key2.<1",
                "3: key_in_entry key3.<2",
                "4: max_recursion",
                "5: no_key",
            ],
        },
        Case {
            what: "none, if the lorebook says so",
            book: {
                let mut book = ring(|_| json!({}));
                book["recursive_scanning"] = json!(false);
                book
            },
            messages: &["key0."],
            expected: &["0: key key0.@0", "1: no_key", "2: no_key", "3: no_key", "4: no_key", "5: no_key"],
        },
        Case {
            what: "one that brings none",
            book: ring(|id| if id == 1 { json!({"extensions": {"prevent_recursion": true}}) } else { json!({}) }),
            messages: &["key0."],
            expected: &[
                "0: key key0.@0",
                "1: key_in_entry key1.<0",
                "2: no_key",
                "3: no_key",
                "4: no_key",
                "5: no_key",
            ],
        },
        Case {
            what: "one that is not brought",
            book: ring(|id| if id == 1 { json!({"extensions": {"exclude_recursion": true}}) } else { json!({}) }),
            messages: &["key0."],
            expected: &[
                "0: key key0.@0",
                "1: excluded_from_recursion",
                "2: no_key",
                "3: no_key",
                "4: no_key",
                "5: no_key",
            ],
        },
        Case {
            what: "one that comes with others only",
            book: book(vec![entry(1, &["king"], ext(json!({"delay_until_recursion": true})))]),
            messages: &["king"],
            expected: &["1: waits_for_recursion"],
        },
        Case {
            what: "it comes with them",
            book: book(vec![
                entry(1, &["king"], ext(json!({"delay_until_recursion": true}))),
                entry(2, &["a"], json!({})),
            ]),
            messages: &["king a"],
            expected: &["1: key king@0", "2: key a@0"],
        },
        Case {
            what: "one that calls itself comes once",
            book: one(&["king"], json!({"content": "The king is the king."})),
            messages: &["king"],
            expected: &["1: key king@0"],
        },
    ]);
}

#[test]
fn what_goes_beyond_the_budget_goes_by_priority_and_then_by_order() {
    // A token a character: six of each text.
    let entries = || {
        vec![
            entry(1, &["a"], json!({})),
            entry(2, &["a"], json!({})),
            entry(3, &["a"], json!({"content": "@@depth 0\ntext 3"})),
        ]
    };
    let budget = |tokens: u32, entries: Vec<Value>| json!({"token_budget": tokens, "entries": entries});
    assert_eq!(told(&scan(&budget(12, entries()), &["a"])), ["1: budget a@0", "2: key a@0", "3: key a@0"]);
    let mut with_priority = entries();
    with_priority[0]["priority"] = json!(10);
    assert_eq!(told(&scan(&budget(12, with_priority), &["a"])), ["1: key a@0", "2: budget a@0", "3: key a@0"]);
    let mut outside = entries();
    outside[0]["extensions"] = json!({"ignore_budget": true});
    assert_eq!(told(&scan(&budget(6, outside), &["a"])), ["1: key a@0", "2: budget a@0", "3: key a@0"]);
    let all = scan(&budget(18, entries()), &["a"]);
    assert_eq!((all.tokens, chosen(&all)), (18, vec!["text 1", "text 2", "text 3"]), "the lowest order is first");
}

#[test]
fn where_entries_stand() {
    let place = |fields: Value| {
        let scanned = scan(&one(&["a"], fields), &["a", "b", "c"]);
        serde_json::to_value(scanned.chosen.first().map(|entry| entry.place)).unwrap()
    };
    let depth = |depth: u32, role: &str| json!({"at": "depth", "depth": depth, "role": role});
    for (fields, expected) in [
        (json!({}), json!({"at": "before_persona"})),
        (json!({"position": "before_char"}), json!({"at": "before_persona"})),
        (json!({"position": "after_char"}), json!({"at": "after_persona"})),
        (json!({"position": "after_char", "content": "@@position before_desc\nx"}), json!({"at": "before_persona"})),
        (json!({"content": "@@position after_desc\n@@depth 3\nx"}), json!({"at": "after_persona"})),
        (json!({"content": "@@position personality\n@@depth 3\nx"}), depth(3, "system")),
        (json!({"content": "@@depth 2\n@@role assistant\nx"}), depth(2, "assistant")),
        (json!({"content": "@@depth -1\n@@role user\nx"}), depth(0, "user")),
        (json!({"content": "@@reverse_depth 1\nx"}), depth(2, "system")),
        (json!({"extensions": {"position": 1}}), json!({"at": "after_persona"})),
        (json!({"extensions": {"position": 3}}), depth(4, "system")),
        (json!({"extensions": {"position": 4, "depth": 1, "role": 2}}), depth(1, "assistant")),
        (json!({"extensions": {"position": 4}}), depth(4, "system")),
        (json!({"extensions": {"position": 5}}), json!({"at": "before_examples"})),
        (json!({"extensions": {"position": 6}}), json!({"at": "after_examples"})),
        (json!({"extensions": {"position": 7}}), Value::Null),
    ] {
        assert_eq!(place(fields.clone()), expected, "{fields}");
    }
}

/// What becomes of the entry when its key is in these messages, turn after turn of one conversation.
fn turns(extensions: Value, key_in_turn: &[bool]) -> Vec<String> {
    remembered(&one(&["king"], json!({"extensions": extensions})), key_in_turn)
}

fn remembered(book: &Value, key_in_turn: &[bool]) -> Vec<String> {
    let mut state = State::default();
    let turns = key_in_turn.iter().zip(0..).map(|(is_there, turn)| {
        let messages = [if *is_there { "king" } else { "hm" }];
        let conversation = Conversation { count: 1 + 2 * turn, replies: turn, ..conversation(&messages) };
        let scanned = scan_with(book, conversation, SETTINGS, &state);
        state = scanned.state.clone();
        serde_json::to_value(scanned.receipt[0].reason).unwrap().as_str().unwrap().to_owned()
    });
    turns.collect()
}

#[test]
fn what_was_found_before_counts() {
    const ONCE: [bool; 5] = [true, false, false, false, false];
    const ALWAYS: [bool; 5] = [true; 5];
    assert_eq!(turns(json!({"sticky": 4}), &ONCE), ["key", "sticky", "no_key", "no_key", "no_key"]);
    assert_eq!(turns(json!({"cooldown": 4}), &ALWAYS), ["key", "cooldown", "key", "cooldown", "key"]);
    assert_eq!(turns(json!({"sticky": 3, "cooldown": 3}), &ALWAYS), ["key", "sticky", "cooldown", "key", "sticky"]);
    assert_eq!(turns(json!({"delay": 5}), &ALWAYS), ["delay", "delay", "key", "key", "key"]);
    let keeps = decorated(&["king"], "@@keep_activate_after_match");
    assert_eq!(remembered(&keeps, &ONCE), ["key", "kept_active", "kept_active", "kept_active", "kept_active"]);
    let ends = decorated(&["king"], "@@dont_activate_after_match");
    assert_eq!(
        remembered(&ends, &ALWAYS),
        ["key", "already_activated", "already_activated", "already_activated", "already_activated"]
    );
    // Only what matters is remembered.
    assert_eq!(scan(&one(&["king"], json!({})), &["king"]).state, State::default());
}

#[test]
fn dice_fall_the_same_for_the_same_seed_and_differently_for_others() {
    let with = |extensions: Value| one(&["a"], json!({"extensions": extensions}));
    let used = |book: &Value, seed| {
        scan_with(book, conversation(&["a"]), Settings { seed, ..SETTINGS }, &State::default()).receipt[0].used
    };
    let half = with(json!({"probability": 50}));
    let fell: Vec<_> = (0..200).map(|seed| used(&half, seed)).collect();
    assert_eq!(fell, (0..200).map(|seed| used(&half, seed)).collect::<Vec<_>>());
    let won = fell.iter().filter(|won| **won).count();
    assert!((70..130).contains(&won), "{won}");
    assert_eq!(told(&scan(&with(json!({"probability": 0})), &["a"])), ["1: probability a@0"]);
    assert_eq!(told(&scan(&with(json!({"probability": 0, "useProbability": false})), &["a"])), ["1: key a@0"]);
}

#[test]
fn when_messages_were_left_out_some_entries_are_too() {
    let book = decorated(&["king"], "@@ignore_on_max_context");
    let full = Conversation { is_cut: true, ..conversation(&["king"]) };
    assert_eq!(told(&scan_with(&book, full, SETTINGS, &State::default())), ["1: context_full"]);
    assert_eq!(told(&scan(&book, &["king"])), ["1: key king@0"]);
}

#[test]
fn the_work_of_a_scan_is_bounded() {
    let keys: Vec<_> = (0..200).map(|key| format!("missing{key}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let big = book((0..500).map(|id| entry(id, &keys, json!({}))).collect());
    let text = "lorem ipsum ".repeat(500);
    let scanned = scan(&big, &[text.as_str(); 4]);
    assert_eq!(serde_json::to_value(scanned.receipt[499].reason).unwrap(), "too_much_to_scan");
    assert_eq!(serde_json::to_value(scanned.receipt[0].reason).unwrap(), "no_key");
}

#[test]
fn lorebooks_are_read_by_themselves_in_three_forms() {
    let standalone = json!({"spec": "lorebook_v3", "data": one(&["king"], json!({"x": 1}))});
    let read = Lorebook::read(standalone.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(read.json()).unwrap(), standalone["data"]);
    assert_eq!(serde_json::from_str::<Value>(&Lorebook::standalone(read.json())).unwrap(), standalone);
    assert_eq!(Lorebook::read(one(&["king"], json!({})).to_string().as_bytes()).unwrap().len(), 1);
    let world = json!({"name": "World", "entries": {
        "0": {"uid": 0, "key": ["king"], "keysecondary": ["queen"], "selective": true, "selectiveLogic": 2, "comment": "The king",
            "content": "He rules.", "constant": false, "order": 100, "position": 4, "depth": 2, "role": 1, "disable": false,
            "probability": 100, "useProbability": true, "excludeRecursion": true, "vectorized": false, "own": {"a": 1.50}},
        "7": {"uid": 7, "key": ["queen"], "content": "She rules.", "order": 50, "position": 1, "disable": true}}});
    let read = Lorebook::read(world.to_string().as_bytes()).unwrap();
    let scanned = read.scan(conversation(&["The king"]), SETTINGS, &State::default(), &Macros::default(), &str::len);
    assert_eq!(told(&scanned), ["0: key king@0", "7: disabled"]);
    assert_eq!(scanned.receipt[0].name, "The king");
    assert!(matches!(scanned.chosen[0].place, Place::Depth { depth: 2, .. }));
    assert!(read.json().contains(r#""own":{"a":1.5}"#), "what is unknown stays: {}", read.json());
}
