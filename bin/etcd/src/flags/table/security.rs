//! Security and Auth.

use super::{
    Group::{Auth, Security},
    Kind, Row, row,
};

pub const ROWS: &[Row] = &[
    row("cert-file", Kind::Text, "", Security, "Certificate shown to clients.")
        .yaml("client-transport-security.cert-file")
        .unit("path")
        .not_yet(),
    row("key-file", Kind::Text, "", Security, "Key of the certificate shown to clients.")
        .yaml("client-transport-security.key-file")
        .unit("path")
        .not_yet(),
    row("client-cert-auth", Kind::Bool, "false", Security, "Require certificates of clients.")
        .yaml("client-transport-security.client-cert-auth")
        .not_yet(),
    row("client-cert-file", Kind::Text, "", Security, "Certificate to dial this server itself with.")
        .yaml("client-transport-security.client-cert-file")
        .unit("path")
        .not_yet(),
    row("client-key-file", Kind::Text, "", Security, "Key of --client-cert-file.")
        .yaml("client-transport-security.client-key-file")
        .unit("path")
        .not_yet(),
    row("client-crl-file", Kind::Text, "", Security, "Revoked certificates of clients.")
        .unit("path")
        .no_yaml()
        .not_yet(),
    row(
        "client-cert-allowed-hostname",
        Kind::TextList,
        "",
        Security,
        "Names a client's certificate may hold.",
    )
    .yaml("client-transport-security.allowed-hostname")
    .not_yet(),
    row("trusted-ca-file", Kind::Text, "", Security, "Authorities for certificates of clients.")
        .yaml("client-transport-security.trusted-ca-file")
        .unit("path")
        .not_yet(),
    row("auto-tls", Kind::Bool, "false", Security, "Generate the certificate shown to clients.")
        .yaml("client-transport-security.auto-tls")
        .not_yet(),
    row("peer-cert-file", Kind::Text, "", Security, "Certificate shown to members.")
        .yaml("peer-transport-security.cert-file")
        .unit("path")
        .not_yet(),
    row("peer-key-file", Kind::Text, "", Security, "Key of the certificate shown to members.")
        .yaml("peer-transport-security.key-file")
        .unit("path")
        .not_yet(),
    row("peer-client-cert-auth", Kind::Bool, "false", Security, "Require certificates of members.")
        .yaml("peer-transport-security.client-cert-auth")
        .not_yet(),
    row("peer-client-cert-file", Kind::Text, "", Security, "Certificate to dial members with.")
        .yaml("peer-transport-security.client-cert-file")
        .unit("path")
        .not_yet(),
    row("peer-client-key-file", Kind::Text, "", Security, "Key of --peer-client-cert-file.")
        .yaml("peer-transport-security.client-key-file")
        .unit("path")
        .not_yet(),
    row("peer-trusted-ca-file", Kind::Text, "", Security, "Authorities for certificates of members.")
        .yaml("peer-transport-security.trusted-ca-file")
        .unit("path")
        .not_yet(),
    row(
        "peer-cert-allowed-cn",
        Kind::TextList,
        "",
        Security,
        "Common names a member's certificate may hold.",
    )
    .yaml("peer-transport-security.allowed-cn")
    .not_yet(),
    row("peer-cert-allowed-hostname", Kind::TextList, "", Security, "Names a member's certificate may hold.")
        .yaml("peer-transport-security.allowed-hostname")
        .not_yet(),
    row("peer-auto-tls", Kind::Bool, "false", Security, "Generate the certificate shown to members.")
        .yaml("peer-transport-security.auto-tls")
        .not_yet(),
    row("self-signed-cert-validity", Kind::Uint, "1", Security, "Validity of generated certificates.")
        .unit("years")
        .not_yet(),
    row("peer-crl-file", Kind::Text, "", Security, "Revoked certificates of members.")
        .unit("path")
        .no_yaml()
        .not_yet(),
    row("cipher-suites", Kind::TextList, "", Security, "Cipher suites for TLS 1.2.").not_yet(),
    row("cors", Kind::UrlsOr("*"), "*", Security, "Origins allowed to share resources; * or empty for all.")
        .unit("origins"),
    row(
        "host-whitelist",
        Kind::TextSet,
        "*",
        Security,
        "Host names taken in plain HTTP requests; * or empty for all.",
    )
    .unit("host names"),
    row("tls-min-version", Kind::Text, "TLS1.2", Security, "Lowest version of TLS: TLS1.2 or TLS1.3.")
        .not_yet(),
    row("tls-max-version", Kind::Text, "", Security, "Highest version of TLS; by default the newest.")
        .not_yet(),
    row("auth-token", Kind::Text, "simple", Auth, "Kind of token for logged-in users, and its options.")
        .not_yet(),
    row("bcrypt-cost", Kind::Uint, "10", Auth, "Cost of hashing a password, 4 to 31.").not_yet(),
    row("auth-token-ttl", Kind::Uint, "300", Auth, "Lifetime of a token.").unit("seconds").not_yet(),
];
