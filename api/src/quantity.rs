//! Kubernetes quantities (`500m`, `64Mi`, `1`) as users write them, canonicalised as the API server stores them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Pattern of a quantity: `apimachinery/pkg/api/resource`.
pub const PATTERN: &str =
    r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)))?$";

/// An amount of a resource. Numbers are accepted beside strings, as everywhere in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(String);

impl Quantity {
    /// A quantity as written; not checked.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the API server writes it (`0.5` is `500m`, `1024Mi` is `1Gi`); what cannot be read is returned as written.
    pub fn canonical(&self) -> String {
        canonical(&self.0).unwrap_or_else(|| self.0.clone())
    }

    /// The amount in 10⁻⁹, for comparing; `None` for what cannot be read.
    pub fn nanos(&self) -> Option<i128> {
        parse(&self.0).map(|(nanos, _)| nanos)
    }

    /// Whether the API server would accept it, being a number that is not negative.
    pub fn is_valid(&self) -> bool {
        canonical(&self.0).is_some() && !self.0.starts_with('-')
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(s) => Ok(Self(s)),
            serde_json::Value::Number(n) => Ok(Self(n.to_string())),
            other => {
                Err(serde::de::Error::custom(format!("expected a quantity like 500m or 64Mi, got {other}")))
            }
        }
    }
}

#[cfg(feature = "kube")]
impl schemars::JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": PATTERN,
            "maxLength": 64
        })
    }
}

/// Smallest unit that the API server keeps: 10⁻⁹.
const NANO: i128 = 1_000_000_000;
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(i32, &str); 10] =
    [(18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, ""), (-3, "m"), (-6, "u"), (-9, "n")];

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

fn canonical(text: &str) -> Option<String> {
    let (nanos, format) = parse(text)?;
    match format {
        Format::Binary if nanos.abs() >= 1024 * NANO && nanos % NANO == 0 => Some(binary(nanos / NANO)),
        Format::Exponent => Some(exponent(nanos)),
        _ => Some(decimal(nanos)),
    }
}

/// The value in 10⁻⁹, rounded up as `resource.Quantity` does, and the suffix family it was written in.
fn parse(text: &str) -> Option<(i128, Format)> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || number.len() > 32 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = i32::try_from(fraction.len()).ok()?;
    let (nanos, format) = match BINARY.iter().skip(1).position(|b| *b == suffix) {
        Some(power) => {
            let factor = 1024_i128.pow(u32::try_from(power).ok()? + 1);
            (shift(digits.checked_mul(factor)?, 9 - scale)?, Format::Binary)
        }
        None => match DECIMAL.iter().find(|(_, s)| *s == suffix) {
            Some((power, _)) => (shift(digits, 9 + power - scale)?, Format::Decimal),
            None => {
                let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
                (shift(digits, (9 - scale).checked_add(power)?)?, Format::Exponent)
            }
        },
    };
    Some((if negative { -nanos } else { nanos }, format))
}

/// `digits` · 10^`power`, rounded up.
fn shift(digits: i128, power: i32) -> Option<i128> {
    let factor = 10_i128.checked_pow(power.unsigned_abs());
    match (power >= 0, factor) {
        (true, Some(factor)) => digits.checked_mul(factor),
        (true, None) => (digits == 0).then_some(0),
        (false, Some(factor)) => Some((digits + factor - 1) / factor),
        (false, None) => Some(i128::from(digits > 0)),
    }
}

fn binary(mut whole: i128) -> String {
    let mut power = 0;
    while power + 1 < BINARY.len() && whole != 0 && whole % 1024 == 0 {
        whole /= 1024;
        power += 1;
    }
    format!("{whole}{}", BINARY[power])
}

fn decimal(nanos: i128) -> String {
    let (mantissa, power) = thousands(nanos);
    let suffix = DECIMAL.iter().find(|(p, _)| *p == power).map_or("", |(_, s)| s);
    format!("{mantissa}{suffix}")
}

fn exponent(nanos: i128) -> String {
    match thousands(nanos) {
        (mantissa, 0) => mantissa.to_string(),
        (mantissa, power) => format!("{mantissa}e{power}"),
    }
}

/// Mantissa and the largest power of ten, a multiple of three up to 18, that keeps it whole.
fn thousands(nanos: i128) -> (i128, i32) {
    if nanos == 0 {
        return (0, 0);
    }
    let (mut mantissa, mut power) = (nanos, -9);
    while mantissa % 1000 == 0 && power < 18 {
        mantissa /= 1000;
        power += 3;
    }
    (mantissa, power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_the_api_server_writes_them() {
        for (written, stored) in [
            ("0.5", "500m"),
            ("1", "1"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1.5", "1500m"),
            ("64Mi", "64Mi"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1536Mi", "1536Mi"),
            ("512", "512"),
            ("1000", "1k"),
            ("128974848", "128974848"),
            ("129e6", "129e6"),
            ("1e3", "1e3"),
            ("0", "0"),
            ("0Mi", "0"),
            ("100u", "100u"),
            ("0.0000000001", "1n"),
            ("+5", "5"),
        ] {
            assert_eq!(Quantity::new(written).canonical(), stored, "{written}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_invalid() {
        for text in ["", "-", "abc", "1.2.3", "1Kib", "1e", "--1", "1e99999999999", "-1", "."] {
            assert!(!Quantity::new(text).is_valid(), "{text}");
        }
    }
}
