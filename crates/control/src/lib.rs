//! The only writer: folds plans, reports, probes and commands into a snapshot.
