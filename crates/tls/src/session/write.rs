//! Plaintext into records, as few as it takes.

use std::cell::RefCell;
use std::io::IoSlice;

use rustls::Error;

use super::Session;
use super::deal::Job;

/// Most plaintext of one record (RFC 8446, section 5.1).
pub(super) const RECORD: usize = 16 * 1024;

/// Most plaintext that is encrypted at once.
pub(super) const MOST: usize = 4 * RECORD;

thread_local! {
    /// Where what stands in several places is gathered for one record.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Session {
    /// Encrypts from the front of `parts`, and says how much of them: at most 64 KiB.
    ///
    /// # Errors
    /// Whatever ends the connection.
    pub fn write(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, Error> {
        let (before, mut written) = (self.outgoing.filled().len(), 0);
        let Err(error) = self.encrypt_all(parts, &mut written) else { return Ok(written) };
        if written > 0 {
            // Nothing of it may leave: to whoever asked for it, nothing was sent. What comes behind it could not be read.
            self.outgoing.truncate(before);
            self.failure.get_or_insert_with(|| error.clone());
        }
        Err(error)
    }

    /// Encrypts at most [`MOST`] bytes, and counts in `written` those whose records are done.
    #[inline]
    fn encrypt_all(&mut self, parts: &[IoSlice<'_>], written: &mut usize) -> Result<(), Error> {
        let whole: usize = parts.iter().map(|part| part.len()).sum();
        let mut left = whole.min(MOST);
        GATHERED.with_borrow_mut(|gathered| {
            gathered.clear();
            for part in parts {
                let mut bytes = &part[..part.len().min(left)];
                left -= bytes.len();
                while !bytes.is_empty() {
                    let is_by_itself = gathered.is_empty() && (bytes.len() >= RECORD || left == 0);
                    let count = bytes.len().min(RECORD - gathered.len());
                    if is_by_itself {
                        self.encrypt(&bytes[..count], written)?;
                    } else {
                        gathered.extend_from_slice(&bytes[..count]);
                    }
                    if gathered.len() == RECORD {
                        self.encrypt(gathered, written)?;
                        gathered.clear();
                    }
                    bytes = &bytes[count..];
                }
            }
            if !gathered.is_empty() {
                self.encrypt(gathered, written)?;
            }
            Ok(())
        })
    }

    #[inline]
    fn encrypt(&mut self, bytes: &[u8], written: &mut usize) -> Result<(), Error> {
        self.drive(Job::Write(bytes))?;
        *written += bytes.len();
        Ok(())
    }
}
