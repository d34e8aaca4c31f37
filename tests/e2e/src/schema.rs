//! Method names to message types, read from the `.proto` files and `contract/api-services.tsv`.

use prost_reflect::{DescriptorPool, MessageDescriptor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Method {
    /// `/etcdserverpb.KV/Put`.
    pub path: String,
    pub request: MessageDescriptor,
    pub response: MessageDescriptor,
    pub client_stream: bool,
    pub server_stream: bool,
}

/// Methods by short name: `KV/Put`, `Lock/Lock`, `Health/Check`.
#[derive(Debug)]
pub struct Schema {
    methods: BTreeMap<String, Method>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Schema {
    /// Panics if the files of this repository contradict each other.
    pub fn load() -> Schema {
        let protos = root().join("core/proto/proto");
        let files = std::fs::read_dir(&protos)
            .expect("the proto files are there")
            .map(|entry| entry.expect("a readable directory").file_name())
            .filter(|name| Path::new(name).extension().is_some_and(|ext| ext == "proto"));
        let set = protox::compile(files, [&protos]).expect("the proto files compile");
        let pool = DescriptorPool::from_file_descriptor_set(set).expect("they are complete");
        let message =
            |name: &str| pool.get_message_by_name(name).unwrap_or_else(|| panic!("no message {name}"));
        let table =
            std::fs::read_to_string(root().join("contract/api-services.tsv")).expect("the table is there");
        let mut methods = BTreeMap::new();
        for line in table.lines().skip(1) {
            let [_, service, rpc, path, request, response, client, server, ..] =
                line.split('\t').collect::<Vec<_>>()[..]
            else {
                panic!("a short line in api-services.tsv: {line}")
            };
            // Later releases of the health protocol have List; our copy of its file need not.
            if pool.get_message_by_name(request).is_none() {
                assert_eq!(request, "grpc.health.v1.HealthListRequest");
                continue;
            }
            let short = service.rsplit('.').next().expect("a name");
            let method = Method {
                path: path.to_owned(),
                request: message(request),
                response: message(response),
                client_stream: client == "yes",
                server_stream: server == "yes",
            };
            methods.insert(format!("{short}/{rpc}"), method);
        }
        Schema { methods }
    }

    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.get(name)
    }
}
