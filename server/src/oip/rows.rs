//! From tensors to rows: one tensor of shape [n, d], or d tensors named as the features.
//!
//! The shapes are judged before any data is: what is allocated for it follows from shapes that were accepted.

use super::datatype::{Datatype, Values};
use crate::problem::Problem;
use crate::state::Served;
use crate::vector::{expected_vector, shown};

/// What a tensor says of itself.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    pub(crate) shape: Vec<i64>,
}

impl Head {
    /// A head whose datatype can be scored.
    pub(crate) fn new(name: String, datatype: &str, shape: Vec<i64>) -> Result<Self, Problem> {
        let Some(datatype) = Datatype::named(datatype) else {
            let known: Vec<&str> = Datatype::ALL.iter().map(|known| known.name()).collect();
            return Err(Problem::invalid_tensor(format!(
                "input {} has datatype {}; expected one of {}",
                shown(&name),
                shown(datatype),
                known.join(", ")
            )));
        };
        Ok(Self { name, datatype, shape })
    }
}

/// How tensors make rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arranged {
    pub(crate) rows: usize,
    width: usize,
    /// None: one tensor has all. Else for each tensor its feature's position.
    columns: Option<Vec<usize>>,
}

impl Arranged {
    /// How these tensors make rows for this model, at most so many.
    pub(crate) fn by(heads: &[Head], served: &Served, most_rows: usize) -> Result<Self, Problem> {
        let width = served.width();
        let (rows, columns) = match heads {
            [] => {
                let expected = expected_tensors(served);
                return Err(Problem::invalid_tensor(format!("there are no inputs; expected {expected}")));
            }
            [one] if !is_column(one, served) => (matrix(one, served)?, None),
            many => {
                let (rows, columns) = columns(many, served)?;
                (rows, Some(columns))
            }
        };
        match usize::try_from(rows) {
            Ok(rows) if rows <= most_rows => Ok(Self { rows, width, columns }),
            Ok(_) => Err(Problem::too_many_rows_of_tensors(most_rows)),
            Err(_) => Err(Problem::invalid_tensor(format!("a shape has {rows} rows; expected 0 or more"))),
        }
    }

    /// The number of values that each of the tensors must have.
    pub(crate) fn values_each(&self) -> usize {
        if self.columns.is_some() { self.rows } else { self.rows * self.width }
    }

    /// Row and column of a value of one of the tensors.
    fn place(&self, tensor: usize, index: usize) -> (usize, usize) {
        match &self.columns {
            None => (index / self.width, index % self.width),
            Some(columns) => (index, columns[tensor]),
        }
    }

    /// A value that cannot be scored, as an error that says where it was.
    pub(crate) fn wrong_value(
        &self,
        served: &Served,
        head: &Head,
        tensor: usize,
        index: usize,
        got: &str,
    ) -> Problem {
        let (row, column) = self.place(tensor, index);
        let feature = served.model.features().get(column).map_or("none", String::as_str);
        let (input, datatype) = (shown(&head.name), head.datatype.name());
        let expected = match head.datatype {
            Datatype::Fp32 | Datatype::Fp64 => served.accepts.expected().to_owned(),
            _ => format!("an integer that {datatype} can hold"),
        };
        Problem::invalid_tensor(format!(
            "input {input}: row {row}, column {column} (feature {feature}) is {got}; expected {expected}"
        ))
    }
}

/// A tensor [d] is one row, but where there is one feature and it has that name, [n] are n rows.
fn is_column(head: &Head, served: &Served) -> bool {
    served.width() == 1 && served.positions.contains_key(&head.name)
}

fn matrix(head: &Head, served: &Served) -> Result<i64, Problem> {
    let width = served.width();
    let fits = |length: i64| usize::try_from(length) == Ok(width);
    match head.shape[..] {
        [rows, length] if fits(length) => Ok(rows),
        [length] if fits(length) => Ok(1),
        _ => Err(Problem::invalid_tensor(format!(
            "input {} has shape {}; expected {}",
            shown(&head.name),
            shape(&head.shape),
            expected_tensors(served)
        ))),
    }
}

fn columns(heads: &[Head], served: &Served) -> Result<(i64, Vec<usize>), Problem> {
    let mut seen = vec![false; served.width()];
    let mut columns = Vec::new();
    let mut rows: Option<i64> = None;
    for head in heads {
        let name = shown(&head.name);
        let Some(&column) = served.positions.get(&head.name) else {
            let expected = expected_tensors(served);
            return Err(Problem::invalid_tensor(format!("input {name} is no feature; expected {expected}")));
        };
        if std::mem::replace(&mut seen[column], true) {
            return Err(Problem::invalid_tensor(format!("input {name} is given twice")));
        }
        let length = match head.shape[..] {
            [rows] | [rows, 1] => rows,
            _ => {
                return Err(Problem::invalid_tensor(format!(
                    "input {name} has shape {}; expected [n] or [n,1]",
                    shape(&head.shape)
                )));
            }
        };
        match rows {
            Some(rows) if rows != length => {
                return Err(Problem::invalid_tensor(format!(
                    "input {name} has {length} rows, but those before it have {rows}"
                )));
            }
            _ => rows = Some(length),
        }
        columns.push(column);
    }
    if let Some(missing) = seen.iter().position(|seen| !seen) {
        let feature = served.model.features().get(missing).map_or("none", String::as_str);
        return Err(Problem::invalid_tensor(format!("the input {feature} is missing")));
    }
    Ok((rows.unwrap_or_default(), columns))
}

/// `[3,2]`, shortened.
pub(crate) fn shape(shape: &[i64]) -> String {
    const SHOWN: usize = 8;
    let mut lengths: Vec<String> = shape.iter().take(SHOWN).map(i64::to_string).collect();
    if shape.len() > SHOWN {
        lengths.push("…".to_owned());
    }
    format!("[{}]", lengths.join(","))
}

fn expected_tensors(served: &Served) -> String {
    let width = served.width();
    let vector = expected_vector(served.model.features());
    format!(
        "one tensor of shape [n,{width}] or [{width}], a row being {vector}, or {width} tensors [n] named so"
    )
}

/// Rows that can be scored, and can be read a few at a time.
#[derive(Debug)]
pub(crate) struct Rows {
    arranged: Arranged,
    values: Vec<Values>,
}

impl Rows {
    /// The tensors' values, each as long as [`Arranged::values_each`]; refused at the first that cannot be scored.
    pub(crate) fn new(
        arranged: Arranged,
        heads: &[Head],
        values: Vec<Values>,
        served: &Served,
    ) -> Result<Self, Problem> {
        for (tensor, (head, values)) in heads.iter().zip(&values).enumerate() {
            if let Some((index, value)) = values.find_unscorable(served.accepts) {
                return Err(arranged.wrong_value(served, head, tensor, index, &value.to_string()));
            }
        }
        Ok(Self { arranged, values })
    }

    pub(crate) fn count(&self) -> usize {
        self.arranged.rows
    }

    /// Some of the rows, one after another, as the model takes them.
    pub(super) fn read(&self, first: usize, last: usize) -> Vec<f64> {
        let width = self.arranged.width;
        let mut rows = vec![0.0; (last - first) * width];
        match &self.arranged.columns {
            None => self.values.iter().for_each(|values| {
                values.read(first * width, last * width, rows.iter_mut());
            }),
            Some(columns) => columns.iter().zip(&self.values).for_each(|(column, values)| {
                values.read(first, last, rows.iter_mut().skip(*column).step_by(width));
            }),
        }
        rows
    }
}
