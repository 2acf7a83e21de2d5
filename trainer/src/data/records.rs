//! CSV records (RFC 4180) with the line on which each begins. Splits and unquotes; never interprets a cell.
//!
//! Stricter than most readers where they guess: an unclosed quote swallows the rest of a file silently, so here it
//! is an error that names the line. Both endings of lines are read, a byte order mark is skipped, blank lines too.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use super::error::{Located, Problem};

/// Most bytes of one record: 16,384 columns of 60 characters. It bounds the memory that a file without line ends takes.
const LONGEST: usize = 1 << 20;

/// The cells of one record.
pub struct Record<'a> {
    /// Line of the file on which the record begins, from 1.
    pub line: u64,
    /// Cells without their quotes.
    pub cells: Vec<Cow<'a, str>>,
}

/// Records read one after the other into one buffer.
pub struct Records<R> {
    input: BufReader<R>,
    raw: Vec<u8>,
    /// Lines read so far.
    lines: u64,
}

impl<R: Read> Records<R> {
    /// Reads from `input`, which need not be buffered.
    pub fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(1 << 16, input), raw: Vec::new(), lines: 0 }
    }

    /// The next record that is not blank; `None` at the end.
    ///
    /// # Errors
    /// [`Located`]: the input cannot be read on, or not be read without guessing.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Located> {
        self.next_text()?.map(|(line, text)| record(line, text)).transpose()
    }

    /// The line and the text of the next record that is not blank, for [`record`]; `None` at the end.
    ///
    /// # Errors
    /// As [`Records::next_record`], but for what is wrong with single cells.
    pub fn next_text(&mut self) -> Result<Option<(u64, &str)>, Located> {
        self.next_text_but(|_| false)
    }

    /// As [`Records::next_text`], of the records that `plain` does not read. It is given the bytes of a record that is one
    /// line, and must leave alone what is not all ASCII, or has a quote or a control character.
    ///
    /// # Errors
    /// As [`Records::next_text`].
    pub fn next_text_but(
        &mut self,
        plain: impl FnMut(&[u8]) -> bool,
    ) -> Result<Option<(u64, &str)>, Located> {
        let Some(line) = self.read_record(plain)? else { return Ok(None) };
        let fault = |problem| Located { line: Some(line), problem };
        if self.raw.contains(&0) {
            return Err(fault(Problem::Nul));
        }
        let text = std::str::from_utf8(&self.raw).map_err(|_| fault(Problem::NotUtf8))?;
        if line == 1 && text.contains('\r') && !text.contains('"') {
            return Err(fault(Problem::LoneCarriageReturn));
        }
        Ok(Some((line, text)))
    }

    /// Fills `raw` with the next record, without its end of line; gives the line on which it begins.
    fn read_record(&mut self, mut plain: impl FnMut(&[u8]) -> bool) -> Result<Option<u64>, Located> {
        loop {
            self.raw.clear();
            let line = self.lines + 1;
            if !self.append_line(line)? {
                return Ok(None);
            }
            let one_line = without_end(&self.raw);
            if one_line.is_empty() || plain(one_line) {
                continue;
            }
            // Quotes come in pairs, doubled ones too: an odd number means that a cell goes on in the next line.
            let mut quotes = count_quotes(&self.raw);
            while quotes % 2 == 1 {
                let end = self.raw.len();
                if !self.append_line(line)? {
                    return Err(Located { line: Some(line), problem: Problem::OpenQuote });
                }
                quotes += count_quotes(&self.raw[end..]);
            }
            self.trim(line);
            if !self.raw.is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// Appends a line with its end to `raw`; false when there is none.
    fn append_line(&mut self, first: u64) -> Result<bool, Located> {
        let room = LONGEST - self.raw.len() + 1;
        let read = (&mut self.input).take(room as u64).read_until(b'\n', &mut self.raw);
        let read = read.map_err(|e| Located { line: None, problem: Problem::Io(e.to_string()) })?;
        if self.raw.len() > LONGEST {
            // A binary file is the likelier cause than a long line.
            let problem =
                if self.raw.contains(&0) { Problem::Nul } else { Problem::LongRecord { limit: LONGEST } };
            return Err(Located { line: Some(first), problem });
        }
        self.lines += u64::from(read > 0);
        Ok(read > 0)
    }

    /// Drops the end of the line, and the byte order mark of the first one.
    fn trim(&mut self, line: u64) {
        self.raw.truncate(without_end(&self.raw).len());
        if line == 1 && self.raw.starts_with("\u{feff}".as_bytes()) {
            self.raw.drain(..3);
        }
    }
}

/// A line without its end.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn count_quotes(raw: &[u8]) -> usize {
    raw.iter().filter(|b| **b == b'"').count()
}

