//! The six first estimates of deterministic MCD (Hubert, Rousseeuw & Verdonck 2012, section 3), each as the half of
//! the rows that it calls nearest.
//!
//! An estimate gives directions, the eigenvectors of a robust correlation or covariance; the scatter along each is
//! then measured on the projected rows, and the center is the median where the rows are round. The paper measures
//! scatter by Qn; here it is the MAD throughout, as for the columns.

use super::table::{Table, middle, nearest, spread, spread_of};
use crate::linear::{Square, covariance, dot, eigen, means};

/// What the pairwise start may take, as rows · columns², unless it has only this many rows.
const MOST_PAIRED: usize = 1 << 25;
const LEAST_PAIRED: usize = 256;
/// The smallest scatter of a direction, relative to the largest.
const LEAST_SPREAD: f64 = 1e-6;
/// Rows that are projected at a time.
const BLOCK: usize = 64;

/// The rows of each start, `half` of them.
pub(super) fn halves(table: &Table, half: usize) -> Vec<Vec<u32>> {
    let starts = [hyperbolic_tangents, rank_correlation, normal_scores, signs, middle_half, pairs];
    starts.iter().map(|start| nearest(&distances(table, start(table, half)), half)).collect()
}

/// 1: the correlation of tanh z.
fn hyperbolic_tangents(table: &Table, _half: usize) -> Square {
    correlation(&table.map_columns(|column| column.into_iter().map(libm::tanh).collect()))
}

/// 2: Spearman's.
fn rank_correlation(table: &Table, _half: usize) -> Square {
    correlation(&table.map_columns(|column| ranks(&column)))
}

/// 3: the correlation of Φ⁻¹((rank − ⅓) / (n + ⅓)).
fn normal_scores(table: &Table, _half: usize) -> Square {
    let rows = table.len() as f64;
    let score = |rank: f64| normal_quantile((rank - 1.0 / 3.0) / (rows + 1.0 / 3.0));
    correlation(&table.map_columns(|column| ranks(&column).into_iter().map(score).collect()))
}

/// 4: the covariance of z / ‖z‖ around 0.
fn signs(table: &Table, _half: usize) -> Square {
    let unit = |row: &[f64]| {
        let length = dot(row, row).sqrt();
        row.iter().map(|value| if length > 0.0 { value / length } else { 0.0 }).collect::<Vec<f64>>()
    };
    let values: Vec<f64> = table.rows().flat_map(unit).collect();
    covariance(values.chunks_exact(table.columns()), &vec![0.0; table.columns()])
}

/// 5: the covariance of the half of the rows with the shortest z, the first step of BACON.
fn middle_half(table: &Table, half: usize) -> Square {
    let lengths: Vec<f64> = table.rows().map(|row| dot(row, row)).collect();
    let rows = nearest(&lengths, half);
    covariance(table.chosen(&rows), &means(table.chosen(&rows), table.columns()))
}

/// 6: the robust correlation of each pair of columns by the scatter of its sum and its difference (Gnanadesikan &
/// Kettenring), as in the orthogonalised estimate of Maronna & Zamar. On fewer rows where columns are many.
fn pairs(table: &Table, _half: usize) -> Square {
    let size = table.columns();
    let rows = spread(table.len(), (MOST_PAIRED / (size * size)).max(LEAST_PAIRED));
    let columns: Vec<Vec<f64>> =
        (0..size).map(|column| rows.iter().map(|&row| table.row(row as usize)[column]).collect()).collect();
    let mut estimate = Square::identity(size);
    let mut values = vec![0.0; rows.len()];
    let mut scatter = |a: &[f64], b: &[f64], sign: f64| {
        values.iter_mut().zip(a.iter().zip(b)).for_each(|(to, (a, b))| *to = a + sign * b);
        spread_of(&mut values)
    };
    for row in 0..size {
        for column in 0..row {
            let sum = scatter(&columns[row], &columns[column], 1.0);
            let difference = scatter(&columns[row], &columns[column], -1.0);
            // No correlation is beyond 1; where scaled values are huge, squares would drown everything else.
            let value = ((sum * sum - difference * difference) / 4.0).clamp(-1.0, 1.0);
            (estimate[(row, column)], estimate[(column, row)]) = (value, value);
        }
    }
    estimate
}

