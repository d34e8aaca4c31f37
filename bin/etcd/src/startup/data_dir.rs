//! The data directory before it is opened: what it holds, who may read it, whether it can be written.

use crate::{
    EXIT_FAILURE, EXIT_USAGE,
    config::Member,
    fatal,
    notation::{os_error, quote},
    panic_line,
};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    process::ExitCode,
};

/// Mode of directories that hold data.
const DIR_MODE: u32 = 0o700;
/// Mode of files that hold data, and of the probe.
const FILE_MODE: u32 = 0o600;
/// Made and removed to see whether a directory can be written.
const PROBE: &str = ".touch";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirType {
    /// Nothing there yet.
    Empty,
    /// A member's data.
    Member,
}

impl DirType {
    fn as_str(self) -> &'static str {
        match self {
            DirType::Empty => "empty",
            DirType::Member => "member",
        }
    }
}

/// Looks at the names in the data directory and logs what etcd logs of them. On error the line has been written and
/// the code is the process's.
pub fn identify_data_dir(dir: &Path) -> Result<DirType, ExitCode> {
    let shown = dir.display().to_string();
    let names = list(dir).map_err(|error| {
        fatal!(dir:% = shown, error:% = format!("open {shown}: {}", os_error(&error)); "failed to list data directory");
        ExitCode::from(EXIT_FAILURE)
    })?;
    for filename in names.iter().filter(|name| !["member", "proxy"].contains(&name.as_str())) {
        log::warn!(filename:%, "data-dir":% = shown; "found invalid file under data directory");
    }
    let holds = |name: &str| names.iter().any(|found| found == name);
    match (holds("member"), holds("proxy")) {
        (true, true) => {
            fatal!("invalid datadir; both member and proxy directories exist");
            Err(ExitCode::from(EXIT_FAILURE))
        }
        (false, true) => {
            log::info!("data-dir":% = shown, "dir-type" = "proxy"; "server has already been initialized");
            panic_line!("dir-type" = "proxy"; "v2 http proxy has already been deprecated in 3.6");
            Err(ExitCode::from(EXIT_USAGE))
        }
        (true, false) => {
            let kind = DirType::Member.as_str();
            log::info!("data-dir":% = shown, "dir-type" = kind; "server has already been initialized");
            Ok(DirType::Member)
        }
        (false, false) => {
            let kind = DirType::Empty.as_str();
            log::info!("data-dir":% = shown, "dir-type" = kind; "Initialize and start etcd server");
            Ok(DirType::Empty)
        }
    }
}

/// Whether the member has a log: flags on founding a cluster then no longer count.
pub fn is_initialized(member: &Member) -> bool {
    list(&member.wal_dir()).is_ok_and(|names| names.iter().any(|name| name.ends_with(".wal")))
}

/// The names in a directory, sorted; none if it does not exist.
fn list(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names = entries.map(name).collect::<io::Result<Vec<String>>>()?;
    names.sort();
    Ok(names)
}

/// Makes the data, member and snapshot directories and probes each. The error is that of etcd's start.
pub fn prepare_directories(member: &Member) -> Result<(), String> {
    for (dir, what) in
        [(member.data_dir.clone(), "data"), (member.member_dir(), "member"), (member.snap_dir(), "snapshot")]
    {
        prepare_directory(&dir).map_err(|error| format!("cannot access {what} directory: {error}"))?;
    }
    Ok(())
}

/// Makes the directory if it is missing, warns if others may read it, and makes and removes a file in it. The error
/// is the system's, as Go words it.
pub fn prepare_directory(dir: &Path) -> Result<(), String> {
    let failed = |call: &str, path: &Path, error: io::Error| {
        format!("{call} {}: {}", path.display(), os_error(&error))
    };
    match fs::metadata(dir) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode();
            if mode & 0o777 != DIR_MODE {
                log::warn!(error:% = permission_warning(dir, mode); "check file permission");
            }
        }
        Err(_) => {
            let made = fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir);
            made.map_err(|error| failed("mkdir", dir, error))?;
        }
    }
    let probe = dir.join(PROBE);
    let made = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&probe);
    made.map_err(|error| failed("open", &probe, error))?;
    fs::remove_file(&probe).map_err(|error| failed("remove", &probe, error))
}

