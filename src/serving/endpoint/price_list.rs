//! What the tokens of a hosted model cost.

use crate::foundations::whole;

/// Prices of a token, in picodollars: a millionth of a dollar per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PriceList {
    /// A prompt token.
    pub input: u64,
    /// A prompt token that the provider's cache held.
    pub cached: u64,
    /// A token produced, reasoning included.
    pub output: u64,
    /// What holds for longer prompts.
    pub long: Option<LongContext>,
}

/// Prices of long prompts; cached tokens keep their share of the input's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongContext {
    /// Prompts of more tokens than this pay them, on all of their tokens.
    pub above: u32,
    /// A prompt token.
    pub input: u64,
    /// A token produced.
    pub output: u64,
}

impl PriceList {
    /// From dollars per million tokens.
    pub fn from_usd_per_mtok(input: f64, cached: f64, output: f64) -> Self {
        let [input, cached, output] = [input, cached, output].map(pico_of);
        Self { input, cached, output, long: None }
    }

    /// What a call costs, picodollars.
    pub fn charge(&self, prompt: u32, cached: u32, produced: u32) -> u64 {
        let (mut input, mut cheap, mut output) = (self.input, self.cached, self.output);
        if let Some(long) = self.long.filter(|long| prompt > long.above) {
            let share = cheap as f64 / (input as f64).max(1.0);
            cheap = whole(long.input as f64 * share);
            (input, output) = (long.input, long.output);
        }
        let [fresh, cached, produced] = [prompt - cached, cached, produced].map(u64::from);
        fresh * input + cached * cheap + produced * output
    }
}

/// Picodollars of a token at so many dollars per million tokens.
pub(super) fn pico_of(usd_per_mtok: f64) -> u64 {
    whole(usd_per_mtok * 1e6)
}

impl LongContext {
    /// From dollars per million tokens.
    pub fn from_usd_per_mtok(above: u32, input: f64, output: f64) -> Self {
        Self { above, input: pico_of(input), output: pico_of(output) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_its_tokens_times_their_prices() {
        let list = PriceList::from_usd_per_mtok(3.0, 0.3, 15.0);
        // 10,000 fresh, 90,000 cached, 2,000 out: $0.03 + $0.027 + $0.03.
        assert_eq!(list.charge(100_000, 90_000, 2_000), 87_000_000_000);
        let long = LongContext::from_usd_per_mtok(200_000, 6.0, 22.5);
        let list = PriceList { long: Some(long), ..list };
        assert_eq!(list.charge(200_000, 0, 0), 600_000_000_000);
        assert_eq!(list.charge(300_000, 100_000, 1_000), 1_282_500_000_000);
    }
}
