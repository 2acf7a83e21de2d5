//! What reading promises, and the wording of every refusal.

use proptest::prelude::*;

use super::*;

const ORIGIN: &str = "ConfigMap demo/x key train.csv";

fn features(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| n.to_string()).collect()
}

fn read(text: impl AsRef<[u8]>, names: &[&str]) -> Result<Vec<Vec<f64>>, String> {
    let matrix =
        read_csv(text.as_ref(), &features(names), ORIGIN, Missing::Refuse).map_err(|e| e.to_string())?;
    Ok(matrix.view().rows().into_iter().map(|row| row.to_vec()).collect())
}

fn refusal(text: impl AsRef<[u8]>) -> String {
    read(text, &["mean", "sd"]).unwrap_err()
}

#[test]
fn columns_are_matched_by_name_and_others_ignored() {
    let text = "timestamp,sd,note,mean\n2014-02-07 14:00,0.5,\"a, b\",58\n2014-02-07 15:00, 0.75 ,,57.25\n";
    assert_eq!(read(text, &["mean", "sd"]).unwrap(), [[58.0, 0.5], [57.25, 0.75]]);
    assert_eq!(read(text, &["sd"]).unwrap(), [[0.5], [0.75]]);
}

#[test]
fn byte_order_mark_carriage_returns_and_padding_change_nothing() {
    let plain = read("mean,sd\n1,2\n", &["mean", "sd"]).unwrap();
    assert_eq!(read("\u{feff}mean, sd\r\n1,2\r\n", &["mean", "sd"]).unwrap(), plain);
    assert_eq!(read("\"mean\",\"sd\"\n\"1\",\"2\"", &["mean", "sd"]).unwrap(), plain);
}

#[test]
fn numbers_are_read_as_people_and_programs_write_them() {
    let text = "x\n1\n-0\n+2.5\n.5\n5.\n1e-3\n-1E+10\n3.4028234663852886e38\n5e-324\n";
    let expected = [1.0, -0.0, 2.5, 0.5, 5.0, 1e-3, -1e10, f64::from(f32::MAX), 5e-324];
    let read: Vec<u64> = read(text, &["x"]).unwrap().iter().map(|row| row[0].to_bits()).collect();
    assert_eq!(read, expected.map(f64::to_bits));
}

#[test]
fn a_row_reads_the_same_whatever_way_its_neighbours_are_written() {
    let text = "t,a,b\n\"x\",0.12345678901234567,-1\nx,0.12345678901234567,-1\nx,1e2,\"-1\"\nx,100, -1 \n";
    assert_eq!(
        read(text, &["b", "a"]).unwrap(),
        [[-1.0, 0.12345678901234567], [-1.0, 0.12345678901234567], [-1.0, 100.0], [-1.0, 100.0]]
    );
}

