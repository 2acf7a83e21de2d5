//! `anomaly score`: files in, files out, and what it says of rows and files that it cannot use.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use support::{Folder, run};

const QUICK_START: &str = "examples/quickstart.yaml";
const HOURS: &str = "examples/data/machine-temperature/hourly.csv";

#[test]
fn every_row_keeps_its_columns_and_gets_a_verdict() {
    let (code, out, said) = run(&["score", "-f", QUICK_START, HOURS]);
    assert_eq!(code, 0, "{said}");
    let mut lines = out.lines();
    assert_eq!(lines.next().unwrap(), "timestamp,mean,sd,is_inlier,anomaly_score,severity,error");
    let rows = std::fs::read_to_string(format!("../{HOURS}")).unwrap();
    let mut anomalies = 0;
    for (given, scored) in rows.lines().skip(1).zip(lines.by_ref()) {
        let rest = scored.strip_prefix(given).unwrap_or_else(|| panic!("{given} is not in {scored}"));
        anomalies += usize::from(rest.starts_with(",false,"));
    }
    assert_eq!(lines.count(), 0);
    let rows = rows.lines().count() - 1;
    assert!(said.starts_with(&format!("{rows} rows, {anomalies} anomalies (")), "{said}");
    assert!(anomalies > 46, "the failure of the machine is in the file: {anomalies}");
}

#[test]
fn parquet_and_csv_carry_the_same_numbers_to_the_last_bit() {
    let folder = Folder::new("parquet");
    let parquet = folder.file("scored.parquet");
    let (_, csv, _) = run(&["score", "-f", QUICK_START, HOURS]);
    assert_eq!(run(&["score", "-f", QUICK_START, HOURS, "-o", &parquet]).0, 0);
    // Its columns are in the Parquet file as they were; scored again from there, the added ones come out equal.
    let (code, again, said) = run(&["score", "-f", QUICK_START, &parquet, "--prefix", "again_"]);
    assert_eq!(code, 0, "{said}");
    for (once, twice) in csv.lines().zip(again.lines()).skip(1) {
        let (added, kept) = (twice.strip_prefix(once).unwrap(), once.rsplitn(5, ',').collect::<Vec<_>>());
        let added: Vec<&str> = added.trim_start_matches(',').rsplitn(4, ',').collect();
        assert_eq!(added[..4], kept[..4], "{twice}");
    }
    assert_eq!(csv.lines().count(), again.lines().count());
}

#[test]
fn a_revision_scores_as_the_manifest_it_was_trained_from() {
    let folder = Folder::new("revision");
    let plan = cli::run::plan(std::path::Path::new("../examples/quickstart.yaml"), None).unwrap();
    let trained = trainer::train(&plan.input, &plan.data).unwrap();
    let description = serde_json::to_string(&trained.description).unwrap();
    let config_map = |description: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: r, namespace: demo, uid: x}}\nimmutable: true\n\
             binaryData:\n  model.afm: {}\ndata:\n  description.json: '{description}'\n",
            STANDARD.encode(&trained.model)
        )
    };
    let revision = folder.write("revision.yaml", &config_map(&description));
    let (code, out, said) = run(&["score", "--model", &revision, HOURS]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(out, run(&["score", "-f", QUICK_START, HOURS]).1);

    std::fs::write(folder.file("model.afm"), &trained.model).unwrap();
    let parent = folder.file(".");
    assert_eq!(run(&["score", "--model", &parent, HOURS]).1, out);

    let other = description.replace(&trained.description.model_digest, "sha256:00");
    let (code, _, said) = run(&["score", "--model", &folder.write("other.yaml", &config_map(&other)), HOURS]);
    assert_eq!(code, 1);
    assert!(said.contains("is not the one that its description.json describes"), "{said}");
}

#[test]
fn a_row_that_cannot_be_scored_has_a_reason_and_the_others_a_verdict() {
    let folder = Folder::new("bad-rows");
    let rows =
        folder.write("rows.csv", "sd,mean,note\n0.6,95,fine\n,3,\"a, b\"\n0.5\n1,1e39,\n0.6,95,last\n");
    let (code, out, said) = run(&["score", "-f", QUICK_START, &rows]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[1].starts_with("0.6,95,fine,true,-0."), "{out}");
    assert!(lines[2].starts_with(",3,\"a, b\",,,,\"column \"\"sd\"\": the cell is empty"), "{out}");
    assert_eq!(lines[3], "0.5,,,,,,\"line 4 has 1 cells, but the header has 3\"");
    assert!(lines[4].starts_with("1,1e39,,,,,\"column \"\"mean\"\": "), "{out}");
    assert_eq!(lines[5].rsplit_once("last").unwrap().1, lines[1].rsplit_once("fine").unwrap().1);
    assert!(
        said.contains("error: 3 of 5 rows could not be scored; the column error says why, first: row 2: "),
        "{said}"
    );
}

#[test]
fn anomalies_alone_can_be_asked_for() {
    let (_, all, _) = run(&["score", "-f", QUICK_START, HOURS]);
    let (_, some, _) = run(&["score", "-f", QUICK_START, HOURS, "--anomalies"]);
    let expected: Vec<&str> = all.lines().filter(|line| !line.contains(",true,")).collect();
    assert_eq!(some.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn refusals_name_the_file_and_what_to_do() {
    let folder = Folder::new("refusals");
    let rows = folder.write("rows.csv", "mean,sd\n1,2\n");
    let named = folder.write("named.csv", "mean,sd,severity\n1,2,3\n");
    let broken = folder.write("broken.parquet", "PAR1 no");
    let same = rows.clone();
    for (arguments, expected) in [
        (vec![HOURS], "required arguments were not provided"),
        (vec!["-f", QUICK_START, "--model", "x", HOURS], "cannot be used with"),
        (vec!["-f", QUICK_START, "no.csv"], "cannot read no.csv: No such file"),
        (vec!["-f", QUICK_START, "Cargo.toml"], "Cargo.toml: there is no column \"mean\""),
        (vec!["-f", QUICK_START, &named], "have a column severity already: choose other names with --prefix"),
        (vec!["-f", QUICK_START, &rows, "-o", &same], "is the file that is read: write to another one"),
        (vec!["-f", QUICK_START, &broken], "is no Parquet file"),
        (vec!["-f", QUICK_START, "-", "--input-format", "parquet"], "name a file"),
        (vec!["-f", QUICK_START, &rows, "--output-format", "parquet"], "name a file with --output"),
        (vec!["--model", QUICK_START, &rows], "one ConfigMap with the key model.afm"),
        (vec!["--model", "no", &rows], "cannot read no: "),
    ] {
        let (code, _, said) = run(&[vec!["score"], arguments.clone()].concat());
        assert!(code != 0 && said.contains(expected), "{arguments:?} says {said}");
    }
    assert_eq!(std::fs::read_to_string(rows).unwrap(), "mean,sd\n1,2\n", "the input is left alone");
}
