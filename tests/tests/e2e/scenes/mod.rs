//! Three real nginx under steady load, and everything that happens to backends: no GET fails that one of them could have
//! answered, the bad one leaves and returns on the evidence that stands in the log, and a good one never leaves.

mod innocent;
mod stage;
mod trouble;
mod whole_pool;
