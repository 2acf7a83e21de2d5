use super::*;
use crate::config::ExtendedIsolationForestConfig;
use crate::random::Random;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|column| format!("c{column}")).collect()
}

/// Rows of independent bell-shaped columns, each in its own unit.
fn rows(count: usize, columns: usize) -> CheckedMatrix {
    let mut random = Random::new(1, b"test-rows-of-eif", 0);
    let value = |at: usize| f64::from(random.bell()) * [1.0, 1e6, 1e-6][at % columns % 3];
    CheckedMatrix::from_vec((0..count * columns).map(value).collect(), columns).unwrap()
}

fn fit(
    config: ExtendedIsolationForestConfig,
    rows: &CheckedMatrix,
) -> (ExtendedIsolationForest, Vec<Warning>) {
    ExtendedIsolationForest::fit(&config.check().unwrap(), &names(rows.columns()), rows).unwrap()
}

#[test]
fn the_score_of_a_row_never_changes() {
    let (forest, warnings) =
        fit(ExtendedIsolationForestConfig { seed: 16, ..Default::default() }, &rows(1_000, 3));
    let scores = [[0.0, 0.0, 0.0], [4.0, 4e6, -4e-6], [20.0, -2e7, 1e-5], [1e9, 0.0, 0.0]]
        .map(|row| forest.score(forest.measure_row(&row)));
    assert_eq!(scores, [-0.3872502855472352, -0.45772908038827426, -0.6790150323988999, -0.7001570484715859]);
    assert_eq!(warnings, []);
}

#[test]
fn one_row_and_many_give_the_same_bits() {
    for (columns, extension_level) in
        [(1, None), (2, None), (3, Some(1)), (10, None), (10, Some(0)), (10, Some(6))]
    {
        let table = rows(300, columns);
        let (forest, _) =
            fit(ExtendedIsolationForestConfig { trees: 20, extension_level, ..Default::default() }, &table);
        let mut many = vec![0.0; 300];
        forest.measure(table.view(), &mut many);
        let one: Vec<f64> = (0..300).map(|row| forest.measure_row(table.row(row))).collect();
        assert_eq!(one, many);
        let mut strided = vec![0.0; 150];
        forest.measure(table.view().slice(ndarray::s![..;2, ..]), &mut strided);
        assert_eq!(strided, many.iter().copied().step_by(2).collect::<Vec<_>>());
    }
}

