//! Writing answers: JSON as a whole, NDJSON and CSV line by line. Only text is made here, nothing is decided.

use detectors::Scored;
use http::Uri;
use serde::Serialize;

use super::format::Format;
use crate::problem::Problem;
use crate::query;
use crate::state::Served;

/// What can be told of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    IsInlier,
    AnomalyScore,
    Severity,
}

/// The column that says why a row was not scored.
const ERROR: &str = "error";

impl Column {
    const ALL: [Self; 3] = [Self::IsInlier, Self::AnomalyScore, Self::Severity];

    const fn name(self) -> &'static str {
        match self {
            Self::IsInlier => "is_inlier",
            Self::AnomalyScore => "anomaly_score",
            Self::Severity => "severity",
        }
    }

    fn write(self, scored: &Scored, format: Format, out: &mut Vec<u8>) {
        match self {
            Self::IsInlier => out.extend_from_slice(if scored.is_inlier { b"true" } else { b"false" }),
            Self::AnomalyScore => json(&scored.anomaly_score, out),
            // An empty cell: the model is not calibrated.
            Self::Severity if format == Format::Csv && scored.severity.is_none() => {}
            Self::Severity => json(&scored.severity, out),
        }
    }
}

/// Whether an answer has this name for something of its own.
pub(super) fn is_reserved(name: &str) -> bool {
    name == ERROR || name == "row" || Column::ALL.iter().any(|column| column.name() == name)
}

/// How the rows of one request are answered.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    format: Format,
    columns: Vec<Column>,
}

impl Answers {
    /// All columns, or those that `?columns=` names, in its order.
    pub(super) fn asked_for(uri: &Uri, format: Format) -> Result<Self, Problem> {
        let Some(names) = query::text(uri, "columns") else {
            return Ok(Self { format, columns: Column::ALL.to_vec() });
        };
        if format == Format::Json {
            let detail = "the query parameter columns is for answers in NDJSON or CSV; JSON has all columns";
            return Err(Problem::invalid_parameter(detail));
        }
        let mut columns = Vec::new();
        for name in names.split(',') {
            match Column::ALL.into_iter().find(|column| column.name() == name.trim()) {
                Some(column) if !columns.contains(&column) => columns.push(column),
                _ => {
                    return Err(Problem::invalid_parameter(
                        "the query parameter columns must be some of is_inlier,anomaly_score,severity, each once",
                    ));
                }
            }
        }
        Ok(Self { format, columns })
    }

    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// What comes before the first row. `passed` are the names of the columns that a CSV passes through.
    pub(super) fn begin(&self, served: &Served, passed: &[String], out: &mut Vec<u8>) {
        match self.format {
            Format::Ndjson => {}
            Format::Json => {
                out.extend_from_slice(b"{\"revision\":");
                json(&served.revision, out);
                out.extend_from_slice(b",\"threshold\":");
                json(&served.model.threshold(), out);
                out.extend_from_slice(b",\"predictions\":[");
            }
            Format::Csv => {
                for name in passed {
                    cell(name.as_bytes(), out);
                    out.push(b',');
                }
                for column in &self.columns {
                    out.extend_from_slice(column.name().as_bytes());
                    out.push(b',');
                }
                out.extend_from_slice(ERROR.as_bytes());
                out.push(b'\n');
            }
        }
    }

    /// A row that was scored. `passed` is what is passed through, already as [`member`] or [`passed_cell`] wrote it.
    pub(super) fn row(&self, scored: &Scored, passed: &[u8], out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            out.extend_from_slice(passed);
            for column in &self.columns {
                column.write(scored, self.format, out);
                out.push(b',');
            }
            out.push(b'\n');
            return;
        }
        out.push(b'{');
        out.extend_from_slice(passed);
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(column.name().as_bytes());
            out.extend_from_slice(b"\":");
            column.write(scored, self.format, out);
        }
        out.push(b'}');
        out.push(if self.format == Format::Json { b',' } else { b'\n' });
    }

    /// A line for a row that was not scored, or for a stream that ends early.
    pub(super) fn error(&self, row: u64, message: &str, passed: &[u8], out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            out.extend_from_slice(passed);
            out.resize(out.len() + self.columns.len(), b',');
            cell(message.as_bytes(), out);
            out.push(b'\n');
            return;
        }
        out.extend_from_slice(b"{\"row\":");
        json(&row, out);
        out.extend_from_slice(b",\"error\":");
        json(&message, out);
        out.extend_from_slice(b"}\n");
    }

    /// What comes after the last row of a whole answer.
    pub(super) fn end(&self, out: &mut Vec<u8>) {
        if self.format == Format::Json {
            if out.last() == Some(&b',') {
                out.pop();
            }
            out.extend_from_slice(b"]}");
        }
    }
}

/// `"name":value,`, the value being JSON already.
pub(super) fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    json(&name, out);
    out.push(b':');
    // A value may be spread over lines; a line of the answer may not.
    out.extend(value.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    out.push(b',');
}

/// `"name":"text",`.
pub(super) fn text_member(name: &str, text: &[u8], out: &mut Vec<u8>) {
    json(&name, out);
    out.push(b':');
    json(&String::from_utf8_lossy(text), out);
    out.push(b',');
}

/// `text,`, quoted where it must be.
pub(super) fn passed_cell(text: &[u8], out: &mut Vec<u8>) {
    cell(text, out);
    out.push(b',');
}

fn cell(text: &[u8], out: &mut Vec<u8>) {
    if !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Numbers and strings always serialise.
fn json(value: &impl Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(query: &'static str, format: Format) -> Option<Vec<Column>> {
        let uri = Uri::try_from(format!("/predictions{query}")).unwrap();
        Answers::asked_for(&uri, format).ok().map(|answers| answers.columns)
    }

    #[test]
    fn columns_are_chosen_by_name_in_the_order_asked_for() {
        let chosen = columns("?columns=severity,is_inlier", Format::Csv);
        assert_eq!(chosen, Some(vec![Column::Severity, Column::IsInlier]));
        assert_eq!(columns("", Format::Json), Some(Column::ALL.to_vec()));
        for query in ["?columns=", "?columns=score", "?columns=severity,severity", "?columns=severity,"] {
            assert_eq!(columns(query, Format::Ndjson), None, "{query}");
        }
        assert_eq!(columns("?columns=severity", Format::Json), None);
    }

    #[test]
    fn cells_are_quoted_only_where_they_must_be() {
        let mut out = Vec::new();
        for text in ["plain", "a,b", "say \"hi\"", "two\nlines", ""] {
            passed_cell(text.as_bytes(), &mut out);
        }
        assert_eq!(String::from_utf8_lossy(&out), "plain,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",,");
    }
}