fn permission_warning(dir: &Path, mode: u32) -> String {
    format!(
        "directory {} exist, but the permission is {}. The recommended permission is \"-rwx------\" to prevent \
         possible unprivileged access to the data",
        quote(&dir.display().to_string()),
        quote(&mode_text(mode))
    )
}

/// A mode as Go prints it: type and attribute letters, then nine permission letters.
fn mode_text(mode: u32) -> String {
    const TYPE_MASK: u32 = 0o170_000;
    let mut text = match mode & TYPE_MASK {
        0o040_000 => "d".to_string(),
        0o120_000 => "L".to_string(),
        _ => String::new(),
    };
    for (bit, letter) in [(0o4000, 'u'), (0o2000, 'g'), (0o1000, 't')] {
        if mode & bit != 0 {
            text.push(letter);
        }
    }
    if text.is_empty() {
        text.push('-');
    }
    for (at, letter) in "rwxrwxrwx".chars().enumerate() {
        text.push(if mode & (0o400 >> at) != 0 { letter } else { '-' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A directory of this test alone, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("etcd-data-dir-{name}-{}", std::process::id()));
            _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).expect("the temporary directory can be written");
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_directory_is_known_by_its_names() {
        let scratch = Scratch::new("kinds");
        let dir = scratch.0.join("data");
        assert_eq!(identify_data_dir(&dir), Ok(DirType::Empty));
        fs::create_dir_all(dir.join("fixtures")).expect("made");
        assert_eq!(identify_data_dir(&dir), Ok(DirType::Empty));
        fs::create_dir(dir.join("member")).expect("made");
        assert_eq!(identify_data_dir(&dir), Ok(DirType::Member));
        fs::create_dir(dir.join("proxy")).expect("made");
        assert_eq!(identify_data_dir(&dir), Err(ExitCode::from(1)));
        fs::remove_dir(dir.join("member")).expect("removed");
        assert_eq!(identify_data_dir(&dir), Err(ExitCode::from(2)));
        fs::write(scratch.0.join("file"), "").expect("written");
        assert_eq!(identify_data_dir(&scratch.0.join("file")), Err(ExitCode::from(1)));
    }

    #[test]
    fn a_member_with_a_log_is_initialized() {
        let scratch = Scratch::new("log");
        let member = Member { name: "m".to_string(), data_dir: scratch.0.clone(), wal_dir: None };
        assert!(!is_initialized(&member));
        fs::create_dir_all(member.wal_dir()).expect("made");
        fs::write(member.wal_dir().join("0.tmp"), "").expect("written");
        assert!(!is_initialized(&member));
        fs::write(member.wal_dir().join("0000000000000000-0000000000000000.wal"), "").expect("written");
        assert!(is_initialized(&member));
    }

    #[test]
    fn directories_are_made_private_and_probed() {
        let scratch = Scratch::new("made");
        let dir = scratch.0.join("ends in a space ").join("b");
        assert_eq!(prepare_directory(&dir), Ok(()));
        assert_eq!(fs::metadata(&dir).expect("made").permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&dir).expect("made").count(), 0);
        let file = scratch.0.join("file");
        fs::write(&file, "").expect("written");
        let error = prepare_directory(&file.join("d")).expect_err("a file is no directory");
        assert_eq!(error, format!("mkdir {}/d: not a directory", file.display()));
    }

    #[test]
    fn modes_are_shown_as_go_shows_them() {
        for (mode, text) in [
            (0o040_755, "drwxr-xr-x"),
            (0o040_700, "drwx------"),
            (0o041_777, "dtrwxrwxrwx"),
            (0o042_770, "dgrwxrwx---"),
            (0o100_600, "-rw-------"),
        ] {
            assert_eq!(mode_text(mode), text);
        }
        assert_eq!(
            permission_warning(Path::new("x/member"), 0o040_755),
            "directory \"x/member\" exist, but the permission is \"drwxr-xr-x\". The recommended permission is \
             \"-rwx------\" to prevent possible unprivileged access to the data"
        );
    }
}
