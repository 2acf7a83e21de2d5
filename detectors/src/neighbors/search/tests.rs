use proptest::prelude::*;

use super::*;
use crate::forest::widths;
use crate::scaling::Scale;

fn references(values: &[f32], columns: usize) -> References {
    References::from_parts(vec![Scale { center: 0.0, width: 1.0 }; columns], values).unwrap()
}

/// All references, sorted by squares in 64 bits: with their bits, the first of equal ones first.
fn sorted(values: &[f32], row: &[f32], wanted: usize, itself: Option<u32>) -> Vec<(u64, u32)> {
    let square = |reference: &[f32]| {
        let difference = |(value, other): (&f32, &f32)| f64::from(*value) - f64::from(*other);
        row.iter().zip(reference).map(difference).fold(0.0, |sum, difference| sum + difference * difference)
    };
    let mut all: Vec<(u64, u32)> =
        values.chunks_exact(row.len()).map(|reference| square(reference).to_bits()).zip(0..).collect();
    all.retain(|(_, reference)| Some(*reference) != itself);
    all.sort_unstable();
    all.truncate(wanted);
    all
}

fn found(nearest: &Nearest) -> Vec<(u64, u32)> {
    nearest.squares().iter().map(|square| square.to_bits()).zip(nearest.references()).collect()
}

/// By every width of registers, the nearest are those that sorting finds.
#[track_caller]
fn holds(values: &[f32], row: &[f32], wanted: usize, itself: Option<u32>) {
    let references = references(values, row.len());
    let expected = sorted(values, row, wanted, itself);
    assert_eq!(found(&nearest(&references, row, wanted, itself)), expected);
    let blocks = references.halves.blocks.len();
    let half = half_square(row);
    let other = &values[..row.len()];
    let rows: Vec<[f32; ROWS]> =
        row.iter().zip(other).map(|(&value, &other)| [value, other, value, value]).collect();
    let halves = [half, half_square(other), half, half];
    for at in 0..widths::<Search<'_>>().len() {
        let found_by = |near: &mut [[f32; LANES]], half| {
            let candidates = &mut vec![0; blocks * LANES + 1];
            widths()[at](Search { references: &references, row, half, wanted, itself, near, candidates })
        };
        let mut near = vec![[0.0; LANES]; ROWS * blocks];
        assert_eq!(found(&found_by(&mut near[..blocks], None)), expected);
        // Beside others, too, and in every place.
        widths()[at](Halves { references: &references, rows: &rows, halves, near: &mut near });
        for (place, near) in near.chunks_exact_mut(blocks).enumerate().filter(|(place, _)| *place != 1) {
            assert_eq!(found(&found_by(near, Some(half))), expected, "place {place}");
        }
    }
    let mut tile = Tile::new(&references);
    tile.nearest(
        &references,
        &[row, row].concat(),
        wanted,
        |_| itself,
        |_, nearest| assert_eq!(found(nearest), expected),
    );
    // However close the bound is, the limit leaves room for them.
    let leaves_room = |near: &[[f32; LANES]], limit: &dyn Fn(f32) -> f32| {
        let near = &near.as_flattened()[..references.count];
        let mut others: Vec<f32> = near.to_vec();
        itself.iter().for_each(|&itself| _ = others.remove(itself as usize));
        others.sort_unstable_by(f32::total_cmp);
        if let Some(last) = expected.len().checked_sub(1) {
            let limit = limit(others[last]);
            assert!(expected.iter().all(|(_, reference)| near[*reference as usize] <= limit));
        }
    };
    let mut near = vec![[0.0; LANES]; ROWS * blocks];
    compare(row, &references.blocks, &mut near[..blocks]);
    leaves_room(&near, &|bound| limit_of_squares(bound, row.len()));
    if references.halves.bounded && half <= LARGEST_HALF {
        Halves { references: &references, rows: &rows, halves, near: &mut near }.run();
        leaves_room(&near, &|bound| limit_of_halves(bound, half, row.len()));
        // They are no farther than the references are, and hardly nearer.
        for (near, reference) in near.as_flattened().iter().zip(values.chunks_exact(row.len())) {
            let difference = |(value, other): (&f32, &f32)| f64::from(*value) - f64::from(*other);
            let squares = row.iter().zip(reference).map(difference).map(|difference| difference * difference);
            let exact = squares.sum::<f64>() / 2.0 * (1.0 + 1e-12) + 1e-38;
            let lowest =
                exact - 2.0 * share(row.len()) * (half + half_square(reference)) * (1.0 + 1e-6) - 2e-38;
            assert!((lowest..=exact).contains(&f64::from(*near)), "{near} not in {lowest}..={exact}");
        }
    }
}

/// Equal numbers and equal sums of different ones are frequent.
fn values() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0_f32), Just(0.1), Just(0.3), Just(-0.7), -1.0..1.0_f32,]
}

