//! Numbers as most files have them, `-12.5`, read at a glance: exactly the double that the standard library reads.
//!
//! Digits that make a whole number up to 2⁵³, divided by a power of ten up to 10²², are rounded once and so correctly
//! (W. D. Clinger: *How to read floating point numbers accurately*, PLDI 1990). All else is left to others.

/// The most digits that cannot overflow.
const MOST_DIGITS: usize = 18;
const LARGEST_EXACT: u64 = 1 << 53;
const POWERS: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// The number that a text begins with and the length of its digits; none where they are not plain.
pub(super) fn number(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let begin = usize::from(negative);
    let (mut at, mut whole) = (begin, 0_u64);
    let mut digits = |at: &mut usize| {
        let from = *at;
        while let Some(digit @ b'0'..=b'9') = text.get(*at) {
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            *at += 1;
        }
        *at - from
    };
    let mut count = digits(&mut at);
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        at += 1;
        fraction = digits(&mut at);
        count += fraction;
    }
    if count == 0 || count > MOST_DIGITS || whole > LARGEST_EXACT {
        return None;
    }
    let magnitude = whole as f64 / POWERS[fraction];
    Some((if negative { -magnitude } else { magnitude }, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Option<u64> {
        number(text.as_bytes()).filter(|(_, length)| *length == text.len()).map(|(value, _)| value.to_bits())
    }

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        for text in [
            "",
            "-",
            ".",
            "-.",
            "+1",
            "1e5",
            "nan",
            "inf",
            " 1",
            "1 ",
            "9007199254740993",
            "1234567890123456789",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
        assert_eq!(number(b"12,5"), Some((12.0, 2)));
    }

    proptest! {
        #[test]
        fn plain_numbers_are_read_as_the_standard_library_reads_them(text in "-?[0-9]{0,19}\\.?[0-9]{0,19}") {
            if let Some(bits) = whole(&text) {
                prop_assert_eq!(Ok(bits), text.parse::<f64>().map(f64::to_bits));
            }
        }

        #[test]
        fn written_numbers_are_read_back(value in -1e6_f64..1e6, places in 0_usize..9) {
            let text = format!("{value:.places$}");
            prop_assert_eq!(whole(&text), Some(text.parse::<f64>().unwrap().to_bits()));
        }
    }
}
