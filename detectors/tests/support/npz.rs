//! Reads NumPy `.npz` files as far as the test data needs it: zip without encryption or data descriptors, npy version
//! 1, numbers of five types.
#![allow(unreachable_pub, reason = "a program that includes this file has no crate to publish it in")]

use std::io::Read;

use flate2::read::DeflateDecoder;

/// An array of one or two dimensions, row by row.
pub struct Array {
    pub values: Vec<f64>,
    pub columns: usize,
}

/// The array of that name in an archive.
pub fn read(archive: &[u8], name: &str) -> Array {
    let file = unzip(archive, &format!("{name}.npy"));
    assert_eq!(&file[..8], b"\x93NUMPY\x01\x00");
    let header_length = usize::from(u16::from_le_bytes([file[8], file[9]]));
    let (header, data) = file[10..].split_at(header_length);
    let header = std::str::from_utf8(header).unwrap();
    let shape: Vec<usize> =
        between(header, "'shape': (", ")").split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let values = numbers(between(header, "'descr': '", "'"), data);
    let columns = shape.get(1).copied().unwrap_or(1);
    assert_eq!(values.len(), shape[0] * columns);
    match header.contains("'fortran_order': True") {
        true => Array { values: transpose(&values, shape[0]), columns },
        false => Array { values, columns },
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split(start).nth(1).and_then(|rest| rest.split(end).next()).unwrap()
}

fn numbers(kind: &str, data: &[u8]) -> Vec<f64> {
    match kind {
        "|u1" => data.iter().map(|&byte| f64::from(byte)).collect(),
        "<i2" => data.as_chunks().0.iter().map(|&bytes| f64::from(i16::from_le_bytes(bytes))).collect(),
        "<i4" => data.as_chunks().0.iter().map(|&bytes| f64::from(i32::from_le_bytes(bytes))).collect(),
        "<i8" => data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect(),
        "<f8" => data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
        other => panic!("no reader for numbers of type {other}"),
    }
}

/// From column by column to row by row.
fn transpose(values: &[f64], rows: usize) -> Vec<f64> {
    (0..rows).flat_map(|row| values.iter().skip(row).step_by(rows)).copied().collect()
}

/// Walks the local headers.
fn unzip(mut archive: &[u8], name: &str) -> Vec<u8> {
    let u16_at = |bytes: &[u8], at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    while archive.starts_with(b"PK\x03\x04") {
        let compressed = u32::from_le_bytes(archive[18..22].try_into().unwrap()) as usize;
        let (name_length, extra_length) = (u16_at(archive, 26), u16_at(archive, 28));
        let data = &archive[30 + name_length + extra_length..][..compressed];
        if &archive[30..30 + name_length] == name.as_bytes() {
            assert_eq!(u16_at(archive, 8), 8, "deflate");
            let mut contents = Vec::new();
            DeflateDecoder::new(data).read_to_end(&mut contents).unwrap();
            return contents;
        }
        archive = &archive[30 + name_length + extra_length + compressed..];
    }
    panic!("no {name} in the archive")
}
