//! The χ² distribution: squared distances of normal rows follow it.

/// Terms after which a sum has converged, whatever the arguments in use.
const MOST_TERMS: usize = 10_000;

/// P(χ² ≤ x) with that many degrees of freedom.
pub(super) fn probability(x: f64, degrees: usize) -> f64 {
    regularised_gamma(degrees as f64 / 2.0, x / 2.0)
}

/// The x below which a χ² variable is with this probability, in (0, 1): by bisection.
pub(super) fn quantile(share: f64, degrees: usize) -> f64 {
    let (mut below, mut above) = (0.0, 2.0 * degrees as f64 + 100.0);
    loop {
        let middle = below + (above - below) / 2.0;
        if middle <= below || middle >= above {
            return above;
        }
        if probability(middle, degrees) < share { below = middle } else { above = middle }
    }
}

/// What the covariance of the part of normal rows with the smallest distances is multiplied by to be that of all
/// (Croux & Haesbroeck 1999): share / P(χ²(p + 2) ≤ the quantile of χ²(p)).
pub(super) fn consistency(share: f64, columns: usize) -> f64 {
    if share >= 1.0 { 1.0 } else { share / probability(quantile(share, columns), columns + 2) }
}

/// P(a, x), the lower incomplete gamma function divided by Γ(a): its series where x is small, else the continued
/// fraction of the upper one (Abramowitz & Stegun 6.5.29 and 6.5.31).
fn regularised_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let scale = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for k in 1..MOST_TERMS {
            term *= x / (a + k as f64);
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        return (scale * sum).min(1.0);
    }
    // Lentz's method; no denominator can vanish for x ≥ a + 1.
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (f64::INFINITY, 1.0 / b);
    let mut fraction = d;
    for k in 1..MOST_TERMS {
        let k = k as f64;
        let numerator = -k * (k - a);
        b += 2.0;
        d = 1.0 / (b + numerator * d);
        c = b + numerator / c;
        fraction *= c * d;
        if (c * d - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    (1.0 - scale * fraction).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (share, degrees, expected) in [
            (0.975, 1, 5.023_886_187_314_888),
            (0.975, 2, 7.377_758_908_227_871),
            (0.5, 10, 9.341_817_765_591_967),
            (0.75, 3, 4.108_344_935_632_313),
            (0.975, 100, 129.561_197_185_836_65),
        ] {
            let found = quantile(share, degrees);
            assert!((found - expected).abs() < 1e-9, "{share} {degrees}: {found}");
            assert!((probability(found, degrees) - share).abs() < 1e-12);
        }
    }

    #[test]
    fn two_degrees_of_freedom_are_an_exponential_distribution() {
        for x in [1e-300, 1e-3, 0.5, 3.0, 4.5, 40.0, 1e4] {
            assert!((probability(x, 2) + libm::expm1(-x / 2.0)).abs() < 1e-14, "{x}");
        }
    }

    #[test]
    fn many_degrees_of_freedom_are_no_trouble() {
        // The Wilson–Hilferty approximation is good to four digits there.
        let (p, z) = (512.0_f64, 1.959_964);
        let expected = p * libm::pow(1.0 - 2.0 / (9.0 * p) + z * (2.0 / (9.0 * p)).sqrt(), 3.0);
        assert!((quantile(0.975, 512) / expected - 1.0).abs() < 1e-4);
    }

    #[test]
    fn the_correction_makes_the_variance_of_the_middle_half_that_of_all() {
        // One column, half of the rows: 0.5 / P(χ²(3) ≤ 0.4549) = 0.5 / 0.07134.
        assert!((consistency(0.5, 1) - 7.0).abs() < 0.02, "{}", consistency(0.5, 1));
        assert_eq!(consistency(1.0, 4), 1.0);
        assert!(consistency(0.975, 10) > 1.0);
    }
}
