//! The regularised incomplete gamma functions and the quantile of the gamma law.
//!
//! ```text
//! P(a, x) = 1/Γ(a) ∫₀ˣ tᵃ⁻¹ e⁻ᵗ dt,    Q(a, x) = 1 - P(a, x)
//! ```
//!
//! Below `x = a + 1` the power series of `P`, above it Legendre's continued fraction of `Q` by the
//! modified Lentz algorithm, both after the common factor `xᵃ e⁻ˣ / Γ(a)` (NIST DLMF 8.7.1, 8.9.2).
//! The factor is taken at `y = ln x`, so that a shape of 0.001, whose median is `e⁻⁶⁹³`, still works,
//! and for large `a` by its deviance from the mode, which loses no digits (C. Loader, *Fast and
//! accurate computation of binomial probabilities*, 2000).
//!
//! The quantile solves for `y`. The density of `ln X` is log-concave, hence so are its distribution
//! and survival functions: Newton's iteration on `ln P` or `ln Q`, whichever is the smaller
//! probability, approaches the root from one side after its first step and can't diverge.

use super::normal::normal_quantile;
use std::f64::consts::TAU;

/// From this shape on, Stirling's series gives `ln Γ` to double precision.
const STIRLING: f64 = 10.0;

/// Enough terms for shapes up to a hundred million: about `7 √a` are needed where `x` is near `a`.
const MOST_TERMS: u32 = 100_000;

/// `P(a, x)` and `Q(a, x)` for shape `a > 0`; (0, 1) where `x <= 0`.
#[must_use]
pub fn incomplete_gamma(a: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if x == f64::INFINITY {
        return (1.0, 0.0);
    }
    let (ln_lower, ln_upper) = ln_incomplete_gamma(a, libm::log(x));
    if ln_lower < ln_upper {
        let lower = libm::exp(ln_lower);
        (lower, 1.0 - lower)
    } else {
        let upper = libm::exp(ln_upper);
        (1.0 - upper, upper)
    }
}

/// `ln P(a, eʸ)` and `ln Q(a, eʸ)`.
#[must_use]
pub fn ln_incomplete_gamma(a: f64, y: f64) -> (f64, f64) {
    let x = libm::exp(y);
    let factor = gamma_log_density(a, y);
    let complement = |ln: f64| libm::log1p(-libm::exp(ln.min(0.0)));
    if x < a + 1.0 {
        let ln_lower = factor - libm::log(a) + libm::log(series(a, x));
        (ln_lower, complement(ln_lower))
    } else {
        let ln_upper = factor + libm::log(continued_fraction(a, x));
        (complement(ln_upper), ln_upper)
    }
}

/// `ln(xᵃ e⁻ˣ / Γ(a))` at `x = eʸ`: the log-density of `ln X` for a gamma variable of scale 1.
#[must_use]
pub fn gamma_log_density(a: f64, y: f64) -> f64 {
    if a < STIRLING {
        return a * y - libm::exp(y) - libm::lgamma(a);
    }
    let t = y - libm::log(a);
    -a * exp_remainder(t) - stirling_error(a) + 0.5 * libm::log(a / TAU)
}

/// `ln x` of the gamma quantile with scale 1 at lower probability `p` and upper probability `q`,
/// which add up to 1; the smaller of the two decides.
#[must_use]
pub fn ln_gamma_quantile(a: f64, p: f64, q: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if q <= 0.0 {
        return f64::INFINITY;
    }
    let lower = p < q;
    let ln_target = libm::log(p.min(q));
    let mut y = first_guess(a, p, q);
    for _ in 0..100 {
        let (ln_lower, ln_upper) = ln_incomplete_gamma(a, y);
        let (ln_tail, sign) = if lower { (ln_lower, 1.0) } else { (ln_upper, -1.0) };
        let slope = libm::exp(gamma_log_density(a, y) - ln_tail);
        let step = sign * (ln_target - ln_tail) / slope;
        y += step;
        // Convergence is quadratic: after a step this short the error is below one rounding.
        if step.abs() <= 1e-9 {
            break;
        }
    }
    y
}

/// Wilson and Hilferty's cube root for the bulk, the leading term of either tail for small shapes.
fn first_guess(a: f64, p: f64, q: f64) -> f64 {
    let z = if p < q { normal_quantile(p) } else { -normal_quantile(q) };
    let cube_root = 1.0 - 1.0 / (9.0 * a) + z / (3.0 * a.sqrt());
    if a > 0.3 && cube_root > 0.2 {
        return libm::log(a) + 3.0 * libm::log(cube_root);
    }
    let ln_upper = libm::log(q) + libm::lgamma(a);
    if p >= q && ln_upper < -1.0 {
        return libm::log(-ln_upper);
    }
    (libm::log(p) + libm::lgamma(a + 1.0)) / a
}

/// `1 + x/(a+1) + x²/((a+1)(a+2)) + ...`, all terms positive.
fn series(a: f64, x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..MOST_TERMS {
        term *= x / (a + f64::from(n));
        sum += term;
        if term <= sum * 1e-17 {
            break;
        }
    }
    sum
}

