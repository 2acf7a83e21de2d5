//! A tensor's data as JSON: all its numbers in one array, or an array for each row.
//!
//! Numbers of an FP32 tensor are read as 32-bit floating point: the nearest to the text, as the client's own would be.
//! The good case is one pass of serde_json into the numbers. Only data that is refused is looked at again.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::datatype::Datatype;
use crate::vector::{Accepts, shown};

/// What was wrong with the data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// This value.
    Value { index: usize, got: String },
    /// As many values as these instead of what the shape says.
    Count(usize),
    /// More values than the shape says.
    TooMany,
    /// Neither one array of numbers nor one array a row.
    Form(String),
}

/// The numbers, row by row; `row` is the length of a row where data may have an array for each.
pub(super) fn parse(
    text: &str,
    datatype: Datatype,
    count: usize,
    row: Option<usize>,
    accepts: Accepts,
) -> Result<Vec<f64>, Fault> {
    // Integers have no value for what is missing.
    let accepts = Accepts { missing: accepts.missing && !datatype.is_integer(), ..accepts };
    // A number and what separates it from the next take two bytes.
    let mut values = Vec::with_capacity(count.min(text.len() / 2 + 1));
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let numbers = Numbers { datatype, count, accepts, values: &mut values };
    let read = match row {
        Some(length) if is_nested(text) => Rows { numbers, length }.deserialize(&mut deserializer),
        _ => numbers.deserialize(&mut deserializer),
    };
    match read {
        Err(_) => Err(why(text, datatype, count, row, accepts)),
        Ok(()) if values.len() != count => Err(Fault::Count(values.len())),
        Ok(()) => Ok(values),
    }
}

fn is_nested(text: &str) -> bool {
    text.trim_start().strip_prefix('[').is_some_and(|inner| inner.trim_start().starts_with('['))
}

/// An array of numbers.
struct Numbers<'a> {
    datatype: Datatype,
    count: usize,
    accepts: Accepts,
    values: &'a mut Vec<f64>,
}

impl<'de> DeserializeSeed<'de> for Numbers<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Numbers<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Accepts { missing, infinite } = self.accepts;
        let mut next = || match self.datatype {
            // What is infinite in 32 bits is no number that serde_json takes for one.
            Datatype::Fp32 if infinite => {
                let Some(text) = elements.next_element::<&RawValue>()? else { return Ok(None) };
                match number(text.get(), self.datatype, self.accepts) {
                    None => Err(A::Error::custom("found again by those who say why")),
                    value => Ok(value),
                }
            }
            Datatype::Fp32 if missing => {
                let value = elements.next_element::<Option<f32>>()?;
                Ok(value.map(|value| value.map_or(f64::NAN, f64::from)))
            }
            _ if missing => {
                Ok(elements.next_element::<Option<f64>>()?.map(|value| value.unwrap_or(f64::NAN)))
            }
            Datatype::Fp32 => Ok(elements.next_element::<f32>()?.map(f64::from)),
            _ => elements.next_element::<f64>(),
        };
        while let Some(value) = next()? {
            if self.values.len() == self.count || !self.datatype.holds(value, self.accepts) {
                return Err(A::Error::custom("found again by those who say why"));
            }
            self.values.push(value);
        }
        Ok(())
    }
}

/// An array of arrays of numbers, each as long.
struct Rows<'a> {
    numbers: Numbers<'a>,
    length: usize,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Numbers { datatype, count, accepts, values } = self.numbers;
        let mut before = 0;
        while rows.next_element_seed(Numbers { datatype, count, accepts, values: &mut *values })?.is_some() {
            if values.len() - before != self.length {
                return Err(A::Error::custom("found again by those who say why"));
            }
            before = values.len();
        }
        Ok(())
    }
}

/// Why data was refused.
fn why(text: &str, datatype: Datatype, count: usize, row: Option<usize>, accepts: Accepts) -> Fault {
    let form = |text: &str| Fault::Form(shown(text.trim()));
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) else { return form(text) };
    let mut at = 0;
    let mut judge = |elements: Vec<&RawValue>| {
        for element in elements {
            let element = element.get();
            match number(element, datatype, accepts) {
                _ if at == count => return Some(Fault::TooMany),
                Some(_) => at += 1,
                None if element.starts_with('[') => return Some(form(element)),
                None => return Some(Fault::Value { index: at, got: shown(element) }),
            }
        }
        None
    };
    let Some(length) = row.filter(|_| is_nested(text)) else {
        return judge(elements).unwrap_or_else(|| form(text));
    };
    for element in elements {
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(element.get()) else {
            return form(element.get());
        };
        if elements.len() != length {
            return Fault::Form(format!("a row of {} values", elements.len()));
        }
        if let Some(fault) = judge(elements) {
            return fault;
        }
    }
    form(text)
}

