//! Damaged CSV: an error that says where, or rows of finite numbers, which do not depend on how their cells are quoted.
//! The test that is ignored goes on for a minute: `make fuzz`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fuzz::Fuzz;
use trainer::data::read_csv;
use trainer::data::records::Records;

fn files() -> Fuzz {
    Fuzz::new(
        "csv",
        &["\"", "\"\"", "\r\n", "\n", ",", "1e999", "nan", "\u{feff}", "\0", "-0", "1e-400", "ä", ",,"],
    )
}

fn csv(input: &[u8]) -> String {
    let features = ["mean".to_owned(), "sd".to_owned()];
    let read = |text: &[u8]| {
        read_csv(text, &features, "a file", Default::default()).map_err(|error| error.to_string())
    };
    let found = read(input);
    // Every cell in quotes: read by another way, to the same numbers.
    if let Some(quoted) = quoted(input) {
        assert_eq!(read(&quoted), found);
    }
    match found {
        Ok(rows) => {
            assert!(rows.as_slice().iter().all(|value| value.is_finite()));
            format!("{} rows", rows.rows().ilog2())
        }
        Err(error) => error,
    }
}

/// The same records with every cell in quotes; none where they cannot be read, or lines would be counted otherwise.
fn quoted(input: &[u8]) -> Option<Vec<u8>> {
    let mut records = Records::new(input);
    let mut text = Vec::new();
    let mut lines = 0;
    loop {
        match records.next_record() {
            Ok(Some(record)) => {
                lines += 1;
                if record.line != lines || record.cells.iter().any(|cell| cell.contains(['\n', '\r', '"'])) {
                    return None;
                }
                let cells: Vec<String> = record.cells.iter().map(|cell| format!("\"{cell}\"")).collect();
                text.extend(cells.join(",").bytes());
                text.push(b'\n');
            }
            Ok(None) => return Some(text),
            Err(_) => return None,
        }
    }
}

#[test]
fn damaged_csv_is_an_error_or_rows() {
    files().briefly(2_000, csv);
}

#[test]
#[ignore = "make fuzz"]
fn fuzz_csv() {
    files().run(csv);
}
