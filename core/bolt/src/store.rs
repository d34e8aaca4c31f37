//! The open file: opening, committing, and which pages may be reused.
//!
//! It never changes a page that an open root reaches, and never goes on after a failed commit: what is on disk then is
//! known only after reopening.

use crate::{
    Error, Options, ReadTx, Result,
    cache::PageCache,
    file::PagedFile,
    freelist::{Extent, FreePages},
    meta::{META_BYTES, Meta, NO_FREELIST},
    page::{Encoder, FREELIST_FLAG, Header, PAGE_SIZES, Page},
    placement::Placement,
    root::Root,
    scan,
};
use disk::{Disk, File, LockKind, OpenMode};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{Ordering, fence},
    },
};

/// Bytes the file grows by beyond what is needed, as bbolt grows etcd's.
const GROWTH_BYTES: u64 = 16 << 20;
/// The greatest transaction number that is taken for true.
const TXID_MAX: u64 = 1 << 63;
/// Pages of a file that was just created: two metas, an empty freelist, an empty leaf.
const CREATED_PAGES: u64 = 4;

/// The writing side of an open file. One owner; readers are taken with [`Store::reader`] and may move to other threads.
#[derive(Debug)]
pub struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
    /// The last committed root.
    root: Arc<Root>,
    /// Former roots that a reader may still hold.
    former: Vec<Weak<Root>>,
    free: FreePages,
    /// The freelist page of a file that was last written by a program that keeps one.
    freelist: Option<Extent>,
    file_bytes: u64,
    /// Set while a commit is under way, and for good if it fails.
    failed: bool,
}

impl Store {
    /// Opens or creates `path`. Takes `flock(LOCK_EX)` on it; `Err(Io(WouldBlock))` when another process holds it.
    /// Free pages are found by walking the tree.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, options: Options) -> Result<Store> {
        if !options.page_size.is_power_of_two() || !PAGE_SIZES.contains(&options.page_size) {
            return Err(Error::Invalid(format!("page size {}", options.page_size)));
        }
        let file = disk.open(path, OpenMode::Create)?;
        if !file.try_lock(LockKind::Flock)? {
            return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
        }
        if is_unfinished(&*file, options.page_size)? {
            file.write_at(&created(options.page_size), 0)?;
        }
        // A process that was killed may have left what only memory holds, a meta page above all. It must not be built
        // upon before it is durable: the next commit writes over pages of the root before it.
        if !options.no_sync {
            file.sync_data()?;
            disk.sync_dir(parent(path))?;
        }
        let file_bytes = file.len()?;
        let meta = read_meta(&*file, file_bytes)?;
        let pages = file_bytes / meta.page_size as u64;
        if meta.high_water > pages {
            return Err(Error::Invalid(format!("the file has {pages} pages of {}", meta.high_water)));
        }
        if meta.txid > TXID_MAX {
            return Err(Error::Invalid(format!("transaction number {}", meta.txid)));
        }
        let cache = PageCache::new(options.cache_bytes);
        let file = Arc::new(PagedFile { file, page_size: meta.page_size, cache });
        let (free, freelist) = scan::free_pages(&file, &meta)?;
        let root = Arc::new(Root::load(file, meta, free.count(), None)?);
        let path = path.to_owned();
        Ok(Store { disk, path, options, root, former: Vec::new(), free, freelist, file_bytes, failed: false })
    }

    /// A reader of the last committed root.
    pub fn reader(&self) -> ReadTx {
        ReadTx { root: self.root.clone() }
    }

    /// Takes note of readers that have ended since: their pages may be reused.
    pub(crate) fn unblock(&mut self) {
        let open = self.open_txids();
        self.free.unblock(&open);
    }

    pub(crate) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// The transactions of all roots that can still be read, ascending; the last is the current one.
    pub(crate) fn open_txids(&mut self) -> Vec<u64> {
        self.former.retain(|root| root.strong_count() > 0);
        // What the last reader of a root did happened before its pages are written.
        fence(Ordering::Acquire);
        let mut open: Vec<u64> =
            self.former.iter().filter_map(Weak::upgrade).map(|root| root.meta.txid).collect();
        open.push(self.root.meta.txid);
        open
    }

    pub(crate) fn placement<'a>(&'a mut self, open: &'a [u64]) -> Placement<'a> {
        let meta = self.root.meta;
        Placement {
            free: &mut self.free,
            high_water: meta.high_water,
            txid: meta.txid + 1,
            open,
            pages: Vec::new(),
        }
    }

    /// Runs a step after whose failure the store refuses all further ones.
    pub(crate) fn attempt(&mut self, step: impl FnOnce(&mut Store) -> Result<()>) -> Result<()> {
        if self.failed {
            return Err(Error::Invalid("an earlier commit failed".into()));
        }
        self.failed = true;
        step(self)?;
        self.failed = false;
        Ok(())
    }

    /// Commits encoded pages: their order, and the two syncs, are what makes a crash harmless.
    pub(crate) fn write(
        &mut self,
        root: u64,
        high_water: u64,
        mut pages: Vec<(u64, Page)>,
        mut freed: Vec<Extent>,
    ) -> Result<()> {
        let base = self.root.clone();
        let file = &base.file;
        freed.extend(self.freelist.take());
        let txid = base.meta.txid + 1;
        let meta = Meta { root, freelist: NO_FREELIST, high_water, txid, ..base.meta };

        let needed = (high_water + 1) * meta.page_size as u64;
        if needed > self.file_bytes {
            file.file.set_len(needed + GROWTH_BYTES)?;
            self.file_bytes = needed + GROWTH_BYTES;
        }
        pages.sort_unstable_by_key(|(id, _)| *id);
        file.write_pages(&pages)?;
        self.sync(file)?;
        file.write_at(&meta.encode(meta.slot()), meta.slot())?;
        self.sync(file)?;

        for (id, page) in &pages {
            file.cache.insert_written(*id, page);
        }
        let freed_pages: u64 = freed.iter().map(|extent| extent.len).sum();
        let next = Root::load(file.clone(), meta, self.free.count() + freed_pages, Some(&base))?;
        self.former.push(Arc::downgrade(&base));
        self.root = Arc::new(next);
        drop(base);
        let mut open = self.open_txids();
        open.pop();
        self.free.release(freed, txid, &open);
        Ok(())
    }

    fn sync(&self, file: &PagedFile) -> Result<()> {
        if self.options.no_sync {
            return Ok(());
        }
        Ok(file.file.sync_data()?)
    }

    /// Goes on with another file, which has the same content.
    pub(crate) fn replace(&mut self, other: Store) {
        let Store { root, former, free, freelist, file_bytes, .. } = other;
        (self.root, self.former, self.free) = (root, former, free);
        (self.freelist, self.file_bytes) = (freelist, file_bytes);
    }
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// The bytes of a new file.
fn created(page_size: usize) -> Vec<u8> {
    let meta = Meta { page_size, root: 3, sequence: 0, freelist: 2, high_water: CREATED_PAGES, txid: 0 };
    let mut bytes = meta.encode(0);
    bytes.extend(Meta { txid: 1, ..meta }.encode(1));
    Header { id: 2, flags: FREELIST_FLAG, count: 0, overflow: 0 }.encode(&mut bytes);
    bytes.resize(3 * page_size, 0);
    bytes.extend(Encoder::page(3, true, 0, 1, page_size).finish());
    bytes
}

