//! Every command and flag of etcdctl, one row each.
//!
//! It never says what a command does beyond its help. Order of siblings matters only for suggestions.

use super::flag::{Flag, Kind};
use super::spec::{Action, Command, Group, Positional};

/// The shells completion scripts exist for.
pub const SHELLS: [&str; 4] = ["bash", "zsh", "fish", "powershell"];

/// Flags of every command; each has an environment variable.
pub static GLOBAL: [Flag; 21] = [
    Flag::new("endpoints", Kind::Strings, "127.0.0.1:2379", "addresses of the members to talk to"),
    Flag::bool("debug", "log what the client does on standard error"),
    Flag::string("write-out", "simple", "output format: fields, json, protobuf, simple or table").short('w'),
    Flag::bool("hex", "print keys, values and IDs in hexadecimal"),
    Flag::new("dial-timeout", Kind::Duration, "2s", "how long a login may take"),
    Flag::new("command-timeout", Kind::Duration, "5s", "how long a short command may take, dialling apart"),
    Flag::new("keepalive-time", Kind::Duration, "2s", "interval between pings of a connection in use"),
    Flag::new("keepalive-timeout", Kind::Duration, "6s", "how long a ping may stay unanswered"),
    Flag::int("max-request-bytes", "largest request to send, in bytes (0 means 2 MiB)"),
    Flag::int("max-recv-bytes", "largest response to accept, in bytes (0 means 2 GiB)"),
    Flag::new("insecure-transport", Kind::Bool, "true", "connect without TLS unless certificates are given"),
    Flag::new("insecure-discovery", Kind::Bool, "true", "accept plaintext endpoints from DNS discovery"),
    Flag::bool("insecure-skip-tls-verify", "accept any server certificate (for tests only)"),
    Flag::string("cert", "", "file of the client's TLS certificate"),
    Flag::string("key", "", "file of the client's TLS key"),
    Flag::string("cacert", "", "file of the authorities that vouch for servers"),
    Flag::string("auth-jwt-token", "", "token to authenticate with, instead of a user and password"),
    Flag::string("user", "", "name[:password] to authenticate with; the password is asked for if missing"),
    Flag::string("password", "", "password to authenticate with; --user is then the name alone"),
    Flag::string("discovery-srv", "", "domain whose SRV records name the endpoints").short('d'),
    Flag::string("discovery-srv-name", "", "suffix of the service name looked up in DNS"),
];

const CONSISTENCY: Flag = Flag::string("consistency", "l", "linearizable (l) or serializable (s) read");
const CLUSTER: Flag = Flag::bool("cluster", "use the client URLs of all members instead of --endpoints");
const PEER_URLS: Flag = Flag::string("peer-urls", "", "peer URLs of the member, separated by commas");

pub static GET_FLAGS: [Flag; 15] = [
    CONSISTENCY,
    Flag::string("order", "", "ASCEND or DESCEND"),
    Flag::string("sort-by", "", "what to sort by: CREATE, KEY, MODIFY, VALUE or VERSION"),
    Flag::int("limit", "greatest number of results (0 means all)"),
    Flag::bool("prefix", "all keys that begin with the given one"),
    Flag::bool("from-key", "all keys from the given one on"),
    Flag::int("rev", "revision to read at (0 means the newest)"),
    Flag::bool("keys-only", "leave out the values"),
    Flag::bool("count-only", "only count the keys"),
    Flag::bool("print-value-only", "print values only, in the simple format"),
    Flag::int("min-create-rev", "lowest create revision"),
    Flag::int("max-create-rev", "highest create revision"),
    Flag::int("min-mod-rev", "lowest modification revision"),
    Flag::int("max-mod-rev", "highest modification revision"),
    Flag::bool("stream", "receive the result in parts (RangeStream)"),
];

pub static PUT_FLAGS: [Flag; 4] = [
    Flag::string("lease", "0", "ID of the lease to attach, in hexadecimal"),
    Flag::bool("prev-kv", "print the key and value that were replaced"),
    Flag::bool("ignore-value", "keep the value the key has"),
    Flag::bool("ignore-lease", "keep the lease the key has"),
];