/// `1/(x+1-a - 1(1-a)/(x+3-a - 2(2-a)/(x+5-a - ...)))`.
fn continued_fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    if x > 1e10 * (a + 1.0) {
        return 1.0 / x; // all that is left of it, and near the end of the range it would not settle
    }
    let nonzero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut b = x + 1.0 - a;
    let mut d = 1.0 / nonzero(b);
    let (mut c, mut fraction) = (1.0 / TINY, d);
    for i in 1..MOST_TERMS {
        let i = f64::from(i);
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / nonzero(numerator * d + b);
        c = nonzero(b + numerator / c);
        let change = c * d;
        fraction *= change;
        if (change - 1.0).abs() < 2e-16 {
            break;
        }
    }
    fraction
}

/// `eᵗ - 1 - t` without cancellation.
fn exp_remainder(t: f64) -> f64 {
    if t.abs() > 0.25 {
        return libm::expm1(t) - t;
    }
    // Twelve terms of the series: the next is below 0.25^12 / 14! of the first.
    let terms = (3..=14).rev().fold(1.0, |sum, n| 1.0 + t / f64::from(n) * sum);
    0.5 * t * t * terms
}

/// `ln Γ(a) - ((a - 1/2) ln a - a + ln(2π)/2)`, Stirling's series.
fn stirling_error(a: f64) -> f64 {
    const TERMS: [f64; 6] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    let inverse_square = 1.0 / (a * a);
    TERMS.iter().rev().fold(0.0, |sum, term| sum * inverse_square + term) / a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_tails_match_forty_digit_arithmetic() {
        for (a, x, lower, upper) in MPMATH {
            let (p, q) = incomplete_gamma(a, x);
            // A relative error e of x moves ln P by e times the slope of ln P.
            let slope = libm::exp(gamma_log_density(a, libm::log(x))) / p.min(q);
            let (found, truth) = if lower < upper { (p, lower) } else { (q, upper) };
            let error = (found - truth).abs();
            // Where the series is summed for P, a small Q is the rest to 1.
            let rest = if upper < lower && x < a + 1.0 { 1e-15 } else { 0.0 };
            let allowed = 2e-15 * (4.0 + slope) * truth + rest;
            assert!(error < allowed, "P({a}, {x}): {error:e}, slope {slope}");
            assert!((p + q - 1.0).abs() < 3e-16);
        }
    }

    proptest! {
        #[test]
        fn quantile_undoes_distribution(ln_a in -4.6..11.5_f64, u in 1e-15..1.0_f64) {
            let a = libm::exp(ln_a);
            let y = ln_gamma_quantile(a, u, 1.0 - u);
            let (ln_lower, ln_upper) = ln_incomplete_gamma(a, y);
            let (ln_p, target) =
                if u < 0.5 { (ln_lower, libm::log(u)) } else { (ln_upper, libm::log1p(-u)) };
            let slope = libm::exp(gamma_log_density(a, y) - ln_p);
            prop_assert!(((ln_p - target) / slope).abs() < 5e-13 * y.abs().max(1.0));
        }
    }

    /// Shape, argument, P, Q by mpmath.
    const MPMATH: [(f64, f64, f64, f64); 77] = [
        (0.001, 0.0024787521766663585, 0.9945886134420402, 0.005411386557959768),
        (0.001, 0.1353352832366127, 0.9984468347552242, 0.0015531652447758316),
        (0.001, 0.6065306597126334, 0.9995512469036465, 0.0004487530963534832),
        (0.001, 1.0, 0.9997803916424144, 0.0002196083575855564),
        (0.001, 1.4918246976412703, 0.999898621407662, 0.00010137859233807679),
        (0.001, 4.4816890703380645, 0.9999978761336177, 2.1238663823165167e-06),
        (0.001, 148.4131591025766, 1.0, 2.3606901991393336e-70),
        (0.05, 0.0024787521766663585, 0.7608912043617525, 0.23910879563824747),
        (0.05, 0.1353352832366127, 0.923675757688134, 0.07632424231186595),
        (0.05, 0.6065306597126334, 0.9768661805789117, 0.023133819421088275),
        (0.05, 1.0, 0.98847634705146, 0.011523652948539912),
        (0.05, 1.4918246976412703, 0.9946002390226395, 0.005399760977360456),
        (0.05, 4.4816890703380645, 0.9998817164543322, 0.00011828354566779354),
        (0.05, 148.4131591025766, 1.0, 1.5486899784126359e-68),
        (0.3, 0.0007436256529999075, 0.1283250711130842, 0.8716749288869158),
        (0.3, 0.04060058497098381, 0.42218018980077837, 0.5778198101992216),
        (0.3, 0.18195919791379003, 0.6416225015402112, 0.3583774984597889),
        (0.3, 0.3, 0.7269573437103662, 0.2730426562896338),
        (0.3, 0.44754740929238107, 0.7953755699241324, 0.20462443007586764),
        (0.3, 1.3445067211014194, 0.9480690351149806, 0.05193096488501933),
        (0.3, 44.52394773077298, 1.0, 1.0640165299921804e-21),
        (0.7, 0.0017351265236664507, 0.012847846205214937, 0.987152153794785),
        (0.7, 0.09473469826562887, 0.20342215913762027, 0.7965778408623797),
        (0.7, 0.42457146179884336, 0.5113382305682148, 0.4886617694317852),
        (0.7, 0.7, 0.6565890602595041, 0.34341093974049586),
        (0.7, 1.044277288348889, 0.7733830008822591, 0.22661699911774086),
        (0.7, 3.137182349236645, 0.9779603402149896, 0.022039659785010414),
        (0.7, 103.88921137180361, 1.0, 1.4520578169028626e-46),
        (1.0, 0.0024787521766663585, 0.002475682607247459, 0.9975243173927525),
        (1.0, 0.1353352832366127, 0.12657698150688337, 0.8734230184931167),
        (1.0, 0.6065306597126334, 0.45476078810739495, 0.545239211892605),
        (1.0, 1.0, 0.6321205588285577, 0.36787944117144233),
        (1.0, 1.4918246976412703, 0.7750382064500815, 0.22496179354991847),
        (1.0, 4.4816890703380645, 0.9886857136195404, 0.011314286380459627),
        (1.0, 148.4131591025766, 1.0, 3.5073891964646352e-65),
        (2.5, 0.0562222630790941, 0.00021666316906018604, 0.9997833368309398),
        (2.5, 0.7056609961794716, 0.07692922645648032, 0.9230707735435196),
        (2.5, 1.8222335352750616, 0.39835063377079377, 0.6016493662292063),
        (2.5, 2.5, 0.5841198130044921, 0.41588018699550794),
        (2.5, 3.2196509230457213, 0.73421251421628, 0.26578748578371997),
        (2.5, 6.455768227027, 0.9757779782560828, 0.024222021743917174),
        (2.5, 59.0608573050445, 1.0, 7.843168908485176e-24),
        (9.9, 1.4705104400539262, 4.202995643913828e-06, 0.999995797004356),
        (9.9, 5.242995687038776, 0.04477849037407456, 0.9552215096259254),
        (9.9, 8.445420363206797, 0.3521316022039967, 0.6478683977960034),
        (9.9, 9.9, 0.5422823565567768, 0.4577176434432232),
        (9.9, 11.242071249699261, 0.6962714345923413, 0.3037285654076587),
        (9.9, 15.946925495750259, 0.958267890161874, 0.04173210983812604),
        (9.9, 48.50365095582213, 0.9999999999963521, 3.647910766581454e-12),
        (10.1, 1.5289559200510658, 3.978878701476888e-06, 0.9999960211212985),
        (10.1, 5.382853631441928, 0.04450869800505942, 0.9554913019949406),
        (10.1, 8.629669691949337, 0.35168178037397885, 0.6483182196260212),
        (10.1, 10.1, 0.541861372742308, 0.4581386272576921),
        (10.1, 11.454684568549455, 0.6958774236086922, 0.3041225763913078),
        (10.1, 16.192092495247817, 0.9580568923404099, 0.041943107659590105),
        (10.1, 48.70722433231541, 0.9999999999956998, 4.3001767940402454e-12),
        (57.0, 25.747353717994983, 7.457318177804828e-08, 0.9999999254268183),
        (57.0, 43.734829414139824, 0.030716278270901322, 0.9692837217290987),
        (57.0, 53.34736842856443, 0.32630770488851013, 0.6736922951114899),
        (57.0, 57.0, 0.5176153812953332, 0.48238461870466676),
        (57.0, 60.10136552212967, 0.6727561519221816, 0.3272438480778183),
        (57.0, 69.52810931611997, 0.9446183616514136, 0.05538163834858647),
        (57.0, 110.5333677947628, 0.9999999924319749, 7.568025146751327e-09),
        (1000.0, 827.1769343606887, 3.210383213858639e-09, 0.9999999967896168),
        (1000.0, 938.7129414165152, 0.024502828676754712, 0.9754971713232453),
        (1000.0, 984.3129554872654, 0.31272858950753624, 0.6872714104924638),
        (1000.0, 1000.0, 0.5042052441802155, 0.4957947558197845),
        (1000.0, 1012.7294490196615, 0.6596012444907083, 0.34039875550929166),
        (1000.0, 1048.5771656689212, 0.9360520719716, 0.06394792802840002),
        (1000.0, 1171.2995782321957, 0.9999998667419981, 1.3325800190693251e-07),
        (100000.0, 98120.52009986051, 1.1154797066600845e-09, 0.9999999988845203),
        (100000.0, 99369.54025825435, 0.022921316663400762, 0.9770786833365992),
        (100000.0, 99842.01105113683, 0.3089551973171783, 0.6910448026828216),
        (100000.0, 100000.0, 0.5004205221103651, 0.4995794778896348),
        (100000.0, 100126.57114014837, 0.6558408578847802, 0.34415914211521986),
        (100000.0, 100475.46842991782, 0.9334824914568436, 0.06651750854315641),
        (100000.0, 101593.70497211113, 0.999999733815268, 2.6618473201971403e-07),
    ];
}
