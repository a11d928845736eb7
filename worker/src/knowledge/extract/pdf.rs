//! PDF: page by page, with lines joined into paragraphs.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use pdf_extract::{ConvertToFmt, Document, Error, OutputError, PlainTextOutput, output_doc_page};

use super::{Refused, Writing};

pub(super) fn read(bytes: &[u8], writing: &mut Writing) -> Result<(), Refused> {
    let mut document =
        Document::load_mem(bytes).map_err(|fault| Refused(format!("is not a PDF that can be read: {fault}")))?;
    if document.is_encrypted() {
        let opened = document.decrypt("");
        opened.map_err(|_| Refused("is protected by a password: remove it first".to_owned()))?;
    }
    for number in document.get_pages().into_keys() {
        let text = read_page(&document, number, writing)?;
        writing.page(number);
        // The parser separates paragraphs by an empty line.
        for paragraph in text.split("\n\n") {
            writing.paragraph(&join_lines(paragraph))?;
        }
    }
    Ok(())
}

/// The parser panics at unexpected input.
fn read_page(document: &Document, number: u32, writing: &Writing) -> Result<String, Refused> {
    let mut page = Page { text: String::new(), left: writing.remaining(), full: false };
    let read = catch_unwind(AssertUnwindSafe(|| {
        output_doc_page(document, &mut PlainTextOutput::<&mut Page>::new(&mut page), number)
    }));
    let unreadable = |why: &str| Refused(format!("page {number} cannot be read{why}"));
    match read {
        _ if page.full => Err(writing.too_long()),
        Ok(Ok(())) => Ok(page.text.replace("\r\n", "\n")),
        Ok(Err(OutputError::PdfError(fault @ Error::Decompress(_)))) => Err(unreadable(&format!(": {fault}"))),
        Ok(Err(_)) | Err(_) => Err(unreadable("")),
    }
}

/// Collects the text of a page, up to the remaining length.
struct Page {
    text: String,
    left: usize,
    full: bool,
}

impl fmt::Write for &mut Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > self.left {
            self.full = true;
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

impl ConvertToFmt for &mut Page {
    type Writer = Self;

    fn convert(self) -> Self {
        self
    }
}

/// Joins a word that was hyphenated at the end of a line.
fn join_lines(paragraph: &str) -> String {
    let mut joined = String::with_capacity(paragraph.len());
    for line in paragraph.lines().map(str::trim) {
        let parted = joined.strip_suffix('-').is_some_and(|word| word.ends_with(char::is_alphabetic));
        if parted && line.starts_with(char::is_lowercase) {
            joined.pop();
        } else if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::join_lines;

    #[test]
    fn words_that_a_line_has_parted_are_joined() {
        assert_eq!(join_lines("the lamp-\nkeeper of\nPort-\nLouis"), "the lampkeeper of Port- Louis");
        assert_eq!(join_lines("- one\n - two"), "- one - two");
        assert_eq!(join_lines(""), "");
    }
}
