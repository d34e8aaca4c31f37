//! What a row of the command table says.

use super::flag::Flag;

/// A command: its words, help and flags.
#[derive(Debug)]
pub struct Command {
    /// Usage after the parent's path; its first word is the name.
    pub usage: &'static str,
    pub short: &'static str,
    /// Printed above the usage instead of `short`, unless empty.
    pub long: &'static str,
    pub example: &'static str,
    pub group: Group,
    /// Flags of this command alone.
    pub flags: &'static [Flag],
    /// Flags of this command and all below it.
    pub persistent: &'static [Flag],
    pub children: &'static [Command],
    /// What it does; a command without one prints its help.
    pub action: Option<Action>,
    pub positional: Positional,
}

/// Heading under which the root's help lists a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    None,
    KeyValue,
    Maintenance,
    Concurrency,
    Authentication,
    Utility,
}

impl Group {
    /// In the order of the help.
    pub const ALL: [Group; 5] =
        [Group::KeyValue, Group::Maintenance, Group::Concurrency, Group::Authentication, Group::Utility];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Group::None => "Additional Commands:",
            Group::KeyValue => "Key-value commands",
            Group::Maintenance => "Cluster maintenance commands",
            Group::Concurrency => "Concurrency commands",
            Group::Authentication => "Authentication commands",
            Group::Utility => "Utility commands",
        }
    }
}

/// Which positional arguments the parser itself accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positional {
    /// Any; the command checks them.
    Any,
    /// Exactly one of these words.
    OneOf(&'static [&'static str]),
}

/// What a runnable command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Put,
    Get,
    Del,
    Txn,
    Compaction,
    Watch,
    LeaseGrant,
    LeaseRevoke,
    LeaseTimeToLive,
    LeaseList,
    LeaseKeepAlive,
    AlarmDisarm,
    AlarmList,
    Defrag,
    EndpointHealth,
    EndpointStatus,
    EndpointHashKv,
    MoveLeader,
    MemberAdd,
    MemberRemove,
    MemberUpdate,
    MemberList,
    MemberPromote,
    SnapshotSave,
    DowngradeValidate,
    DowngradeEnable,
    DowngradeCancel,
    AuthEnable,
    AuthDisable,
    AuthStatus,
    UserAdd,
    UserDelete,
    UserGet,
    UserList,
    UserPasswd,
    UserGrantRole,
    UserRevokeRole,
    RoleAdd,
    RoleDelete,
    RoleGet,
    RoleList,
    RoleGrantPermission,
    RoleRevokePermission,
    Lock,
    Elect,
    MakeMirror,
    Version,
    Completion,
    Options,
    Help,
    /// Part of etcdctl, refused by this build.
    NotBuilt,
}

impl Command {
    /// A row with nothing but its words; the table fills in the rest.
    pub const NONE: Command = Command {
        usage: "",
        short: "",
        long: "",
        example: "",
        group: Group::None,
        flags: &[],
        persistent: &[],
        children: &[],
        action: None,
        positional: Positional::Any,
    };

    #[must_use]
    pub fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or("")
    }

    /// The children as the help lists them.
    #[must_use]
    pub fn sorted_children(&self) -> Vec<&'static Command> {
        let mut children: Vec<&'static Command> = self.children.iter().collect();
        children.sort_by_key(|child| child.name());
        children
    }
}
