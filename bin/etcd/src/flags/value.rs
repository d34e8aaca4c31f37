//! The types of flags: how each reads its text, and what it holds.

use super::gates::Gates;
use crate::{
    notation::{GoDuration, NumberError, parse_bool, parse_duration, parse_int, parse_uint, quote},
    url::{Url, parse_urls},
};

/// The type of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Uint,
    /// 32 bits; its errors are the number parser's own.
    Uint32,
    Duration,
    Text,
    /// Comma list of URLs, each kept once, sorted. An empty text leaves the value as it is.
    Urls,
    /// Comma list of URLs, or one of the words in it: a set, sorted.
    UrlsOr(&'static str),
    /// Comma list: a set, sorted.
    TextSet,
    /// Comma list, as written.
    TextList,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Comma list of some words; repeated flags add up.
    ChoiceList(&'static [&'static str]),
    Gates,
    /// Taken and dropped: flags of etcd 0.4 and 2.
    Ignored,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Duration(GoDuration),
    Text(String),
    Texts(Vec<String>),
    Urls(Vec<Url>),
    Gates(Gates),
    Ignored,
}

impl Kind {
    /// Whether the flag may stand alone and then means `true`.
    pub fn is_bool(self) -> bool {
        matches!(self, Kind::Bool | Kind::Ignored)
    }

    /// The value before any text was set.
    pub fn empty(self) -> Value {
        match self {
            Kind::Bool => Value::Bool(false),
            Kind::Int => Value::Int(0),
            Kind::Uint | Kind::Uint32 => Value::Uint(0),
            Kind::Duration => Value::Duration(GoDuration(0)),
            Kind::Text | Kind::Choice(_) => Value::Text(String::new()),
            Kind::Urls => Value::Urls(Vec::new()),
            Kind::UrlsOr(_) | Kind::TextSet | Kind::TextList | Kind::ChoiceList(_) => {
                Value::Texts(Vec::new())
            }
            Kind::Gates => Value::Gates(Gates::default()),
            Kind::Ignored => Value::Ignored,
        }
    }

    /// Reads `text` into `value`. On error (Go's bare reason) the value is unchanged.
    pub fn set(self, value: &mut Value, text: &str) -> Result<(), String> {
        let flag_error = |error: NumberError| error.flag_text().to_string();
        match (self, &mut *value) {
            (Kind::Urls, Value::Urls(urls)) => return set_urls(urls, text),
            (Kind::UrlsOr(word), Value::Texts(texts)) => return set_urls_or(word, texts, text),
            (Kind::ChoiceList(words), Value::Texts(texts)) => return add_choices(words, texts, text),
            (Kind::Gates, Value::Gates(gates)) => return gates.set(text),
            _ => {}
        }
        *value = match self {
            Kind::Bool => Value::Bool(parse_bool(text).map_err(flag_error)?),
            Kind::Int => Value::Int(parse_int(text).map_err(flag_error)?),
            Kind::Uint => Value::Uint(parse_uint(text, u64::MAX).map_err(flag_error)?),
            Kind::Uint32 => Value::Uint(
                parse_uint(text, u64::from(u32::MAX))
                    .map_err(|error| error.parser_text("ParseUint", text))?,
            ),
            Kind::Duration => Value::Duration(
                parse_duration(text).map_err(|_| NumberError::Syntax.flag_text().to_string())?,
            ),
            Kind::Text => Value::Text(text.to_string()),
            Kind::Choice(words) if words.contains(&text) => Value::Text(text.to_string()),
            Kind::Choice(_) => return Err("invalid value".to_string()),
            Kind::TextSet => Value::Texts(sorted_set(text.split(',').map(ToString::to_string).collect())),
            Kind::TextList => Value::Texts(text.split(',').map(ToString::to_string).collect()),
            Kind::Ignored => Value::Ignored,
            Kind::Urls | Kind::UrlsOr(_) | Kind::ChoiceList(_) | Kind::Gates => {
                panic!("{self:?} does not hold {value:?}")
            }
        };
        Ok(())
    }
}

fn set_urls(urls: &mut Vec<Url>, text: &str) -> Result<(), String> {
    // etcd drops a text that is a member of the list already; `a,b` and then `a` stays `a,b`.
    if text.is_empty() || urls.iter().any(|url| url.as_str() == text) {
        return Ok(());
    }
    *urls = parse_urls(text)?;
    urls.dedup();
    Ok(())
}

fn set_urls_or(word: &str, texts: &mut Vec<String>, text: &str) -> Result<(), String> {
    if texts.iter().any(|known| known == text) {
        return Ok(());
    }
    if text == word {
        texts.push(word.to_string());
        texts.sort();
        return Ok(());
    }
    *texts = sorted_set(parse_urls(text)?.iter().map(Url::to_string).collect());
    Ok(())
}

fn add_choices(words: &[&str], texts: &mut Vec<String>, text: &str) -> Result<(), String> {
    for choice in text.split(',') {
        if !words.contains(&choice) {
            return Err(format!("invalid value {}", quote(choice)));
        }
        texts.push(choice.to_string());
    }
    texts.sort();
    Ok(())
}

fn sorted_set(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(kind: Kind, texts: &[&str]) -> Result<Value, String> {
        let mut value = kind.empty();
        texts.iter().try_for_each(|text| kind.set(&mut value, text)).map(|()| value)
    }

    fn texts(list: &[&str]) -> Result<Value, String> {
        Ok(Value::Texts(list.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn lists_follow_etcds_rules() {
        assert_eq!(after(Kind::TextSet, &["b,a,b"]), texts(&["a", "b"]));
        assert_eq!(after(Kind::TextSet, &["a", ""]), texts(&[""]));
        assert_eq!(after(Kind::TextList, &["b,a,b"]), texts(&["b", "a", "b"]));
        assert_eq!(after(Kind::UrlsOr("*"), &["*", "http://a:1"]), texts(&["http://a:1"]));
        assert_eq!(after(Kind::UrlsOr("*"), &["http://a:1", "*"]), texts(&["*", "http://a:1"]));
        let words = &["x", "y"];
        assert_eq!(after(Kind::ChoiceList(words), &["y", "x,y"]), texts(&["x", "y", "y"]));
        assert_eq!(after(Kind::ChoiceList(words), &["x,z"]), Err("invalid value \"z\"".to_string()));
    }

    #[test]
    fn url_lists_ignore_what_changes_nothing() {
        let urls = |list: &str| parse_urls(list).map(Value::Urls);
        assert_eq!(after(Kind::Urls, &["http://b:1,http://a:1,http://b:1"]), urls("http://a:1,http://b:1"));
        assert_eq!(
            after(Kind::Urls, &["http://b:1,http://a:1", "http://a:1"]),
            urls("http://a:1,http://b:1")
        );
        assert_eq!(after(Kind::Urls, &["http://b:1", ""]), urls("http://b:1"));
        assert_eq!(after(Kind::Urls, &["http://b:1", "http://a:1"]), urls("http://a:1"));
    }

    #[test]
    fn a_bad_text_changes_nothing() {
        let mut value = Value::Uint(7);
        assert_eq!(Kind::Uint.set(&mut value, "-1"), Err("parse error".to_string()));
        assert_eq!(Kind::Uint.set(&mut value, "18446744073709551616"), Err("value out of range".to_string()));
        assert_eq!(
            Kind::Uint32.set(&mut value, "4294967296"),
            Err("strconv.ParseUint: parsing \"4294967296\": value out of range".to_string())
        );
        assert_eq!(value, Value::Uint(7));
    }
}
