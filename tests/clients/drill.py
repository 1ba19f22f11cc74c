#!/usr/bin/env python3
"""Process drills: real nodes are killed, stopped, restarted and lied to, while clients use the others.

usage: drill.py [NAME ...] [--repeat N] [--short] [--keep-going]
       NAME: start demo kill deaths stop strangers signals rolling large (all of them without a name)

Demands, as the README states them: while one of three nodes dies or hangs, no client of another node
sees an error or waits longer than 250 ms, and every acknowledged key stays readable; a restarted node
is a member again within 5 s and ready within 8 s, with or without a seed; a node that hung serves no
overwritten or deleted value from its first answer on. What the machine itself lost (see Pulse) is
subtracted from a slow operation and reported as such.
"""

import argparse
import bisect
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

from cluster import Client, Cluster, ErrorReply, Failure, Node, Ports, Pulse, binary, count_of, until
from large import drill_large

LIMIT = 0.250
MEMBER_WITHIN = 5.0
READY_WITHIN = 8.0
# A write is acknowledged by a majority, so the third owner may be behind the acknowledgement by a trip and
# by what it has to do meanwhile. A value overwritten less than this before its read was sent is counted
# apart, with the largest such lag, not as a lie: each key is overwritten several times within this time, so
# whatever the node held when it was stopped is older.
TRIP = 0.250
# Longer than a node is stopped by hand: whoever waits for it is to see its first answers.
PATIENCE = 180.0

sys.setswitchinterval(0.0005)


def ms(seconds):
    return f"{seconds * 1000:.0f} ms"


class Walker(threading.Thread):
    """Writes and reads one key after another through one node, and remembers what was acknowledged.

    A value is its number in this walker's order of writing, so that any reader can tell lost (nothing),
    stale (a smaller number) and right apart.
    """

    def __init__(self, node, prefix, pulse, keys=20000, size=0, pause=0.0):
        super().__init__(daemon=True)
        self.node, self.prefix, self.pulse, self.keys = node, prefix, pulse, keys
        self.pause, self.padding = pause, "x" * size
        self.acked, self.errors, self.ops = {}, [], []
        self.wrong = []
        self.running = True
        self.random = random.Random(prefix)

    def _one(self, *args):
        begin = time.monotonic()
        try:
            return self.client(*args)
        finally:
            self.ops.append((time.monotonic() - begin, begin))

    def _value(self, key):
        reply = self._one("GET", key)
        return None if reply is None else int(reply.split(b":", 1)[0])

    def run(self):
        self.client = Client(self.node.port)
        number = 0
        while self.running:
            number += 1
            key = f"{self.prefix}:{number % self.keys}"
            try:
                self._one("SET", key, f"{number}:{self.padding}")
                self.acked[key] = number
                self._check(key, number)
                if number % 4 == 0:
                    old = f"{self.prefix}:{self.random.randrange(max(1, number - self.keys + 1), number + 1) % self.keys}"
                    if old in self.acked:
                        self._check(old, self.acked[old])
            except (OSError, ErrorReply) as error:
                self.errors.append(f"{time.strftime('%H:%M:%S')} {key}: {error!r}")
                self.acked.pop(key, None)
                if isinstance(error, OSError) or len(self.errors) > 1000:
                    try:
                        self.client = Client(self.node.port)
                    except OSError:
                        time.sleep(0.05)
            if self.pause:
                time.sleep(self.pause)

    def _check(self, key, number):
        seen = self._value(key)
        if seen != number:
            self.wrong.append(f"{key}: read {seen} through {self.node.name}, which had acknowledged {number}")

    def finish(self):
        self.running = False
        self.join(35)
        if self.is_alive():
            raise Failure(f"a client of {self.node.name} got no answer for 35 s")
        return self