pub static DEL_FLAGS: [Flag; 4] = [
    Flag::bool("prefix", "all keys that begin with the given one"),
    Flag::bool("prev-kv", "print the deleted keys and values"),
    Flag::bool("from-key", "all keys from the given one on"),
    Flag::bool("range", "delete a range without waiting for second thoughts"),
];

pub static WATCH_FLAGS: [Flag; 5] = [
    Flag::bool("interactive", "read watch requests from standard input").short('i'),
    Flag::bool("prefix", "all keys that begin with the given one"),
    Flag::int("rev", "revision to start at"),
    Flag::bool("prev-kv", "print the key and value before each event"),
    Flag::bool("progress-notify", "ask the server for progress notifications"),
];

pub const PUT: Command = Command {
    usage: "put [options] <key> <value> (<value> can also be given from stdin)",
    short: "Stores a value under a key",
    long: "Stores a value under a key.\n\nWithout <value>, and without '--ignore-value', the value is all of \
           standard input.\nA value that begins with '-' looks like a flag unless '--' stands before it:\n\n  \
           etcdctl put <key> -- <value>\n",
    group: Group::KeyValue,
    flags: &PUT_FLAGS,
    action: Some(Action::Put),
    ..Command::NONE
};

pub const GET: Command = Command {
    usage: "get [options] <key> [range_end]",
    short: "Reads a key or a range of keys",
    group: Group::KeyValue,
    flags: &GET_FLAGS,
    action: Some(Action::Get),
    ..Command::NONE
};

pub const DEL: Command = Command {
    usage: "del [options] <key> [range_end]",
    short: "Deletes a key or the range [key, range_end)",
    group: Group::KeyValue,
    flags: &DEL_FLAGS,
    action: Some(Action::Del),
    ..Command::NONE
};

/// The commands of a line in a transaction; they have no global flags.
pub static TXN_OPS: Command = Command { children: &[PUT, GET, DEL], ..Command::NONE };

const TXN: Command = Command {
    usage: "txn [options]",
    short: "Runs a transaction read from standard input",
    long: "Runs a transaction read from standard input: comparisons, the requests to make if all of them\n\
           hold, and those to make otherwise. One stands on each line; an empty line ends each of the three \
           parts.\n\nFor example:\n\n  mod(\"key1\") > \"0\"\n\n  put key1 \"changed\"\n\n  put key1 \"created\"\n",
    group: Group::KeyValue,
    flags: &[Flag::bool("interactive", "say which part is expected").short('i')],
    action: Some(Action::Txn),
    ..Command::NONE
};

const COMPACTION: Command = Command {
    usage: "compaction [options] <revision>",
    short: "Forgets the history before a revision",
    group: Group::KeyValue,
    flags: &[Flag::bool("physical", "wait until the old revisions are removed from disk")],
    action: Some(Action::Compaction),
    ..Command::NONE
};

pub static WATCH: Command = WATCH_ROW;
const WATCH_ROW: Command = Command {
    usage: "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
    short: "Prints changes of keys as they happen",
    group: Group::KeyValue,
    flags: &WATCH_FLAGS,
    action: Some(Action::Watch),
    ..Command::NONE
};

const fn leaf(usage: &'static str, short: &'static str, flags: &'static [Flag], action: Action) -> Command {
    Command { usage, short, flags, action: Some(action), ..Command::NONE }
}

const LEASE: Command = Command {
    usage: "lease <subcommand>",
    short: "Commands for leases (see `etcdctl lease --help`)",
    long: "Commands for leases",
    group: Group::KeyValue,
    children: &[
        leaf("grant <ttl>", "Creates a lease", &[], Action::LeaseGrant),
        leaf("revoke <leaseID>", "Ends a lease", &[], Action::LeaseRevoke),
        leaf(
            "timetolive <leaseID> [options]",
            "Prints what is left of a lease",
            &[Flag::bool("keys", "print the keys attached to the lease")],
            Action::LeaseTimeToLive,
        ),
        leaf("list", "Lists the leases", &[], Action::LeaseList),
        leaf(
            "keep-alive [options] <leaseID>",
            "Renews a lease again and again",
            &[Flag::bool("once", "renew the lease once")],
            Action::LeaseKeepAlive,
        ),
    ],
    ..Command::NONE
};

