//! Damaged model files, imports and trees: an error or something that can be scored, never a panic. The tests that are
//! ignored go on for a minute each: `make fuzz`.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::forest::{ImportedForest, TreeNode};
use detectors::{Detector, DetectorConfig, ImportOptions, IsolationForest, Model, ThresholdConfig};
use fuzz::Fuzz;
use fuzz::model_file::{opened, sealed};
use ndarray::ArrayView2;
use support::{bell, matrix, names};

/// Mutations in an ordinary run.
const FEW: u64 = 1_000;

/// Every detector with parameters that make small models.
const DETECTORS: [&str; 11] = [
    r#"{"isolationForest": {"trees": 3, "sampleSize": 16}}"#,
    r#"{"extendedIsolationForest": {"trees": 3, "sampleSize": 16}}"#,
    r#"{"principalComponents": {}}"#,
    r#"{"robustCovariance": {}}"#,
    r#"{"nearestNeighbors": {"neighbors": 5, "references": 16}}"#,
    r#"{"localOutlierFactor": {"neighbors": 5, "references": 16}}"#,
    r#"{"robustZScore": {}}"#,
    r#"{"hbos": {}}"#,
    r#"{"ecod": {}}"#,
    r#"{"copod": {}}"#,
    r#"{"ensemble": {"members": {"isolationForest": {"trees": 3, "sampleSize": 16}, "robustZScore": {}}}}"#,
];

fn models() -> Fuzz {
    let mut fuzz =
        Fuzz::new("model", &["conf", "feat", "frst", "gold", "refs", "cali", "isolationForest", "null"]);
    for detector in DETECTORS {
        let detector: DetectorConfig = serde_json::from_str(detector).unwrap();
        let rows = matrix(60, 3, bell);
        let model = Model::train(&names(3), &detector, &ThresholdConfig::default(), &rows).unwrap();
        fuzz = fuzz.seed(opened(&model.encode()));
    }
    fuzz
}

/// Whatever decodes is scored, explained, verified and encoded again.
fn model(input: &[u8]) -> String {
    let model = match Model::decode(&sealed(input)) {
        Ok(model) => model,
        Err(error) => return error.to_string(),
    };
    let width = model.features().len();
    for value in [0.0, -1.5, f64::from(f32::MAX), f64::MIN_POSITIVE] {
        let row = vec![value; width];
        let scored = model.score_row(&row).unwrap();
        assert!(!scored.anomaly_score.is_nan() && scored.severity.is_none_or(|severity| severity <= 10.0));
        model.explain(&row).unwrap();
    }
    let again = Model::decode(&model.encode()).unwrap();
    assert_eq!(again.encode(), model.encode());
    format!("{} {:?}", model.kernel(), model.verify_golden_rows().map_err(|error| error.what))
}

fn imports() -> Fuzz {
    Fuzz::new("import", &["null", "1e999", "-1", "4294967295", "\"route\"", "1e-320", "16385"])
}

fn import(input: &[u8]) -> String {
    let given: ImportedForest = match serde_json::from_slice(input) {
        Ok(given) => given,
        Err(error) => return error.to_string(),
    };
    let forest = match IsolationForest::import(&given) {
        Ok(forest) => forest,
        Err(error) => return error.to_string(),
    };
    scores_alike(&forest);
    format!("{:?}", given.cut(&forest).map(|_| ()))
}

fn documents() -> Fuzz {
    Fuzz::new("document", &["null", "1e999", "-1", "4294967295", "\"route\"", "1e-320", "[]", "{}", "\"\""])
}

/// What a Python program exported.
fn document(input: &[u8]) -> String {
    match Model::import(input, ImportOptions::default()) {
        Ok(imported) => {
            imported.verify_golden_rows().unwrap();
            model(&opened(&imported.encode()))
        }
        Err(error) => error.to_string(),
    }
}

