//! Memory by the page: ten thousand connections need many small pieces, not few large ones.

/// Asks for no transparent huge pages: with them, memory is taken two mebibytes at a time in each thread, touched or
/// not. To be called before there are threads.
pub(crate) fn refuse_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        // Only more memory is used.
        tracing::debug!(%error, "huge pages stay on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_are_off() {
        refuse_huge_pages();
        assert!(rustix::thread::transparent_huge_pages_are_disabled().unwrap());
    }
}
