//! Plain loops over arrays, compiled once more for wider registers than every processor has.
//!
//! Only how many lanes are worked on at once differs: every operation, its rounding and its order stay as written, since
//! the compiler neither fuses nor reorders floating-point operations. So the bits are the same with and without.

/// What is to be compiled so: `run` and all that it calls in its loops must be `#[inline(always)]`.
pub(crate) trait Work {
    /// What comes out.
    type Output;

    /// Does it.
    fn run(self) -> Self::Output;
}

/// Does `work` with the widest registers of this processor.
pub(crate) fn wide<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has these instructions; there is no other condition.
            return unsafe { avx512(work) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { avx2(work) };
        }
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512<W: Work>(work: W) -> W::Output {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<W: Work>(work: W) -> W::Output {
    work.run()
}

/// Does it with the registers that every processor has, and with each wider kind that this one has.
#[cfg(test)]
pub(crate) fn widths<W: Work>() -> Vec<fn(W) -> W::Output> {
    let mut widths: Vec<fn(W) -> W::Output> = vec![W::run];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has these instructions; there is no other condition.
            widths.push(|work| unsafe { avx2(work) });
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: as above.
            widths.push(|work| unsafe { avx512(work) });
        }
    }
    widths
}
