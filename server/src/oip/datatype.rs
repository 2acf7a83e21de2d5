//! The datatypes of tensors: their names, their sizes, and how their little-endian bytes become numbers.

use axum::body::Bytes;

use crate::vector::{Accepts, is_usual};

/// What a tensor of numbers can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datatype {
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Fp32,
    Fp64,
}

/// Does the same for each datatype with the type that it is in Rust.
macro_rules! typed {
    ($datatype:expr, $type:ident => $what:expr) => {
        match $datatype {
            Datatype::Int8 => {
                type $type = i8;
                $what
            }
            Datatype::Int16 => {
                type $type = i16;
                $what
            }
            Datatype::Int32 => {
                type $type = i32;
                $what
            }
            Datatype::Int64 => {
                type $type = i64;
                $what
            }
            Datatype::Uint8 => {
                type $type = u8;
                $what
            }
            Datatype::Uint16 => {
                type $type = u16;
                $what
            }
            Datatype::Uint32 => {
                type $type = u32;
                $what
            }
            Datatype::Uint64 => {
                type $type = u64;
                $what
            }
            Datatype::Fp32 => {
                type $type = f32;
                $what
            }
            Datatype::Fp64 => {
                type $type = f64;
                $what
            }
        }
    };
}

#[allow(clippy::unnecessary_cast, reason = "one expression for ten types, of which one is f64 already")]
impl Datatype {
    pub(super) const ALL: [Self; 10] = [
        Self::Fp32,
        Self::Fp64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|datatype| datatype.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
        }
    }

    /// Bytes of one value.
    pub(super) const fn size(self) -> usize {
        typed!(self, T => size_of::<T>())
    }

    pub(super) const fn is_integer(self) -> bool {
        !matches!(self, Self::Fp32 | Self::Fp64)
    }

    /// Whether a tensor of this type can hold a number that was written as text, and the model takes it.
    pub(super) fn holds(self, value: f64, accepts: Accepts) -> bool {
        let (least, most) = match self {
            Self::Fp32 | Self::Fp64 => return accepts.takes(value),
            _ => typed!(self, T => (T::MIN as f64, T::MAX as f64)),
        };
        value.fract() == 0.0 && (least..=most).contains(&value)
    }

    /// Little-endian values into as many places. Every value of 32 bits or fewer is the same number in 64.
    fn read<'a>(self, bytes: &[u8], places: impl Iterator<Item = &'a mut f64>) {
        typed!(self, T => {
            let (values, _) = bytes.as_chunks::<{ size_of::<T>() }>();
            places.zip(values).for_each(|(place, value)| *place = T::from_le_bytes(*value) as f64);
        });
    }

    /// The first value that cannot be scored, with its index.
    fn find_unscorable(self, bytes: &[u8], accepts: Accepts) -> Option<(usize, f64)> {
        if !matches!(self, Self::Fp32 | Self::Fp64) {
            return None;
        }
        typed!(self, T => {
            let (values, _) = bytes.as_chunks::<{ size_of::<T>() }>();
            let values = values.iter().map(|value| T::from_le_bytes(*value) as f64);
            // Without a way out in its middle the loop is several values a step.
            if values.clone().fold(true, |all, value| all & is_usual(value)) {
                return None;
            }
            values.enumerate().find(|(_, value)| !accepts.takes(*value))
        })
    }
}

/// A tensor's values, as many as its shape says.
#[derive(Debug)]
pub(crate) enum Values {
    /// Little-endian bytes: a part of the body, not copied.
    Raw(Datatype, Bytes),
    Numbers(Vec<f64>),
}

