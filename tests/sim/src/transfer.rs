//! A database image on its way from one member to another, and its arrival on the receiver's disk.
//!
//! It never buffers what it has not read yet: the image is read while the sender goes on writing its file.

use backend::ReadTx;
use disk::{Disk, OpenMode};
use member::restart::Layout;
use proto::raftpb;
use std::io;

#[derive(Debug)]
pub struct Transfer {
    pub message: raftpb::Message,
    image: bolt::Image,
    bytes: Vec<u8>,
}

impl Transfer {
    /// Reads the first half.
    pub fn begin(message: raftpb::Message, root: &ReadTx) -> backend::Result<Transfer> {
        let mut transfer = Transfer { message, image: root.image(), bytes: Vec::new() };
        let half = transfer.image.remaining() / 2;
        while transfer.image.remaining() > half {
            transfer.read()?;
        }
        Ok(transfer)
    }

    /// Reads the rest; the message and the whole image.
    pub fn end(mut self) -> backend::Result<(raftpb::Message, Vec<u8>)> {
        while self.image.remaining() > 0 {
            self.read()?;
        }
        Ok((self.message, self.bytes))
    }

    fn read(&mut self) -> backend::Result<()> {
        let piece = self.image.read(16 * 1024)?;
        self.bytes.extend_from_slice(&piece);
        Ok(())
    }
}

/// Keeps a received image where a restart or an install will look for it.
pub fn save(disk: &dyn Disk, layout: &Layout, message: &raftpb::Message, image: &[u8]) -> io::Result<()> {
    let metadata = message.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.as_ref());
    let index = metadata.map_or(0, |metadata| metadata.index());
    let building = layout.snap_dir.join("tmp-received");
    let file = disk.open(&building, OpenMode::Truncate)?;
    file.write_at(image, 0)?;
    file.sync_data()?;
    disk.rename(&building, &layout.snap_dir.join(format!("{index:016x}.snap.db")))?;
    disk.sync_dir(&layout.snap_dir)
}
