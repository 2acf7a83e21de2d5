//! The records of a CSV, one at a time, from pieces.
//!
//! `csv_core` cuts and unquotes them. Where it guesses, this does not: it would read `"1"2` as 12, and end a file in the middle of a
//! quoted cell as if it had been closed, with everything behind the quote in it.

use csv_core::{ReadRecordResult, Reader};

use crate::predictions::lines::after_mark;

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Whole,
    /// It has ended, but was too long to be kept.
    TooLong,
    /// It has ended; something follows the quote that ends a cell.
    AfterQuote,
    /// The input has ended within a quoted cell.
    OpenQuote,
    Incomplete,
    End,
}

/// The records of a CSV, one at a time.
#[derive(Debug)]
pub(super) struct Records {
    core: Reader,
    begun: bool,
    text: Vec<u8>,
    /// How much of `text` is written.
    written: usize,
    ends: Vec<usize>,
    /// How many of `ends` are.
    pub(super) ended: usize,
    given_up: bool,
    pub(super) too_many_cells: bool,
    quotes: Quotes,
    /// The record has been handed out; the next call begins another.
    done: bool,
}

impl Records {
    pub(super) fn new() -> Self {
        Self {
            core: Reader::new(),
            begun: false,
            text: vec![0; 1 << 10],
            written: 0,
            ends: vec![0; 16],
            ended: 0,
            given_up: false,
            too_many_cells: false,
            quotes: Quotes::default(),
            done: false,
        }
    }

    /// The cells of the record that was read last.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let ends = &self.ends[..self.ended];
        let starts = std::iter::once(&0).chain(ends);
        starts.zip(ends).map(|(start, end)| &self.text[*start..*end])
    }

    pub(super) fn next(
        &mut self,
        input: &[u8],
        last: bool,
        most_bytes: usize,
        most_cells: usize,
    ) -> (usize, Record) {
        let Some(mut at) = after_mark(&mut self.begun, input, last) else { return (0, Record::Incomplete) };
        if self.done {
            (self.written, self.ended) = (0, 0);
            (self.given_up, self.too_many_cells, self.done) = (false, false, false);
        }
        loop {
            let rest = &input[at..];
            if rest.is_empty() && !last {
                return (at, Record::Incomplete);
            }
            let (result, read, written, ended) =
                self.core.read_record(rest, &mut self.text[self.written..], &mut self.ends[self.ended..]);
            self.quotes.read(&rest[..read]);
            at += read;
            self.written += written;
            self.ended += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.text.len() >= most_bytes => self.give_up(),
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                // One more than there may be, so that a row that is too wide is told from one that is not.
                ReadRecordResult::OutputEndsFull if self.ends.len() > most_cells => {
                    self.too_many_cells = true;
                    self.give_up();
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    self.done = true;
                    return (at, self.kind());
                }
                ReadRecordResult::End => return (at, Record::End),
            }
        }
    }

    /// What the record that has ended is.
    fn kind(&mut self) -> Record {
        let after_quote = std::mem::take(&mut self.quotes.something_after);
        if self.quotes.place == Place::Quoted {
            Record::OpenQuote
        } else if self.given_up {
            Record::TooLong
        } else if after_quote {
            Record::AfterQuote
        } else {
            Record::Whole
        }
    }

    /// Reads on to the record's end without keeping it.
    fn give_up(&mut self) {
        self.given_up = true;
        (self.written, self.ended) = (0, 0);
    }
}

/// Where the quotes are in what has been read, as `csv_core` sees them.
#[derive(Debug, Default)]
struct Quotes {
    place: Place,
    /// Whether something has followed the quote that ended a cell.
    something_after: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Where a cell begins.
    #[default]
    Start,
    /// In a cell that began without a quote; others in it are text.
    Plain,
    /// In a cell that began with one.
    Quoted,
    /// Behind a quote in such a cell: its end, or the first of two.
    AfterQuote,
}

