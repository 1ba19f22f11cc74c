#!/usr/bin/env python3
"""How much of a full cache's hit ratio is left when the node that is read dies.

usage: failover.py [--keys N] [--operations N] [--rounds N] [--elsewhere]

Three nodes with too little memory for all keys. Every client uses the first node, as the clients of one
edge site do, and writes what it does not find; the other two see nothing but writes. Then the first node is
killed, and the same clients read from the second. A cache whose nodes evict by what they see themselves
begins with what was written last. Demands that the second hits at least 0.97 times as often as the first
did.

With --elsewhere nobody dies; it says how many of the reads the first node misses another owner could have
answered. A node does not ask for that, and does not keep what it would be told: what it has evicted is a
miss. Demands nothing.
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


def elsewhere(cluster, keys, weights, chance, operations):
    """The part of so many reads that the first node misses, and the part that only another one holds."""
    clients = [Client(node.port) for node in cluster.nodes]
    missed = held = 0
    for _ in range(operations // BATCH):
        left = [f"key:{i:012}" for i in chance.choices(range(keys), cum_weights=weights, k=BATCH)]
        for client in clients:
            found = client.many([("GET", name) for name in left])
            left = [name for name, value in zip(left, found) if value is None]
            if client is clients[0]:
                missed += len(left)
                held += len(left)
        held -= len(left)
    operations = operations // BATCH * BATCH
    return missed / operations, held / operations


def turn(options, seed):
    chance = random.Random(seed)
    weights = list(itertools.accumulate(1 / (i + 1) ** 0.9 for i in range(options.keys)))
    with Cluster(3, ["--max-memory", "16MiB"]) as cluster:
        first, second = Client(cluster.nodes[0].port), Client(cluster.nodes[1].port)
        read_through(first, options.keys, weights, chance, options.operations)
        before = read_through(first, options.keys, weights, chance, options.operations // 5)
        if options.elsewhere:
            missed, held = elsewhere(cluster, options.keys, weights, chance, 20_000)
            print(f"of all reads {missed:.3f} missed, {held:.3f} held by another owner", flush=True)
            return 1.0
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
    parser.add_argument("--elsewhere", action="store_true")
    options = parser.parse_args()
    median = statistics.median(turn(options, seed) for seed in range(options.rounds))
    if options.elsewhere:
        return 0
    print(f"{'ok' if median >= DEMANDED else 'FAILED'} failover: {median:.3f} of the hit ratio, demanded {DEMANDED}")
    return 0 if median >= DEMANDED else 1


if __name__ == "__main__":
    sys.exit(main())
