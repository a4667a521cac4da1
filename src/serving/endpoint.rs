//! A hosted model behind a price list: how fast it answers, what it refuses, what a call costs.
//!
//! Who offers it has enough machines for everyone: a call's speed is drawn from laws and does not
//! depend on the load. What does is the customer's own limits: requests and tokens in a minute, and
//! calls at once; beyond them it refuses, and says when to come back.

use super::interruption::{InterruptionLaw, Interruptions};
use crate::foundations::distribution::Law;
use crate::foundations::random::Stream;
use crate::foundations::{SimDuration, SimTime};
use crate::workload::context::Piece;

mod bucket;
mod price_list;
mod prompt_cache;
mod usage;

pub use bucket::RateLimit;
pub use price_list::{LongContext, PriceList};
pub use prompt_cache::PromptCachePolicy;
pub use usage::EndpointUsage;

use bucket::TokenBucket;
use prompt_cache::PromptCache;

/// What an endpoint is.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSpec {
    /// What tokens cost.
    pub prices: PriceList,
    /// Requests in a minute.
    pub requests: Option<RateLimit>,
    /// Tokens in a minute, of prompts and answers together.
    pub tokens: Option<RateLimit>,
    /// Whether tokens that its cache holds count towards that.
    pub counts_cached: bool,
    /// Calls at once.
    pub concurrency: Option<u32>,
    /// Time to the first token, beside that of reading the prompt, seconds.
    pub first_token_s: Law,
    /// Time of each further token, seconds; drawn once for each call.
    pub token_s: Law,
    /// How long it reads on a prompt token that its cache does not hold, seconds.
    pub prompt_token_s: f64,
    /// Its cache of prompt prefixes.
    pub cache: Option<PromptCachePolicy>,
    /// When nobody is served.
    pub outages: InterruptionLaw,
}

/// A call as an endpoint sees it.
#[derive(Clone, Copy, Debug)]
pub struct EndpointRequest<'a> {
    /// The prompt's pieces, first token first.
    pub pieces: &'a [Piece],
    /// Prompt tokens.
    pub prompt: u32,
    /// Tokens to produce, at least 1.
    pub output: u32,
}

/// How a call will go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// When it was sent.
    pub sent: SimTime,
    /// Prompt tokens.
    pub prompt: u32,
    /// Prompt tokens that the cache held.
    pub cached: u32,
    /// Tokens to produce.
    pub output: u32,
    /// When the first token comes.
    pub first_token: SimTime,
    /// Time of each further token.
    pub token: SimDuration,
    /// When it ends, with the last token or with an outage.
    pub end: SimTime,
    /// Whether an outage ends it.
    pub broken: bool,
}

impl Course {
    /// The same seen from so far away.
    #[must_use]
    pub fn from_afar(mut self, round_trip: SimDuration) -> Self {
        self.first_token += round_trip;
        self.end += round_trip;
        self
    }

    /// Tokens that have come by `now`.
    pub fn produced(&self, now: SimTime) -> u32 {
        if now < self.first_token {
            return 0;
        }
        let further = now.since(self.first_token).0 / self.token.0.max(1);
        u32::try_from(further).map_or(self.output, |more| more.saturating_add(1).min(self.output))
    }
}

/// Why a call was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A limit is reached (429); where it is known, when a call like this would be let through.
    TooMany(Option<SimDuration>),
    /// It is out of service (503).
    OutOfService,
}

/// An endpoint in a trial.
#[derive(Clone, Debug)]
pub struct Endpoint {
    requests: Option<TokenBucket>,
    tokens: Option<TokenBucket>,
    cache: PromptCache,
    outages: Interruptions,
    present: u32,
}

impl Endpoint {
    /// An endpoint that nobody has called; `outages` draws when it is out of service.
    pub fn new(spec: &EndpointSpec, outages: Stream) -> Self {
        Self {
            requests: spec.requests.as_ref().map(TokenBucket::new),
            tokens: spec.tokens.as_ref().map(TokenBucket::new),
            cache: PromptCache::default(),
            outages: Interruptions::new(&spec.outages, outages),
            present: 0,
        }
    }

    /// Sends a call; `stream` draws how fast it is answered. One that is taken must be
    /// [ended](Self::end).
    ///
    /// # Errors
    /// [`Refusal`] where it is turned away; it then counts towards no limit.
    pub fn send(
        &mut self,
        spec: &EndpointSpec,
        request: EndpointRequest<'_>,
        now: SimTime,
        stream: &mut Stream,
    ) -> Result<Course, Refusal> {
        let outage = self.outages.at_or_after(&spec.outages, now);
        if outage.is_some_and(|outage| outage.start <= now) {
            return Err(Refusal::OutOfService);
        }
        if spec.concurrency.is_some_and(|most| self.present >= most) {
            return Err(Refusal::TooMany(None));
        }
        let EndpointRequest { pieces, prompt, output } = request;
        let cached = match &spec.cache {
            Some(policy) => self.cache.look_up(policy, pieces, prompt, now),
            None => 0,
        };
        let free = if spec.counts_cached { 0 } else { cached };
        let tokens = u64::from(prompt - free) + u64::from(output);
        let mut limits =
            [(&mut self.requests, &spec.requests, 1), (&mut self.tokens, &spec.tokens, tokens)];
        let waits = limits.iter_mut().filter_map(|(bucket, limit, amount)| {
            Some(bucket.as_mut()?.wait(limit.as_ref()?, *amount, now))
        });
        if let Some(wait) = waits.max().filter(|wait| *wait > SimDuration::ZERO) {
            return Err(Refusal::TooMany(Some(wait)));
        }
        for (bucket, _, amount) in limits {
            bucket.iter_mut().for_each(|bucket| bucket.take(amount));
        }
        self.present += 1;
        let mut draw = |law: &Law| SimDuration::from_s_saturating(law.sample(stream));
        let reading = f64::from(prompt - cached) * spec.prompt_token_s;
        let first = draw(&spec.first_token_s) + SimDuration::from_s_saturating(reading);
        let token = draw(&spec.token_s);
        let first_token = now + first;
        let answered = first_token + token * u64::from(output - 1);
        let broken = outage.map(|outage| outage.start).filter(|start| *start < answered);
        Ok(Course {
            sent: now,
            prompt,
            cached,
            output,
            first_token,
            token,
            end: broken.unwrap_or(answered),
            broken: broken.is_some(),
        })
    }

    /// A call is over; the prompt of one that was answered is kept for a while.
    pub fn end(
        &mut self,
        spec: &EndpointSpec,
        answered: Option<EndpointRequest<'_>>,
        now: SimTime,
    ) {
        self.present -= 1;
        if let (Some(policy), Some(request)) = (&spec.cache, answered) {
            self.cache.keep(policy, request.pieces, request.prompt, now);
        }
    }

    /// Calls under way.
    pub fn present(&self) -> u32 {
        self.present
    }
}