#[test]
fn parts_make_the_same_forest_again() {
    for extension_level in [None, Some(1)] {
        let table = rows(400, 5);
        let (forest, _) =
            fit(ExtendedIsolationForestConfig { trees: 7, extension_level, ..Default::default() }, &table);
        let again = ExtendedIsolationForest::from_parts(forest.to_parts()).unwrap();
        assert_eq!(again.to_parts(), forest.to_parts());
        (0..400).for_each(|row| {
            assert_eq!(again.measure_row(table.row(row)), forest.measure_row(table.row(row)))
        });
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let (forest, _) = fit(ExtendedIsolationForestConfig { trees: 3, ..Default::default() }, &rows(50, 2));
    let spoil = |change: fn(&mut Parts)| {
        let mut parts = forest.to_parts();
        change(&mut parts);
        ExtendedIsolationForest::from_parts(parts).map(drop).unwrap_err()
    };
    spoil(|parts| parts.trees = 0);
    spoil(|parts| parts.trees = 4);
    spoil(|parts| parts.width = 0);
    spoil(|parts| parts.scales.clear());
    spoil(|parts| parts.scales[0].center = f64::NAN);
    spoil(|parts| parts.scales[1].width = -1.0);
    spoil(|parts| parts.nodes.truncate(parts.nodes.len() - 1));
    spoil(|parts| parts.nodes.push(Node::Leaf { samples: 1 }));
    spoil(|parts| parts.nodes[0] = Node::Split { draw: 0, threshold: f32::NAN });
    spoil(|parts| parts.nodes[0] = Node::Split { draw: MAX_DRAWS, threshold: 0.0 });
    spoil(|parts| parts.nodes.iter_mut().for_each(|node| *node = Node::Split { draw: 0, threshold: 0.0 }));
    spoil(|parts| {
        let leaf = Node::Leaf { samples: u32::MAX };
        parts.nodes = vec![leaf, leaf, Node::Split { draw: 0, threshold: 0.0 }, leaf, leaf];
    });
}

#[test]
fn contributions_lead_from_the_baseline_to_the_value() {
    let table = rows(500, 6);
    for extension_level in [None, Some(2)] {
        let (forest, _) =
            fit(ExtendedIsolationForestConfig { extension_level, ..Default::default() }, &table);
        for row in 0..50 {
            let mut contributions = vec![0.0; 6];
            let level = forest.explain_row(table.row(row), &mut contributions);
            assert!((contributions.iter().sum::<f64>() - (level.baseline - level.value)).abs() < 1e-9);
            assert!((level.value - forest.measure_row(table.row(row)) / 100.0).abs() < 1e-9);
        }
    }
}

#[test]
fn the_column_that_was_moved_contributes_most() {
    let table = rows(1_000, 10);
    let (forest, _) = fit(ExtendedIsolationForestConfig::default(), &table);
    let (mut first, mut third) = (0, 0);
    for row in 0..100 {
        let mut moved = table.row(row).to_vec();
        let culprit = row % 10;
        moved[culprit] += 6.0 * 4.0 * [1.0, 1e6, 1e-6][culprit % 3];
        let mut contributions = vec![0.0; 10];
        forest.explain_row(&moved, &mut contributions);
        let larger = contributions.iter().filter(|&&other| other > contributions[culprit]).count();
        first += usize::from(larger == 0);
        third += usize::from(larger < 3);
    }
    assert!(first >= 85 && third >= 97, "{first} {third}");
}

#[test]
fn an_edge_lies_on_a_hyperplane() {
    let table = rows(500, 4);
    let (forest, _) = fit(ExtendedIsolationForestConfig::default(), &table);
    for which in 0..16 {
        let moved = forest.edge(table.row(which), which).unwrap();
        let mut met = Vec::new();
        let row = forest.standardised(table.row(which), <[f64]>::to_vec);
        forest.trees.walk(which, &row, |plane, threshold, _| met.push((plane, threshold)));
        let moved = forest.standardised(&moved, <[f64]>::to_vec);
        let distance = |&(plane, threshold): &(usize, f64)| {
            (forest.trees.planes.project(plane, &moved) - threshold).abs()
        };
        let nearest = met.iter().map(distance).fold(f64::INFINITY, f64::min);
        assert!(nearest < 1e-4, "{nearest}");
    }
}

#[test]
fn a_diagonal_band_is_no_home_for_rows_beside_it() {
    // Rows along the diagonal: what lies beside it is ordinary in each column. Splits of single columns miss it more often.
    let mut random = Random::new(5, b"test-rows-of-eif", 0);
    let values = (0..1_000).flat_map(|_| {
        let along = f64::from(random.bell());
        [along + 0.1 * f64::from(random.bell()), along + 0.1 * f64::from(random.bell())]
    });
    let table = CheckedMatrix::from_vec(values.collect(), 2).unwrap();
    let beside = |extension_level| {
        let (forest, _) =
            fit(ExtendedIsolationForestConfig { extension_level, ..Default::default() }, &table);
        forest.score(forest.measure_row(&[5.0, -5.0]))
    };
    assert!(beside(None) < beside(Some(0)), "{} {}", beside(None), beside(Some(0)));
}

#[test]
fn a_forest_that_cannot_split_says_so() {
    let table = CheckedMatrix::from_vec(vec![7.0; 100], 2).unwrap();
    let (forest, warnings) = fit(ExtendedIsolationForestConfig::default(), &table);
    assert_eq!(warnings[0].reason, "NoSplits");
    assert!((forest.score(forest.measure_row(&[7.0, 1e30])) + 0.5).abs() < 1e-12);
}

#[test]
fn more_numbers_than_a_server_should_hold_are_refused_with_the_remedy() {
    let table = rows(300, 1_000);
    let parameters = ExtendedIsolationForestConfig::default().check().unwrap();
    let error = ExtendedIsolationForest::fit(&parameters, &names(1_000), &table).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("detector.extendedIsolationForest.extensionLevel to at most 327, or lower trees"),
        "{message}"
    );
    let config =
        ExtendedIsolationForestConfig { trees: 10, extension_level: Some(327), ..Default::default() };
    assert!(ExtendedIsolationForest::fit(&config.check().unwrap(), &names(1_000), &table).is_ok());
}
