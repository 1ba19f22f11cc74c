#!/usr/bin/env python3
"""How much of a full cache's hit ratio is left when the node that is read dies.

usage: failover.py [--keys N] [--operations N] [--rounds N]

Three nodes with too little memory for all keys. Every client uses the first node, as the clients of one
edge site do, and writes what it does not find; the other two see nothing but writes. Then the first node is
killed, and the same clients read from the second. A cache whose nodes evict by what they see themselves
begins with what was written last. Demands that the second hits at least 0.97 times as often as the first
did.
"""

import argparse
import itertools
import random
import statistics
import sys

from cluster import Client, Cluster, Failure

BATCH = 500
DEMANDED = 0.97


def read_through(client, keys, weights, chance, operations):
    """Reads that many keys, and writes what is not there; answers the part that was."""
    hits = 0
    for _ in range(operations // BATCH):
        names = [f"key:{i:012}" for i in chance.choices(range(keys), cum_weights=weights, k=BATCH)]
        found = client.many([("GET", name) for name in names])
        missing = {name for name, value in zip(names, found) if value is None}
        hits += sum(value is not None for value in found)
        for reply in client.many([("SET", name, name.ljust(100, "v")) for name in missing]):
            if reply != b"OK":
                raise Failure(f"SET: {reply!r}")
    return hits / (operations // BATCH * BATCH)


def turn(options, seed):
    chance = random.Random(seed)
    weights = list(itertools.accumulate(1 / (i + 1) ** 0.9 for i in range(options.keys)))
    with Cluster(3, ["--max-memory", "16MiB"]) as cluster:
        first, second = Client(cluster.nodes[0].port), Client(cluster.nodes[1].port)
        read_through(first, options.keys, weights, chance, options.operations)
        before = read_through(first, options.keys, weights, chance, options.operations // 5)
        cluster.nodes[0].kill()
        # No more than that: what is missed is written, and the second is soon as good as the first was.
        after = read_through(second, options.keys, weights, chance, 20_000)
    print(f"hits: {before:.3f} before, {after:.3f} after: {after / before:.3f}", flush=True)
    return after / before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=300_000)
    parser.add_argument("--operations", type=int, default=1_500_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    median = statistics.median(turn(options, seed) for seed in range(options.rounds))
    print(f"{'ok' if median >= DEMANDED else 'FAILED'} failover: {median:.3f} of the hit ratio, demanded {DEMANDED}")
    return 0 if median >= DEMANDED else 1


if __name__ == "__main__":
    sys.exit(main())
