//! Working memory for one row without allocation, up to 256 columns.

/// Calls `work` with `length` zeros.
pub(crate) fn with_scratch<T: Copy + Default, R>(length: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    match length {
        0..=16 => work(&mut [T::default(); 16][..length]),
        17..=64 => work(&mut [T::default(); 64][..length]),
        65..=256 => work(&mut [T::default(); 256][..length]),
        _ => work(&mut vec![T::default(); length]),
    }
}
