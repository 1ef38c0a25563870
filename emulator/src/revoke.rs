//! Giving up the right to store straight through to pages that other processors have decoded: the
//! storer's side of the protocol in [`crate::code_pages`].
//!
//! A right that is dropped for another reason (its entry is needed, the segment or the table
//! changed) takes with it the only trace that the processor may have stored since the other one
//! decoded. So revocations are looked at before any entry with that right goes: the fence makes sure that either the
//! revocation is seen here or the other one, who posted it and then read, sees what was stored.

use std::sync::atomic::{Ordering, fence};

use crate::code_pages::{Revocations, SHIFT};
use crate::core::Core;

impl Core {
    /// Takes the revocations that wait. A right that was there may have been used since: its page
    /// counts as stored to.
    #[inline]
    pub(crate) fn drop_revoked(&mut self) {
        fence(Ordering::SeqCst);
        if let Some(revocations) = self.subscription.take() {
            self.drop_taken(revocations);
        }
    }

    #[cold]
    fn drop_taken(&mut self, revocations: Revocations) {
        if revocations.all {
            for page in self.tlb.revoke_all_stores() {
                self.counts.drops.stores_revoked += 1;
                if self.shared.code.holds_code(page << SHIFT) {
                    self.shared.code.mark_written(page << SHIFT);
                }
            }
            return;
        }
        for page in revocations.pages {
            if self.tlb.revoke_store(page) {
                self.counts.drops.stores_revoked += 1;
                self.shared.code.mark_written(page << SHIFT);
            }
        }
    }
}
