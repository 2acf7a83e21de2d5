use proptest::prelude::*;

use super::*;

fn reference(columns: usize, value: impl Fn(usize, usize) -> f64, rows: usize) -> Reference {
    let values = (0..rows * columns).map(|at| value(at / columns, at % columns)).collect();
    let rows = CheckedMatrix::from_vec(values, columns).unwrap();
    Reference::new(&rows, &[-0.6, -0.5, -0.5, -0.4], 16)
}

fn column(values: &[f64]) -> ColumnReference {
    reference(1, |row, _| values[row], values.len()).columns.remove(0)
}

#[test]
fn ten_bins_hold_a_tenth_of_a_continuous_column_each() {
    let bins = column(&(0..1_000).map(f64::from).collect::<Vec<_>>()).bins;
    assert_eq!(bins.counts(), [100; 10]);
    assert_eq!(bins.edges()[0], 99.0);
    assert_eq!((bins.bin(-5.0), bins.bin(99.0), bins.bin(99.5), bins.bin(1e9)), (0, 0, 1, 9));
}

#[test]
fn equal_quantiles_are_one_edge() {
    let zeros_and_ones: Vec<f64> = (0..1_000).map(|row| f64::from(u8::from(row % 4 == 0))).collect();
    let bins = column(&zeros_and_ones).bins;
    // Below 0, 0, 1 and, since 1 is the largest, above it.
    assert_eq!(bins.edges(), [f64::from(0.0_f32.next_down()), 0.0, 1.0]);
    assert_eq!(bins.counts(), [0, 750, 250, 0]);
}

#[test]
fn a_constant_column_has_a_bin_for_its_value_and_one_on_either_side() {
    let bins = column(&[5.0; 50]).bins;
    assert_eq!(bins.counts(), [0, 50, 0]);
    assert_eq!((bins.bin(4.9), bins.bin(5.0), bins.bin(5.1)), (0, 1, 2));
    assert_eq!(column(&[1.0]).bins.counts(), [0, 1, 0]);
}

#[test]
fn the_range_of_a_column_is_that_of_all_rows_and_its_median_is_in_the_middle() {
    let column = column(&(0..2_000).map(|row| f64::from((row * 7) % 2_000)).collect::<Vec<_>>());
    assert_eq!(
        (column.min, column.low, column.median, column.high, column.max),
        (0.0, 19.0, 999.0, 1979.0, 1999.0)
    );
}

#[test]
fn quantiles_are_those_of_a_sorted_column() {
    for count in [1, 2, 3, 10, 11, 99, 100, 101, 1_000] {
        let mut sorted: Vec<f64> = (0..count).map(|at| f64::from(at * 7_919 % 503) - 250.0).collect();
        let found = column(&sorted);
        sorted.sort_unstable_by(f64::total_cmp);
        let expected = [1, 50, 99].map(|percent| quantile(&sorted, percent, 100));
        assert_eq!([found.low, found.median, found.high], expected, "{count}");
        let edges = Bins::between_deciles(&sorted, sorted[0]).edges;
        assert_eq!(found.bins.edges, edges, "{count}");
    }
}

#[test]
fn every_row_of_every_column_is_counted_in_its_bin() {
    let value = |row: usize, column: usize| match (row * 7_919 + column * 31) % 101 {
        0 if column == 2 => f64::NAN,
        step => (step / (column + 1)) as f64,
    };
    for rows in [1, 15, 16, 17, 100, 1_003] {
        let values = (0..rows * 3).map(|at| value(at / 3, at % 3)).collect();
        let table = CheckedMatrix::with_missing(values, 3).unwrap();
        let found = Reference::new(&table, &[-0.5], 16);
        for (column, ColumnReference { bins, .. }) in found.columns.iter().enumerate() {
            let mut expected = vec![0; bins.counts.len()];
            let numbers = (0..rows).map(|row| value(row, column)).filter(|value| !value.is_nan());
            numbers.for_each(|value| expected[bins.bin(value)] += 1);
            let there = expected.iter().sum::<u32>() as usize;
            assert_eq!(
                (bins.counts(), bins.missing() as usize),
                (&expected[..], rows - there),
                "{rows} {column}"
            );
        }
    }
}

#[test]
fn a_large_table_is_counted_as_a_whole_though_few_of_its_rows_are_sorted() {
    let rows = MOST_SORTED + 40_000;
    let column =
        reference(2, |row, column| if column == 0 { row as f64 } else { 1.0 }, rows).columns.remove(0);
    assert_eq!(column.bins.rows(), rows as u64);
    assert_eq!((column.min, column.max), (0.0, rows as f64 - 1.0));
    let tenth = rows as f64 / 10.0;
    for &count in column.bins.counts() {
        assert!((f64::from(count) / tenth - 1.0).abs() < 0.05, "{count} of {tenth}");
    }
}

#[test]
fn a_column_with_one_value_in_a_large_table_is_described_by_it() {
    let rows = 3 * MOST_SORTED;
    // In one of several places the value is none of the rows that are sorted.
    for place in [7, 70_000, 140_000, 190_000] {
        let values = (0..rows).map(|row| if row == place { 5.0 } else { f64::NAN }).collect();
        let table = CheckedMatrix::with_missing(values, 1).unwrap();
        let reference = Reference::new(&table, &[-0.6, -0.4], 16);
        assert_eq!(reference.check(1, rows as u64), Ok(()), "{place}");
        assert_eq!(reference.columns[0].median, 5.0);
    }
}

#[test]
fn columns_beyond_the_first_1024_have_no_bins() {
    let reference = reference(1_030, |row, column| (row * column) as f64, 20);
    assert_eq!(reference.columns().len(), MAX_COLUMNS);
    assert_eq!(reference.check(1_030, 20), Ok(()));
    assert!(reference.check(1_000, 20).is_err() && reference.check(1_030, 21).is_err());
}

#[test]
fn quantiles_of_the_score_are_ascending_and_each_once() {
    let reference = reference(1, |row, _| row as f64, 10);
    assert_eq!(reference.score_quantiles(), [-0.6, -0.5, -0.4]);
    assert_eq!(reference.score().counts().iter().sum::<u32>(), 4);
}

#[test]
fn expected_shares_are_never_zero_and_sum_to_one() {
    let bins = column(&[5.0; 50]).bins;
    assert_eq!(bins.expected_shares(false), [0.5 / 51.5, 50.5 / 51.5, 0.5 / 51.5]);
    assert_eq!(bins.expected_shares(true).len(), 4);
    assert!((bins.expected_shares(true).iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

proptest! {
    #[test]
    fn whatever_the_values_every_row_has_a_bin_and_the_parts_fit(
        values in prop::collection::vec(prop_oneof![
            prop::num::f64::NORMAL.prop_map(|value| value % 1e30),
            (-3_i8..3).prop_map(f64::from),
            Just(-0.0), Just(f64::from(f32::MAX)), Just(-f64::from(f32::MAX)),
        ], 1..200),
    ) {
        let rows = values.len();
        let found = reference(1, |row, _| values[row], rows);
        prop_assert_eq!(found.check(1, rows as u64), Ok(()));
        let bins = &found.columns[0].bins;
        prop_assert!(bins.counts().len() <= MAX_BINS);
        prop_assert!(Bins::from_parts(bins.edges.clone(), bins.counts.clone(), 0).is_ok());
    }
}
