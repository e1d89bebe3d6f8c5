//! Orders that are computed once, at publication, so that a pick never skips over an ejected member.
