//! Columns brought to a common scale: a center and a width for each, robust where the data allow.

use crate::matrix::CheckedMatrix;

/// 1 / Φ⁻¹(¾): the median absolute deviation times this is the standard deviation of normal data.
pub(crate) const NORMAL_MAD: f64 = 1.482_602_218_505_602;
/// Where scaled values end, so that squared distances stay below the largest outlyingness.
pub(crate) const FARTHEST: f64 = 1e40;

/// The center and the width of one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// The median.
    pub(crate) center: f64,
    /// Positive, or 0 for a column that is constant.
    pub(crate) width: f64,
}

/// What is taken for a column's width; the next in the list where one is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Width {
    /// The median absolute deviation, 1.4826 times, then the standard deviation.
    Mad,
    /// The interquartile range, then the standard deviation.
    Iqr,
    /// The standard deviation.
    Deviation,
}

impl Scale {
    /// (value − center) / width, within ±1e40; 0 in a column without width.
    pub(crate) fn apply(self, value: f64) -> f64 {
        if self.width == 0.0 {
            return 0.0;
        }
        ((value - self.center) / self.width).clamp(-FARTHEST, FARTHEST)
    }

    /// [`Scale::apply`], cast to f32 and within ±`f32::MAX`.
    pub(crate) fn apply_f32(self, value: f64) -> f32 {
        let max = f64::from(f32::MAX);
        self.apply(value).clamp(-max, max) as f32
    }

    /// Whether both numbers can have come from a column.
    pub(crate) fn is_valid(self) -> bool {
        crate::matrix::in_range(self.center) && self.width >= 0.0 && self.width.is_finite()
    }
}

/// The scale of every column.
pub(crate) fn scales(rows: &CheckedMatrix, width: Width) -> Vec<Scale> {
    let mut values = Vec::with_capacity(rows.rows());
    (0..rows.columns())
        .map(|column| {
            values.clear();
            values.extend(rows.as_slice().iter().skip(column).step_by(rows.columns()));
            scale(&mut values, width)
        })
        .collect()
}

/// The scale of one column, whose values are put in another order. There must be at least one.
pub(crate) fn scale(values: &mut [f64], width: Width) -> Scale {
    let center = quantile(values, 0.5);
    let robust = match width {
        Width::Iqr => quantile(values, 0.75) - quantile(values, 0.25),
        Width::Mad => {
            let mut deviations: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
            NORMAL_MAD * median(&mut deviations)
        }
        Width::Deviation => 0.0,
    };
    if robust > 0.0 {
        return Scale { center, width: robust };
    }
    // A sum depends on the order of its parts, and what a selection leaves is up to the standard library's version.
    values.sort_unstable_by(f64::total_cmp);
    Scale { center, width: standard_deviation(values, center) }
}

/// The middle value, or the mean of the two middle ones. There must be at least one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// A quantile as numpy's default method, linear, gives it, to the last few bits. There must be at least one value.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    let position = share * (values.len() - 1) as f64;
    let fraction = position - position.floor();
    let (_, &mut below, beyond) = values.select_nth_unstable_by(position as usize, f64::total_cmp);
    let above = beyond.iter().copied().min_by(f64::total_cmp).unwrap_or(below);
    // Neither a difference nor a sum of two values within ±f32::MAX overflows; where they are equal, so is this.
    below + (above - below) * fraction
}

/// Around a center that need not be the mean; 0 only if all values are equal.
fn standard_deviation(values: &[f64], center: f64) -> f64 {
    let first = values[0];
    if values.iter().all(|&value| value == first) {
        return 0.0;
    }
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max((value - center).abs()));
    let part = |value: &f64| (value - center) / largest;
    let mean = values.iter().map(part).sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (part(value) - mean) * (part(value) - mean));
    let deviation = largest * (squares.sum::<f64>() / values.len() as f64).sqrt();
    // Below the smallest number a deviation may round to 0.
    deviation.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], width: Width) -> Scale {
        scale(&mut values.to_vec(), width)
    }

    #[test]
    fn quantiles_are_numpys_linear_ones() {
        let mut values = [16.0, 1.0, 8.0, 4.0, 2.0];
        // numpy.quantile(values, q) for q = 0, 0.1, 0.375, 0.5, 0.99, 1.
        let found = [0.0, 0.1, 0.375, 0.5, 0.99, 1.0].map(|share| quantile(&mut values, share));
        for (found, expected) in found.iter().zip([1.0, 1.4, 3.0, 4.0, 15.68, 16.0]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        assert_eq!(median(&mut [3.0, 1.0, 2.0, 4.0]), 2.5);
        assert_eq!(median(&mut [-7.0]), -7.0);
    }

    #[test]
    fn a_robust_width_does_not_see_a_few_extremes() {
        let values: Vec<f64> = (0..100).map(|at| if at < 5 { 1e30 } else { f64::from(at) }).collect();
        assert!(of(&values, Width::Mad).width < 50.0);
        assert!(of(&values, Width::Iqr).width < 60.0);
    }

    #[test]
    fn a_column_that_is_mostly_one_value_has_its_standard_deviation() {
        let mut values = vec![3.0; 99];
        values.push(13.0);
        for width in [Width::Mad, Width::Iqr] {
            let Scale { center, width } = of(&values, width);
            assert_eq!(center, 3.0);
            assert!((width - 99_f64.sqrt() / 10.0).abs() < 1e-12, "{width}");
        }
    }

    #[test]
    fn only_a_constant_column_has_no_width() {
        let max = f64::from(f32::MAX);
        for values in [[0.0, 0.0, 0.0, 5e-324], [max, max, max, -max], [1.0, 1.0, 1.0, 1.0 + 1e-15]] {
            for width in [Width::Mad, Width::Iqr, Width::Deviation] {
                let scale = of(&values, width);
                assert!(scale.width > 0.0 && scale.is_valid(), "{values:?} {scale:?}");
                assert!(values.iter().all(|&value| scale.apply(value).is_finite()));
            }
        }
        assert_eq!(of(&[4.0; 3], Width::Iqr), Scale { center: 4.0, width: 0.0 });
        assert_eq!(of(&[4.0; 3], Width::Iqr).apply(9.0), 0.0);
    }

    #[test]
    fn a_standard_deviation_is_that_of_the_values_and_not_of_their_order() {
        let ascending: Vec<f64> = (0..3_000).map(|at| (f64::from(at) * 0.1).sin().powi(99)).collect();
        let expected = of(&ascending, Width::Deviation);
        for step in [1_009, 1_789, 2_999] {
            let other: Vec<f64> = (0..3_000).map(|at| ascending[at * step % 3_000]).collect();
            assert_eq!(of(&other, Width::Deviation), expected, "every {step}th");
        }
    }

    #[test]
    fn a_value_far_beyond_stays_finite() {
        let scale = of(&[0.0, 1e-320, 2e-320], Width::Mad);
        assert_eq!(scale.apply(f64::from(f32::MAX)), FARTHEST);
        assert_eq!(scale.apply_f32(-1.0), -f32::MAX);
    }
}
