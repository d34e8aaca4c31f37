//! What a seed decides before anything happens: how big the cluster is, who uses it, what can go wrong.

use crate::{
    draw::Draw,
    network::Weather,
    plant::Bug,
    schedule::{MS, Micros, SECOND},
};

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A process is killed; what it wrote is there.
    Kill,
    /// A machine loses power; unsynced writes are lost or torn.
    PowerLoss,
    /// All of them at once.
    PowerLossEverywhere,
    /// Power is lost in the middle of a call that changes the disk.
    PowerLossWhileWriting,
    /// Two groups cannot reach each other.
    Partition,
    /// Two machines cannot reach each other, though others reach both.
    BrokenLink,
    /// One machine cannot send, or cannot receive.
    OneWay,
    IsolateLeader,
    /// Messages to or from one machine come seconds late.
    SlowLinks,
    /// The leader hears the others ever later, but never so long nothing that it would step down; then it cannot be
    /// heard any more.
    LateAndMute,
    /// A process stands still.
    Pause,
    FullDisk,
    /// Loss, repetition and reordering begin or end.
    Weather,
}

impl Trouble {
    pub const ALL: [Trouble; 13] = [
        Trouble::Kill,
        Trouble::PowerLoss,
        Trouble::PowerLossEverywhere,
        Trouble::PowerLossWhileWriting,
        Trouble::Partition,
        Trouble::BrokenLink,
        Trouble::OneWay,
        Trouble::IsolateLeader,
        Trouble::SlowLinks,
        Trouble::LateAndMute,
        Trouble::Pause,
        Trouble::FullDisk,
        Trouble::Weather,
    ];
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub founders: usize,
    pub clients: u64,
    pub watchers: u64,
    pub keepers: u64,
    /// Until everything is mended and checked.
    pub duration: Micros,
    pub troubles: Vec<Trouble>,
    pub pause_between_troubles: Micros,
    /// Members are killed right after they have given their vote.
    pub voters_die: bool,
    pub reconfigures: bool,
    pub compacts: bool,
    pub weather: Weather,
    /// Clocks of members run this much faster or slower at most, in millionths.
    pub drift_ppm_max: u64,
    pub snapshot_entries: u64,
    pub catchup_entries: u64,
    pub trim_entries: u64,
}

impl Plan {
    pub fn draw(draw: &mut Draw) -> Plan {
        let founders = [3, 3, 3, 3, 5, 1][draw.below(6) as usize];
        // Many kinds at once hide what one or two do when they have time.
        let share = [40, 40, 15, 8][draw.below(4) as usize];
        let troubles = Trouble::ALL.into_iter().filter(|_| draw.percent(share)).collect();
        let snapshot_entries = draw.between(10, 120);
        Plan {
            founders,
            clients: draw.between(2, 5),
            watchers: draw.between(1, 3),
            keepers: draw.below(3),
            duration: if draw.percent(15) { draw.between(15, 40) } else { draw.between(5, 14) } * SECOND,
            troubles,
            pause_between_troubles: draw.between(200, 2500) * MS,
            voters_die: draw.percent(15),
            reconfigures: draw.percent(35),
            compacts: draw.percent(50),
            weather: Plan::weather(draw),
            drift_ppm_max: [0, 1000, 20_000][draw.below(3) as usize],
            snapshot_entries,
            catchup_entries: draw.between(1, snapshot_entries),
            trim_entries: draw.between(20, 200),
        }
    }

    /// The trouble in which a planted bug shows soonest. (Other plans find it too, but rarely.)
    pub fn provoke(&mut self, bug: Bug) {
        match bug {
            Bug::ReusedReadContext => {
                (self.founders, self.clients) = (3, 5);
                (self.troubles, self.pause_between_troubles) = (vec![Trouble::LateAndMute], 20 * SECOND);
                self.duration = 13 * SECOND;
            }
            Bug::LostVote => {
                self.founders = 3;
                self.troubles = vec![Trouble::BrokenLink, Trouble::IsolateLeader];
                (self.voters_die, self.pause_between_troubles) = (true, 1000 * MS);
            }
            Bug::SkippedSync | Bug::AppliedTwice | Bug::StaleLeaseExpiry => {}
        }
    }

    /// Weather of any kind.
    pub fn weather(draw: &mut Draw) -> Weather {
        if draw.percent(40) {
            return Weather::CALM;
        }
        Weather {
            delay_max: draw.between(1, 60) * MS,
            lost_permille: [0, 10, 100, 300][draw.below(4) as usize],
            repeated_permille: [0, 10, 100][draw.below(3) as usize],
            reordered_permille: [0, 10, 200][draw.below(3) as usize],
        }
    }
}