#[test]
fn every_refusal_says_where_what_and_of_which_source() {
    let mut said = Vec::new();
    for (case, text) in [
        ("empty", ""),
        ("blank", "\n\r\n"),
        ("header only", "mean,sd\n"),
        ("no header", "1.5,2\n3,4\n"),
        ("semicolons", "mean;sd\n1,5;2\n"),
        ("misspelt", "timestamp,Mean,stddev\nx,1,2\n"),
        ("twice", "mean,sd,x,sd\n1,2,3,4\n"),
        ("short row", "t,mean,sd\na,1,2\nb,3\n"),
        ("one cell", "mean,sd\n1\n"),
        ("long row", "mean,sd\n1,2\n\n1,2,3\n"),
        ("empty cell", "mean,sd\n1,2\n1,\n"),
        ("word", "mean,sd\n1,n/a\n"),
        ("decimal comma", "mean,sd\n\"1,5\",2\n"),
        ("hexadecimal", "mean,sd\n0x10,2\n"),
        ("NaN", "mean,sd\n1,2\nNaN,2\n"),
        ("infinity", "mean,sd\n1,-inf\n"),
        ("1e400", "mean,sd\n1e400,2\n"),
        ("1e39", "mean,sd\n1,-1e39\n"),
        ("NUL", "mean,sd\n1,\u{0}2\n"),
        ("old Mac", "mean,sd\r1,2\r"),
        ("open quote", "mean,sd\n1,2\n\"3,4\n"),
        ("after a quote", "mean,sd\n\"1\"0,2\n"),
    ] {
        said.push(format!("{case:14}{}", refusal(text)));
    }
    said.push(format!("{:14}{}", "latin 1", refusal(b"mean,sd\n1,2\n\xb0,3\n")));
    said.push(format!("{:14}{}", "UTF-16", refusal(b"\xff\xfem\0e\0a\0n\0")));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn an_error_tells_line_and_column_to_programs_too() {
    let error =
        read_csv("a,b\n1,2\n3,?\n".as_bytes(), &features(&["b"]), ORIGIN, Missing::Refuse).unwrap_err();
    assert_eq!((error.line(), error.column()), (Some(3), Some("b")));
    assert_eq!(*error.problem(), Problem::NotANumber { text: "?".to_owned() });
}

#[test]
fn the_names_of_all_columns_are_those_of_the_header_in_its_order() {
    let names = |text: &str| column_names(text.as_bytes(), ORIGIN).map_err(|error| error.to_string());
    assert_eq!(names("\u{feff}sd, mean ,\"a,b\"\r\n1,2,3\r\n").unwrap(), ["sd", "mean", "a,b"]);
    let wide = |columns: usize| {
        (0..columns).map(|column| format!("column-{column}")).collect::<Vec<_>>().join(",") + "\n"
    };
    assert_eq!(names(&wide(MOST_COLUMNS)).unwrap().last().unwrap(), "column-16383");
    let said: Vec<String> = ["", "1.5,2\n", "a;b\n", "a,b,a\n", "a,,b\n", &wide(MOST_COLUMNS + 1)]
        .map(|text| names(text).unwrap_err())
        .into();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn as_many_columns_as_can_be_read_are_found_and_read() {
    let names: Vec<String> = (0..MOST_COLUMNS).map(|column| format!("column-{column}")).collect();
    let numbers = vec!["1.5"; MOST_COLUMNS].join(",");
    let text = format!("{}\n{numbers}\n{numbers}\n", names.join(","));
    let read = read_csv(text.as_bytes(), &names, ORIGIN, Missing::Refuse).unwrap();
    assert_eq!((read.rows(), read.columns()), (2, MOST_COLUMNS));
}

#[test]
fn a_message_stays_short_whatever_the_data() {
    let wide = (0..5_000).map(|i| format!("column-{i}")).collect::<Vec<_>>().join(",");
    let long = "é".repeat(10_000);
    assert!(refusal(format!("{wide}\n")).len() < 1_000);
    assert!(refusal(format!("mean,sd\n1,{long}\n")).len() < 250);
    assert!(read("a\n1\n", &[&long]).unwrap_err().len() < 250);
}

#[test]
fn a_faulty_cell_in_a_column_that_is_not_asked_for_is_no_fault() {
    assert_eq!(read("mean,note,note\n1,NaN,\n", &["mean"]).unwrap(), [[1.0]]);
}

/// Any finite double that single precision can hold.
fn usable() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("usable", |x| x.abs() <= LARGEST)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_double_written_is_the_double_read_to_the_last_bit(values in prop::collection::vec(usable(), 100)) {
        let mut text = String::from("plain,exponent\n");
        for value in &values {
            text.push_str(&format!("{value},{value:e}\n"));
        }
        for row in read(&text, &["plain", "exponent"]).unwrap().iter().zip(&values) {
            prop_assert_eq!(row.0[0].to_bits(), row.1.to_bits());
            prop_assert_eq!(row.0[1].to_bits(), row.1.to_bits());
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut text = b"mean,sd\n".to_vec();
        text.extend(&bytes);
        let _ = read(&text, &["mean", "sd"]);
        let _ = read(&bytes, &["mean", "sd"]);
    }

    #[test]
    fn cells_are_cut_as_the_csv_crate_writes_them(
        rows in prop::collection::vec(prop::array::uniform3("[a-z\",\n\r é]{0,6}"), 1..20),
        always in any::<bool>(),
    ) {
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
        writer.write_record(["first", "second", "third"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let mut records = Records::new(text.as_slice());
        let mut read = Vec::new();
        while let Ok(Some(record)) = records.next_record() {
            read.push(record.cells.iter().map(|c| c.to_string()).collect::<Vec<_>>());
        }
        prop_assert_eq!(&read[1..], rows.iter().map(|r| r.to_vec()).collect::<Vec<_>>());
    }
}
