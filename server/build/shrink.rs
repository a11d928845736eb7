//! Takes out what browsers do not need: comments on lines of their own, indentation, empty lines. No more, for that takes
//! a parser, and compression does the rest.

use crate::references::Kind;

pub(crate) fn shrink(kind: Kind, source: &str) -> String {
    match kind {
        Kind::Script | Kind::Worker => without_comments(source, true),
        Kind::Style => without_comments(source, false),
        Kind::Json | Kind::Manifest => source.lines().map(str::trim_start).collect(),
        Kind::Html | Kind::Svg | Kind::Png => source.to_owned(),
    }
}

fn without_comments(source: &str, script: bool) -> String {
    let mut text = String::with_capacity(source.len());
    let (mut in_comment, mut in_template) = (false, false);
    for line in source.lines() {
        // The lines of a template are text.
        if in_template {
            in_template = !closes_template(line);
            text.push_str(line);
            text.push('\n');
            continue;
        }
        let trimmed = line.trim();
        if in_comment || trimmed.starts_with("/*") {
            in_comment = !trimmed.contains("*/");
            // Code after a comment stays.
            let after = trimmed.split_once("*/").map_or("", |(_, after)| after.trim());
            if !after.is_empty() {
                text.push_str(after);
                text.push('\n');
            }
            continue;
        }
        if trimmed.is_empty() || script && trimmed.starts_with("//") {
            continue;
        }
        in_template = script && closes_template(trimmed);
        text.push_str(if in_template { line.trim_start() } else { trimmed });
        text.push('\n');
    }
    text
}

/// Whether it has an odd number of backticks, and so is in a template at one of its ends.
fn closes_template(line: &str) -> bool {
    line.replace("\\`", "").matches('`').count() % 2 == 1
}
