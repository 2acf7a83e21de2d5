//! AVX-512 with permutes of bytes: the bytes of a row stand in one to four registers, in which 64 trees look theirs up at
//! once.
//!
//! The first five levels of 64 trees compare every node's own byte under masks. What is left of a tree below the position
//! found are seven nodes, 16 bytes: four trees' are compared in one register, and a table tells the leaf from the seven
//! outcomes. Leaf values are added in f64, tree after tree.
//!
//! No closures and no iterators over vectors: their code would be compiled for every processor, and called.

use std::arch::x86_64::*;
use std::ops::Range;

use super::avx512::{next, ones, thresholds, thresholds_of_32, thresholds_of_64, thresholds_of_128};
use super::padded::{LANES, Lanes, Sums};
use super::ranks::{
    BOTTOMS, Bottom, Bytes, IN_STEP, LEAVES, Places, Ranks, Scale, Sorted, TOP_LEVELS, TREES, Top,
};

/// Rows that are walked down a tree before the next.
const ROWS: usize = 64;
/// Their tiles.
const TILES: usize = ROWS / LANES;
/// Nodes of a top that are compared in step.
const NODES: usize = 4;

/// As [`super::portable::sums`].
///
/// # Safety
/// The processor has AVX-512 F, BW, DQ, VL and VBMI, and POPCNT; `values` has `stride` entries for each of `sums`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
pub(super) unsafe fn sums(ranks: &Ranks, stride: usize, values: &[Lanes], sums: &mut [Sums]) {
    // SAFETY: the same conditions; registers hold all bytes.
    unsafe {
        match ranks.scales().len() {
            ..=64 => all_rows::<1>(ranks, stride, values, sums),
            65..=128 => all_rows::<2>(ranks, stride, values, sums),
            _ => all_rows::<4>(ranks, stride, values, sums),
        }
    }
}

/// As [`super::portable::sum`].
///
/// # Safety
/// As [`sums`], but that `values` has an entry for each slot of the forest; the processor has BITALG, too.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bitalg,popcnt")]
pub(super) unsafe fn sum(ranks: &Ranks, values: &[f32]) -> f64 {
    // SAFETY: as above.
    unsafe {
        match ranks.scales().len() {
            ..=64 => one_row::<1>(ranks, values),
            65..=128 => one_row::<2>(ranks, values),
            _ => one_row::<4>(ranks, values),
        }
    }
}

