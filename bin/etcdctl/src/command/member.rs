//! `member` and its sub-commands.

use client::method;
use proto::etcdserverpb as pb;

use super::{bad_args, hex_u64, is_serializable, text};
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::go::quote::quote;
use crate::print::{Format, MemberChange, write_out};

pub async fn list(run: &mut Invocation) -> Outcome {
    let linearizable = !is_serializable(run.flags.string("consistency"))?;
    let request = pb::MemberListRequest { linearizable };
    let (session, response) = super::call(run, &method::MEMBER_LIST, true, request).await?;
    session.printer.show(&response)
}

pub async fn add(run: &mut Invocation) -> Outcome {
    let name = match run.args.as_slice() {
        [] => return Err(bad_args("member name not provided")),
        [name] => text(name),
        many => {
            let mut error = "too many arguments".to_owned();
            for arg in many.iter().map(text).filter(|arg| arg.to_lowercase().starts_with("http")) {
                error.push_str(&format!(", did you mean --peer-urls={arg}"));
            }
            return Err(bad_args(error));
        }
    };
    let given = run.flags.string("peer-urls").to_owned();
    let request = pb::MemberAddRequest { peer_ur_ls: peer_urls(run)?, is_learner: run.flags.bool("learner") };
    check_urls(&request.peer_ur_ls)?;
    let (session, response) = super::call(run, &method::MEMBER_ADD, true, request).await?;
    let environment = environment(&name, &given, &response);
    session.printer.show(&MemberChange::Added(response))?;
    if session.printer.format == Format::Simple {
        write_out(environment.as_bytes())?;
    }
    Ok(())
}

/// What the new member must be started with.
fn environment(name: &str, peer_urls: &str, response: &pb::MemberAddResponse) -> String {
    let new = response.member.as_ref().map_or(0, |member| member.id);
    let mut cluster = Vec::new();
    for member in &response.members {
        let name = if member.id == new { name } else { &member.name };
        cluster.extend(member.peer_ur_ls.iter().map(|url| format!("{name}={url}")));
    }
    format!(
        "\nETCD_NAME={}\nETCD_INITIAL_CLUSTER={}\nETCD_INITIAL_ADVERTISE_PEER_URLS={}\n\
         ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n",
        quote(name.as_bytes()),
        quote(cluster.join(",").as_bytes()),
        quote(peer_urls.as_bytes())
    )
}

pub async fn remove(run: &mut Invocation) -> Outcome {
    let id = member_id(run)?;
    let request = pb::MemberRemoveRequest { id };
    let (session, response) = super::call(run, &method::MEMBER_REMOVE, true, request).await?;
    session.printer.show(&MemberChange::Removed(id, response))
}

pub async fn update(run: &mut Invocation) -> Outcome {
    let id = member_id(run)?;
    let request = pb::MemberUpdateRequest { id, peer_ur_ls: peer_urls(run)? };
    check_urls(&request.peer_ur_ls)?;
    let (session, response) = super::call(run, &method::MEMBER_UPDATE, true, request).await?;
    session.printer.show(&MemberChange::Updated(id, response))
}

pub async fn promote(run: &mut Invocation) -> Outcome {
    let id = member_id(run)?;
    let request = pb::MemberPromoteRequest { id };
    let (session, response) = super::call(run, &method::MEMBER_PROMOTE, true, request).await?;
    session.printer.show(&MemberChange::Promoted(id, response))
}

fn member_id(run: &Invocation) -> Result<u64, Failure> {
    let [id] = run.args.as_slice() else { return Err(bad_args("member ID is not provided")) };
    hex_u64(id).map_err(|error| bad_args(format!("bad member ID arg ({error}), expecting ID in Hex")))
}

fn peer_urls(run: &Invocation) -> Result<Vec<String>, Failure> {
    let urls = run.flags.string("peer-urls");
    if urls.is_empty() {
        return Err(bad_args("member peer urls not provided"));
    }
    Ok(urls.split(',').map(str::to_owned).collect())
}

/// A URL the server could not use is refused before it is sent.
fn check_urls(urls: &[String]) -> Outcome {
    for url in urls.iter().map(|url| url.trim()) {
        let fail = |text: String| Err(Failure::new(exit::ERROR, text));
        match url.split_once("://") {
            Some(("http" | "https", rest)) => {
                let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
                if !has_port(host) {
                    return fail(format!("URL address does not have the form \"host:port\": {url}"));
                }
                if rest[host.len()..].starts_with('/') {
                    return fail(format!("URL must not contain a path: {url}"));
                }
            }
            Some(("unix" | "unixs", _)) => {}
            _ if url.starts_with("unix:") || url.starts_with("unixs:") => {}
            _ => return fail(format!("URL scheme must be http, https, unix, or unixs: {url}")),
        }
    }
    Ok(())
}

/// `host:port`, the host in brackets if it has colons.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(name, _)| !name.contains(':') || (name.starts_with('[') && name.ends_with(']')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, error: Option<&str>) {
        let expected = error.map_or(Ok(()), |text| Err(Failure::new(exit::ERROR, format!("{text}: {url}"))));
        assert_eq!(check_urls(&[url.to_owned()]), expected);
    }

    #[test]
    fn urls() {
        check("http://127.0.0.1:1", None);
        check("https://[::1]:1", None);
        check("unix://x", None);
        check("http://a", Some("URL address does not have the form \"host:port\""));
        check("http://a:1/x", Some("URL must not contain a path"));
        check("ftp://a:1", Some("URL scheme must be http, https, unix, or unixs"));
    }
}
