//! From rows to columns.

use super::padded::{LANES, Lanes};

/// Up to 16 columns of 16 rows, from column `first` on.
pub(crate) fn transpose(rows: &[&[f32]; LANES], first: usize, block: &mut [Lanes; LANES]) {
    let columns = rows[0].len();
    assert!(
        first < columns && rows.iter().all(|row| row.len() == columns),
        "a column to begin with in each row"
    );
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has these instructions, and the lengths are right.
        return unsafe { avx512(rows, first, block) };
    }
    portable(rows, first, block);
}

fn portable(rows: &[&[f32]; LANES], first: usize, block: &mut [Lanes; LANES]) {
    for (lane, row) in rows.iter().enumerate() {
        for (to, &value) in block.iter_mut().zip(&row[first..]) {
            to.0[lane] = value;
        }
    }
}

/// # Safety
/// The processor has AVX-512 F; rows have as many columns each, and `first` is one of them.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(rows: &[&[f32]; LANES], first: usize, block: &mut [Lanes; LANES]) {
    use std::arch::x86_64::*;
    let count = (rows[0].len() - first).min(LANES);
    let mask = (u32::MAX >> (32 - count)) as __mmask16;
    let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    let mut now = [_mm512_setzero_ps(); LANES];
    for (to, row) in now.iter_mut().zip(rows) {
        // SAFETY: values of the row that exist.
        *to = unsafe { _mm512_maskz_loadu_ps(mask, row.as_ptr().add(first)) };
    }
    // Four perfect shuffles.
    for _ in 0..4 {
        let mut next = now;
        for pair in 0..LANES / 2 {
            next[2 * pair] = _mm512_permutex2var_ps(now[pair], low, now[pair + LANES / 2]);
            next[2 * pair + 1] = _mm512_permutex2var_ps(now[pair], high, now[pair + LANES / 2]);
        }
        now = next;
    }
    for (column, to) in now.iter().zip(block) {
        // SAFETY: 16 values, aligned.
        unsafe { _mm512_store_ps(to.0.as_mut_ptr(), *column) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_where_it_belongs() {
        for columns in 1..=40_usize {
            let values: Vec<f32> = (0..LANES * columns).map(|value| value as f32).collect();
            let rows = std::array::from_fn(|row| &values[row * columns..][..columns]);
            for first in 0..columns {
                for way in [transpose, portable] {
                    let mut block = [Lanes::default(); LANES];
                    way(&rows, first, &mut block);
                    for (column, Lanes(lanes)) in (first..columns).zip(&block) {
                        for (row, &value) in lanes.iter().enumerate() {
                            assert_eq!(value, rows[row][column], "column {column}, row {row}");
                        }
                    }
                }
            }
        }
    }
}
