"""Real nodes as processes, and the smallest client that can watch them.

The drills must see every byte and every microsecond themselves, so this speaks RESP on a bare socket
and needs nothing but Python's standard library. The foreign clients have scripts of their own.
"""

import bisect
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


class Failure(Exception):
    """A demand that was not met."""


class ErrorReply(Exception):
    """The server answered with an error."""


def binary():
    """The binary under test."""
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.environ.get("CHICKADEE", os.path.join(target, "release", "chickadee"))


class Client:
    """One connection. Replies: bytes, int, None, list, or an ErrorReply as a value in pipelines."""

    def __init__(self, port, timeout=30.0):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb", 1 << 16)
        self.raw = None

    @staticmethod
    def encode(args):
        out = [b"*%d\r\n" % len(args)]
        for arg in args:
            arg = arg if isinstance(arg, bytes) else str(arg).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
        return b"".join(out)

    def _line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection closed")
        if self.raw is not None:
            self.raw.append(line)
        return line[:-2]

    def read(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return ErrorReply(rest.decode("utf-8", "replace"))
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            data = self.file.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionError("the connection closed")
            if self.raw is not None:
                self.raw.append(data)
            return data[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise Failure(f"not a RESP2 reply: {line!r}")

    def send(self, *commands):
        self.sock.sendall(b"".join(map(self.encode, commands)))

    def __call__(self, *args):
        self.send(args)
        reply = self.read()
        if isinstance(reply, ErrorReply):
            raise reply
        return reply

    def many(self, commands):
        """A pipeline: replies in order, errors as values."""
        self.send(*commands)
        return [self.read() for _ in commands]

    def text(self, *args):
        """The bytes of a whole reply, for questions like "how often does `alive` occur"."""
        self.raw = []
        try:
            self(*args)
            return b"".join(self.raw)
        finally:
            self.raw = None

    def close(self):
        try:
            self.file.close()
            self.sock.close()
        except OSError:
            pass


class Pulse:
    """Measures what the machine itself loses: a thread that only sleeps, and notes how late it woke.

    An operation that was slow while this thread was late too says nothing about the node. `late`
    tells how much of a stretch of time was lost that way.
    """

    STEP = 0.002
    NOISE = 0.003

    def __init__(self):
        self.starts, self.ends, self.worst = [], [], 0.0
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while self.running:
            due = time.monotonic() + self.STEP
            time.sleep(self.STEP)
            now = time.monotonic()
            if now - due > self.NOISE:
                self.starts.append(due)
                self.ends.append(now)
                self.worst = max(self.worst, now - due)

    def late(self, begin, end):
        lost = 0.0
        i = bisect.bisect_left(self.ends, begin)
        while i < min(len(self.starts), len(self.ends)) and self.starts[i] < end:
            lost += max(0.0, min(end, self.ends[i]) - max(begin, self.starts[i]))
            i += 1
        return lost


class Ports:
    """Ports below the range from which the kernel draws for outgoing connections, so that a node that
    is down for a moment finds its own port free again."""

    next = 20000 + (os.getpid() * 37) % 9000

    @classmethod
    def take(cls):
        for _ in range(2000):
            cls.next = 20000 + (cls.next + 1 - 20000) % 12000
            try:
                with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
                    tcp.bind(("127.0.0.1", cls.next))
                    udp.bind(("127.0.0.1", cls.next))
                    return cls.next
            except OSError:
                continue
        raise Failure("no free port")


class Node:
    """One `chickadee serve`, restartable with the same command."""

    def __init__(self, directory, name, seeds=(), extra=()):
        self.name, self.seeds, self.extra = name, list(seeds), list(extra)
        self.peer, self.port = Ports.take(), Ports.take()
        self.home = directory
        self.log = os.path.join(directory, name + ".log")
        self.process, self.started = None, 0.0

    def command(self, with_seeds=True):
        command = [binary(), "serve", "--name", self.name, "--listen", f"127.0.0.1:{self.peer}"]
        command += ["--resp", f"127.0.0.1:{self.port}"]
        for seed in self.seeds if with_seeds else []:
            command += ["--seed", seed]
        return command + self.extra

    def start(self, with_seeds=True):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CHICKADEE", "RUST_LOG", "XDG_"))}
        env["HOME"] = self.home  # the development key of this run, not the user's
        with open(self.log, "ab") as log:
            log.write(f"--- {self.name} starts\n".encode())
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                self.command(with_seeds), cwd=self.home, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    @property
    def address(self):
        return f"127.0.0.1:{self.peer}"

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def terminate(self, within=10.0):
        """SIGTERM; answers (exit code, seconds), and fails if it lingers."""
        begin = time.monotonic()
        self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still runs {within:.0f} s after SIGTERM") from None
        return code, time.monotonic() - begin

    def client(self, within=8.0):
        """A connection, as soon as the port is open."""
        end = time.monotonic() + within
        while True:
            try:
                client = Client(self.port)
                client("PING")
                return client
            except OSError:
                if self.process.poll() is not None:
                    raise Failure(f"{self.name} exited with {self.process.returncode}") from None
                if time.monotonic() > end:
                    raise Failure(f"{self.name} does not serve after {within:.0f} s") from None
                time.sleep(0.01)

    def alive(self):
        """How many members this node calls alive."""
        client = Client(self.port, 5.0)
        try:
            return client.text("CHICKADEE", "MEMBERS").count(b"alive")
        finally:
            client.close()

    def ready(self):
        client = Client(self.port, 5.0)
        try:
            answer = client("CHICKADEE", "READY")
        finally:
            client.close()
        if answer not in (b"ready", b"booting"):
            raise Failure(f"{self.name}: CHICKADEE READY answered {answer!r}")
        return answer == b"ready"

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()


def until(what, within, begin, test):
    """Waits for a test to hold; answers the seconds since `begin`. A refused connection is a no."""
    last = None
    while True:
        try:
            last = test()
            if last is True:
                return time.monotonic() - begin
        except OSError as error:
            last = error
        if time.monotonic() - begin > within:
            raise Failure(f"{what}: not within {within:g} s (last seen: {last})")
        time.sleep(0.02)


def count_of(nodes, expected):
    """A test for `until`: each of these nodes calls exactly so many members alive."""

    def test():
        seen = [node.alive() for node in nodes]
        return True if seen == [expected] * len(nodes) else f"alive {seen}"

    return test


class Cluster:
    """Three nodes in a directory that goes away with them; two know only the first."""

    def __init__(self, size=3, extra=()):
        self.directory = tempfile.TemporaryDirectory(prefix="chickadee-")
        self.nodes = []
        for i in range(size):
            seeds = [self.nodes[0].address] if i else []
            self.nodes.append(Node(self.directory.name, f"n{i + 1}", seeds, extra))
        self.all = list(self.nodes)

    def __enter__(self):
        begin = time.monotonic()
        try:
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                node.client().close()
            self.met = until("three members", 10, begin, count_of(self.nodes, len(self.nodes)))
            until("all ready", 10, begin, lambda: all(node.ready() for node in self.nodes))
        except BaseException:
            self.report()
            self.__exit__(*sys.exc_info())
            raise
        self.seconds = time.monotonic() - begin
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None and kind is not KeyboardInterrupt:
            self.report()
        for node in self.all:
            if node.process:
                node.process.send_signal(signal.SIGCONT) if node.process.poll() is None else None
                node.kill()
        self.directory.cleanup()

    reported = False

    def add(self, node):
        self.all.append(node)
        return node

    def report(self):
        """What a reader of a failed run needs: each node's last log lines and status."""
        if self.reported:
            return
        self.reported = True
        for node in self.all:
            print(f"--- {node.name} (peers {node.peer}, RESP {node.port}), last lines of its log")
            print("\n".join(node.logged().splitlines()[-25:]) if os.path.exists(node.log) else "no log")
            try:
                client = Client(node.port, 2.0)
                for question in ("STATUS", "MEMBERS"):
                    reply = client("CHICKADEE", question)
                    rows = reply if question == "MEMBERS" else [reply]
                    for row in rows:
                        words = [x.decode() if isinstance(x, bytes) else str(x) for x in row]
                        pairs = [f"{a}={b}" for a, b in zip(words[::2], words[1::2]) if b != "0"]
                        print(f"    {question.lower()}: " + " ".join(pairs))
                client.close()
            except (OSError, ErrorReply, Failure) as error:
                print(f"    no status: {error}")
        sys.stdout.flush()