/// Squares of many overflow or underflow.
fn extremes() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(f32::MAX),
        Just(f32::MIN),
        Just(1e19_f32),
        Just(-1.3e19),
        Just(1e-23),
        Just(f32::from_bits(1)),
        proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO,
    ]
}

fn tables(value: impl Strategy<Value = f32> + Clone) -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    (1..12_usize, 1..700_usize).prop_flat_map(move |(columns, rows)| {
        let values = prop::collection::vec(value.clone(), columns * rows);
        (values, prop::collection::vec(value.clone(), columns))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_nearest_are_those_of_all_that_sorting_finds(
        (values, row) in tables(values().boxed()), wanted in 1..=MAX_NEIGHBORS, itself in any::<prop::sample::Index>(),
    ) {
        holds(&values, &row, wanted, None);
        holds(&values, &row, wanted, Some(itself.index(values.len() / row.len()) as u32));
    }

    #[test]
    fn sums_that_32_bits_do_not_hold_lose_no_neighbour(
        (values, row) in tables(extremes().boxed()), wanted in 1..=MAX_NEIGHBORS,
    ) {
        holds(&values, &row, wanted, None);
        holds(&values, &row, wanted, Some(0));
    }
}

/// 1,024 rows that differ from a row by the same numbers in another order each: which of them are nearest is a matter of
/// rounding, and 32 bits do not tell.
#[test]
fn distances_that_differ_by_rounding_only_are_told_apart() {
    let row: Vec<f32> = (0..50).map(|column| (column as f32 * 0.37).sin()).collect();
    let values: Vec<f32> = (0..1_024)
        .flat_map(|reference| (0..50).map(move |column| ((column * 7 + reference * 13) % 50) as f32 * 0.11))
        .zip(row.iter().cycle())
        .map(|(difference, value)| value + difference)
        .collect();
    for wanted in [1, 20, 100] {
        holds(&values, &row, wanted, Some(17));
    }
}

#[test]
fn of_many_references_few_are_compared_in_64_bits() {
    let values: Vec<f32> = (0..16_384_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
    let row = [values[12_344], values[12_345] + 1.0];
    holds(&values, &row, 20, None);
    let references = references(&values, 2);
    with_blocks(references.blocks.len() / 2, |near, candidates| {
        compare(&row, &references.blocks, near);
        let least = least(near);
        let limit = limit_of_squares(bound(&least, 20), 2);
        assert!((20..40).contains(&gather(near.as_flattened(), &least, limit, candidates)));
    });
}

#[test]
fn of_scaled_references_few_are_compared_in_64_bits() {
    for columns in [2, 10, 100] {
        let value = |at: u32| (at.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 22) as f32 - 2.0;
        let values: Vec<f32> = (0..1_024 * columns as u32).map(value).collect();
        let references = references(&values, columns);
        let row: Vec<f32> = (0..columns as u32).map(|column| value(column * 77 + 5)).collect();
        let (rows, half): (Vec<[f32; ROWS]>, _) =
            (row.iter().map(|&value| [value; ROWS]).collect(), half_square(&row));
        let blocks = references.halves.blocks.len();
        let mut near = vec![[0.0; LANES]; ROWS * blocks];
        Halves { references: &references, rows: &rows, halves: [half; ROWS], near: &mut near }.run();
        let near = &near[..blocks];
        let least = least(near);
        let limit = limit_of_halves(bound(&least, 20), half, columns);
        let count = gather(near.as_flattened(), &least, limit, &mut vec![0; blocks * LANES + 1]);
        assert!((20..40).contains(&count), "{columns} columns: {count}");
    }
}

#[test]
fn rows_near_each_other_and_far_from_the_medians_are_told_apart() {
    // Products of 32 bits do not tell them apart; differences do.
    let values: Vec<f32> = (0..2_048).map(|at| 1e6 + (at % 1_013) as f32).collect();
    holds(&values, &[1e6 + 7.0, 1e6 + 500.0], 20, Some(3));
    holds(&values, &[1e6 + 7.0, 1e6 + 500.0], 100, None);
    holds(&values, &[0.0, 1.0], 20, None);
}

#[test]
fn equal_references_are_taken_in_their_order_however_many_they_are() {
    for (rows, wanted) in [(1_024, 20), (16_384, 100), (30, 29), (1, 1)] {
        holds(&vec![0.5; 2 * rows], &[0.5, 0.5], wanted, Some(0));
        holds(&vec![0.5; 2 * rows], &[0.5, 0.75], wanted, None);
    }
}

#[test]
fn rows_beyond_every_reference_are_compared_in_64_bits() {
    // (1e20 and more are too large for halves)
    let values: Vec<f32> = (0..1_500).map(|at| at as f32).collect();
    for far in [1e10, 1e18, 1e20, f32::MAX] {
        holds(&values, &[far, 0.0, -far], 20, None);
    }
}
