//! The part of a stream that computes: bytes in, lines out, at most so many rows at a time. No I/O, no waiting.

use std::sync::Arc;

use detectors::Scored;

use super::answer::Answers;
use super::lines::{Next, Parser};
use super::table::Passed;
use crate::metrics::RowMetrics;
use crate::state::Served;

/// A stream ends after so many bad rows: it is not what the model takes.
pub(super) const MOST_BAD_ROWS: u64 = 1_000;

/// A step is full, too, when so much is passed through: names from a CSV's header are repeated with every row.
const FULL_BYTES: usize = 256 << 10;

/// Bytes that have come and have not been used.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    used: usize,
    /// Nothing comes after these.
    pub(super) last: bool,
}

impl Input {
    pub(super) fn new(bytes: Vec<u8>, last: bool) -> Self {
        Self { bytes, used: 0, last }
    }

    pub(super) fn unused(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub(super) fn using(&mut self, bytes: usize) {
        self.used += bytes;
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }
}

/// One stream's state between its steps.
#[derive(Debug)]
pub(super) struct Work {
    served: Arc<Served>,
    parser: Parser,
    answers: Answers,
    /// Rows read, good and bad.
    row: u64,
    pub(super) bad: u64,
    pub(super) scored: u64,
    values: Vec<f64>,
    passed: Passed,
}

/// Where a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It needs more bytes.
    Hungry,
    /// It has done as many rows as it may; there may be more.
    Full,
    /// There is nothing more to do.
    Ended,
}

impl Work {
    /// The model's number of features.
    pub(super) fn width(&self) -> usize {
        self.served.width()
    }

    pub(super) fn new(served: Arc<Served>, parser: Parser, answers: Answers) -> Self {
        Self {
            served,
            parser,
            answers,
            row: 0,
            bad: 0,
            scored: 0,
            values: Vec::new(),
            passed: Passed::default(),
        }
    }

    /// Reads, scores and answers at most `most` rows.
    pub(super) fn step(
        &mut self,
        input: &mut Input,
        most: usize,
        metrics: &RowMetrics,
        out: &mut Vec<u8>,
    ) -> Step {
        let mut faults = Vec::new();
        let step = self.read(input, most, &mut faults);
        let scored = self.served.score_rows(std::mem::take(&mut self.values));
        metrics.refuse(faults.len() - scored.len());
        self.scored += scored.len() as u64;
        self.answer(&scored, &faults, out);
        if self.bad == MOST_BAD_ROWS {
            self.end_with(&format!("{MOST_BAD_ROWS} rows were wrong: the rest is not read"), out);
            return Step::Ended;
        }
        step
    }

    /// The rows' numbers into `values`; for each row what was wrong with it.
    fn read(&mut self, input: &mut Input, most: usize, faults: &mut Vec<Option<String>>) -> Step {
        while faults.len() < most && self.bad < MOST_BAD_ROWS && self.passed.bytes() < FULL_BYTES {
            let (values, passed) = (&mut self.values, &mut self.passed);
            let (read, next) = self.parser.next(input.unused(), input.last, &self.served, values, passed);
            input.using(read);
            match next {
                Next::Row => faults.push(None),
                Next::Bad(fault) => {
                    self.bad += 1;
                    faults.push(Some(fault.message()));
                }
                Next::More => return Step::Hungry,
                Next::End => return Step::Ended,
            }
        }
        Step::Full
    }

    fn answer(&mut self, scored: &[Scored], faults: &[Option<String>], out: &mut Vec<u8>) {
        let mut scored = scored.iter();
        for (index, fault) in faults.iter().enumerate() {
            let passed = self.passed.row(index);
            match fault {
                Some(message) => self.answers.error(self.row, message, passed, out),
                // As many were scored as had no fault.
                None => scored.next().into_iter().for_each(|scored| self.answers.row(scored, passed, out)),
            }
            self.row += 1;
        }
        self.passed.clear();
    }

    /// A last line that says why there are no more.
    pub(super) fn end_with(&self, message: &str, out: &mut Vec<u8>) {
        let mut passed = Vec::new();
        if let Parser::Csv(csv) = &self.parser {
            passed.resize(csv.passed().len(), b',');
        }
        self.answers.error(self.row, message, &passed, out);
    }
}