const ALARM: Command = Command {
    usage: "alarm <subcommand>",
    short: "Commands for alarms (see `etcdctl alarm --help`)",
    long: "Commands for alarms",
    group: Group::Maintenance,
    children: &[
        leaf("disarm", "Ends all alarms", &[], Action::AlarmDisarm),
        leaf("list", "Lists the alarms", &[], Action::AlarmList),
    ],
    ..Command::NONE
};

const DEFRAG: Command = Command {
    usage: "defrag",
    short: "Gives unused space of the members' databases back to the file system",
    group: Group::Maintenance,
    persistent: &[CLUSTER],
    action: Some(Action::Defrag),
    ..Command::NONE
};

const ENDPOINT: Command = Command {
    usage: "endpoint <subcommand>",
    short: "Commands for endpoints (see `etcdctl endpoint --help`)",
    long: "Commands for endpoints",
    group: Group::Maintenance,
    persistent: &[CLUSTER],
    children: &[
        leaf("health", "Checks that each endpoint serves", &[], Action::EndpointHealth),
        leaf("status", "Prints the status of each endpoint", &[], Action::EndpointStatus),
        Command {
            persistent: &[Flag::int("rev", "highest revision to hash (0 means the newest)")],
            ..leaf("hashkv", "Prints a hash of the history on each endpoint", &[], Action::EndpointHashKv)
        },
    ],
    ..Command::NONE
};

const MOVE_LEADER: Command = Command {
    group: Group::Maintenance,
    ..leaf("move-leader <transferee-member-id>", "Makes another member the leader", &[], Action::MoveLeader)
};

const MEMBER: Command = Command {
    usage: "member <subcommand>",
    short: "Commands for members (see `etcdctl member --help`)",
    long: "Commands for members",
    group: Group::Maintenance,
    children: &[
        leaf(
            "add <memberName> [options]",
            "Adds a member",
            &[PEER_URLS, Flag::bool("learner", "add the member without a vote")],
            Action::MemberAdd,
        ),
        leaf("remove <memberID>", "Removes a member", &[], Action::MemberRemove),
        leaf(
            "update <memberID> [options]",
            "Changes a member's peer URLs",
            &[PEER_URLS],
            Action::MemberUpdate,
        ),
        Command {
            long: "Lists the members. In the simple format a line holds ID, status, name, peer addresses, client\n\
                   addresses and whether the member is a learner, separated by commas.\n",
            ..leaf("list", "Lists the members", &[CONSISTENCY], Action::MemberList)
        },
        leaf("promote <memberID>", "Gives a learner its vote", &[], Action::MemberPromote),
    ],
    ..Command::NONE
};

const SNAPSHOT_EXAMPLE: &str = "  etcdctl snapshot save /backup/etcd.db\n  etcdctl snapshot save \
                                --endpoints=10.0.0.1:2379 /backup/etcd.db";

const SNAPSHOT: Command = Command {
    usage: "snapshot <subcommand>",
    short: "Commands for backups of a member",
    example: SNAPSHOT_EXAMPLE,
    group: Group::Maintenance,
    children: &[Command {
        example: SNAPSHOT_EXAMPLE,
        ..leaf("save <filename>", "Saves a member's database to a file", &[], Action::SnapshotSave)
    }],
    ..Command::NONE
};

const DOWNGRADE: Command = Command {
    usage: "downgrade <TARGET_VERSION>",
    short: "Commands for downgrades (see `etcdctl downgrade --help`)",
    long: "Commands for downgrades",
    group: Group::Maintenance,
    children: &[
        leaf(
            "validate <TARGET_VERSION>",
            "Checks that a downgrade is possible",
            &[],
            Action::DowngradeValidate,
        ),
        leaf("enable <TARGET_VERSION>", "Starts a downgrade", &[], Action::DowngradeEnable),
        leaf("cancel", "Stops a downgrade", &[], Action::DowngradeCancel),
    ],
    ..Command::NONE
};

const LOCK: Command = Command {
    group: Group::Concurrency,
    ..leaf(
        "lock <lockname> [exec-command arg1 arg2 ...]",
        "Takes a lock and holds it",
        &[Flag::new("ttl", Kind::Int, "10", "seconds the lock outlives a lost client")],
        Action::Lock,
    )
};

