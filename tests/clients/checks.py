"""What every foreign client checks, counted: the scripts differ in how their client says it."""

import os
import sys
import time


class Checks:
    def __init__(self, name):
        self.name, self.count = name, 0

    def equal(self, what, seen, wanted):
        self.count += 1
        if seen != wanted:
            short = lambda value: repr(value) if len(repr(value)) < 300 else repr(value)[:300] + "..."
            print(f"FAILED {self.name}: {what}: got {short(seen)}, wanted {short(wanted)}")
            sys.exit(1)

    def soon(self, what, read, wanted):
        """A write is acknowledged by a majority: another node's read may be a moment behind it."""
        end = time.monotonic() + 2.0
        while (seen := read()) != wanted and time.monotonic() < end:
            time.sleep(0.01)
        self.equal(what, seen, wanted)

    def true(self, what, seen):
        self.equal(what, bool(seen), True)

    def says(self, what, error, *words):
        """An error reply whose text has all these words."""
        self.count += 1
        missing = [word for word in words if word.lower() not in str(error).lower()]
        if error is None or missing:
            print(f"FAILED {self.name}: {what}: got {str(error)!r}, wanted an error with {words}")
            sys.exit(1)

    def done(self):
        print(f"ok {self.name}: {self.count} checks")


def ports():
    """The RESP ports of three nodes of one cluster."""
    return [int(port) for port in os.environ["CHICKADEE_PORTS"].split()]


BINARY = bytes(range(256)) + b"\r\n$-1\r\n\x00\xff\xfe"
MEBIBYTE = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(1 << 20))
