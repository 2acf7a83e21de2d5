//! Numbers for the values of leaves, of which a forest has few: a number takes less room than a value.

use std::collections::HashMap;

/// Each different value, in the order of its number.
#[derive(Default)]
pub(super) struct Codes {
    values: Vec<f64>,
    numbers: HashMap<u64, u16>,
}

impl Codes {
    /// The number of a value; `None` if 16 bits have no more.
    pub(super) fn number(&mut self, value: f64) -> Option<u16> {
        if let Some(&number) = self.numbers.get(&value.to_bits()) {
            return Some(number);
        }
        let number = u16::try_from(self.values.len()).ok()?;
        self.values.push(value);
        self.numbers.insert(value.to_bits(), number);
        Some(number)
    }

    pub(super) fn into_values(self) -> Vec<f64> {
        self.values
    }
}
