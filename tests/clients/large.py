"""Large values beside small ones: three real nodes, two clients with large values, one with small ones.

A small SET shares its way to the owners with whatever else goes there. So its latency is taken alone, and beside
clients that write (and then read, through a node that owns none of their keys) values of 1 MiB and 8 MiB without
pause. Each client is a process of its own: in one interpreter the small one would wait for the large ones' Python.
Everything shares the machine's processors, so the figures say most where two binaries took turns.
"""

import hashlib
import multiprocessing
import os
import random
import threading
import time

from cluster import Client, Cluster, ErrorReply, Failure

SIZES = (1 << 20, 8 << 20)
CLIENTS = 2
KEYS = 8


def value_of(key, number, size):
    """Bytes that tell which write they are from, in every part of them."""
    block = hashlib.sha256(f"{key} {number}".encode()).digest() * 128
    return (f"{number}:".encode() + block * (size // len(block) + 1))[:size]


def is_whole(key, value, size):
    number = value.split(b":", 1)[0][:20] if value else b""
    return number.isdigit() and value == value_of(key, int(number), size)


def percentile(took, part):
    return sorted(took)[min(len(took) - 1, int(len(took) * part))] if took else float("nan")


def small(ports, until, out):
    """SETs 100 bytes to one node after the other."""
    clients, took, errors, number = [Client(port) for port in ports], [], [], 0
    while time.monotonic() < until:
        number += 1
        begin = time.monotonic()
        try:
            clients[number % len(clients)]("SET", f"small:{number % 5000}", b"s" * 100)
        except (OSError, ErrorReply) as error:
            errors.append(repr(error))
        took.append(time.monotonic() - begin)
        time.sleep(0.0005)
    out.put(("small", took, errors))


def large(port, keys, size, reads, until, out):
    """SETs or GETs large values, one after the other."""
    client, took, errors, number = Client(port), [], [], 0
    while time.monotonic() < until:
        key = keys[number % len(keys)]
        number += 1
        value = b"" if reads else value_of(key, number, size)
        begin = time.monotonic()
        try:
            if not reads:
                client("SET", key, value)
            elif not is_whole(key, client("GET", key), size):
                errors.append(f"{key} came back with other bytes, or none")
        except (OSError, ErrorReply) as error:
            errors.append(repr(error))
            client = Client(port)
        took.append(time.monotonic() - begin)
    out.put(("large", took, errors))


def beside(cluster, jobs, seconds):
    """Runs the small client beside these jobs; answers latencies and errors of both kinds."""
    out, until = multiprocessing.Queue(), time.monotonic() + seconds
    jobs = [(small, ([node.port for node in cluster.nodes], until, out))] + [(f, (*a, until, out)) for f, a in jobs]
    processes = [multiprocessing.Process(target=target, args=args, daemon=True) for target, args in jobs]
    for process in processes:
        process.start()
    found = {"small": ([], []), "large": ([], [])}
    for _ in processes:
        kind, took, errors = out.get(timeout=seconds + 60)
        found[kind][0].extend(took)
        found[kind][1].extend(errors)
    for process in processes:
        process.join()
    return found


def line(what, found, alone):
    took, errors = found["small"]
    p99 = percentile(took, 0.99)
    said = f"   {what:<16} small SET p50 {percentile(took, 0.5) * 1000:6.2f} ms, p99 {p99 * 1000:7.2f} ms"
    said += f", worst {max(took) * 1000:6.0f} ms" + (f", {p99 / alone:5.1f} x alone" if alone else "")
    if found["large"][0]:
        slow = found["large"][0]
        said += f"; {len(slow)} large, p50 {percentile(slow, 0.5) * 1000:.0f} ms, worst {max(slow) * 1000:.0f} ms"
    print(said + f"; errors {len(errors)} and {len(found['large'][1])}", flush=True)
    return p99, errors + found["large"][1]


def check(cluster, keys, size, problems):
    """Reads every large value through every node."""
    for node in cluster.nodes:
        client = Client(node.port)
        wrong = [key for key in keys if not is_whole(key, client("GET", key), size)]
        client.close()
        if wrong:
            problems.append(f"{len(wrong)} of {len(keys)} values of {size >> 20} MiB are not whole through {node.name}")


def strangers_of(cluster, prefix, node, count):
    """Keys that this node does not own."""
    client, found, number = Client(node.port), [], 0
    while len(found) < count:
        number += 1
        key = f"{prefix}:{number}"
        words = [w.decode() if isinstance(w, bytes) else str(w) for w in client("CHICKADEE", "EXPLAIN", key)]
        if node.name not in dict(zip(words[::2], words[1::2]))["owners"]:
            found.append(key)
        if number > 1000:
            raise Failure(f"{node.name} owns everything: {words}")
    client.close()
    return found


def resident(process, stop, seen):
    """The most memory that a process had."""
    while not stop.is_set():
        with open(f"/proc/{process.pid}/statm", encoding="utf-8") as statm:
            seen[0] = max(seen[0], int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        time.sleep(0.005)


def memory(seconds, problems):
    """Memory of a coordinator of 16 MiB that is sent values of 1 MB, 16 at a time."""
    with Cluster(extra=["--max-memory", "16MiB"]) as cluster:
        stop, most = threading.Event(), [[0] for _ in cluster.nodes]
        watching = [
            threading.Thread(target=resident, args=(node.process, stop, seen)) for node, seen in zip(cluster.nodes, most)
        ]
        for thread in watching:
            thread.start()
        client, until, sent, errors = Client(cluster.nodes[0].port), time.monotonic() + seconds, 0, []
        while time.monotonic() < until:
            batch = [("SET", f"pipelined:{random.randrange(1000)}", b"p" * 1_000_000) for _ in range(16)]
            errors += [str(reply) for reply in client.many(batch) if isinstance(reply, ErrorReply)]
            sent += len(batch)
        stop.set()
        for thread in watching:
            thread.join()
        print(
            f"   --max-memory 16MiB, {sent} values of 1 MB, 16 at a time: at most {most[0][0] >> 20} MiB resident, the"
            f" other owners {most[1][0] >> 20} and {most[2][0] >> 20} MiB; errors {len(errors)}",
            flush=True,
        )
        if errors:
            problems.append(f"{len(errors)} errors of pipelined values, first: {errors[:3]}")


def drill_large(options):
    """SETs and GETs of 1 MiB and 8 MiB beside small SETs: how long these take, and that all bytes come back."""
    seconds, problems = (3.0 if options.short else 8.0), []
    for reads in (False, True):
        # With two owners of three, one node reads what it does not hold.
        extra = ["--max-memory", "512MiB"] + (["--replicas", "2"] if reads else [])
        with Cluster(extra=extra) as cluster:
            found = beside(cluster, [], seconds)
            alone, errors = line("alone", found, None)
            for size in SIZES:
                name = f"{'GET' if reads else 'SET'} {size >> 20} MiB"
                node, jobs, all_keys = cluster.nodes[0], [], []
                for number in range(CLIENTS):
                    prefix = f"large:{size}:{number}"
                    keys = [f"{prefix}:{i}" for i in range(KEYS)]
                    if reads:
                        keys = strangers_of(cluster, prefix, node, KEYS)
                        client = Client(cluster.nodes[1].port)
                        for key in keys:
                            client("SET", key, value_of(key, 1, size))
                        client.close()
                    all_keys += keys
                    jobs.append((large, (node.port, keys, size, reads)))
                _, more = line(name, beside(cluster, jobs, seconds), alone)
                errors += more
                if not more:
                    check(cluster, all_keys, size, problems)
            if errors:
                problems.append(f"{len(errors)} errors, first: {errors[:3]}")
    memory(seconds, problems)
    print(("ok " if not problems else "FAILED ") + "large values", flush=True)
    if problems:
        raise Failure("\n  ".join(problems))
