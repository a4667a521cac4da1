//! stub
/// stub
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    sum: u128,
    count: u64,
    b: Vec<u64>,
}
fn bucket(v: u64) -> usize {
    if v < 1024 {
        v as usize
    } else {
        let e = 63 - v.leading_zeros() as usize - 9;
        1024 + (e - 1) * 512 + ((v >> e) as usize - 512)
    }
}
impl Histogram {
    /// r
    pub fn record(&mut self, v: u64) {
        self.record_n(v, 1)
    }
    /// r
    pub fn record_n(&mut self, v: u64, n: u64) {
        if n == 0 {
            return;
        }
        self.sum += v as u128 * n as u128;
        self.count += n;
        let i = bucket(v);
        if i >= self.b.len() {
            self.b.resize(i + 1, 0);
        }
        self.b[i] += n;
    }
    /// r
    pub fn record_progression(&mut self, f: u64, s: u64, n: u64, w: u64) {
        let mut i = 0;
        while i < n {
            let v = f + s * i;
            let bk = bucket(v);
            let mut j = i + 1;
            if s == 0 {
                j = n
            } else {
                while j < n && bucket(f + s * j) == bk {
                    j += 1;
                }
            }
            self.record_n(v, 0);
            let m = j - i;
            if w > 0 {
                self.count += m * w;
                self.sum += (v as u128 * m as u128 + s as u128 * (m as u128 * (m as u128 - 1) / 2))
                    * w as u128;
                if bk >= self.b.len() {
                    self.b.resize(bk + 1, 0);
                }
                self.b[bk] += m * w;
            }
            i = j;
        }
    }
    /// m
    pub fn merge(&mut self, o: &Self) {
        self.sum += o.sum;
        self.count += o.count;
        if self.b.len() < o.b.len() {
            self.b.resize(o.b.len(), 0);
        }
        for (a, b) in self.b.iter_mut().zip(&o.b) {
            *a += b;
        }
    }
    /// r
    pub fn reset(&mut self) {
        self.b.clear();
        self.sum = 0;
        self.count = 0;
    }
    /// m
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count as f64
    }
    /// c
    pub fn count(&self) -> u64 {
        self.count
    }
}
