//! Members and the network between them, and questions to all of them. It injects no fault by itself.

use crate::Failure;
use crate::api::{Api, Fault};
use crate::member::{Launch, Member};
use crate::network::{CLIENT_PORT, Network, address, peer_url};
use client::method;
use prost::Message;
use proto::etcdserverpb as pb;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The longest a healthy cluster may take to elect, catch up or expire leases. No test measures time: this only ends
/// one that would hang.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at something awaited.
pub const POLL: Duration = Duration::from_millis(20);
/// The longest one question takes.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(7);

#[derive(Debug)]
pub struct Cluster {
    pub network: Network,
    /// Member number i is at i - 1.
    pub members: Vec<Member>,
    directory: PathBuf,
    disk_size: Option<u32>,
}

/// How members of a cluster are set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The server of each member, and flags for it.
    pub servers: Vec<(PathBuf, Vec<String>)>,
    /// Members that may join later.
    pub spare: usize,
    /// MiB of the file system of each, in memory; None: a directory on disk.
    pub disk_size: Option<u32>,
}

impl Cluster {
    /// Lays the network and makes the members, not started, in an emptied directory.
    ///
    /// # Errors
    /// As those of [`Network::new`] and [`Member::new`].
    pub fn new(directory: &Path, setup: &Setup) -> Result<Cluster, Failure> {
        let network = Network::new(setup.servers.len() + setup.spare)?;
        let (members, disk_size) = (Vec::new(), setup.disk_size);
        let mut cluster = Cluster { network, members, directory: directory.to_owned(), disk_size };
        cluster.renew(setup)?;
        Ok(cluster)
    }

    /// Ends all members and makes new ones on the same network.
    ///
    /// # Errors
    /// As those of [`Member::new`].
    pub fn renew(&mut self, setup: &Setup) -> Result<(), Failure> {
        self.members.clear();
        self.network.heal()?;
        if self.directory.exists() {
            std::fs::remove_dir_all(&self.directory)
                .map_err(|e| format!("{}: {e}", self.directory.display()))?;
        }
        let initial: Vec<usize> = (1..=setup.servers.len()).collect();
        for (number, (server, flags)) in initial.iter().zip(&setup.servers) {
            let launch = Launch { initial: initial.clone(), existing: false, flags: flags.clone() };
            self.members.push(Member::new(*number, server, launch, &self.directory, setup.disk_size)?);
        }
        Ok(())
    }

    /// Starts all and waits until they serve.
    ///
    /// # Errors
    /// One does not.
    pub async fn start(&mut self) -> Result<(), Failure> {
        for member in &mut self.members {
            member.start()?;
        }
        self.all_serve().await
    }

    /// Adds a member, which starts empty, and waits until it serves.
    ///
    /// # Errors
    /// The others refuse, or it does not come up.
    pub async fn join(&mut self, server: &Path, flags: Vec<String>) -> Result<usize, Failure> {
        let number = self.members.len() + 1;
        reconfigure(1, &method::MEMBER_ADD, addition(number, false)).await?;
        let launch = Launch { initial: (1..=number).collect(), existing: true, flags };
        self.members.push(Member::new(number, server, launch, &self.directory, self.disk_size)?);
        self.member(number).start()?;
        self.serves(number).await?;
        Ok(number)
    }

    /// Removes the member that joined last, and waits until it has ended by itself.
    ///
    /// # Errors
    /// The others refuse, or it does not end.
    pub async fn leave(&mut self) -> Result<(), Failure> {
        let number = self.members.len();
        self.remove(number, 1).await?;
        self.members.pop();
        Ok(())
    }

    /// Removes a member by asking another, and lets it come again without data: as a learner that is promoted.
    ///
    /// # Errors
    /// The others refuse, it does not end, or does not come up.
    pub async fn replace(&mut self, number: usize, asked: usize) -> Result<(), Failure> {
        self.remove(number, asked).await?;
        reconfigure(asked, &method::MEMBER_ADD, addition(number, true)).await?;
        let member = self.member(number);
        member.wipe()?;
        member.launch.existing = true;
        member.start()?;
        let id = self.identity(number).await?;
        reconfigure(asked, &method::MEMBER_PROMOTE, pb::MemberPromoteRequest { id }).await?;
        self.serves(number).await.map(|_| ())
    }

    async fn remove(&mut self, number: usize, asked: usize) -> Result<(), Failure> {
        let id = self.identity(number).await?;
        reconfigure(asked, &method::MEMBER_REMOVE, pb::MemberRemoveRequest { id }).await?;
        self.member(number).ended().await.map(|_| ())
    }