class Report:
    """Latencies of a set of walkers, with the machine's own share taken off the slow ones."""

    def __init__(self, walkers, pulse):
        took = sorted(op for walker in walkers for op in walker.ops)
        self.count = len(took)
        self.worst = took[-1][0]
        self.p999 = took[int(len(took) * 0.999)][0]
        self.own = max(t - pulse.late(b, b + t) for t, b in took[-400:])
        self.errors = [e for w in walkers for e in w.errors]
        self.wrong = [e for w in walkers for e in w.wrong]
        self.noise = pulse.worst

    def line(self):
        noise = "" if self.worst - self.own < 0.005 else f" (of it the node's {ms(self.own)})"
        return f"{self.count} ops, worst {ms(self.worst)}{noise}, p99.9 {self.p999 * 1000:.1f} ms, {len(self.errors)} errors"

    def demand(self, problems):
        if self.errors:
            problems.append(f"{len(self.errors)} errors, first: {self.errors[:3]}")
        if self.wrong:
            problems.append(f"{len(self.wrong)} wrong reads, first: {self.wrong[:3]}")
        if self.own > LIMIT:
            problems.append(f"an operation took {ms(self.worst)}, {ms(self.own)} of it without the machine's share")


def verify(nodes, acked, problems, when):
    """Reads every acknowledged key through every one of these nodes."""
    keys = list(acked)
    for node in nodes:
        lost, stale, failed = [], [], []
        try:
            client = Client(node.port)
            for at in range(0, len(keys), 500):
                some = keys[at : at + 500]
                for key, reply in zip(some, client.many([("GET", key) for key in some])):
                    if isinstance(reply, ErrorReply):
                        failed.append(f"{key}: {reply}")
                    elif reply is None:
                        lost.append(key)
                    elif int(reply.split(b":", 1)[0]) < acked[key]:
                        stale.append(f"{key}: {reply[:20]!r}, acknowledged {acked[key]}")
            client.close()
        except OSError as error:
            failed.append(repr(error))
        for word, found in (("lost", lost), ("stale", stale), ("failed", failed)):
            if found:
                problems.append(f"{when}: {len(found)} of {len(keys)} {word} through {node.name}, e.g. {found[:3]}")
                if word == "lost":
                    problems.append("    " + explain(node, found[0]))
    return len(keys)


def explain(node, key):
    try:
        client = Client(node.port, 5)
        words = client("CHICKADEE", "EXPLAIN", key)
        client.close()
        return f"{node.name} explains {key}: " + " ".join(w.decode() if isinstance(w, bytes) else str(w) for w in words)
    except (OSError, ErrorReply) as error:
        return f"{node.name} does not explain {key}: {error!r}"


def snapshot(walkers):
    return {key: number for walker in walkers for key, number in list(walker.acked.items())}


def settle(problems):
    if problems:
        raise Failure("\n  ".join(problems))