/// `REGISTERS` hold the bytes of a row: 1, 2 or 4.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
unsafe fn all_rows<const REGISTERS: usize>(
    ranks: &Ranks,
    stride: usize,
    values: &[Lanes],
    sums: &mut [Sums],
) {
    let mut bytes = [[Bytes([0; 64]); REGISTERS]; ROWS];
    let mut found = [0.0; ROWS];
    let one = ones();
    for (values, sums) in values.chunks(TILES * stride).zip(sums.chunks_mut(TILES)) {
        let rows = sums.len() * LANES;
        // SAFETY: each tile has its stride of values.
        unsafe {
            for (tile, values) in values.chunks_exact(stride).enumerate() {
                read_tile(ranks.scales(), values, &mut bytes[tile * LANES..][..LANES], one);
            }
            found.fill(0.0);
            all_trees::<REGISTERS, ROWS>(ranks, &bytes[..rows], &mut found[..rows]);
        }
        for (sums, found) in sums.iter_mut().zip(found.chunks_exact(LANES)) {
            sums.0.copy_from_slice(found);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bitalg,popcnt")]
unsafe fn one_row<const REGISTERS: usize>(ranks: &Ranks, values: &[f32]) -> f64 {
    let mut found = [0.0];
    // SAFETY: there is a value for each slot.
    unsafe {
        let bytes = read_row::<REGISTERS>(ranks.sorted(), values);
        all_trees::<REGISTERS, 1>(ranks, &[bytes], &mut found);
    }
    found[0]
}

/// The bytes of one row, in three passes, so that no step waits for the one before.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512bitalg,popcnt")]
unsafe fn read_row<const REGISTERS: usize>(sorted: &Sorted, values: &[f32]) -> [Bytes; REGISTERS] {
    // For each byte: its value, where the line is that it is compared with, 16 for each line before, and which of the line's
    // thresholds it exceeds.
    let mut of_bytes = [[Lanes::default(); 4]; REGISTERS];
    let mut places = [[Places([0; LANES]); 4]; REGISTERS];
    let mut bytes = [Bytes([0; 64]); REGISTERS];
    let mut outcomes = [Words([0; 64]); REGISTERS];
    let (lines, mut coarse): (*const u8, _) = (sorted.lines.as_ptr().cast(), sorted.coarse.as_ptr());
    let step = _mm512_set1_epi32(LANES as i32);
    for (number, sixteen) in sorted.sixteens.iter().enumerate() {
        let (register, part) = (number / 4, number % 4);
        // SAFETY: the slots that are there are loaded; the lines that are compared are this sixteen's.
        unsafe {
            let there = u32::MAX >> (32 - (values.len() - sixteen.slot).min(LANES));
            let slots = _mm512_maskz_loadu_ps(there as u16, values.as_ptr().add(sixteen.slot));
            let values = _mm512_permutexvar_ps(_mm512_load_si512(sixteen.lanes.0.as_ptr().cast()), slots);
            let mut before = _mm512_setzero_si512();
            for _ in 0..sixteen.coarse {
                let right = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, _mm512_load_ps(coarse.cast()));
                before = _mm512_mask_add_epi32(before, right, before, step);
                coarse = coarse.add(1);
            }
            // (a line takes 64 bytes)
            let begins = _mm512_load_si512(sixteen.begins.0.as_ptr().cast());
            let place = _mm512_add_epi32(begins, _mm512_slli_epi32::<2>(before));
            _mm512_store_si512(places[register][part].0.as_mut_ptr().cast(), place);
            _mm512_store_ps(of_bytes[register][part].0.as_mut_ptr(), values);
            let sixteens = bytes[register].0[16 * part..][..16].as_mut_ptr();
            _mm_storeu_si128(sixteens.cast(), _mm512_cvtepi32_epi8(before));
        }
    }
    for number in 0..sorted.sixteens.len() {
        let (register, part) = (number / 4, number % 4);
        let (values, places) = (&of_bytes[register][part].0, &places[register][part].0);
        let outcomes = &mut outcomes[register].0[16 * part..][..16];
        for lane in 0..LANES {
            // SAFETY: a value exceeds fewer coarse thresholds than its byte has lines.
            let line = unsafe { _mm512_load_ps(lines.add(places[lane] as usize).cast()) };
            outcomes[lane] = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(_mm512_set1_ps(values[lane]), line);
        }
    }
    for (bytes, Words(outcomes)) in bytes.iter_mut().zip(&outcomes) {
        // SAFETY: twice 32 words.
        let (near, far) = unsafe {
            (_mm512_load_si512(outcomes.as_ptr().cast()), _mm512_load_si512(outcomes.as_ptr().add(32).cast()))
        };
        let rest = narrow(_mm512_popcnt_epi16(near), _mm512_popcnt_epi16(far));
        store(bytes, _mm512_add_epi8(load(bytes), rest));
    }
    bytes
}

/// The bytes of 16 rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
unsafe fn read_tile<const REGISTERS: usize>(
    scales: &[Scale],
    values: &[Lanes],
    rows: &mut [[Bytes; REGISTERS]],
    one: __m512i,
) {
    for (block, scales) in scales.chunks(16).enumerate() {
        let mut bytes = [_mm_setzero_si128(); 16];
        for (bytes, scale) in bytes.iter_mut().zip(scales) {
            // SAFETY: every scale's slot has values.
            *bytes = unsafe { rank(scale, _mm512_load_ps(values.get_unchecked(scale.slot).0.as_ptr()), one) };
        }
        // Four perfect shuffles transpose 16 × 16.
        for _ in 0..4 {
            let mut shuffled = bytes;
            for pair in 0..8 {
                shuffled[2 * pair] = _mm_unpacklo_epi8(bytes[pair], bytes[pair + 8]);
                shuffled[2 * pair + 1] = _mm_unpackhi_epi8(bytes[pair], bytes[pair + 8]);
            }
            bytes = shuffled;
        }
        for (row, bytes) in rows.iter_mut().zip(bytes) {
            let place = row[block / 4].0[16 * (block % 4)..][..16].as_mut_ptr();
            // SAFETY: 16 bytes.
            unsafe { _mm_storeu_si128(place.cast(), bytes) };
        }
    }
}

/// How many of a byte's thresholds each of 16 values exceeds.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
unsafe fn rank(scale: &Scale, values: __m512, one: __m512i) -> __m128i {
    let heap = scale.heap.as_ptr();
    let mut at = one;
    macro_rules! level {
        ($threshold:expr) => {
            at = next(at, _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, $threshold), one)
        };
    }
    // SAFETY: positions of a level are within its nodes.
    unsafe {
        for _ in 0..4 {
            level!(_mm512_permutexvar_ps(at, thresholds(heap, 0)));
        }
        level!(_mm512_permutexvar_ps(at, thresholds(heap, 16)));
        level!(thresholds_of_32(heap, 32, at));
        if scale.levels > 6 {
            level!(thresholds_of_64(heap, 64, at));
        }
        if scale.levels > 7 {
            level!(thresholds_of_128(heap, 128, at));
        }
    }
    // The end's number, counted from the left.
    _mm512_cvtepi32_epi8(_mm512_xor_si512(at, _mm512_set1_epi32(1 << scale.levels)))
}

/// Adds the leaf values of all trees for up to `ROWS` rows: 64 or 1.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
unsafe fn all_trees<const REGISTERS: usize, const ROWS: usize>(
    ranks: &Ranks,
    rows: &[[Bytes; REGISTERS]],
    sums: &mut [f64],
) {
    let mut of_nodes = [[0; ROWS]; BOTTOMS];
    let mut places = [Bytes([0; 64]); ROWS];
    let mut of_bottoms = [Outcomes([[0; IN_STEP]; TREES / IN_STEP]); ROWS];
    for (number, top) in ranks.tops().iter().enumerate() {
        let first = number * TREES;
        let trees = (ranks.trees() - first).min(TREES);
        // SAFETY: these trees have bottoms and leaves; those that fill up four have bottoms.
        unsafe {
            compare_tops(top, rows, &mut of_nodes);
            choose_bottoms(&of_nodes, &mut places[..rows.len()]);
            for tree in (0..trees).step_by(IN_STEP) {
                let bottoms = ranks.bottoms().as_ptr().add((first + tree) * BOTTOMS);
                compare_bottoms(bottoms, tree, rows, &places, &mut of_bottoms);
            }
            for (place, outcomes) in places.iter_mut().zip(&of_bottoms).take(rows.len()) {
                choose_leaf(place, outcomes);
            }
        }
        add_leaves(ranks, first..first + trees, &places[..rows.len()], sums);
    }
}

/// For each row and node of the tops of 64 trees, a bit a tree: set where the row goes right.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
unsafe fn compare_tops<const REGISTERS: usize, const ROWS: usize>(
    top: &Top,
    rows: &[[Bytes; REGISTERS]],
    outcomes: &mut [[u64; ROWS]; BOTTOMS],
) {
    for (nodes, outcomes) in top.0.chunks_exact(NODES).zip(outcomes.chunks_exact_mut(NODES)) {
        let mut bytes = [_mm512_setzero_si512(); NODES];
        let mut ranks = bytes;
        for (node, [byte, rank]) in nodes.iter().enumerate() {
            (bytes[node], ranks[node]) = (load(byte), load(rank));
        }
        for (number, row) in rows.iter().enumerate().take(ROWS) {
            let row = registers(row);
            for node in 0..NODES {
                outcomes[node][number] = _mm512_cmpgt_epu8_mask(look_up(&row, bytes[node]), ranks[node]);
            }
        }
    }
}

/// The steps of a row down five levels: those outcomes, of all nodes', that are on its way.
macro_rules! way {
    ($either:path, |$node:ident| $outcome:expr) => {{
        macro_rules! of {
            ($at:expr) => {{
                let $node = $at;
                $outcome
            }};
        }
        let first = of!(1);
        let second = $either(first, of!(2), of!(3));
        macro_rules! two {
            ($bits:ident, $at:expr) => {
                $either($bits, of!($at), of!($at + 1))
            };
        }
        let third = $either(first, two!(second, 4), two!(second, 6));
        macro_rules! four {
            ($bits:ident, $at:expr) => {
                $either(third, two!($bits, $at), two!($bits, $at + 2))
            };
        }
        macro_rules! four_of_third {
            ($at:expr) => {
                $either(second, two!(third, $at), two!(third, $at + 2))
            };
        }
        let fourth = $either(first, four_of_third!(8), four_of_third!(12));
        macro_rules! eight {
            ($at:expr) => {
                $either(second, four!(fourth, $at), four!(fourth, $at + 4))
            };
        }
        [first, second, third, fourth, $either(first, eight!(16), eight!(24))]
    }};
}

/// Eight times the position of each row after the first five levels of 64 trees, from the outcomes of all nodes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn choose_bottoms<const ROWS: usize>(outcomes: &[[u64; ROWS]; BOTTOMS], places: &mut [Bytes]) {
    if let ([place], 1) = (&mut *places, ROWS) {
        return place_bottom(way!(either_of_one, |node| outcomes[node][0]), place);
    }
    for (number, places) in places.chunks_mut(8).enumerate() {
        // SAFETY: eight rows' outcomes.
        let way = way!(either, |node| unsafe {
            _mm512_loadu_si512(outcomes[node][8 * number..][..8].as_ptr().cast())
        });
        let mut steps = [[0; 8]; TOP_LEVELS];
        for (steps, way) in steps.iter_mut().zip(way) {
            // SAFETY: 64 bytes.
            unsafe { _mm512_storeu_si512(steps.as_mut_ptr().cast(), way) };
        }
        for (row, place) in places.iter_mut().enumerate() {
            place_bottom([steps[0][row], steps[1][row], steps[2][row], steps[3][row], steps[4][row]], place);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn place_bottom(way: [u64; TOP_LEVELS], place: &mut Bytes) {
    // (no `skip`, which would be called)
    let [first, others @ ..] = &way;
    let mut at = _mm512_maskz_set1_epi8(*first, i8::MIN);
    for (level, right) in others.iter().enumerate() {
        at = _mm512_or_si512(at, _mm512_maskz_set1_epi8(*right, 1 << (6 - level)));
    }
    store(place, at);
}

/// `right` where a bit is set, else `left`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn either(bits: __m512i, left: __m512i, right: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0xca>(bits, right, left)
}

/// As [`either`], for one row.
#[inline(always)]
fn either_of_one(bits: u64, left: u64, right: u64) -> u64 {
    left ^ (bits & (left ^ right))
}

/// Four trees' outcomes at a time: a bit is set where a row goes right at one of seven nodes, in heap order.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Outcomes([[u16; IN_STEP]; TREES / IN_STEP]);

/// What 16 thresholds say of each of 64 values.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Words([u16; 64]);

/// For each row, the outcomes of the bottoms of four trees from `tree` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
unsafe fn compare_bottoms<const REGISTERS: usize, const ROWS: usize>(
    bottoms: *const Bottom,
    tree: usize,
    rows: &[[Bytes; REGISTERS]],
    places: &[Bytes; ROWS],
    outcomes: &mut [Outcomes; ROWS],
) {
    // Places are eight times the position, and a bottom takes 16 bytes.
    let bottoms: *const u8 = bottoms.cast();
    for ((row, place), outcomes) in rows.iter().zip(places).zip(outcomes) {
        let row = registers(row);
        // SAFETY: these four trees have 32 bottoms each, 16 bytes and aligned, and places are multiples of eight up to 248.
        unsafe {
            let place = place.0.as_ptr().add(tree);
            macro_rules! bottom {
                ($of:literal) => {{
                    let begin = bottoms.add(16 * BOTTOMS * $of);
                    _mm_load_si128(begin.add(2 * usize::from(*place.add($of))).cast())
                }};
            }
            let near = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(bottom!(0)), bottom!(1));
            let far = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(bottom!(2)), bottom!(3));
            let nodes = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(near), far);
            let ranks = _mm512_bsrli_epi128::<8>(nodes);
            let right = _mm512_mask_cmpgt_epu8_mask(0x007f_007f_007f_007f, look_up(&row, nodes), ranks);
            outcomes.0[tree / IN_STEP] = std::mem::transmute::<u64, [u16; IN_STEP]>(right);
        }
    }
}