/// Whether the file is empty, or its creation was cut short: then every byte is as created or zero, but not all are as
/// created. A file that was ever committed to is longer.
fn is_unfinished(file: &dyn File, page_size: usize) -> Result<bool> {
    let created = created(page_size);
    if file.len()? > created.len() as u64 {
        return Ok(false);
    }
    let mut bytes = vec![0; created.len()];
    let read = file.read_at(&mut bytes, 0)?;
    let torn = bytes.iter().zip(&created).all(|(byte, wanted)| *byte == 0 || byte == wanted);
    Ok(torn && (read < created.len() || bytes != created))
}

/// The valid meta with the higher transaction number.
fn read_meta(file: &dyn File, file_bytes: u64) -> Result<Meta> {
    let at = |offset: u64| -> Result<std::result::Result<Meta, String>> {
        let mut bytes = [0; META_BYTES];
        let read = file.read_at(&mut bytes, offset)?;
        Ok(Meta::decode(&bytes[..read]))
    };
    let first = at(0)?;
    let second = match &first {
        Ok(meta) => at(meta.page_size as u64)?.ok(),
        // The page size is not known: look where the second meta may be.
        Err(_) => {
            let mut found = None;
            let mut page_size = PAGE_SIZES.start;
            while found.is_none() && page_size < PAGE_SIZES.end && (page_size as u64) < file_bytes {
                found = at(page_size as u64)?.ok().filter(|meta| meta.page_size == page_size);
                page_size *= 2;
            }
            found
        }
    };
    match (first, second) {
        (Ok(first), Some(second)) if second.txid > first.txid => Ok(second),
        (Ok(first), _) => Ok(first),
        (Err(_), Some(second)) => Ok(second),
        (Err(reason), None) => Err(Error::Invalid(reason)),
    }
}