    /// A member's id, as soon as it answers at all.
    async fn identity(&mut self, number: usize) -> Result<u64, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match status(number).await {
                Ok(status) => return Ok(status.header.unwrap_or_default().member_id),
                Err(fault) if Instant::now() > deadline => {
                    return Err(format!("status of member {number}: {}", Failure::from(fault)));
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    pub fn member(&mut self, number: usize) -> &mut Member {
        &mut self.members[number - 1]
    }

    pub fn numbers(&self) -> Vec<usize> {
        self.members.iter().map(|member| member.number).collect()
    }

    /// Waits until every member answers a linearizable read.
    ///
    /// # Errors
    /// One has ended, or does not answer for [`PATIENCE`].
    pub async fn all_serve(&mut self) -> Result<(), Failure> {
        for number in self.numbers() {
            self.serves(number).await?;
        }
        Ok(())
    }

    /// # Errors
    /// As [`Cluster::all_serve`], of one member.
    pub async fn serves(&mut self, number: usize) -> Result<i64, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if !self.member(number).is_running() {
                return Err(format!("member {number} has ended:\n{}", self.member(number).tail()));
            }
            match revision(number).await {
                Ok(revision) => return Ok(revision),
                Err(fault) if Instant::now() > deadline => {
                    let tail = self.member(number).tail();
                    return Err(format!("member {number} does not serve: {}\n{tail}", Failure::from(fault)));
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// The leader as a majority of the running members see it.
    ///
    /// # Errors
    /// None for [`PATIENCE`].
    pub async fn leader(&mut self) -> Result<usize, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let majority = self.members.len() / 2 + 1;
        while Instant::now() < deadline {
            let mut seen: Vec<(u64, u64, usize)> = Vec::new();
            for number in self.numbers() {
                if self.member(number).is_running()
                    && let Ok(status) = status(number).await
                {
                    seen.push((status.header.unwrap_or_default().member_id, status.leader, number));
                }
            }
            for (id, _, number) in &seen {
                if seen.iter().filter(|(_, leader, _)| leader == id).count() >= majority {
                    return Ok(*number);
                }
            }
            tokio::time::sleep(POLL).await;
        }
        Err("no leader".to_owned())
    }

    /// Waits until all members have applied as much, and compares their hashes of all keys.
    ///
    /// # Errors
    /// They differ, or one stays behind.
    pub async fn same_hash(&mut self) -> Result<i64, Failure> {
        let mut highest = 0;
        for number in self.numbers() {
            highest = highest.max(self.serves(number).await?);
        }
        let mut hashes = Vec::new();
        for number in self.numbers() {
            let hash = hash(number, highest).await.map_err(|e| format!("HashKV of member {number}: {e}"))?;
            hashes.push((hash.hash, hash.compact_revision));
        }
        if hashes.iter().any(|hash| *hash != hashes[0]) {
            return Err(format!("hashes (and compacted revisions) at revision {highest} differ: {hashes:?}"));
        }
        Ok(highest)
    }

    /// Waits until a member leads.
    ///
    /// # Errors
    /// It does not get to.
    pub async fn lead(&mut self, number: usize) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let target_id = status(number).await?.header.unwrap_or_default().member_id;
        loop {
            let leader = self.leader().await?;
            if leader == number {
                return Ok(());
            }
            let request = pb::MoveLeaderRequest { target_id };
            let moved = Api::new(leader, QUESTION_TIMEOUT).call(&method::MOVE_LEADER, request).await;
            if let Err(fault) = moved
                && Instant::now() > deadline
            {
                return Err(format!("member {number} cannot lead: {}", Failure::from(fault)));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Nothing is left to look at.
    pub fn remove_files(mut self) {
        self.members.clear();
        // What cannot be removed is only space.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn addition(number: usize, is_learner: bool) -> pb::MemberAddRequest {
    pb::MemberAddRequest { peer_ur_ls: vec![peer_url(number)], is_learner }
}

/// Asks a member for a change of members until it agrees: others must have been connected for a while, or a learner
/// have come up. A change that was asked for twice because an answer was lost is refused for good.
async fn reconfigure<Req, Resp>(
    asked: usize,
    method: &method::Unary<Req, Resp>,
    request: Req,
) -> Result<(), Failure>
where
    Req: Message + Clone + Default + 'static,
    Resp: Message + Default + 'static,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Api::new(asked, QUESTION_TIMEOUT).call(method, request.clone()).await {
            Ok(_) => return Ok(()),
            Err(fault) if Instant::now() > deadline => {
                return Err(format!("{} at member {asked}: {}", method.path, Failure::from(fault)));
            }
            Err(_) => tokio::time::sleep(POLL * 10).await,
        }
    }
}

/// The current revision by a linearizable read.
pub async fn revision(number: usize) -> Result<i64, Fault> {
    let request = pb::RangeRequest { key: "none".into(), ..Default::default() };
    let answer = Api::new(number, QUESTION_TIMEOUT).call(&method::RANGE, request).await?;
    Ok(answer.header.unwrap_or_default().revision)
}

pub async fn status(number: usize) -> Result<pb::StatusResponse, Fault> {
    Api::new(number, QUESTION_TIMEOUT).call(&method::STATUS, pb::StatusRequest::default()).await
}

/// The cluster version, as `/version` tells it.
pub async fn cluster_version(number: usize) -> Result<String, Failure> {
    let error = |e: std::io::Error| format!("/version of member {number}: {e}");
    let mut stream = TcpStream::connect((address(number), CLIENT_PORT)).await.map_err(error)?;
    stream.write_all(b"GET /version HTTP/1.0\r\nHost: x\r\n\r\n").await.map_err(error)?;
    let mut text = String::new();
    let read = tokio::time::timeout(QUESTION_TIMEOUT, stream.read_to_string(&mut text));
    read.await.map_err(|_| format!("/version of member {number} does not come"))?.map_err(error)?;
    let version = text.split("\"etcdcluster\":\"").nth(1).and_then(|rest| rest.split('"').next());
    version.map(str::to_owned).ok_or_else(|| format!("/version of member {number} is {text}"))
}

/// The hash at a revision, as soon as the member has come that far.
pub async fn hash(number: usize, revision: i64) -> Result<pb::HashKvResponse, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = pb::HashKvRequest { revision };
        match Api::new(number, QUESTION_TIMEOUT).call(&method::HASH_KV, request).await {
            Ok(answer) => return Ok(answer),
            Err(fault) if Instant::now() > deadline => return Err(fault.into()),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
