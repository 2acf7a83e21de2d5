//! From rows to tiles: the values that splits compare, 16 rows side by side.

use ndarray::ArrayView2;

use super::super::slots::Slots;
use super::padded::{LANES, Lanes, Padded};

/// The most values of a block: 256 KiB, which the second-level cache holds. Tiles in step matter more than the first.
const MAX_VALUES: usize = 65_536;
/// The most tiles of a block.
const MAX_TILES: usize = 128;
/// The most tiles where trees are small: more would not help.
const MAX_TILES_WHOLE: usize = 8;

/// How many tiles are walked down one tree before the next.
pub(super) fn tiles(padded: &Padded) -> usize {
    // Deep trees do not fit the first-level cache: the more rows walk down while one is near, the better.
    let most = if padded.is_whole() { MAX_TILES_WHOLE } else { MAX_TILES };
    (MAX_VALUES / (padded.stride() * LANES)).clamp(1, most)
}

/// Fills the tiles with the rows of a block; lanes beyond its end repeat the last row.
pub(super) fn fill<'a, V: Copy + Into<f64>>(
    slots: &Slots,
    rows: ArrayView2<'_, V>,
    copy: &mut Vec<V>,
    tiles: impl Iterator<Item = &'a mut [Lanes]>,
) {
    let (count, columns) = rows.dim();
    let contiguous = match rows.to_slice() {
        Some(contiguous) => contiguous,
        None => {
            copy.clear();
            copy.extend(rows);
            copy
        }
    };
    let mut centred = Vec::new();
    for (tile, values) in tiles.enumerate().take(count.div_ceil(LANES)) {
        let rows: [&[V]; LANES] = std::array::from_fn(|lane| {
            let row = (tile * LANES + lane).min(count - 1);
            &contiguous[row * columns..][..columns]
        });
        slots.read_tile(rows, &mut centred, values);
    }
}
