//! The rows of a whole batch: all of them good, or a problem that lists the first that are not.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::{Next, Parser};
use super::row::{self, RowSeed};
use crate::problem::{FieldError, MAX_FIELD_ERRORS, Problem};
use crate::state::Served;
use crate::vector::{expected_vector, shown};

/// Good rows, in their order.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Row by row, as the model takes them.
    pub(super) values: Vec<f64>,
    pub(super) passed: Passed,
}

/// What is passed through, row by row: text of the answer already. Nothing, where nothing was asked for.
#[derive(Debug, Default)]
pub(super) struct Passed {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Passed {
    /// What is written to until [`Passed::end_row`].
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn end_row(&mut self) {
        self.ends.push(self.text.len());
    }

    /// Forgets what was written for a row that turned out wrong.
    pub(super) fn drop_row(&mut self) {
        self.text.truncate(self.ends.last().copied().unwrap_or_default());
    }

    pub(super) fn row(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(row).map_or(&[], |end| &self.text[start..*end])
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

/// Up to which size, and whether unknown members are passed through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) most_rows: usize,
    /// Of what is passed through: names from a CSV's header are repeated with every row.
    pub(super) most_passed: usize,
    pub(super) passthrough: bool,
}

/// `[row, …]` or `{"rows": [row, …]}`.
pub(super) fn of_json(body: &[u8], served: &Served, rules: Rules) -> Result<Table, Problem> {
    let mut reader = Reader::new(served, rules, Pass::Numbers);
    match reader.read(body) {
        Ok(()) => Ok(reader.table),
        Err(_) if reader.too_many => Err(Problem::too_many_rows(rules.most_rows)),
        Err(_) => Err(why(body, served, rules)),
    }
}

/// Why a body was refused, in a second pass.
fn why(body: &[u8], served: &Served, rules: Rules) -> Problem {
    let mut reader = Reader::new(served, rules, Pass::Errors(Vec::new()));
    let failed = reader.read(body);
    let vector = expected_vector(served.model.features());
    match (failed, reader.pass) {
        (Err(error), _) if !error.is_data() => Problem::malformed(format!(
            "the body is not JSON ({error}); send an array of rows, each {vector}; NaN and Infinity are not JSON"
        )),
        (Ok(()), Pass::Errors(errors)) if !errors.is_empty() => Problem::invalid_rows(errors),
        _ => {
            let expected = format!("[row, …] or {{\"rows\": [row, …]}}, each row {vector} or an object");
            let got = shown(String::from_utf8_lossy(body).trim());
            Problem::invalid_rows(vec![FieldError { expected, got, ..FieldError::default() }])
        }
    }
}

/// Rows that came as lines.
pub(super) fn of_lines(
    mut parser: Parser,
    body: &[u8],
    served: &Served,
    rules: Rules,
) -> Result<Table, Problem> {
    let mut table = Table::default();
    let (mut at, mut row, mut errors) = (0, 0, Vec::new());
    loop {
        let (read, next) = parser.next(&body[at..], true, served, &mut table.values, &mut table.passed);
        at += read;
        match next {
            Next::Row | Next::Bad(_) if row == rules.most_rows => {
                return Err(Problem::too_many_rows(rules.most_rows));
            }
            Next::Row => {}
            Next::Bad(fault) => errors.push(FieldError { row: Some(row), ..fault }),
            Next::More | Next::End => break,
        }
        row += 1;
        if table.passed.bytes() > rules.most_passed {
            return Err(Problem::too_much_passed(rules.most_passed));
        }
        if errors.len() == MAX_FIELD_ERRORS {
            break;
        }
    }
    if errors.is_empty() { Ok(table) } else { Err(Problem::invalid_rows(errors)) }
}

/// What a pass over the body is for.
enum Pass {
    Numbers,
    Errors(Vec<FieldError>),
}

struct Reader<'a> {
    served: &'a Served,
    rules: Rules,
    pass: Pass,
    table: Table,
    rows: usize,
    too_many: bool,
}

impl<'a> Reader<'a> {
    fn new(served: &'a Served, rules: Rules, pass: Pass) -> Self {
        Self { served, rules, pass, table: Table::default(), rows: 0, too_many: false }
    }

