//! `POST /predictions`: many rows in, a verdict for each out; JSON, NDJSON or CSV on either side.
//!
//! With JSON on one side it is all or nothing ([`whole`]). Lines in and lines out are streamed ([`stream`]): memory is
//! bounded however many rows there are, a bad row is told and the next is read.

mod answer;
mod csv;
mod format;
mod lines;
mod row;
mod stream;
mod table;
mod whole;
mod work;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use self::answer::Answers;
use self::csv::Csv;
use self::format::Format;
use self::lines::{Ndjson, Parser};
use self::table::Rules;
use crate::body::{self, unpacked};
use crate::config::Limits;
use crate::edge::FORWARDED_FOR;
use crate::problem::Problem;
use crate::query;
use crate::state::{App, Served};

/// The handler.
pub(crate) async fn predict(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let asked = Asked::by(&request)?;
    let served = Arc::clone(app.model()?);
    let (head, body) = request.into_parts();
    let announced = body::announced(&head.headers, &body);
    let is_forwarded = head.headers.contains_key(&FORWARDED_FOR);
    let batch = Batch { app, served, asked, announced, is_forwarded };
    let body = unpacked(&head.headers, body, &batch.app.bodies)?;
    match (batch.asked.form, batch.asked.answers.format()) {
        (Format::Json, _) | (_, Format::Json) => whole::answer(batch, body).await,
        _ => stream::answer(batch, body).await,
    }
}

/// The numbers of rows of JSON, row by row, for others that take what this route takes.
pub(crate) fn rows_of_json(bytes: &[u8], served: &Served, limits: &Limits) -> Result<Vec<f64>, Problem> {
    let rules = Rules { most_rows: limits.max_batch_rows, most_passed: 0, passthrough: false };
    table::of_json(bytes, served, rules).map(|table| table.values)
}

/// One request, before its body.
#[derive(Debug)]
struct Batch {
    app: Arc<App>,
    served: Arc<Served>,
    asked: Asked,
    /// The bytes of its body, about.
    announced: usize,
    /// Whether a proxy has forwarded it.
    is_forwarded: bool,
}

/// What its query and its headers say.
#[derive(Debug)]
struct Asked {
    form: Format,
    answers: Answers,
    passthrough: bool,
}

impl Asked {
    fn by(request: &Request<Body>) -> Result<Self, Problem> {
        let (headers, uri) = (request.headers(), request.uri());
        let passthrough = query::flag(uri.query(), "passthrough")?;
        let form = Format::of_request(headers)?;
        let format = Format::of_answer(headers, form)?;
        if passthrough && format == Format::Csv && form != Format::Csv {
            let detail = "passthrough=true with an answer in CSV needs a request in CSV: objects have no fixed columns";
            return Err(Problem::invalid_parameter(detail));
        }
        Ok(Self { form, answers: Answers::asked_for(uri, format)?, passthrough })
    }

    fn ndjson(&self) -> Parser {
        Parser::Ndjson(Ndjson::new(self.passthrough))
    }

    /// Its header is still to be read.
    fn csv(&self) -> Csv {
        Csv::new(self.passthrough.then_some(self.answers.format()))
    }
}
