//! From rows to columns.

use super::padded::{LANES, Lanes};

/// Up to 16 columns of 16 rows, from column `first` on; `rows` are 16 rows of `columns` values, one after the other.
pub(in crate::forest) fn transpose(rows: &[f32], columns: usize, first: usize, block: &mut [Lanes; LANES]) {
    assert!(first < columns && rows.len() == LANES * columns, "16 rows, and a column to begin with");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has these instructions, and the lengths are right.
        return unsafe { avx512(rows, columns, first, block) };
    }
    portable(rows, columns, first, block);
}

fn portable(rows: &[f32], columns: usize, first: usize, block: &mut [Lanes; LANES]) {
    for (lane, row) in rows.chunks_exact(columns).enumerate() {
        for (to, &value) in block.iter_mut().zip(&row[first..]) {
            to.0[lane] = value;
        }
    }
}

/// # Safety
/// The processor has AVX-512 F; there are 16 rows of `columns` values, and `first` is one of them.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(rows: &[f32], columns: usize, first: usize, block: &mut [Lanes; LANES]) {
    use std::arch::x86_64::*;
    let count = (columns - first).min(LANES);
    let mask = (u32::MAX >> (32 - count)) as __mmask16;
    let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    let mut now = [_mm512_setzero_ps(); LANES];
    for (row, to) in now.iter_mut().enumerate() {
        // SAFETY: values of the row that exist.
        *to = unsafe { _mm512_maskz_loadu_ps(mask, rows.as_ptr().add(row * columns + first)) };
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
            let rows: Vec<f32> = (0..LANES * columns).map(|value| value as f32).collect();
            for first in 0..columns {
                for way in [transpose, portable] {
                    let mut block = [Lanes::default(); LANES];
                    way(&rows, columns, first, &mut block);
                    for (column, Lanes(lanes)) in (first..columns).zip(&block) {
                        for (row, &value) in lanes.iter().enumerate() {
                            assert_eq!(value, rows[row * columns + column], "column {column}, row {row}");
                        }
                    }
                }
            }
        }
    }
}
