//! stub
/// stub
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchMeans {
    n: u64,
    s: f64,
}
impl BatchMeans {
    /// r
    pub fn record(&mut self, v: f64) {
        self.n += 1;
        self.s += v;
    }
}