impl Quotes {
    fn read(&mut self, bytes: &[u8]) {
        if matches!(self.place, Place::Start | Place::Plain) && !bytes.contains(&b'"') {
            // (most bodies have none)
            self.place = match bytes.last() {
                Some(b',' | b'\r' | b'\n') => Place::Start,
                Some(_) => Place::Plain,
                None => self.place,
            };
            return;
        }
        for byte in bytes {
            self.place = match (self.place, byte) {
                (Place::Quoted, b'"') => Place::AfterQuote,
                (Place::Quoted, _) | (Place::Start | Place::AfterQuote, b'"') => Place::Quoted,
                (_, b',' | b'\r' | b'\n') => Place::Start,
                (Place::AfterQuote, _) => {
                    self.something_after = true;
                    Place::Plain
                }
                (Place::Start | Place::Plain, _) => Place::Plain,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All records of a text that comes in pieces of this size.
    fn records(text: &[u8], piece: usize, most_bytes: usize) -> Vec<Vec<String>> {
        let mut records = Records::new();
        let (mut all, mut at, mut end) = (Vec::new(), 0, 0);
        loop {
            let (read, record) = records.next(&text[at..end], end == text.len(), most_bytes, 3);
            at += read;
            match record {
                Record::Whole => {
                    all.push(records.cells().map(|c| String::from_utf8_lossy(c).into_owned()).collect());
                }
                Record::TooLong => all.push(vec!["too long".to_owned()]),
                Record::AfterQuote => all.push(vec!["after quote".to_owned()]),
                Record::OpenQuote => all.push(vec!["open quote".to_owned()]),
                Record::Incomplete => end = text.len().min(end + piece),
                Record::End => return all,
            }
        }
    }

    #[test]
    fn records_do_not_depend_on_the_pieces_in_which_they_come() {
        let text = b"\xef\xbb\xbfa,\"b \"\"c\"\"\r\nd\",e\r\n\r\n1,,3\nlast,\"x\",";
        let expected = [vec!["a", "b \"c\"\r\nd", "e"], vec!["1", "", "3"], vec!["last", "x", ""]];
        for piece in 1..text.len() {
            assert_eq!(records(text, piece, 1 << 10), expected, "{piece}");
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_skipped_and_the_next_is_read() {
        let long = "x".repeat(5_000);
        let many = ",".repeat(5_000);
        let text = format!("{long},b,c\n1,2,3\n{many}\n4,5,6\n\"never closed\n{long}");
        for piece in [1, 1_000, 100_000] {
            let all = records(text.as_bytes(), piece, 2_048);
            let expected = [
                vec!["too long"],
                vec!["1", "2", "3"],
                vec!["too long"],
                vec!["4", "5", "6"],
                vec!["open quote"],
            ];
            assert_eq!(all, expected, "{piece}");
        }
    }

    #[test]
    fn quotes_that_do_not_belong_together_are_told_wherever_the_text_is_cut() {
        for (text, expected) in [
            ("1,\"2\"3\n4,5", &[vec!["after quote"], vec!["4", "5"]][..]),
            ("1,\"2\" \n4,5", &[vec!["after quote"], vec!["4", "5"]]),
            ("1,\"2\"\"3\"\r\n4,5\r\n", &[vec!["1", "2\"3"], vec!["4", "5"]]),
            ("5\" pipe,6\n\"7\",\"\"", &[vec!["5\" pipe", "6"], vec!["7", ""]]),
            ("1,2\n3,\"4\n5,6\n", &[vec!["1", "2"], vec!["open quote"]]),
            ("1,2\n3,\"4\"\"", &[vec!["1", "2"], vec!["open quote"]]),
            ("1,2\n3,\"", &[vec!["1", "2"], vec!["open quote"]]),
        ] {
            for piece in 1..=text.len() {
                assert_eq!(records(text.as_bytes(), piece, 1 << 10), expected, "{text:?}, {piece}");
            }
        }
    }
}