/// From eight times the position of a bottom and the outcomes of its nodes to the leaf, counted from the left.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn choose_leaf(place: &mut Bytes, outcomes: &Outcomes) {
    let outcomes: *const __m512i = std::ptr::from_ref(outcomes).cast();
    // SAFETY: twice 64 bytes.
    let (near, far) = unsafe { (_mm512_load_si512(outcomes), _mm512_load_si512(outcomes.add(1))) };
    let leaf = _mm512_permutex2var_epi8(load(&LEAF[0]), narrow(near, far), load(&LEAF[1]));
    store(place, _mm512_add_epi8(load(place), leaf));
}

/// The lower halves of twice 32 words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn narrow(near: __m512i, far: __m512i) -> __m512i {
    let near = _mm512_castsi256_si512(_mm512_cvtepi16_epi8(near));
    _mm512_inserti64x4::<1>(near, _mm512_cvtepi16_epi8(far))
}

/// The leaf, from the left, that is reached when the bits of seven nodes in heap order say where a row goes right.
static LEAF: [Bytes; 2] = {
    let mut leaves = [Bytes([0; 64]); 2];
    let mut outcomes = 0;
    while outcomes < 128 {
        let mut at = 1;
        while at < 8 {
            at = 2 * at + (outcomes >> (at - 1) & 1);
        }
        leaves[outcomes / 64].0[outcomes % 64] = (at - 8) as u8;
        outcomes += 1;
    }
    leaves
};

