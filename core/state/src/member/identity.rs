//! IDs of members and clusters: the first 8 bytes, big endian, of a SHA-1.

use sha1::{Digest, Sha1};

/// Of a member: its sorted peer URLs, then the cluster token, then (for one added at run time, whose token is empty)
/// the decimal Unix time.
pub fn member_id(peer_urls: &[String], token: &str, unix_seconds: Option<i64>) -> u64 {
    let mut urls: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    urls.sort_unstable();
    let mut hash = Sha1::new();
    urls.iter().for_each(|url| hash.update(url));
    hash.update(token);
    if let Some(seconds) = unix_seconds {
        hash.update(seconds.to_string());
    }
    first_8(hash)
}

/// Of a cluster: the IDs of its initial members, ascending, 8 bytes big endian each.
pub fn cluster_id(member_ids: &[u64]) -> u64 {
    let mut ids = member_ids.to_vec();
    ids.sort_unstable();
    let mut hash = Sha1::new();
    ids.iter().for_each(|id| hash.update(id.to_be_bytes()));
    first_8(hash)
}

fn first_8(hash: Sha1) -> u64 {
    let digest: [u8; 20] = hash.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(urls: &[&str], token: &str) -> u64 {
        member_id(&urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>(), token, None)
    }

    #[test]
    fn vectors_of_etcd() {
        let one = id(&["http://localhost:2380"], "etcd-cluster");
        assert_eq!(one, 0x8e9e05c52164694d);
        assert_eq!(cluster_id(&[one]), 0xcdf818194e3a8c32);

        let three = ["http://127.0.0.1:2380", "http://127.0.0.1:22380", "http://127.0.0.1:32380"]
            .map(|url| id(&[url], "tkn"));
        assert_eq!(three, [0xed398ac0e0cb95a, 0xe52329470e35c0c0, 0x763c9e70aa15678a]);
        assert_eq!(cluster_id(&three), 0x6a180b08df946f4a);

        let urls = id(&["http://127.0.0.1:2380", "http://10.0.0.1:2380"], "tkn");
        assert_eq!((urls, cluster_id(&[urls])), (0x42dfc42348bfc6f7, 0x28f51dc2250400de));

        let added = member_id(&["http://127.0.0.1:2380".to_owned()], "", Some(1_700_000_000));
        assert_eq!(added, 0x71b3e183c260adbe);
    }
}
