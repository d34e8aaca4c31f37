//! The method table by path. It never changes once built.

use crate::{Method, counts::Counts};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Methods {
    table: Vec<Method>,
    by_path: FxHashMap<&'static [u8], usize>,
    services: FxHashSet<&'static [u8]>,
    pub(crate) counts: Arc<Counts>,
}

impl Methods {
    /// # Panics
    /// If a path is no `/service/method`, or is there twice.
    pub(crate) fn new(table: Vec<Method>) -> Methods {
        let mut by_path = FxHashMap::default();
        let mut services = FxHashSet::default();
        for (index, method) in table.iter().enumerate() {
            let (service, _) = split(method.path.as_bytes()).expect("a method's path is /service/method");
            services.insert(service);
            let before = by_path.insert(method.path.as_bytes(), index);
            assert!(before.is_none(), "{} is in the method table twice", method.path);
        }
        let counts = Arc::new(Counts::new(table.len()));
        Methods { table, by_path, services, counts }
    }

    pub(crate) fn find(&self, path: &[u8]) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    pub(crate) fn knows_service(&self, service: &[u8]) -> bool {
        self.services.contains(service)
    }

    pub(crate) fn client_stream(&self, method: usize) -> bool {
        self.table[method].client_stream
    }
}

/// Service and method of a path.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = path.strip_prefix(b"/")?;
    let slash = rest.iter().rposition(|&byte| byte == b'/')?;
    Some((&rest[..slash], &rest[slash + 1..]))
}