/// All kernels, to the bit, on ordinary and extreme rows.
fn scores_alike(forest: &IsolationForest) {
    let width = forest.columns();
    let mut values: Vec<f64> = (0..5 * width).map(|at| bell(at / width, at % width)).collect();
    values[..width].fill(f64::from(f32::MIN));
    values[width..2 * width].fill(-0.0);
    let mut each = forest.measure_every_way(ArrayView2::from_shape((5, width), &values).unwrap()).into_iter();
    let (_, first) = each.next().unwrap();
    for (kernel, measures) in each {
        for (at, measure) in measures.iter().enumerate() {
            assert_eq!(measure.to_bits(), first[at % 5].to_bits(), "{kernel}");
        }
    }
}

/// Trees as bytes: a column count, then 12 bytes a node; a node of kind 255 begins the next tree.
fn forest(input: &[u8]) -> String {
    let (&columns, nodes) = input.split_first().unwrap_or((&1, &[]));
    let mut trees = vec![Vec::new()];
    for &[kind, column, a, b, c, d, left0, left1, right0, right1, ..] in nodes.as_chunks::<12>().0 {
        let number = u32::from_le_bytes([a, b, c, d]);
        let node = match kind {
            0 => TreeNode::Leaf { samples: number },
            255 => {
                trees.push(Vec::new());
                continue;
            }
            _ => TreeNode::Split {
                column: column.into(),
                threshold: f32::from_bits(number),
                left: u16::from_le_bytes([left0, left1]).into(),
                right: u16::from_le_bytes([right0, right1]).into(),
                missing_left: kind == 2,
            },
        };
        trees.last_mut().unwrap().push(node);
    }
    match IsolationForest::from_trees(vec![0.5; columns.into()], 256, trees) {
        Ok(forest) => {
            scores_alike(&forest);
            let trees = forest.to_trees();
            let again = IsolationForest::from_trees(vec![0.5; columns.into()], 256, trees.clone()).unwrap();
            assert_eq!(again.to_trees(), trees);
            format!(
                "{} trees, {} nodes",
                trees.len().min(9),
                trees.iter().map(Vec::len).sum::<usize>().ilog2()
            )
        }
        Err(error) => error.to_string(),
    }
}

/// Trees of every depth to 12.
fn forests() -> Fuzz {
    let mut fuzz = Fuzz::new("forest", &[]);
    // (with 6, the deepest has eight levels, which fit into bytes)
    for depth in [0, 1, 4, 6, 8, 12] {
        let mut bytes = vec![3];
        for tree in 0..3 {
            chain(depth + tree, &mut bytes);
            bytes.extend([255; 12]);
        }
        chain(2, &mut bytes);
        fuzz = fuzz.seed(bytes);
    }
    fuzz
}

/// A tree that goes on at the right only.
fn chain(depth: u16, bytes: &mut Vec<u8>) {
    let leaf = [0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for level in 0..depth {
        let ([l0, l1], [r0, r1]) = ((2 * level + 1).to_le_bytes(), (2 * level + 2).to_le_bytes());
        let [a, b, c, d] = (f32::from(level) / 3.0).to_bits().to_le_bytes();
        bytes.extend([1, level as u8 % 3, a, b, c, d, l0, l1, r0, r1, 0, 0]);
        bytes.extend(leaf);
    }
    bytes.extend(leaf);
}

#[test]
fn damaged_model_files_are_errors_or_models() {
    models().briefly(FEW, model);
}

#[test]
fn damaged_imports_are_errors_or_forests() {
    imports().briefly(FEW, import);
}

#[test]
fn damaged_documents_are_errors_or_models() {
    documents().briefly(FEW, document);
}

#[test]
fn damaged_trees_are_errors_or_forests_that_every_kernel_scores_alike() {
    forests().briefly(FEW, forest);
}

#[test]
#[ignore = "make fuzz"]
fn fuzz_model() {
    models().run(model);
}

#[test]
#[ignore = "make fuzz"]
fn fuzz_import() {
    imports().run(import);
}

#[test]
#[ignore = "make fuzz"]
fn fuzz_document() {
    documents().run(document);
}

#[test]
#[ignore = "make fuzz"]
fn fuzz_forest() {
    forests().run(forest);
}
