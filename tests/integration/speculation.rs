//! Drafts yield what the literature says: tokens of a step in closed form, and as many steps for an
//! answer as drawing each step one by one.

use tokenfleet::foundations::random::{Purpose, Stream, Streams};
use tokenfleet::performance::Speculation;

fn speculation(drafted: u32, acceptance: f64) -> Speculation {
    Speculation { drafted, acceptance, draft: None }
}

#[test]
fn a_step_yields_what_the_closed_form_says() {
    for (k, a) in [(1, 0.5), (3, 0.8), (5, 0.9), (8, 0.3)] {
        let formula = (1.0 - libm::pow(a, f64::from(k + 1))) / (1.0 - a);
        let found = speculation(k, a);
        assert!((found.mean_tokens() - formula).abs() < 1e-12);
        let back = Speculation::acceptance_of(k, formula).unwrap();
        assert!((back - a).abs() < 1e-9, "{back}");
    }
    assert_eq!(Speculation::acceptance_of(3, 4.5), None);
}

/// Tokens of one step, one drafted token after the other.
fn walk(stream: &mut Stream, k: u32, a: f64) -> u32 {
    1 + (0..k).take_while(|_| stream.chance(a)).count() as u32
}

/// Against drawing every step: means and deviations of the steps that answers take.
#[test]
fn steps_are_those_of_drawing_each() {
    let mut stream = Streams::new(5, 0).stream(Purpose::Speculation, 0);
    for (k, a, tokens) in [(3, 0.8, 40), (1, 0.6, 25), (5, 0.7, 300)] {
        let found = speculation(k, a);
        let n = 20_000;
        let (mut drawn, mut walked) = ([0.0; 2], [0.0; 2]);
        for _ in 0..n {
            let steps = f64::from(found.steps(tokens, stream.uniform()));
            drawn = [drawn[0] + steps, drawn[1] + steps * steps];
            let (mut made, mut steps) = (0, 0.0);
            while made < tokens {
                made += walk(&mut stream, k, a);
                steps += 1.0;
            }
            walked = [walked[0] + steps, walked[1] + steps * steps];
        }
        let moments = |[sum, squares]: [f64; 2]| {
            let mean = sum / f64::from(n);
            (mean, libm::sqrt(squares / f64::from(n) - mean * mean))
        };
        let ((mean, deviation), (true_mean, true_deviation)) = (moments(drawn), moments(walked));
        let error = 4.0 * true_deviation / libm::sqrt(f64::from(n)) * 2.0;
        assert!((mean - true_mean).abs() < error, "{mean} steps, {true_mean} one by one");
        assert!((deviation / true_deviation - 1.0).abs() < 0.05, "{deviation} {true_deviation}");
    }
}
