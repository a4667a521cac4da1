//! Which replicas of a pool are there: rented, in service, open to requests; and how long they were
//! not.

use std::collections::VecDeque;

use super::event::Handle;
use crate::foundations::SimTime;
use crate::foundations::random::{Purpose, Stream, Streams, derive};
use crate::serving::Open;
use crate::serving::interruption::Interruptions;

use super::plan::{FleetLaw, Pool, SiteResource};
use super::scaling::latency::Watch;

/// Why a replica takes no more requests, though it goes on with those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// To be rebooted.
    Reboot,
    /// Its owner wants it back.
    Reclaimed,
    /// There is too little to do.
    Unneeded,
}

/// How a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it is paid for.
    pub(super) rented: bool,
    /// Whether it is not ready yet.
    pub(super) starting: bool,
    /// Things that keep it down.
    pub(super) down: u32,
    pub(super) leaving: Option<Leaving>,
    /// Counts what was begun with it: an event of an earlier turn means nothing.
    pub(super) turn: u32,
}

impl Standing {
    /// Whether it works.
    pub(super) fn serves(&self) -> bool {
        self.rented && !self.starting && self.down == 0
    }

    /// Whether it takes requests.
    pub(super) fn is_open(&self) -> bool {
        self.serves() && self.leaving.is_none()
    }
}

/// A thing that breaks: which law, and which replicas need it.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) law: usize,
    pub(super) replicas: std::ops::Range<usize>,
    pub(super) stream: Stream,
}

/// The replicas of one pool, where something may happen to them.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub(super) standing: Vec<Standing>,
    open: Vec<u32>,
    /// Requests that wait for a replica to open.
    pub(super) held: VecDeque<Handle>,
    pub(super) units: Vec<Unit>,
    /// By replica: its slow stretches, and the times that it is reclaimed and rebooted.
    pub(super) streams: Vec<[Stream; 3]>,
    pub(super) outages: Interruptions,
    /// Replicas still to be rebooted in this round, and those on their way.
    pub(super) due: VecDeque<u32>,
    pub(super) rebooting: u32,
    /// Since when fewer replicas would do, and how many at most.
    pub(super) spare_since: Option<(SimTime, u32)>,
    /// Time in steps at the last look of the autoscaler.
    pub(super) busy_ps: u128,
    /// Where it looks at a latency: what it has seen.
    pub(super) watch: Watch,
    /// Replica time that was paid for and out of service, and that was not paid for, ps.
    pub(super) down_ps: u128,
    pub(super) unpaid_ps: u128,
    /// Time of committed replicas that were not rented, ps.
    pub(super) spare_ps: u128,
    /// Replicas that the autoscaler asks for and that the site has no power or room for, and that
    /// many x time, ps.
    pub(super) refused: [u32; SiteResource::ALL.len()],
    pub(super) refused_ps: [u128; SiteResource::ALL.len()],
    committed: usize,
    booked: SimTime,
}

/// Places in [`Fleet::streams`].
pub(super) const SLOW: usize = 0;
pub(super) const RECLAIM: usize = 1;
pub(super) const START: usize = 2;

impl Fleet {
    /// The fleet of pool number `index` at the start of a trial.
    pub(super) fn new(pool: &Pool, law: &FleetLaw, streams: Streams, index: u64) -> Self {
        let count = pool.most_replicas() as usize;
        let name = |kind: u64, thing: usize| derive(derive(index + 1, kind), thing as u64);
        let stream = |kind, thing| streams.stream(Purpose::Failure, name(kind, thing));
        let unit = |(place, breakdown): (usize, &super::plan::Breakdown)| {
            let group = breakdown.group as usize;
            let stream = move |unit: usize| stream(10 + place as u64, unit);
            (0..count).step_by(group).enumerate().map(move |(unit, first)| Unit {
                law: place,
                replicas: first..(first + group).min(count),
                stream: stream(unit),
            })
        };
        let standing = |at: usize| Standing {
            rented: at < pool.replicas as usize,
            starting: false,
            down: 0,
            leaving: None,
            turn: 0,
        };
        let mut fleet = Self {
            standing: (0..count).map(standing).collect(),
            open: Vec::new(),
            held: VecDeque::new(),
            units: law.breakdowns.iter().enumerate().flat_map(unit).collect(),
            streams: (0..count).map(|at| [0, 1, 2].map(|kind| stream(kind, at))).collect(),
            outages: Interruptions::new(&law.outages, stream(3, 0)),
            due: VecDeque::new(),
            rebooting: 0,
            spare_since: None,
            busy_ps: 0,
            watch: Watch::default(),
            down_ps: 0,
            unpaid_ps: 0,
            spare_ps: 0,
            refused: Default::default(),
            refused_ps: Default::default(),
            committed: pool.commitment.map_or(0, |committed| committed.replicas as usize),
            booked: SimTime::ZERO,
        };
        fleet.find_open();
        fleet
    }

    /// The replicas that take requests; none where there are none.
    pub(super) fn open(&self) -> Option<Open<'_>> {
        match self.open.len() {
            0 => None,
            all if all == self.standing.len() => Some(Open::All(all)),
            _ => Some(Open::Some(&self.open)),
        }
    }

    /// How many take requests.
    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    fn find_open(&mut self) {
        self.open.clear();
        let places = self.standing.iter().zip(0..).filter(|(standing, _)| standing.is_open());
        self.open.extend(places.map(|(_, place)| place));
    }

    /// Books how long replicas were down or not paid for, up to now.
    pub(super) fn book(&mut self, now: SimTime) {
        let since = u128::from(now.since(self.booked).0);
        let unpaid = self.standing.iter().filter(|standing| !standing.rented).count();
        let serving = self.standing.iter().filter(|standing| standing.serves()).count();
        let rented = self.standing.len() - unpaid;
        self.unpaid_ps += since * unpaid as u128;
        self.spare_ps += since * self.committed.saturating_sub(rented) as u128;
        self.down_ps += since * (self.standing.len() - unpaid - serving) as u128;
        for (sum, refused) in self.refused_ps.iter_mut().zip(self.refused) {
            *sum += since * u128::from(refused);
        }
        self.booked = now;
    }

    /// Begins the sums anew, at the end of a warm-up.
    pub(super) fn start_measuring(&mut self) {
        (self.down_ps, self.unpaid_ps, self.spare_ps) = (0, 0, 0);
        self.refused_ps = Default::default();
    }

    /// Changes how a replica stands; how it stood, and stands.
    pub(super) fn change(
        &mut self,
        replica: usize,
        now: SimTime,
        change: impl FnOnce(&mut Standing),
    ) -> (Standing, Standing) {
        self.book(now);
        let before = self.standing[replica];
        change(&mut self.standing[replica]);
        self.find_open();
        (before, self.standing[replica])
    }

    /// Replicas that are paid for.
    pub(super) fn rented(&self) -> u32 {
        self.standing.iter().filter(|standing| standing.rented).count() as u32
    }

    /// Those of them that their owner is about to take back.
    pub(super) fn reclaimed(&self) -> u32 {
        let reclaimed = |standing: &&Standing| standing.leaving == Some(Leaving::Reclaimed);
        self.standing.iter().filter(reclaimed).count() as u32
    }

    /// Replicas that are paid for and not about to be given back.
    pub(super) fn wanted(&self) -> u32 {
        let stays = |standing: &&Standing| {
            let going = matches!(standing.leaving, Some(Leaving::Unneeded | Leaving::Reclaimed));
            standing.rented && !going
        };
        self.standing.iter().filter(stays).count() as u32
    }
}
