//! The command line: names with one or more values. It knows no plan.

use crate::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Values by name, in the order given. Names have lost their dashes.
#[derive(Debug, Default)]
pub struct Arguments {
    values: BTreeMap<String, Vec<String>>,
}

impl Arguments {
    /// # Errors
    /// A value without a name before it, or a name without a value.
    pub fn parse(line: &[String]) -> Result<Arguments, Failure> {
        let mut arguments = Arguments::default();
        let mut name = None;
        for word in line {
            match (word.strip_prefix("--"), &name) {
                (Some(new), _) => {
                    arguments.values.entry(new.to_owned()).or_default();
                    name = Some(new.to_owned());
                }
                (None, Some(name)) => {
                    arguments.values.get_mut(name).expect("put in above").push(word.clone());
                }
                (None, None) => return Err(format!("{word} belongs to no option")),
            }
        }
        match arguments.values.iter().find(|(_, values)| values.is_empty()) {
            Some((name, _)) => Err(format!("--{name} without a value")),
            None => Ok(arguments),
        }
    }

    /// # Errors
    /// There is an option that is not one of `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), Failure> {
        match self.values.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("--{name} is no option of this plan")),
            None => Ok(()),
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|values| values.last()).map(String::as_str)
    }

    /// # Errors
    /// It is no number.
    pub fn number(&self, name: &str, otherwise: u64) -> Result<u64, Failure> {
        let Some(text) = self.text(name) else { return Ok(otherwise) };
        text.parse().map_err(|error| format!("--{name} {text}: {error}"))
    }

    /// The files given, as absolute paths.
    ///
    /// # Errors
    /// None given, or one does not exist.
    pub fn files(&self, name: &str) -> Result<Vec<PathBuf>, Failure> {
        let given = self.values.get(name).ok_or_else(|| format!("want --{name}"))?;
        given.iter().map(|path| absolute(Path::new(path))).collect()
    }

    /// # Errors
    /// As [`Arguments::files`].
    pub fn file(&self, name: &str) -> Result<PathBuf, Failure> {
        self.files(name).map(|mut files| files.remove(0))
    }
}

/// # Errors
/// It does not exist.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Failure> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn values_belong_to_the_name_before_them() {
        let arguments = parse("--server . .. --rounds 7").unwrap();
        assert_eq!(arguments.files("server").unwrap().len(), 2);
        assert_eq!(arguments.number("rounds", 1), Ok(7));
        assert_eq!(arguments.number("seed", 1), Ok(1));
        assert!(arguments.only(&["server", "rounds"]).is_ok());
        assert!(arguments.only(&["server"]).is_err());
    }

    #[test]
    fn what_is_incomplete_is_refused() {
        assert!(parse("x --server a").is_err());
        assert!(parse("--server --rounds 7").is_err());
        assert!(parse("--rounds x").unwrap().number("rounds", 1).is_err());
    }
}