impl Values {
    /// Some of the values, into as many places.
    pub(super) fn read<'a>(&self, first: usize, last: usize, places: impl Iterator<Item = &'a mut f64>) {
        match self {
            Self::Raw(datatype, bytes) => {
                let size = datatype.size();
                datatype.read(&bytes[first * size..last * size], places);
            }
            Self::Numbers(numbers) => {
                places.zip(&numbers[first..last]).for_each(|(place, number)| *place = *number);
            }
        }
    }

    /// The first value that cannot be scored, with its index.
    pub(super) fn find_unscorable(&self, accepts: Accepts) -> Option<(usize, f64)> {
        match self {
            Self::Raw(datatype, bytes) => datatype.find_unscorable(bytes, accepts),
            Self::Numbers(numbers) => {
                numbers.iter().copied().enumerate().find(|(_, value)| !accepts.takes(*value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_little_endian_and_every_type_keeps_its_numbers() {
        fn read(datatype: Datatype, bytes: &[u8]) -> Vec<f64> {
            let mut values = vec![0.0; bytes.len() / datatype.size()];
            datatype.read(bytes, values.iter_mut());
            values
        }
        assert_eq!(read(Datatype::Int8, &[0x80, 0x7f]), [-128.0, 127.0]);
        assert_eq!(read(Datatype::Uint8, &[0x80, 0xff]), [128.0, 255.0]);
        assert_eq!(read(Datatype::Int16, &[0x01, 0x80]), [-32_767.0]);
        assert_eq!(read(Datatype::Uint16, &[0x01, 0x80]), [32_769.0]);
        assert_eq!(read(Datatype::Int32, &(-7_i32).to_le_bytes()), [-7.0]);
        assert_eq!(read(Datatype::Uint32, &u32::MAX.to_le_bytes()), [4_294_967_295.0]);
        assert_eq!(read(Datatype::Int64, &(-(1_i64 << 53)).to_le_bytes()), [-9_007_199_254_740_992.0]);
        assert_eq!(read(Datatype::Uint64, &(1_u64 << 63).to_le_bytes()), [9_223_372_036_854_775_808.0]);
        assert_eq!(read(Datatype::Fp32, &0.1_f32.to_le_bytes()), [f64::from(0.1_f32)]);
        assert_eq!(read(Datatype::Fp64, &0.1_f64.to_le_bytes()), [0.1]);
    }

    #[test]
    fn only_numbers_that_a_type_can_hold_are_its_values() {
        let holds = |datatype: Datatype, value: f64| datatype.holds(value, Accepts::default());
        assert!(
            holds(Datatype::Int8, -128.0) && !holds(Datatype::Int8, 128.0) && !holds(Datatype::Int8, 0.5)
        );
        assert!(holds(Datatype::Uint64, 1e19) && !holds(Datatype::Uint64, -1.0));
        assert!(holds(Datatype::Fp64, -3.4e38) && !holds(Datatype::Fp64, 3.5e38));
        assert!(!holds(Datatype::Fp64, f64::NAN));
        let all = Accepts { missing: true, infinite: true };
        assert!(Datatype::Fp32.holds(3.5e38, all) && !Datatype::Int8.holds(f64::INFINITY, all));
    }

    #[test]
    fn the_first_value_that_cannot_be_scored_is_found() {
        let usual = Accepts::default();
        let (missing, infinite) = (Accepts { missing: true, ..usual }, Accepts { infinite: true, ..usual });
        let bytes: Vec<u8> =
            [1.0, 2.0, f32::NAN, f32::INFINITY].iter().flat_map(|v| v.to_le_bytes()).collect();
        let bytes = Values::Raw(Datatype::Fp32, bytes.into());
        let (at, value) = bytes.find_unscorable(usual).unwrap();
        assert!(at == 2 && value.is_nan());
        assert_eq!(bytes.find_unscorable(missing), Some((3, f64::INFINITY)));
        assert_eq!(bytes.find_unscorable(infinite).unwrap().0, 2);
        assert_eq!(bytes.find_unscorable(Accepts { missing: true, infinite: true }), None);
        assert!(Values::Numbers(vec![f64::NAN, f64::INFINITY]).find_unscorable(missing).unwrap().0 == 1);
        assert!(Values::Numbers(vec![1.0, 1e300]).find_unscorable(usual).is_some());
        assert!(Values::Numbers(vec![f64::INFINITY, 1e300]).find_unscorable(infinite).is_none());
        assert!(Values::Raw(Datatype::Uint64, vec![0xff; 16].into()).find_unscorable(usual).is_none());
    }
}
