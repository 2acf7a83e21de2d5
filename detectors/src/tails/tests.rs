use super::*;

fn tails(values: &[f64]) -> Tails {
    let rows = CheckedMatrix::from_vec(values.to_vec(), 1).unwrap();
    Tails::fit(&rows, &["x".to_owned()]).unwrap().0
}

fn surprise(tails: &Tails, value: f64) -> Surprise {
    tails.surprises(&[value]).next().unwrap()
}

fn ln(share: f64) -> f64 {
    -libm::log(share)
}

#[test]
fn tails_of_training_values_are_their_ranks() {
    let tails = tails(&[4.0, 1.0, 2.0, 2.0]);
    let expected = [(1.0, 1.0, 4.0), (2.0, 3.0, 3.0), (4.0, 4.0, 1.0)];
    for (value, not_above, not_below) in expected {
        let found = surprise(&tails, value);
        assert_eq!((found.left, found.right), (ln(not_above / 5.0), ln(not_below / 5.0)), "{value}");
        // 1 2 2 4 has its long tail on the right.
        assert_eq!(found.skewed, found.right);
    }
}

#[test]
fn between_values_that_are_all_kept_the_ranks_are_exact() {
    let tails = tails(&[1.0, 2.0, 2.0, 4.0]);
    for value in [2.0_f64.next_up(), 3.0, 4.0_f64.next_down()] {
        let found = surprise(&tails, value);
        assert_eq!((found.left, found.right), (ln(3.0 / 5.0), ln(1.0 / 5.0)), "{value}");
    }
}

#[test]
fn beyond_the_range_tails_go_on_falling_and_never_reach_0() {
    let tails = tails(&(0..100).map(f64::from).collect::<Vec<_>>());
    // Above the 95 % quantile 94 lie 95 … 99: mean excess 3.
    let found = surprise(&tails, 105.0);
    assert_eq!((found.left, found.right), (ln(100.0 / 101.0), ln(1.0 / 101.0) + 2.0));
    assert_eq!(surprise(&tails, -6.0).left, ln(1.0 / 101.0) + 2.0);
    let mut before = surprise(&tails, 99.0).right;
    for value in [99.5, 100.0, 1e3, 1e10, f64::from(f32::MAX)] {
        let right = surprise(&tails, value).right;
        assert!(right > before && right.is_finite(), "{value}: {right} after {before}");
        before = right;
    }
}

#[test]
fn the_sign_of_the_skewness_is_that_of_training() {
    let right: Vec<f64> = (0..50).map(|row| f64::from(row * row)).collect();
    let left: Vec<f64> = right.iter().map(|value| -value).collect();
    assert_eq!(surprise(&tails(&right), 5.0).skewed, surprise(&tails(&right), 5.0).right);
    assert_eq!(surprise(&tails(&left), -5.0).skewed, surprise(&tails(&left), -5.0).left);
}

#[test]
fn of_many_values_the_outermost_are_kept_and_tails_are_near_to_the_ranks() {
    let count = 200_000_u32;
    // Dense in the middle, as most data is.
    let value = |row: u32| libm::pow(f64::from(row) / f64::from(count) * 2.0 - 1.0, 3.0);
    let tails = tails(&(0..count).map(value).collect::<Vec<_>>());
    let kept = tails.columns[0].as_ref().unwrap().values.len();
    assert!((700..=1_024).contains(&kept), "{kept}");
    for row in [0, 1, 2, 3, 10, 55, 1_234, 100_001, 150_000, 199_990, 199_999] {
        let found = surprise(&tails, value(row));
        let all = f64::from(count) + 1.0;
        let exact = (ln(f64::from(row + 1) / all), ln(f64::from(count - row) / all));
        assert!(
            (found.left - exact.0).abs() < 0.03 && (found.right - exact.1).abs() < 0.03,
            "{row}: {found:?}, {exact:?}"
        );
    }
}

#[test]
fn tails_never_rise_outwards() {
    let tails = tails(&(0..5_000).map(|row| libm::sin(f64::from(row) * 7.7) * 10.0).collect::<Vec<_>>());
    let mut before = surprise(&tails, -20.0);
    for step in 1..4_000 {
        let found = surprise(&tails, -20.0 + f64::from(step) * 0.01);
        assert!(found.left <= before.left && found.right >= before.right, "step {step}");
        before = found;
    }
}

#[test]
fn a_column_of_one_value_says_nothing_and_is_named() {
    let rows = CheckedMatrix::from_vec(vec![1.0, 7.0, 2.0, 7.0], 2).unwrap();
    let (tails, warnings) = Tails::fit(&rows, &["a".to_owned(), "b".to_owned()]).unwrap();
    let found: Vec<Surprise> = tails.surprises(&[1.0, 1e9]).collect();
    assert_eq!(found[1], Surprise::default());
    assert!(warnings[0].message.contains("ignored: b"), "{warnings:?}");
}

#[test]
fn the_smallest_and_the_largest_numbers_have_tails_that_fall() {
    let max = f64::from(f32::MAX);
    for values in [
        vec![0.0, f64::from_bits(1)],
        vec![-max, max],
        [0.0; 9].into_iter().chain([1e-300]).collect(),
        [0.0; 40].into_iter().chain([max]).collect(),
    ] {
        let tails = tails(&values);
        let parts = tails.to_parts();
        assert_eq!(Tails::from_parts(parts.0, parts.1), Ok(tails.clone()), "{values:?}");
        for value in [-max, max, 0.0, 1e-310] {
            let found = surprise(&tails, value);
            assert!(
                found.left.is_finite() && found.right.is_finite() && found.left >= 0.0,
                "{values:?}: {found:?}"
            );
        }
    }
}

#[test]
fn parts_that_are_no_tails_are_refused() {
    let column = || StoredColumn {
        values: vec![1.0, 2.0],
        ranks: vec![Rank { below: 0, not_above: 2 }, Rank { below: 2, not_above: 3 }],
        decay: [1.0; 2],
        left_skewed: false,
    };
    let check = |edit: fn(&mut StoredColumn)| {
        let mut column = column();
        edit(&mut column);
        Tails::from_parts(3, vec![Some(column)])
    };
    assert!(check(|_| ()).is_ok());
    assert!(check(|column| column.values.reverse()).is_err());
    assert!(check(|column| column.values[1] = f64::NAN).is_err());
    assert!(check(|column| column.values.push(3.0)).is_err());
    assert!(check(|column| column.ranks[0].below = 1).is_err());
    assert!(check(|column| column.ranks[1].not_above = 4).is_err());
    assert!(check(|column| column.ranks[1].below = 1).is_err());
    assert!(check(|column| column.decay[0] = 0.0).is_err());
    assert!(check(|column| column.decay[1] = f64::NAN).is_err());
    assert!(Tails::from_parts(0, vec![Some(column())]).is_err());
    assert!(Tails::from_parts(3, vec![]).is_err());
}
