//! Medians, ratios of pairs, and how sure they are.

/// The middle of these figures; panics if there are none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let sorted = sorted(figures);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The median's interval of at least 95 % confidence by order statistics, which assumes nothing about the distribution: the
/// k-th smallest and k-th largest figure. With fewer than six figures no such interval exists: the extremes are returned.
pub(crate) fn interval(figures: &[f64]) -> (f64, f64) {
    let sorted = sorted(figures);
    let count = sorted.len();
    // Chance that the median lies below the k-th smallest: a fair coin shows fewer than k heads in `count` throws.
    let mut chance = 0.5_f64.powi(i32::try_from(count).expect("few figures"));
    let (mut tail, mut rank) = (chance, 0);
    while tail <= 0.025 && rank < count / 2 {
        rank += 1;
        chance *= (count - rank + 1) as f64 / rank as f64;
        tail += chance;
    }
    let rank = rank.saturating_sub(1);
    (sorted[rank], sorted[count - 1 - rank])
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_nine_leaves_out_the_extremes() {
        let figures = [5.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0];
        assert_eq!(median(&figures), 5.0);
        assert_eq!(interval(&figures), (2.0, 8.0));
    }

    #[test]
    fn few_figures_have_their_extremes_as_interval() {
        assert_eq!(median(&[1.0, 4.0]), 2.5);
        assert_eq!(interval(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }
}
