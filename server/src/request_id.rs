//! `X-Request-Id`: the client's own, if it is one that can be logged, else a counter behind a prefix that differs
//! from process to process.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The header, in requests and answers.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 128;

/// `RandomState` is seeded by the system, differently in every process.
static PREFIX: LazyLock<u32> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()) as u32);

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The id under which this request is answered and logged.
pub(crate) fn of(headers: &HeaderMap) -> HeaderValue {
    headers.get(&HEADER).filter(|given| is_loggable(given)).cloned().unwrap_or_else(next)
}

fn is_loggable(value: &HeaderValue) -> bool {
    (1..=LONGEST).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn next() -> HeaderValue {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    // By hand: formatting costs more than the rest of it.
    let mut text = [b'-'; 25];
    let (prefix, digits) = text.split_at_mut(9);
    hexadecimal(u64::from(*PREFIX), &mut prefix[..8]);
    let length = (16 - count.leading_zeros() as usize / 4).max(1);
    hexadecimal(count, &mut digits[..length]);
    HeaderValue::from_bytes(&text[..9 + length]).unwrap_or(HeaderValue::from_static("none"))
}

/// The lowest digits of a number, as many as there is room for.
fn hexadecimal(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn a_clients_id_is_kept() {
        assert_eq!(of(&with(b"abc-123")), "abc-123");
    }

    #[test]
    fn an_id_that_would_garble_a_log_is_replaced() {
        for bad in [b"".as_slice(), b"a b", b"\xff", &[b'x'; LONGEST + 1]] {
            assert_ne!(of(&with(bad)).as_bytes(), bad);
        }
    }

    #[test]
    fn numbers_are_written_with_all_their_digits() {
        for (number, digits) in [(0, 1), (0xf, 1), (0x10, 2), (0xdead_beef, 8), (u64::MAX, 16)] {
            let mut text = vec![0; digits];
            hexadecimal(number, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), format!("{number:x}"));
        }
        let made = next();
        let (prefix, count) = made.to_str().unwrap().split_once('-').unwrap();
        assert_eq!(prefix, format!("{:08x}", *PREFIX));
        assert!(u64::from_str_radix(count, 16).unwrap() < COUNTER.load(Ordering::Relaxed));
    }

    #[test]
    fn made_ids_differ() {
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