/// The squared distances of all rows by an estimate's directions, with center and scatter measured on the rows.
fn distances(table: &Table, estimate: Square) -> Vec<f64> {
    let directions = eigen(estimate).vectors;
    let mut projected = project(table, &directions);
    let mut spreads: Vec<f64> = projected.iter().map(|values| spread_of(&mut values.clone())).collect();
    let largest = spreads.iter().copied().fold(0.0, f64::max);
    spreads.iter_mut().for_each(|spread| *spread = spread.max(LEAST_SPREAD * largest));
    for (values, spread) in projected.iter_mut().zip(&spreads) {
        values.iter_mut().for_each(|value| *value /= if *spread > 0.0 { *spread } else { 1.0 });
    }
    let center = round_center(&projected, &directions);
    let mut distances = vec![0.0; table.len()];
    for (values, center) in projected.iter().zip(center) {
        for (distance, value) in distances.iter_mut().zip(values) {
            *distance += (value - center) * (value - center);
        }
    }
    distances
}

/// The rows along each direction.
fn project(table: &Table, directions: &Square) -> Vec<Vec<f64>> {
    let mut projected = vec![Vec::with_capacity(table.len()); table.columns()];
    for first in (0..table.len()).step_by(BLOCK) {
        let block = first..(first + BLOCK).min(table.len());
        for (at, to) in projected.iter_mut().enumerate() {
            to.extend(block.clone().map(|row| dot(table.row(row), directions.row(at))));
        }
    }
    projected
}

/// The median of the rounded rows by the original columns, given by direction: Eᵀ·med(U·Eᵀ).
fn round_center(projected: &[Vec<f64>], directions: &Square) -> Vec<f64> {
    let (size, rows) = (projected.len(), projected[0].len());
    let turned = directions.transposed();
    let mut center = vec![0.0; size];
    let mut values = vec![0.0; rows];
    for column in 0..size {
        values.fill(0.0);
        for (projected, factor) in projected.iter().zip(turned.row(column)) {
            crate::linear::add_scaled(&mut values, *factor, projected);
        }
        crate::linear::add_scaled(&mut center, middle(&mut values), turned.row(column));
    }
    center
}

/// The correlation of columns; 0 where a column is constant.
fn correlation(table: &Table) -> Square {
    let scatter = covariance(table.rows(), &means(table.rows(), table.columns()));
    let deviations: Vec<f64> = scatter.diagonal().map(f64::sqrt).collect();
    Square::from_fn(table.columns(), |row, column| match deviations[row] * deviations[column] {
        _ if row == column => 1.0,
        product if product > 0.0 => scatter[(row, column)] / product,
        _ => 0.0,
    })
}

/// Ranks from 1; equal numbers have the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]).then(a.cmp(&b)));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&a, &b| values[a as usize] == values[b as usize]) {
        let rank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        tied.iter().for_each(|&row| ranks[row as usize] = rank);
        before += tied.len();
    }
    ranks
}

/// Φ⁻¹ of a share in (0, 1), to nine digits: the rational approximation of P. J. Acklam (2003).
fn normal_quantile(share: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |share: f64| {
        let t = (-2.0 * libm::log(share)).sqrt();
        polynomial(&C, t) / polynomial(&D, t)
    };
    match share {
        share if share < 0.024_25 => tail(share),
        share if share > 1.0 - 0.024_25 => -tail(1.0 - share),
        share => {
            let centred = share - 0.5;
            let square = centred * centred;
            centred * polynomial(&A, square) / polynomial(&B, square)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_are_the_inverse_of_the_error_function() {
        for share in [1e-9, 0.001, 0.02, 0.025, 0.3, 0.5, 0.7, 0.98, 0.999_999] {
            let found = normal_quantile(share);
            let back = libm::erfc(-found / std::f64::consts::SQRT_2) / 2.0;
            assert!((back / share - 1.0).abs() < 1e-7, "{share}: {found}, {back}");
        }
    }

    #[test]
    fn equal_numbers_share_their_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, -2.0]), [3.5, 2.0, 3.5, 1.0]);
    }

    #[test]
    fn every_start_leaves_far_rows_out() {
        let mut random = crate::random::Random::new(3, b"covariance-tests", 0);
        let mut values: Vec<f64> = (0..400).map(|_| random.unit() - 0.5).collect();
        values[..80].iter_mut().for_each(|value| *value += 50.0);
        let table = Table::from_vec(values, 2);
        for half in halves(&table, 100) {
            assert_eq!(half.len(), 100);
            assert!(half[0] >= 40, "{half:?}");
        }
    }
}
