//! The table of languages in docs/LANGUAGES.md.

use std::fs;

use troupe_core::{
    languages::{ALL, Language},
    transliteration::transliterate,
};

const NAME: &str = "Ada Lovelace";

#[test]
fn the_documented_languages_are_those_that_there_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/LANGUAGES.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, table) = page.split_once("| --- | --- | --- | --- | --- | --- |\n").expect("a table of six columns");
    let documented: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let rows: Vec<_> = ALL.iter().map(row).collect();
    assert_eq!(documented, rows, "as it should be:\n{}", rows.join("\n"));
}

fn row(language: &Language) -> String {
    let Language { code, name, own_name, script } = language;
    format!(
        "| `{code}` | {name} | {own_name} | {script} | {} | {} |",
        language.direction().name(),
        transliterate(NAME, script)
    )
}