def benchmark(node, count):
    run = subprocess.run(
        ["redis-benchmark", "-p", str(node.port), "-t", "set,get", "-n", str(count), "-r", "100000", "-P", "16", "-q"],
        capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = run.stdout + run.stderr
    if run.returncode or "rror" in said:
        raise Failure(f"redis-benchmark exited with {run.returncode}: {said[-500:]}")
    rates = re.findall(r"(SET|GET): ([0-9.]+) requests", said.replace("\r", "\n"))
    return ", ".join(f"{name} {float(rate) / 1000:.0f} k/s" for name, rate in rates)


def back(cluster, node, problems, begin, keys=0):
    """A node returns: member on all sides within 5 s, ready within 8 s of `begin` and some for many keys."""
    times = []
    for what, within, test in (
        (f"{node.name} a member again", MEMBER_WITHIN, count_of(cluster.nodes, len(cluster.nodes))),
        (f"{node.name} ready again", READY_WITHIN + keys / 50000, node.ready),
    ):
        try:
            times.append(until(what, within, begin, test))
        except Failure as error:
            problems.append(str(error))
            try:
                times.append(until(what, 30, begin, test))
            except Failure:
                raise Failure("\n  ".join(problems + [f"{what}: not even within 30 s"])) from None
    return f"member {times[0]:.2f} s, ready {times[1]:.2f} s"


def kill_one(cluster, victim, with_seeds, load):
    problems, pulse = [], Pulse()
    rate = benchmark(cluster.nodes[0], load) if load else ""
    others = [node for node in cluster.nodes if node is not victim]
    walkers = [Walker(node, f"kill-{victim.name}-{node.name}-{random.random()}", pulse) for node in others]
    for walker in walkers:
        walker.start()
    time.sleep(1.0)
    victim.kill()
    time.sleep(2.0)
    early = verify(others, snapshot(walkers), problems, "after the kill")
    begin = time.monotonic()
    victim.start(with_seeds)
    times = back(cluster, victim, problems, begin)
    on_return = verify([victim], snapshot(walkers), problems, "on the returned node")
    time.sleep(1.0)
    for walker in walkers:
        walker.finish()
    total = verify(cluster.nodes, snapshot(walkers), problems, "at the end")
    report = Report(walkers, pulse)
    report.demand(problems)
    how = "with its seed" if with_seeds and victim.seeds else "without a seed"
    line = f"kill -9 {victim.name}, restarted {how}: {report.line()}; {times}; keys checked {early}, {on_return}, {total}"
    print(("ok " if not problems else "FAILED ") + line + (f"; benchmark {rate}" if rate else ""), flush=True)
    settle(problems)


def drill_kill(options):
    """kill -9 of each node in turn under load, restarted with its command, and once without a seed."""
    with Cluster() as cluster:
        print(f"   three nodes serve, ready, after {cluster.seconds:.2f} s", flush=True)
        for victim in cluster.nodes:
            kill_one(cluster, victim, True, 200000 if victim is cluster.nodes[0] else 0)
        for victim in cluster.nodes[1:2] if options.short else cluster.nodes[1:]:
            kill_one(cluster, victim, False, 0)


class Overwriter(threading.Thread):
    """Overwrites and deletes the same keys again and again through one node, with growing numbers.

    For each key: when which number was acknowledged (a deletion takes a number too), so that a checker can ask
    what must have been known at a moment.
    """

    KEYS = 200

    def __init__(self, node, prefix):
        super().__init__(daemon=True)
        self.node, self.running, self.errors = node, True, []
        self.keys = [f"{prefix}:{i}" for i in range(self.KEYS)]
        self.at = {key: [] for key in self.keys}
        self.number = {key: [] for key in self.keys}
        self.writes = 0

    def run(self):
        client = Client(self.node.port)
        number = 0
        while self.running:
            number += 1
            # Every third number deletes a half of the keys, so that some end each stop deleted.
            batch = [
                ("DEL", key) if number % 3 == 0 and i % 2 else ("SET", key, str(number))
                for i, key in enumerate(self.keys)
            ]
            for start in range(0, len(batch), 20):
                some = batch[start : start + 20]
                try:
                    replies = client.many(some)
                except OSError as error:
                    self.errors.append(repr(error))
                    client = Client(self.node.port)
                    continue
                now = time.monotonic()
                for command, reply in zip(some, replies):
                    if isinstance(reply, ErrorReply):
                        self.errors.append(str(reply))
                    else:
                        self.at[command[1]].append(now)
                        self.number[command[1]].append(number)
                        self.writes += 1
                time.sleep(0.002)
            if number % 3 == 0:
                time.sleep(0.05)

    def known(self, key, moment):
        """The newest number acknowledged at this moment."""
        i = bisect.bisect_right(self.at[key], moment)
        return self.number[key][i - 1] if i else 0

    def finish(self):
        self.running = False
        self.join(35)


class Checker(threading.Thread):
    """Reads the overwritten keys from the stopped node's own port, before, during and after the stop."""

    def __init__(self, node, writers, pulse, single):
        super().__init__(daemon=True)
        self.node, self.writers, self.pulse, self.single = node, writers, pulse, single
        self.running, self.errors, self.stale, self.examples = True, [], 0, []
        self.reads = self.behind = self.misses = self.holes = 0
        self.lag = self.behind_until = 0.0
        self.first_answer = self.resumed = None

    def run(self):
        client = Client(self.node.port, PATIENCE)
        keys = [(writer, key) for writer in self.writers for key in writer.keys]
        order = random.Random(1)
        while self.running:
            some = order.sample(keys, 1 if self.single else 40)
            sent = time.monotonic()
            try:
                replies = client.many([("GET", key) for _, key in some])
            except OSError as error:
                self.errors.append(repr(error))
                time.sleep(0.05)
                try:
                    client = Client(self.node.port, PATIENCE)
                except OSError:
                    pass
                continue
            answered = time.monotonic()
            if self.resumed and self.first_answer is None and answered > self.resumed:
                self.first_answer = answered - self.resumed
            for (writer, key), reply in zip(some, replies):
                self.reads += 1
                if isinstance(reply, ErrorReply):
                    when = f"{answered - self.resumed:.2f} s after SIGCONT" if self.resumed else "before SIGCONT"
                    self.errors.append(f"{reply} (answered after {answered - sent:.2f} s, {when})")
                elif reply is None:
                    self.misses += 1
                    # No lie, but these keys are never deleted, and somebody has them.
                    self.holes += writer.number[key][:1] != [] and int(key.rsplit(":", 1)[1]) % 2 == 0 and sent > writer.at[key][0]
                elif int(reply) < writer.known(key, sent):
                    since = sent - writer.at[key][bisect.bisect_right(writer.number[key], int(reply))]
                    if since <= TRIP + self.pulse.late(sent - since, answered):
                        self.behind += 1
                        self.lag = max(self.lag, since)
                        if self.resumed:
                            self.behind_until = max(self.behind_until, answered - self.resumed)
                        continue
                    self.stale += 1
                    if len(self.examples) < 5:
                        resumed = f"{answered - self.resumed:.3f} s after SIGCONT" if self.resumed else "before SIGCONT"
                        self.examples.append(
                            f"{key}: read {int(reply)}, overwritten {since:.3f} s before the read was sent, now"
                            f" {writer.known(key, sent)}; answered {answered - sent:.3f} s later, {resumed}"
                        )
            time.sleep(0 if self.single else 0.002)

    def finish(self):
        self.running = False
        self.join(65)
        if self.is_alive():
            raise Failure(f"{self.node.name} left a read unanswered for 60 s")


def stop_one(cluster, victim, seconds):
    problems, pulse = [], Pulse()
    others = [node for node in cluster.nodes if node is not victim]
    tag = f"{victim.name}-{seconds}-{random.random()}"
    walkers = [Walker(node, f"stop-{node.name}-{tag}", pulse, pause=0.001) for node in others]
    writers = [Overwriter(node, f"over-{node.name}-{tag}") for node in others]
    checkers = [Checker(victim, writers, pulse, single) for single in (True, False, False)]
    for thread in walkers + writers:
        thread.start()
    time.sleep(0.5)
    for thread in checkers:
        thread.start()
    time.sleep(1.0)
    victim.signal(signal.SIGSTOP)
    time.sleep(seconds)
    verify(others, snapshot(walkers), problems, "during the stop")
    # Reads that wait in the stopped node's socket, sent after the overwrites: its very first answers.
    queued = Checker(victim, writers, pulse, False)
    queued.start()
    time.sleep(0.2)
    resumed = time.monotonic()
    for checker in checkers + [queued]:
        checker.resumed = resumed
    victim.signal(signal.SIGCONT)
    times = back(cluster, victim, problems, resumed)
    on_return = verify([victim], snapshot(walkers), problems, "on the resumed node")
    time.sleep(2.0)
    for thread in walkers + writers + checkers + [queued]:
        thread.finish()
    verify(cluster.nodes, snapshot(walkers), problems, "at the end")
    final = {}
    for writer in writers:
        for key in writer.keys:
            final[key] = writer.number[key][-1]
    for node in cluster.nodes:  # all three agree at the end, and on nothing old
        client = Client(node.port)
        for key, reply in zip(final, client.many([("GET", key) for key in final])):
            if isinstance(reply, bytes) and int(reply) < final[key]:
                problems.append(f"at the end {node.name} still reads {key} = {int(reply)}, acknowledged {final[key]}")
                break
    report = Report(walkers, pulse)
    report.demand(problems)
    checkers.append(queued)
    reads, stale, behind, misses, holes = (
        sum(getattr(c, field) for c in checkers) for field in ("reads", "stale", "behind", "misses", "holes")
    )
    for writer in writers:
        if writer.errors:
            problems.append(f"{len(writer.errors)} errors of a writer of {writer.node.name}: {writer.errors[:3]}")
    for checker in checkers:
        if checker.errors:
            problems.append(f"{len(checker.errors)} errors from the resumed node: {checker.errors[:3]}")
    if holes:
        problems.append(f"{holes} reads of {victim.name} found nothing under keys that are only overwritten")
    if stale:
        found = [e for c in checkers for e in c.examples][:6]
        problems.append(f"{stale} of {reads} reads of {victim.name} were overwritten values:\n    " + "\n    ".join(found))
    first = min((c.first_answer for c in checkers if c.first_answer is not None), default=None)
    print(
        ("ok " if not problems else "FAILED ")
        + f"SIGSTOP {victim.name} {seconds:g} s: {report.line()}; first answer {'none' if first is None else ms(first)},"
        f" {times}; {sum(w.writes for w in writers)} overwrites; {reads} reads of {victim.name}: {stale} stale,"
        f" {behind} behind by up to {ms(max(c.lag for c in checkers))} (last {max(c.behind_until for c in checkers):.2f} s after SIGCONT), {misses} misses, {holes} of them of keys never deleted; keys checked {on_return}",
        flush=True,
    )
    settle(problems)


def drill_stop(options):
    """SIGSTOP for 1, 3 and 20 s: the others go on, and the resumed node never serves what was overwritten."""
    with Cluster() as cluster:
        turns = [(node, s) for s in options.seconds or (1, 3) for node in cluster.nodes]
        if not options.seconds:
            turns += [(node, 20) for node in (cluster.nodes[2:] if options.short else cluster.nodes)]
        for node, seconds in turns:
            stop_one(cluster, node, seconds)


def drill_strangers(_):
    """A foreign cluster key, a seed that never answers, an unreadable key, an address in use."""
    with Cluster() as cluster:
        first, directory = cluster.nodes[0], cluster.directory.name
        key = os.path.join(directory, "foreign.key")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as out:
            out.write(subprocess.run([binary(), "key", "new", "--name", "foreign"], check=True, stdout=subprocess.PIPE).stdout)
        stranger = cluster.add(Node(directory, "stranger", [first.address], ["--cluster-key-file", key])).start()
        lonely = cluster.add(Node(directory, "lonely", [f"127.0.0.1:{Ports.take()}"])).start()
        begin = lonely.started
        lonely.client(6.0).close()
        alone = time.monotonic() - begin
        end = begin + 8.0
        while time.monotonic() < end:
            seen = [node.alive() for node in cluster.nodes]
            if seen != [3, 3, 3]:
                raise Failure(f"with a stranger at the door the three count {seen} alive")
            time.sleep(0.2)
        problems = []
        if "another cluster key" not in stranger.logged():
            problems.append("the stranger's log does not say `another cluster key`")
        if any(str(stranger.peer) in Client(n.port).text("CHICKADEE", "MEMBERS").decode() for n in cluster.nodes):
            problems.append("the stranger is in a member list")
        if alone > 6.0:
            problems.append(f"the node whose seed is silent served after {alone:.1f} s")
        if "alone" not in lonely.logged():
            problems.append("the log of the node whose seed is silent does not say that it serves alone")
        client = lonely.client()
        client("SET", "k", "v")
        if client("GET", "k") != b"v" or lonely.alive() != 1:
            problems.append("the lonely node does not serve")
        # Start-up errors: one line that names the thing, and not zero.
        for what, extra, word in (
            ("a missing key file", ["--cluster-key-file", os.path.join(directory, "nowhere.key")], "nowhere.key"),
            ("an address in use", ["--resp", f"127.0.0.1:{first.port}"], str(first.port)),
            ("an unknown flag", ["--no-such-flag"], "no-such-flag"),
        ):
            bad = Node(directory, "bad", [], extra)
            if "--resp" in extra:
                command = bad.command()
                command = command[: command.index("--resp")] + extra
            else:
                command = bad.command()
            run = subprocess.run(command, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL,
                                 env={**os.environ, "HOME": directory})  # fmt: skip
            if run.returncode == 0 or word not in run.stderr or "panicked" in run.stderr:
                problems.append(f"{what}: exit {run.returncode}, said {(run.stderr or run.stdout)[-200:]!r}")
        print(("ok " if not problems else "FAILED ") + f"strangers: refused for 8 s, alone after {alone:.2f} s", flush=True)
        settle(problems)


def drill_signals(_):
    """SIGTERM and SIGINT end a node with 0 within 10 s, under load too; a second one at once."""
    with Cluster() as cluster:
        took, problems, pulse = [], [], Pulse()
        for node, number in zip(cluster.nodes, (signal.SIGTERM, signal.SIGINT, signal.SIGTERM)):
            walker = Walker(next(n for n in cluster.nodes if n is not node), f"signals-{node.name}", pulse)
            walker.start()
            idle = Client(node.port)
            time.sleep(0.3)
            begin = time.monotonic()
            node.signal(number)
            try:
                code = node.process.wait(10)
                took.append(time.monotonic() - begin)
                if code != 0:
                    problems.append(f"{node.name} exited with {code} after {signal.Signals(number).name}")
            except subprocess.TimeoutExpired:
                problems.append(f"{node.name} runs 10 s after {signal.Signals(number).name}")
                node.kill()
            idle.close()
            node.start()
            back(cluster, node, problems, node.started)
            walker.finish()
            report = Report([walker], pulse)
            report.demand(problems)
            print(f"   {signal.Signals(number).name} {node.name}: {report.line()}", flush=True)
        last = cluster.nodes[2]
        begin = time.monotonic()
        last.signal(signal.SIGTERM)
        time.sleep(0.05)
        if last.process.poll() is None:
            last.signal(signal.SIGTERM)
        last.process.wait(10)
        twice = time.monotonic() - begin
        if twice > 1.0:
            problems.append(f"two SIGTERMs took {twice:.1f} s")
        print(("ok " if not problems else "FAILED ") + "signals: ends after " + ", ".join(f"{t:.2f} s" for t in took), flush=True)
        settle(problems)


def load(node, prefix, count):
    """Writes so many keys of 16 bytes with values of 100 bytes; answers what was acknowledged."""
    keys = {f"{prefix}:{i:0{15 - len(prefix)}}": i for i in range(count)}
    client, names = Client(node.port), list(keys)
    for at in range(0, count, 500):
        for reply in client.many([("SET", name, f"{keys[name]}:".ljust(100, "v")) for name in names[at : at + 500]]):
            if reply != b"OK":
                raise Failure(f"loading: {reply!r}")
    client.close()
    return keys


def drill_rolling(options):
    """Restart every node in turn, gracefully, with 50,000 keys in: none may be lost."""
    with Cluster() as cluster:
        problems, pulse = [], Pulse()
        keys = load(cluster.nodes[1], "rolling", options.keys)
        said = []
        for node in cluster.nodes:
            others = [n for n in cluster.nodes if n is not node]
            walkers = [Walker(n, f"light-{node.name}-{n.name}", pulse, pause=0.005) for n in others]
            for walker in walkers:
                walker.start()
            time.sleep(0.3)
            code, seconds = node.terminate()
            if code != 0:
                problems.append(f"{node.name} exited with {code}")
            begin = time.monotonic()
            node.start()
            times = back(cluster, node, problems, begin, len(keys))
            verify([node], keys, problems, f"{node.name} ready again")
            for walker in walkers:
                walker.finish()
            report = Report(walkers, pulse)
            report.demand(problems)
            said.append(f"{node.name} ended in {seconds:.2f} s, {times}, {report.line()}")
        verify(cluster.nodes, keys, problems, "after the rolling restart")
        verdict = "ok " if not problems else "FAILED "
        print(verdict + f"rolling restart, {len(keys)} keys:\n   " + "\n   ".join(said), flush=True)
        settle(problems)


def drill_deaths(options):
    """Of five nodes two are killed, one after the other is ready without the first: no key may be lost."""
    with Cluster(5) as cluster:
        problems, pulse = [], Pulse()
        keys = load(cluster.nodes[1], "deaths", options.keys)
        said = []
        for victim in (cluster.nodes[3], cluster.nodes[2]):
            walkers = [Walker(n, f"{victim.name}-{n.name}", pulse, pause=0.005) for n in cluster.nodes if n is not victim]
            for walker in walkers:
                walker.start()
            time.sleep(0.5)
            begin = time.monotonic()
            victim.kill()
            cluster.nodes.remove(victim)
            until(f"{victim.name} is missed", 30, begin, count_of(cluster.nodes, len(cluster.nodes)))
            # Its place is held for a minute; after that the others take over what was its.
            time.sleep(max(0.0, begin + 66.0 - time.monotonic()))
            until("all ready", 120, begin, lambda: all(node.ready() for node in cluster.nodes))
            ready = time.monotonic() - begin
            for walker in walkers:
                walker.finish()
            report = Report(walkers, pulse)
            report.demand(problems)
            verify(cluster.nodes, keys | snapshot(walkers), problems, f"without {victim.name}")
            said.append(f"{victim.name} killed, all ready {ready:.1f} s later, {report.line()}")
        verdict = "ok " if not problems else "FAILED "
        print(verdict + f"two deaths, {len(keys)} keys:\n   " + "\n   ".join(said), flush=True)
        settle(problems)


def drill_start(_):
    """Three processes, started at once, two with only the first as seed: serve and know each other within 2 s."""
    problems, seen = [], []
    for turn in range(6):
        pulse = Pulse()
        with Cluster() as cluster:
            lost = pulse.late(0, time.monotonic())
            seen.append(f"{cluster.met:.2f}/{cluster.seconds:.2f}")
            if cluster.met - lost > 2.0:
                problems.append(f"start {turn + 1}: each knew all three only after {cluster.met:.2f} s, promised are 2")
                if len(problems) == 1:
                    cluster.report()
        pulse.running = False
    print(("ok " if not problems else "FAILED ") + "start: seconds until met/ready " + ", ".join(seen), flush=True)
    settle(problems)


def drill_demo(_):
    """`demo` serves within 2 s, replicates between its ports and ends by itself."""
    base = next(p for p in iter(Ports.take, None) if Ports.take() == p + 1 and Ports.take() == p + 2)
    begin = time.monotonic()
    demo = subprocess.Popen([binary(), "demo", "--nodes", "3", "--base-port", str(base), "--for", "6"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # fmt: skip
    try:

        def serves():
            if demo.poll() is not None:
                raise Failure(f"demo exited with {demo.returncode}: {demo.stdout.read().decode()[-800:]}")
            first, second, third = (Client(base + i) for i in range(3))
            good = first("SET", "k", "v") == b"OK" and third("GET", "k") == b"v"
            return good and second.text("CHICKADEE", "MEMBERS").count(b"alive") == 3

        seconds = until("demo serves", 4.0, begin, serves)
        if seconds > 2.0:
            raise Failure(f"demo served after {seconds:.2f} s, promised are 2")
        code = demo.wait(15)
        if code != 0:
            raise Failure(f"demo --for ended with {code}")
        if not 5.5 <= time.monotonic() - begin <= 12:
            raise Failure(f"demo --for 6 ended after {time.monotonic() - begin:.1f} s")
    finally:
        demo.kill()
    print(f"ok demo: serves after {seconds:.2f} s", flush=True)


DRILLS = {
    "start": drill_start,
    "demo": drill_demo,
    "kill": drill_kill,
    "deaths": drill_deaths,
    "stop": drill_stop,
    "strangers": drill_strangers,
    "signals": drill_signals,
    "rolling": drill_rolling,
    "large": drill_large,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--keys", type=int, default=50000, help="keys of the drills rolling and deaths")
    parser.add_argument("--short", action="store_true", help="fewer turns, for every submission")
    parser.add_argument("--seconds", type=float, action="append", help="only stops of this length")
    parser.add_argument("--keep-going", action="store_true", help="go on with the next drill after a failure")
    options = parser.parse_args()
    failed = []
    for turn in range(options.repeat):
        for name in options.names or DRILLS:
            begin = time.monotonic()
            try:
                DRILLS[name](options)
            except (Failure, OSError, ErrorReply, subprocess.SubprocessError) as error:
                print(f"FAILED drill {name}: {error}", flush=True)
                failed.append(name)
                if not options.keep_going:
                    return 1
            print(f"== {name}: {time.monotonic() - begin:.0f} s", flush=True)
    print(f"{'ok' if not failed else 'FAILED'} drills: {options.repeat} rounds, failed: {failed or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
