use super::*;
use crate::config::NearestNeighborsConfig;

fn parameters(references: Option<u32>, seed: u64) -> NeighborsParameters {
    NearestNeighborsConfig { references, seed, ..Default::default() }.check().unwrap()
}

fn table(rows: usize, columns: usize) -> CheckedMatrix {
    let mut random = Random::new(1, b"neighbors--tests", 0);
    CheckedMatrix::from_vec((0..rows * columns).map(|_| random.unit()).collect(), columns).unwrap()
}

fn drawn(rows: usize, columns: usize) -> usize {
    References::draw(&parameters(None, 0), &table(rows, columns), MAX_BYTES).count()
}

#[test]
fn references_are_as_many_as_there_are_rows_and_as_fit() {
    assert_eq!([drawn(3, 2), drawn(5_000, 2), drawn(700, 300), drawn(40, 5_000)], [3, 1_024, 500, 30]);
    let few = References::draw(&parameters(Some(7), 0), &table(100, 2), MAX_BYTES);
    assert_eq!(few.count(), 7);
}

#[test]
fn the_seed_chooses_the_references() {
    let rows = table(3_000, 2);
    let places = |seed| References::draw(&parameters(None, seed), &rows, MAX_BYTES).places;
    assert_eq!(places(1), places(1));
    assert_ne!(places(1), places(2));
    assert!(places(1).windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn the_nearest_are_those_that_sorting_finds() {
    for (rows, columns) in [(1, 1), (15, 2), (16, 3), (17, 3), (500, 7)] {
        let references = References::draw(&parameters(None, 3), &table(rows, columns), MAX_BYTES);
        let row = vec![0.3_f32; columns];
        let mut all: Vec<(f64, u32)> = (0..rows)
            .map(|reference| {
                let difference = |at: usize| 0.3_f32 as f64 - f64::from(references.value(reference, at));
                ((0..columns).map(|at| difference(at) * difference(at)).sum(), reference as u32)
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let nearest = references.nearest(&row, 20.min(rows), None);
        let found: Vec<(f64, u32)> = nearest.squares().iter().copied().zip(nearest.references()).collect();
        assert_eq!(found, all[..20.min(rows)]);
        // Without the nearest, all others move up.
        let nearest = references.nearest(&row, 20.min(rows), Some(all[0].1));
        assert!(nearest.references().eq(all[1..].iter().take(20.min(rows)).map(|(_, reference)| *reference)));
    }
}

#[test]
fn equally_near_references_are_taken_in_their_order() {
    let rows = CheckedMatrix::from_vec((0..40).map(|row| f64::from(row % 2)).collect(), 1).unwrap();
    let references = References::draw(&parameters(None, 0), &rows, MAX_BYTES);
    let nearest = references.with_reference(0, |row| references.nearest(row, 5, Some(0)));
    assert_eq!(nearest.references().collect::<Vec<u32>>(), [2, 4, 6, 8, 10]);
    assert_eq!(nearest.squares(), [0.0; 5]);
}

#[test]
fn a_row_knows_whether_it_is_a_reference() {
    let rows = table(100, 2);
    let references = References::draw(&parameters(Some(10), 0), &rows, MAX_BYTES);
    let found: Vec<u32> = (0..100).filter_map(|place| references.at_place(place)).collect();
    assert_eq!(found, (0..10).collect::<Vec<u32>>());
}

#[test]
fn stored_references_are_checked() {
    let scales = || vec![Scale { center: 0.0, width: 1.0 }; 2];
    assert!(References::from_parts(scales(), &[1.0, 2.0]).is_ok());
    for values in [&[][..], &[1.0], &[1.0, f32::NAN], &[1.0, f32::INFINITY]] {
        assert!(References::from_parts(scales(), values).is_err(), "{values:?}");
    }
    for scale in [
        Scale { center: f64::NAN, width: 1.0 },
        Scale { center: 0.0, width: -1.0 },
        Scale { center: 0.0, width: f64::INFINITY },
    ] {
        assert!(References::from_parts(vec![scale; 2], &[1.0, 2.0]).is_err(), "{scale:?}");
    }
}

#[test]
fn many_neighbours_are_found_too() {
    let references = References::draw(&parameters(None, 3), &table(150, 2), MAX_BYTES);
    let nearest = references.nearest(&[0.5, 0.5], 100, Some(3));
    assert_eq!(nearest.squares().len(), 100);
    assert!(nearest.squares().is_sorted() && nearest.references().all(|reference| reference != 3));
    let beyond = (0..150).filter(|&at| at != 3 && !nearest.references().any(|found| found == at));
    let least = beyond
        .map(|at| {
            (0..2)
                .map(|column| 0.5 - f64::from(references.value(at as usize, column)))
                .map(|difference| difference * difference)
                .sum::<f64>()
        })
        .fold(f64::INFINITY, f64::min);
    assert!(least >= nearest.squares()[99]);
}
