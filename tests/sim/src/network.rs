//! Links between members: they delay, lose, repeat and reorder messages, and can be cut in one direction.
//!
//! It never looks into a message. A proposal on its way to the leader is the caller's to keep from being repeated: the
//! connections it travels on in reality lose messages but never repeat them.

use crate::{
    draw::Draw,
    schedule::{MS, Micros},
};
use std::collections::{BTreeMap, BTreeSet};

/// How links behave while nothing is cut.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub delay_max: Micros,
    pub lost_permille: u64,
    pub repeated_permille: u64,
    /// Messages that do not wait for those sent before them.
    pub reordered_permille: u64,
}

impl Weather {
    pub const CALM: Weather =
        Weather { delay_max: 2 * MS, lost_permille: 0, repeated_permille: 0, reordered_permille: 0 };
}

/// From one machine to another.
pub type Link = (usize, usize);

/// What is added to every delay.
#[derive(Clone, Copy, Debug)]
pub enum Slow {
    By(Micros),
    /// Ever more: half of the time that has passed since.
    More {
        since: Micros,
    },
}

#[derive(Debug)]
pub struct Network {
    weather: Weather,
    cut: BTreeSet<Link>,
    slow: BTreeMap<Link, Slow>,
    /// When the last message in order arrives.
    last: BTreeMap<Link, Micros>,
}

impl Network {
    pub fn new(weather: Weather) -> Network {
        Network { weather, cut: BTreeSet::new(), slow: BTreeMap::new(), last: BTreeMap::new() }
    }

    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    pub fn cut(&mut self, link: Link) {
        self.cut.insert(link);
    }

    pub fn slow_down(&mut self, link: Link, slow: Slow) {
        self.slow.insert(link, slow);
    }

    /// Every link is whole and quick again. What is on its way stays so.
    pub fn mend(&mut self) {
        self.cut.clear();
        self.slow.clear();
    }

    pub fn is_cut(&self, link: Link) -> bool {
        self.cut.contains(&link)
    }

    /// When the copies of a message sent now arrive; none if it is lost.
    pub fn send(&mut self, link: Link, now: Micros, repeatable: bool, draw: &mut Draw) -> Vec<Micros> {
        if self.cut.contains(&link) || draw.permille(self.weather.lost_permille) {
            return Vec::new();
        }
        let slow = match self.slow.get(&link) {
            None => 0,
            Some(Slow::By(time)) => *time,
            Some(Slow::More { since }) => (now - since) / 2,
        };
        let mut arrivals = vec![now + slow + draw.between(50, self.weather.delay_max)];
        if !draw.permille(self.weather.reordered_permille) {
            let last = self.last.entry(link).or_default();
            *last = arrivals[0].max(*last + 1);
            arrivals[0] = *last;
        }
        if repeatable && draw.permille(self.weather.repeated_permille) {
            arrivals.push(arrivals[0] + draw.between(1, 500 * MS));
        }
        arrivals
    }
}