/// Adds the values of the leaves that rows fall into in these trees, one after the other.
///
/// Compiled for every processor, and called: for this one, values would be gathered, which takes longer than loads.
#[inline(never)]
fn add_leaves(ranks: &Ranks, trees: Range<usize>, places: &[Bytes], sums: &mut [f64]) {
    let leaves = &ranks.leaves()[trees.start * LEAVES..trees.end * LEAVES];
    let values = ranks.values();
    // Sums of some rows in step, so that their latencies overlap.
    let (mut places, mut sums) = (places, sums);
    macro_rules! rows {
        ($count:literal) => {
            while places.len() >= $count {
                let (some, others) = std::mem::take(&mut sums).split_at_mut($count);
                let mut found: [f64; $count] = std::array::from_fn(|row| some[row]);
                for (tree, leaves) in leaves.chunks_exact(LEAVES).enumerate() {
                    for row in 0..$count {
                        // SAFETY: there are at most 64 trees, and 256 leaves of each.
                        let number =
                            unsafe { *leaves.get_unchecked(usize::from(*places[row].0.get_unchecked(tree))) };
                        found[row] += values[usize::from(number)];
                    }
                }
                some.copy_from_slice(&found);
                (places, sums) = (&places[$count..], others);
            }
        };
    }
    rows!(4);
    rows!(1);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn load(bytes: &Bytes) -> __m512i {
    // SAFETY: 64 bytes, aligned.
    unsafe { _mm512_load_si512(bytes.0.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn store(bytes: &mut Bytes, register: __m512i) {
    // SAFETY: 64 bytes, aligned.
    unsafe { _mm512_store_si512(bytes.0.as_mut_ptr().cast(), register) }
}

/// The bytes of a row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn registers<const REGISTERS: usize>(row: &[Bytes; REGISTERS]) -> [__m512i; REGISTERS] {
    let mut registers = [_mm512_setzero_si512(); REGISTERS];
    for (register, bytes) in registers.iter_mut().zip(row) {
        *register = load(bytes);
    }
    registers
}

/// The bytes of a row that are named, 64 at once.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,popcnt")]
fn look_up<const REGISTERS: usize>(row: &[__m512i; REGISTERS], which: __m512i) -> __m512i {
    match REGISTERS {
        1 => _mm512_permutexvar_epi8(which, row[0]),
        2 => _mm512_permutex2var_epi8(row[0], which, row[1]),
        _ => {
            let near = _mm512_permutex2var_epi8(row[0], which, row[1]);
            let far = _mm512_permutex2var_epi8(row[2], which, row[3]);
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(which), near, far)
        }
    }
}