    fn read(&mut self, body: &[u8]) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        deserializer.deserialize_any(Body(&mut *self))?;
        deserializer.end()
    }

    /// The next element; false after the last.
    fn row<'de, A: SeqAccess<'de>>(&mut self, rows: &mut A) -> Result<bool, A::Error> {
        let Table { values, passed } = &mut self.table;
        let text = self.rules.passthrough.then(|| passed.text());
        let seed = RowSeed { served: self.served, values, passed: text };
        match &mut self.pass {
            Pass::Numbers => {
                let more = rows.next_element_seed(seed)?.is_some();
                if more && self.rules.passthrough {
                    passed.end_row();
                }
                Ok(more)
            }
            Pass::Errors(errors) => {
                let Some(raw) = rows.next_element::<&RawValue>()? else { return Ok(false) };
                let raw = raw.get().as_bytes();
                if errors.len() < MAX_FIELD_ERRORS && !row::read(raw, seed) {
                    let faults = row::explain(raw, self.served, self.rules.passthrough);
                    errors
                        .extend(faults.into_iter().map(|fault| FieldError { row: Some(self.rows), ..fault }));
                    errors.truncate(MAX_FIELD_ERRORS);
                }
                self.table.values.clear();
                self.table.passed.clear();
                Ok(true)
            }
        }
    }
}

/// The top of the body; only it may be an object with `rows`.
struct Body<'a, 'b>(&'a mut Reader<'b>);

impl<'de> Visitor<'de> for Body<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let reader = self.0;
        while reader.row(&mut rows)? {
            reader.rows += 1;
            if reader.rows > reader.rules.most_rows {
                reader.too_many = true;
                return Err(A::Error::custom("too many rows"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let reader = self.0;
        match members.next_key::<String>()? {
            Some(name) if name == "rows" => members.next_value_seed(Rows(&mut *reader))?,
            _ => return Err(A::Error::custom("no rows")),
        }
        match members.next_key::<String>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("more than rows")),
        }
    }
}

/// The array under `rows`.
struct Rows<'a, 'b>(&'a mut Reader<'b>);

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(Body(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::predictions::csv::Csv;
    use crate::predictions::lines::Ndjson;
    use crate::tests::fixture::loaded;

    const RULES: Rules = Rules { most_rows: 10_000, most_passed: 0, passthrough: false };

    /// Doubles of all magnitudes, from a generator that is good enough for that.
    fn doubles() -> Vec<f64> {
        let mut state = 1_u64;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(f64::from_bits(state))
        };
        std::iter::from_fn(next).filter(|value| value.abs() <= f64::from(f32::MAX)).take(10_000).collect()
    }

    fn text(values: &[f64], begin: &str, between: &str, end: &str) -> String {
        values.chunks(2).map(|row| format!("{begin}{}{between}{:e}{end}", row[0], row[1])).collect()
    }

    #[test]
    fn ten_thousand_random_doubles_are_read_from_every_form_to_the_last_bit() {
        let served = Arc::clone(loaded(None).model().unwrap());
        let values = doubles();
        let json = text(&values, "[", ",", "],");
        let objects = text(&values, "{\"mean\":", ",\"sd\":", "}\n");
        let csv = format!("mean,sd\n{}", text(&values, "", ",", "\n"));
        let mut parser = Csv::new(None);
        let (read, header) = parser.read_header(csv.as_bytes(), true, &served);
        assert!(header.unwrap().is_ok());

        let json = of_json(format!("[{}]", json.trim_end_matches(',')).as_bytes(), &served, RULES).unwrap();
        let ndjson = Parser::Ndjson(Ndjson::new(false));
        let ndjson = of_lines(ndjson, objects.as_bytes(), &served, RULES).unwrap();
        let csv = of_lines(Parser::Csv(Box::new(parser)), &csv.as_bytes()[read..], &served, RULES).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        for (form, table) in [("JSON", json), ("NDJSON", ndjson), ("CSV", csv)] {
            assert!(bits(&table.values) == bits(&values), "{form}");
        }
    }
}