const ELECT: Command = Command {
    group: Group::Concurrency,
    ..leaf(
        "elect <election-name> [proposal]",
        "Takes part in an election, or watches it",
        &[Flag::bool("listen", "watch the election").short('l')],
        Action::Elect,
    )
};

const AUTH: Command = Command {
    usage: "auth <enable or disable>",
    short: "Switches authentication on and off (see `etcdctl auth --help`)",
    long: "Switches authentication on and off",
    group: Group::Authentication,
    children: &[
        leaf("enable", "Switches authentication on", &[], Action::AuthEnable),
        leaf("disable", "Switches authentication off", &[], Action::AuthDisable),
        leaf("status", "Tells whether authentication is on", &[], Action::AuthStatus),
    ],
    ..Command::NONE
};

const PASSWORD_INTERACTIVE: Flag = Flag::new(
    "interactive",
    Kind::Bool,
    "true",
    "ask for the password twice; else read one word from standard input",
);

const USER: Command = Command {
    usage: "user <subcommand>",
    short: "Commands for users (see `etcdctl user --help`)",
    long: "Commands for users",
    group: Group::Authentication,
    children: &[
        leaf(
            "add <user name or user:password> [options]",
            "Adds a user",
            &[
                PASSWORD_INTERACTIVE,
                Flag::string("new-user-password", "", "the password"),
                Flag::bool("no-password", "add a user known by certificate only"),
            ],
            Action::UserAdd,
        ),
        leaf("delete <user name>", "Deletes a user", &[], Action::UserDelete),
        leaf(
            "get <user name> [options]",
            "Prints a user's roles",
            &[Flag::bool("detail", "print the permissions of the roles")],
            Action::UserGet,
        ),
        leaf("list", "Lists the users", &[], Action::UserList),
        leaf(
            "passwd <user name> [options]",
            "Changes a user's password",
            &[PASSWORD_INTERACTIVE],
            Action::UserPasswd,
        ),
        leaf("grant-role <user name> <role name>", "Gives a user a role", &[], Action::UserGrantRole),
        leaf("revoke-role <user name> <role name>", "Takes a role from a user", &[], Action::UserRevokeRole),
    ],
    ..Command::NONE
};

const PERMISSION_FLAGS: [Flag; 2] = [
    Flag::bool("prefix", "all keys that begin with the given one"),
    Flag::bool("from-key", "all keys from the given one on"),
];

const ROLE: Command = Command {
    usage: "role <subcommand>",
    short: "Commands for roles (see `etcdctl role --help`)",
    long: "Commands for roles",
    group: Group::Authentication,
    children: &[
        leaf("add <role name>", "Adds a role", &[], Action::RoleAdd),
        leaf("delete <role name>", "Deletes a role", &[], Action::RoleDelete),
        leaf("get <role name>", "Prints a role's permissions", &[], Action::RoleGet),
        leaf("list", "Lists the roles", &[], Action::RoleList),
        leaf(
            "grant-permission [options] <role name> <permission type> <key> [endkey]",
            "Gives a role a permission",
            &PERMISSION_FLAGS,
            Action::RoleGrantPermission,
        ),
        leaf(
            "revoke-permission <role name> <key> [endkey]",
            "Takes a permission from a role",
            &PERMISSION_FLAGS,
            Action::RoleRevokePermission,
        ),
    ],
    ..Command::NONE
};

const LOAD: Flag = Flag::string("load", "s", "size of the load: s, m, l or xl");
const AUTO_COMPACT: Flag = Flag::bool("auto-compact", "compact the history afterwards");
const AUTO_DEFRAG: Flag = Flag::bool("auto-defrag", "defragment the members afterwards");

const CHECK: Command = Command {
    usage: "check <subcommand>",
    short: "Commands that measure a cluster (see `etcdctl check --help`)",
    long: "Commands that measure a cluster",
    group: Group::Utility,
    children: &[
        leaf(
            "perf [options]",
            "Measures how fast the cluster writes",
            &[
                LOAD,
                Flag::string("prefix", "/etcdctl-check-perf/", "prefix of the keys written"),
                AUTO_COMPACT,
                AUTO_DEFRAG,
            ],
            Action::NotBuilt,
        ),
        leaf(
            "datascale [options]",
            "Measures the memory a server needs for a number of keys",
            &[
                LOAD,
                Flag::string("prefix", "/etcdctl-check-datascale/", "prefix of the keys written"),
                AUTO_COMPACT,
                AUTO_DEFRAG,
            ],
            Action::NotBuilt,
        ),
    ],
    ..Command::NONE
};