/// A value that can be scored, as a tensor of this type has it.
fn number(text: &str, datatype: Datatype, accepts: Accepts) -> Option<f64> {
    if accepts.missing && text == "null" {
        return Some(f64::NAN);
    }
    let number = || serde_json::from_str::<f64>(text).ok();
    let number = match datatype {
        // Beyond 32 bits it stays what it is, to be judged so.
        Datatype::Fp32 => serde_json::from_str::<f32>(text).ok().map(f64::from).or_else(number),
        _ => number(),
    };
    number.filter(|value| datatype.holds(*value, accepts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Accepts = Accepts { missing: false, infinite: false };

    fn doubles(text: &str, count: usize, row: Option<usize>) -> Result<Vec<f64>, Fault> {
        parse(text, Datatype::Fp64, count, row, USUAL)
    }

    #[test]
    fn data_is_flat_or_an_array_a_row() {
        for text in ["[1,2.5,-3,4]", "[[1,2.5],[-3,4]]", " [ [ 1 , 2.5 ] , [ -3 , 4e0 ] ] "] {
            assert_eq!(doubles(text, 4, Some(2)), Ok(vec![1.0, 2.5, -3.0, 4.0]), "{text}");
        }
        assert_eq!(doubles("[[1],[2]]", 2, Some(1)), Ok(vec![1.0, 2.0]));
        assert_eq!(doubles("[]", 0, Some(2)), Ok(vec![]));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in
            ["[[1,2],3,4]", "[1,[2,3],4]", "[[1],[2,3,4]]", "[[1,2,3,4]]", "4", "null", "{}", "[[[1]]]"]
        {
            assert!(doubles(text, 4, Some(2)).is_err(), "{text}");
        }
        assert!(doubles("[[1],[2]]", 2, None).is_err());
    }

    #[test]
    fn a_wrong_value_is_found_by_its_index() {
        for (text, index, got) in [
            ("[[1,null]]", 1, "null"),
            ("[true]", 0, "true"),
            ("[1,\"2\"]", 1, "\"2\""),
            ("[1,3.5e38]", 1, "3.5e38"),
            ("[1,1e999]", 1, "1e999"),
            ("[{}]", 0, "{}"),
        ] {
            assert_eq!(doubles(text, 2, Some(2)), Err(Fault::Value { index, got: got.to_owned() }), "{text}");
        }
        assert_eq!(
            parse("[1,300]", Datatype::Int8, 2, None, USUAL),
            Err(Fault::Value { index: 1, got: "300".to_owned() })
        );
        assert_eq!(
            parse("[1,2.5]", Datatype::Int64, 2, None, USUAL),
            Err(Fault::Value { index: 1, got: "2.5".to_owned() })
        );
        assert_eq!(
            parse("[1e39]", Datatype::Fp32, 1, None, USUAL),
            Err(Fault::Value { index: 0, got: "1e39".to_owned() })
        );
    }

    #[test]
    fn null_is_a_missing_value_where_values_may_be_missing() {
        for infinite in [false, true] {
            let accepts = Accepts { missing: true, infinite };
            for datatype in [Datatype::Fp32, Datatype::Fp64] {
                let read = parse("[[1,null],[2,3]]", datatype, 4, Some(2), accepts).unwrap();
                assert!(read[1].is_nan() && read[3] == 3.0);
                let wrong = parse("[null,true]", datatype, 2, None, accepts);
                assert_eq!(wrong, Err(Fault::Value { index: 1, got: "true".to_owned() }));
            }
            assert!(parse("[null]", Datatype::Int64, 1, None, accepts).is_err());
        }
    }

    #[test]
    fn what_is_infinite_in_32_bits_is_taken_where_infinities_are_routed() {
        let accepts = Accepts { infinite: true, ..USUAL };
        for datatype in [Datatype::Fp32, Datatype::Fp64] {
            assert_eq!(parse("[[0.5, -1e39]]", datatype, 2, Some(2), accepts), Ok(vec![0.5, -1e39]));
            let wrong = parse("[1e39, null]", datatype, 2, None, accepts);
            assert_eq!(wrong, Err(Fault::Value { index: 1, got: "null".to_owned() }));
            let wrong = parse("[1e999]", datatype, 1, None, accepts);
            assert_eq!(wrong, Err(Fault::Value { index: 0, got: "1e999".to_owned() }));
        }
        let text = "1.00000017881393432617187499";
        let nearest = f64::from(text.parse::<f32>().unwrap());
        assert_eq!(parse(&format!("[{text}]"), Datatype::Fp32, 1, None, accepts), Ok(vec![nearest]));
    }

    #[test]
    fn as_many_values_as_the_shape_has() {
        assert_eq!(doubles("[1,2,3]", 4, Some(2)), Err(Fault::Count(3)));
        assert_eq!(doubles("[1,2,3,4,5]", 4, Some(2)), Err(Fault::TooMany));
    }

    #[test]
    fn numbers_of_an_fp32_tensor_are_the_nearest_of_32_bits() {
        // Rounded to 64 bits first, the second would be a tie, and go the wrong way.
        for text in ["0.1", "1.00000017881393432617187499", "16777217", "-7"] {
            let expected = f64::from(text.parse::<f32>().unwrap());
            assert_eq!(
                parse(&format!("[{text}]"), Datatype::Fp32, 1, None, USUAL),
                Ok(vec![expected]),
                "{text}"
            );
        }
        assert_eq!(doubles("[0.1,9007199254740993]", 2, None), Ok(vec![0.1, 9007199254740992.0]));
    }
}
