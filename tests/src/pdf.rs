//! PDF files made for tests: sound ones, and ones that are out for trouble.

use std::io::{self, Write};

use flate2::{Compression, write::ZlibEncoder};

/// A PDF with a page for each text, in Helvetica.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let shows = |text: &&str| {
        let lines = text.lines().map(|line| format!("({}) Tj T*", line.replace(['(', ')', '\\'], " ")));
        format!("BT /F1 12 Tf 14 TL 72 720 Td {} ET", lines.collect::<Vec<_>>().join("\n")).into_bytes()
    };
    with_contents(&pages.iter().map(shows).map(|content| (String::new(), content)).collect::<Vec<_>>())
}

/// A small PDF whose one page becomes so many bytes when it is unpacked.
pub fn pdf_bomb(bytes: u64) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"BT /F1 12 Tf 72 720 Td (boom) Tj ET ").expect("packed");
    io::copy(&mut io::Read::take(io::repeat(b' '), bytes), &mut packed).expect("packed");
    with_contents(&[("/Filter /FlateDecode".to_owned(), packed.finish().expect("packed"))])
}

/// Pages of content streams, each with more entries for its dictionary.
fn with_contents(pages: &[(String, Vec<u8>)]) -> Vec<u8> {
    let kids: Vec<_> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()).into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    for (number, (entries, content)) in pages.iter().enumerate() {
        let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>";
        objects.push(format!("{page} /Contents {} 0 R >>", 5 + 2 * number).into_bytes());
        let head = format!("<< /Length {} {entries} >>\nstream\n", content.len());
        objects.push([head.as_bytes(), content, b"\nendstream"].concat());
    }
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        places.push(format!("{:010} 00000 n \n", file.len()));
        file.extend([format!("{number} 0 obj\n").as_bytes(), object, b"\nendobj\n"].concat());
    }
    let (table, entries) = (file.len(), objects.len() + 1);
    let table = format!(
        "xref\n0 {entries}\n0000000000 65535 f \n{}trailer\n<< /Size {entries} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        places.concat()
    );
    file.extend(table.as_bytes());
    file
}