const MAKE_MIRROR: Command = Command {
    group: Group::Utility,
    ..leaf(
        "make-mirror [options] <destination>",
        "Copies keys to another cluster and follows their changes",
        &[
            Flag::string("prefix", "", "prefix of the keys to copy"),
            Flag::int("rev", "revision to start at"),
            Flag::new("max-txn-ops", Kind::Uint, "128", "greatest number of changes per transaction"),
            Flag::string("dest-prefix", "", "prefix that replaces --prefix in the destination"),
            Flag::bool("no-dest-prefix", "drop the prefix in the destination"),
            Flag::string("dest-cert", "", "file of the TLS certificate for the destination"),
            Flag::string("dest-key", "", "file of the TLS key for the destination"),
            Flag::string("dest-cacert", "", "file of the authorities that vouch for the destination"),
            Flag::new(
                "dest-insecure-transport",
                Kind::Bool,
                "true",
                "connect to the destination without TLS",
            ),
            Flag::string("dest-user", "", "name[:password] for the destination"),
            Flag::string("dest-password", "", "password for the destination"),
        ],
        Action::MakeMirror,
    )
};

const COMPLETION: Command = Command {
    long: "Prints a script that completes etcdctl's commands and flags.\n\nLoad it into a running shell:\n\n  \
           bash:        source <(etcdctl completion bash)\n  zsh:         source <(etcdctl completion zsh)\n  \
           fish:        etcdctl completion fish | source\n  PowerShell:  etcdctl completion powershell | \
           Out-String | Invoke-Expression\n",
    group: Group::Utility,
    positional: Positional::OneOf(&SHELLS),
    ..leaf(
        "completion [bash|zsh|fish|powershell]",
        "Prints a completion script for a shell",
        &[],
        Action::Completion,
    )
};

const OPTIONS: Command = Command {
    group: Group::Utility,
    ..leaf("options", "Lists the flags of every command", &[], Action::Options)
};

const VERSION: Command =
    Command { group: Group::Utility, ..leaf("version", "Prints the version", &[], Action::Version) };

const HELP: Command = Command {
    long: "Prints the help of any command: etcdctl help [path to command].",
    group: Group::Utility,
    ..leaf("help [command]", "Prints the help of a command", &[], Action::Help)
};

/// The whole program.
pub static ROOT: Command = Command {
    usage: "etcdctl",
    short: "A command line client of etcd.",
    persistent: &GLOBAL,
    children: &[
        GET,
        PUT,
        DEL,
        TXN,
        COMPACTION,
        ALARM,
        DEFRAG,
        ENDPOINT,
        MOVE_LEADER,
        WATCH_ROW,
        VERSION,
        LEASE,
        MEMBER,
        SNAPSHOT,
        MAKE_MIRROR,
        LOCK,
        ELECT,
        AUTH,
        USER,
        ROLE,
        CHECK,
        COMPLETION,
        DOWNGRADE,
        OPTIONS,
        HELP,
    ],
    ..Command::NONE
};

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(command: &'static Command, visit: &mut impl FnMut(&'static Command)) {
        visit(command);
        command.children.iter().for_each(|child| walk(child, visit));
    }

    #[test]
    fn defaults_parse_and_names_are_unique() {
        walk(&ROOT, &mut |command| {
            let flags: Vec<&Flag> = command.flags.iter().chain(command.persistent).collect();
            for (at, flag) in flags.iter().enumerate() {
                assert!(flags[..at].iter().all(|other| other.name != flag.name), "{}", flag.name);
                assert!(!flag.usage.contains('`'), "{}", flag.name);
            }
            drop(crate::cli::flag::Flags::new(command.flags.iter().chain(command.persistent)));
            assert!(command.action.is_some() == command.children.is_empty(), "{}", command.usage);
        });
    }
}
