//! Fair shares: how many copies each node should hold, by weight, under the zones.
//!
//! A share by weight alone can be impossible: nobody holds two copies of one partition, nor a zone
//! more than its limit. What is cut off there falls to the others, again by weight ("water
//! filling"). Without this, the caps derived from the shares would forbid what must happen.
//!
//! Shares are fixed-point numbers with [`POINT`] bits after the point, rounded down.

/// Bits after the point of a share.
const POINT: u32 = 20;

/// The smallest limit of copies of one partition per zone under which every partition can have
/// `copies` owners: 1 if there are that many zones.
///
/// Under it, *any* choice of owners can be completed: when every zone is at its limit or out of
/// nodes, enough owners have been chosen.
pub(super) fn zone_limit(zones: &[usize], copies: usize) -> usize {
    let sizes = sizes(zones);
    (1..=copies)
        .find(|&limit| sizes.iter().map(|&size| size.min(limit)).sum::<usize>() >= copies)
        .unwrap_or(1)
}

/// Each node's fair share of the copies of all partitions.
pub(super) fn shares(
    weights: &[u64],
    zones: &[usize],
    partitions: u64,
    copies: u64,
    zone_limit: usize,
) -> Vec<u64> {
    let most = of_copies(partitions);
    let mut zone_weights = vec![0; sizes(zones).len()];
    for (&zone, &weight) in zones.iter().zip(weights) {
        zone_weights[zone] += weight;
    }
    let zone_limits: Vec<u64> =
        sizes(zones).iter().map(|&size| most * size.min(zone_limit) as u64).collect();
    let zone_shares = fill(copies * most, &zone_weights, &zone_limits);

    let mut shares = vec![0; weights.len()];
    let mut members = vec![Vec::new(); zone_shares.len()];
    for (node, &zone) in zones.iter().enumerate() {
        members[zone].push(node);
    }
    for (nodes, &zone_share) in members.into_iter().zip(&zone_shares) {
        let weights: Vec<u64> = nodes.iter().map(|&node| weights[node]).collect();
        let filled = fill(zone_share, &weights, &vec![most; nodes.len()]);
        for (node, share) in nodes.into_iter().zip(filled) {
            shares[node] = share;
        }
    }
    shares
}

/// A whole number of copies as a share.
pub(super) fn of_copies(copies: u64) -> u64 {
    copies << POINT
}

/// So many percent of a share, as a whole number, rounded up.
pub(super) fn percent_up(share: u64, percent: u64) -> u64 {
    (share * percent).div_ceil(100 << POINT)
}

fn sizes(zones: &[usize]) -> Vec<usize> {
    let mut sizes = vec![0; zones.iter().max().map_or(0, |&last| last + 1)];
    for &zone in zones {
        sizes[zone] += 1;
    }
    sizes
}

/// Divides `total` by weight, giving nobody more than its limit.
fn fill(mut total: u64, weights: &[u64], limits: &[u64]) -> Vec<u64> {
    let mut shares = vec![None; weights.len()];
    let mut weight: u64 = weights.iter().sum();
    let by_weight = |total: u64, mine: u64, all: u64| {
        // Fits again: no share is above the total.
        (u128::from(total) * u128::from(mine) / u128::from(all)) as u64
    };
    loop {
        let full: Vec<usize> = (0..weights.len())
            .filter(|&i| shares[i].is_none() && by_weight(total, weights[i], weight) >= limits[i])
            .collect();
        if full.is_empty() {
            break;
        }
        for i in full {
            shares[i] = Some(limits[i]);
            total = total.saturating_sub(limits[i]);
            weight -= weights[i];
        }
    }
    (0..weights.len())
        .map(|i| shares[i].unwrap_or_else(|| by_weight(total, weights[i], weight)))
        .collect()
}