/// The cells of a record's text.
///
/// # Errors
/// [`Located`]: a cell whose quotes are misplaced.
pub fn record(line: u64, text: &str) -> Result<Record<'_>, Located> {
    Ok(Record { line, cells: split(text).map_err(|problem| Located { line: Some(line), problem })? })
}

/// Cuts a record at its commas.
fn split(text: &str) -> Result<Vec<Cow<'_, str>>, Problem> {
    if !text.contains('"') {
        return Ok(text.split(',').map(Cow::Borrowed).collect());
    }
    let mut cells = Vec::new();
    let mut rest = Some(text);
    while let Some(from) = rest {
        let (cell, after) = match from.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => match from.split_once(',') {
                Some((cell, after)) => (Cow::Borrowed(cell), Some(after)),
                None => (Cow::Borrowed(from), None),
            },
        };
        cells.push(cell);
        rest = after;
    }
    Ok(cells)
}

/// Reads a cell behind its opening quote; gives the cell and what follows the comma behind it.
fn unquote(text: &str) -> Result<(Cow<'_, str>, Option<&str>), Problem> {
    let mut from = 0;
    while let Some(quote) = text[from..].find('"').map(|at| from + at) {
        if text[quote + 1..].starts_with('"') {
            from = quote + 2;
            continue;
        }
        let inner = &text[..quote];
        let cell =
            if inner.contains('"') { Cow::Owned(inner.replace("\"\"", "\"")) } else { Cow::Borrowed(inner) };
        return match &text[quote + 1..] {
            "" => Ok((cell, None)),
            after => after.strip_prefix(',').map(|rest| (cell, Some(rest))).ok_or(Problem::AfterQuote),
        };
    }
    Err(Problem::OpenQuote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Vec<String>)> {
        let mut records = Records::new(text);
        let mut all = Vec::new();
        while let Some(record) = records.next_record().map_err(|e| e.problem).unwrap() {
            all.push((record.line, record.cells.iter().map(|c| c.to_string()).collect()));
        }
        all
    }

    fn failure(text: &[u8]) -> (Option<u64>, Problem) {
        let mut records = Records::new(text);
        loop {
            match records.next_record() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no error"),
                Err(located) => return (located.line, located.problem),
            }
        }
    }

    fn record(line: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (line, cells.iter().map(|c| c.to_string()).collect())
    }

    #[test]
    fn quoted_cells_may_hold_commas_quotes_and_line_ends() {
        let text = b"a,\"b,\"\"c\"\"\",d\r\n\"one\r\ntwo\",,\"\"\n1,2,3";
        let expected = [
            record(1, &["a", "b,\"c\"", "d"]),
            record(2, &["one\r\ntwo", "", ""]),
            record(4, &["1", "2", "3"]),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn blank_lines_are_skipped_and_counted() {
        assert_eq!(read(b"\n\na\n\r\n\n1\n\n"), [record(3, &["a"]), record(6, &["1"])]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_cell() {
        assert_eq!(read("\u{feff}\"a\",b".as_bytes()), [record(1, &["a", "b"])]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_found_on_its_line() {
        assert_eq!(failure(b"a,b\n1,2\n3,\"4\n5,6\n7,8\n"), (Some(3), Problem::OpenQuote));
        assert_eq!(failure(b"a\n5\" pipe\n"), (Some(2), Problem::OpenQuote));
    }

    #[test]
    fn text_behind_a_closing_quote_is_refused() {
        assert_eq!(failure(b"a,b\n\"1\"2,3\n"), (Some(2), Problem::AfterQuote));
    }

    #[test]
    fn a_file_without_line_ends_is_refused_before_it_fills_the_memory() {
        let endless = std::io::repeat(b'1');
        let error = Records::new(endless).next_record().err().unwrap();
        assert_eq!((error.line, error.problem), (Some(1), Problem::LongRecord { limit: LONGEST }));
        let binary = std::io::repeat(0);
        assert_eq!(Records::new(binary).next_record().err().unwrap().problem, Problem::Nul);
    }

    #[test]
    fn a_reader_that_fails_is_not_taken_for_the_end() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("disk on fire"))
            }
        }
        let half = b"a,b\n1,2\n".as_slice();
        let mut records = Records::new(half.chain(Broken));
        let problem = loop {
            match records.next_record() {
                Ok(record) => assert!(record.is_some()),
                Err(located) => break located.problem,
            }
        };
        assert_eq!(problem, Problem::Io("disk on fire".to_owned()));
    }
}
