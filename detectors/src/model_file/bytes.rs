//! Little-endian numbers, written and read. Reading never goes beyond the end and never allocates more than there is.

/// The end came too early, or a number makes no sense: what is wrong, in words.
pub(super) type Problem = String;

/// Appends little-endian numbers.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// LEB128: seven bits a byte, lowest first, the highest bit set on all but the last.
    pub(super) fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A u32 length and the text.
    pub(super) fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.bytes(text.as_bytes());
    }
}

/// Reads what [`Writer`] wrote.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| format!("it needs {count} more bytes but has {}", self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Problem> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Problem> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Problem> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Problem> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, Problem> {
        self.u64().map(f64::from_bits)
    }

    /// A number of things of at least `size` bytes each, checked against what is left.
    pub(super) fn count(&mut self, size: usize) -> Result<usize, Problem> {
        let count = self.u32()? as usize;
        if count > self.0.len() / size {
            return Err(format!("it claims {count} entries but has {} bytes", self.0.len()));
        }
        Ok(count)
    }

    /// `count` numbers; their bytes are taken before anything is allocated.
    pub(super) fn f64s(&mut self, count: usize) -> Result<Vec<f64>, Problem> {
        let mut numbers = Reader(self.take(count.saturating_mul(8))?);
        (0..count).map(|_| numbers.f64()).collect()
    }

    /// As [`Reader::f64s`], of 32 bits each.
    pub(super) fn f32s(&mut self, count: usize) -> Result<Vec<f32>, Problem> {
        let mut numbers = Reader(self.take(count.saturating_mul(4))?);
        (0..count).map(|_| numbers.u32().map(f32::from_bits)).collect()
    }

    pub(super) fn varint(&mut self) -> Result<u32, Problem> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| format!("{value} is beyond 32 bits"));
            }
        }
        Err("a number does not end".to_owned())
    }

    pub(super) fn text(&mut self) -> Result<String, Problem> {
        let length = self.u32()? as usize;
        self.utf8(length)
    }

    pub(super) fn utf8(&mut self, length: usize) -> Result<String, Problem> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|error| error.to_string())?;
        Ok(text.to_owned())
    }

    pub(super) fn starts_with(&self, bytes: &[u8]) -> bool {
        self.0.starts_with(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything must have been read.
    pub(super) fn end(&self) -> Result<(), Problem> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(format!("{left} bytes are left over")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reading_beyond_the_end_is_an_error() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0201));
        assert_eq!(reader.u32(), Err("it needs 4 more bytes but has 1".to_owned()));
        assert_eq!(reader.end(), Err("1 bytes are left over".to_owned()));
    }

    #[test]
    fn absurd_counts_are_refused_before_anything_is_allocated() {
        assert!(Reader::new(&[0xff; 12]).count(8).is_err());
        assert!(Reader::new(&[0; 12]).f64s(usize::MAX).is_err());
    }

    #[test]
    fn varints_that_never_end_or_overflow_are_refused() {
        assert!(Reader::new(&[0x80; 9]).varint().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).varint().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(byte: u8, short: u16, int: u32, long: u64, float: f64, text: String) {
            let mut writer = Writer::default();
            writer.u8(byte);
            writer.u16(short);
            writer.varint(int);
            writer.u64(long);
            writer.f64(float);
            writer.text(&text);
            let mut reader = Reader::new(&writer.0);
            prop_assert_eq!(reader.u8(), Ok(byte));
            prop_assert_eq!(reader.u16(), Ok(short));
            prop_assert_eq!(reader.varint(), Ok(int));
            prop_assert_eq!(reader.u64(), Ok(long));
            prop_assert_eq!(reader.f64().map(f64::to_bits), Ok(float.to_bits()));
            prop_assert_eq!(reader.text(), Ok(text));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }
}
