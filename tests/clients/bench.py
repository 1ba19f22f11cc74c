#!/usr/bin/env python3
"""Chickadee beside redis-server: rate, latency and the server's CPU time for each operation.

usage: bench.py [--rounds 5] [--seconds 1.5] [--depths 1,16,64] [--sizes 100] [--tests set,get]
                [--server 'NAME=COMMAND with {port} and {peer}' ...] [--cluster]

A shared machine drifts, so nothing is measured twice in a row: within a round each server takes its turn at
each cell, and the medians of the rounds are compared. Servers are pinned to the first processor and the
load to the second, so that CPU time is the server's own work. The first server is the base of the ratios.
A round before the first warms up and finds how many requests fill the time. CPU time is read from the
kernel in clock ticks (usually 10 ms), so a cell shorter than a second is coarse.
--cluster adds three nodes on one processor, driven through one of them: the price of replication.
Not part of CI: figures of a shared machine decide nothing.
"""

import argparse
import csv
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time

from cluster import Client, Ports, binary

TICK = os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, name, commands, directory, pinned):
        self.name, self.processes, self.port = name, [], None
        seed = None
        for i, command in enumerate(commands):
            port, peer = Ports.take(), Ports.take()
            words = [w.format(port=port, peer=peer, seed=seed) for w in command]
            home = os.path.join(directory, f"{name}{i}")
            os.makedirs(home)
            log = open(os.path.join(home, "log"), "wb")
            if pinned:
                words = ["taskset", "-c", "0"] + words
            env = {**os.environ, "HOME": directory}
            self.processes.append(
                subprocess.Popen(words, cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )
            self.port, seed = self.port or port, seed or peer
            self._wait(port)
        if len(commands) > 1:
            end = time.monotonic() + 15
            while Client(self.port).text("CHICKADEE", "MEMBERS").count(b"alive") < len(commands):
                if time.monotonic() > end:
                    raise SystemExit(f"{name}: the members do not meet")
                time.sleep(0.05)
            time.sleep(2)

    @staticmethod
    def _wait(port):
        end = time.monotonic() + 15
        while True:
            try:
                return Client(port)("PING")
            except OSError:
                if time.monotonic() > end:
                    raise SystemExit(f"nothing listens on {port}") from None
                time.sleep(0.05)

    def cpu(self):
        """Seconds of CPU time of all processes, all threads."""
        total = 0
        for process in self.processes:
            with open(f"/proc/{process.pid}/stat", encoding="utf-8") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


def measure(server, test, size, depth, count, options):
    command = ["taskset", "-c", "1"] if options.pinned else []
    command += ["redis-benchmark", "-p", str(server.port), "-t", test, "-n", str(count), "-P", str(depth)]
    command += ["-d", str(size), "-c", str(options.clients), "-r", str(options.keys), "--csv"]
    before = server.cpu()
    said = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300).stdout
    used = server.cpu() - before
    for row in csv.reader(io.StringIO(said)):
        if len(row) >= 7 and row[0].upper().startswith(test.upper()):
            return {"rate": float(row[1]), "p99": float(row[6]), "cpu": used / count * 1e6}
    raise SystemExit(f"{server.name}: redis-benchmark measured nothing: {said[-300:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--depths", default="1,16,64")
    parser.add_argument("--sizes", default="100")
    parser.add_argument("--tests", default="set,get")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--keys", type=int, default=100000)
    parser.add_argument("--server", action="append", help="instead of redis and chickadee")
    parser.add_argument("--cluster", action="store_true")
    options = parser.parse_args()
    options.pinned = os.cpu_count() > 1
    redis = "redis-server --port {port} --bind 127.0.0.1 --save  --appendonly no".split(" ")
    single = [binary(), "serve", "--listen", "127.0.0.1:{peer}", "--resp", "127.0.0.1:{port}"]
    wanted = [(s.split("=", 1)[0], [s.split("=", 1)[1].split()]) for s in options.server or []]
    wanted = wanted or [("redis", [redis]), ("chickadee", [single])]
    if options.cluster:
        joining = single + ["--seed", "127.0.0.1:{seed}"]
        wanted.append(("three", [single, joining, joining]))
    cells = [
        (test, int(size), int(depth))
        for test in options.tests.split(",")
        for size in options.sizes.split(",")
        for depth in options.depths.split(",")
    ]
    servers = []
    with tempfile.TemporaryDirectory(prefix="chickadee-bench-") as directory:
        try:
            for name, commands in wanted:
                servers.append(Server(name, commands, directory, options.pinned))
            seen, count = {}, {}
            for turn in range(-1, options.rounds):
                for cell in cells:
                    # Who goes first changes, so that a drift within a round falls on each.
                    order = servers[turn % len(servers) :] + servers[: turn % len(servers)]
                    for server in order:
                        key = (server.name, *cell)
                        found = measure(server, *cell, count.get(key, 50000), options)
                        if turn < 0:
                            count[key] = max(20000, min(int(found["rate"] * options.seconds), 5_000_000))
                        else:
                            seen.setdefault(key, []).append(found)
        finally:
            for server in servers:
                server.stop()

    def median(name, cell, field):
        return statistics.median(found[field] for found in seen[(name, *cell)])

    names = [name for name, _ in wanted]
    print(f"{'':16}" + "".join(f" | {name:^38}" for name in names))
    print(f"{'test size depth':16}" + " | {:>8} {:>8} {:>9} {:>10}".format("k ops/s", "p99 ms", "µs CPU/op", "x CPU/op") * len(names))
    for cell in cells:
        line = f"{cell[0]:4} {cell[1]:5} {cell[2]:5}"
        for name in names:
            ratio = median(name, cell, "cpu") / max(median(names[0], cell, "cpu"), 1e-9)
            line += f" | {median(name, cell, 'rate') / 1000:8.0f} {median(name, cell, 'p99'):8.2f}"
            line += f" {median(name, cell, 'cpu'):9.2f} {ratio:10.2f}"
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
