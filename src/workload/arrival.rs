//! stub
use crate::foundations::SimTime;
use crate::foundations::random::*;
/// a
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// p
    Poisson(f64),
    /// c
    Closed(u32),
}
/// a
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// a
    pub at: SimTime,
    /// c
    pub client: u32,
}
/// s
#[derive(Clone, Debug)]
pub struct ArrivalStream {
    a: Arrivals,
    s: Stream,
    t: f64,
    n: u32,
}
impl ArrivalStream {
    /// n
    pub fn new(a: &Arrivals, s: Streams, e: u64) -> Self {
        Self { a: a.clone(), s: s.stream(Purpose::Arrival, e), t: 0.0, n: 0 }
    }
    /// n
    pub fn next(&mut self) -> Option<Arrival> {
        match self.a {
            Arrivals::Poisson(r) => {
                self.t += -libm::log(self.s.uniform()) / r;
                Some(Arrival { at: SimTime::from_s(self.t)?, client: 0 })
            }
            Arrivals::Closed(n) => {
                self.n += 1;
                (self.n <= n).then_some(Arrival { at: SimTime::ZERO, client: self.n - 1 })
            }
        }
    }
}
