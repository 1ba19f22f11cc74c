#!/usr/bin/env python3
"""redis-py, blocking, in protocol 2 and 3."""

import time

import redis
from checks import BINARY, MEBIBYTE, Checks, ports


def error_of(call):
    try:
        call()
    except redis.ResponseError as error:
        return error
    return None


def main(protocol):
    check = Checks(f"redis-py {redis.__version__} protocol {protocol}")
    connect = lambda i=0, **more: redis.Redis(port=ports()[i], protocol=protocol, **more)
    r, second, third = connect(0), connect(1), connect(2)
    check.true("PING", r.ping())
    check.equal("FLUSHDB", r.flushdb(), True)
    check.equal("ECHO", r.echo(b"\x00\xff"), b"\x00\xff")

    # Values: the same bytes out.
    for what, value in (("bytes", BINARY), ("an empty value", b""), ("1 MiB", MEBIBYTE), ("text", "höhlenmeise".encode())):
        check.equal(f"SET of {what}", r.set(b"v\xff" + what.encode(), value), True)
        for name, client in (("first", r), ("second", second), ("third", third)):
            check.soon(f"GET of {what} through the {name}", lambda: client.get(b"v\xff" + what.encode()), value)
        check.equal(f"STRLEN of {what}", r.strlen(b"v\xff" + what.encode()), len(value))
    check.equal("GET of nothing", r.get("none"), None)
    check.equal("an empty key", (r.set(b"", b"x"), r.get(b"")), (True, b"x"))
    check.equal("SET of a key of all bytes", r.set(BINARY, b"x"), True)
    check.soon("a key of all bytes", lambda: second.get(BINARY), b"x")

    # Options of SET.
    check.equal("SET NX on nothing", r.set("nx", "1", nx=True), True)
    check.equal("SET NX on something", r.set("nx", "2", nx=True), None)
    check.equal("the value stays", r.get("nx"), b"1")
    check.equal("SET XX on nothing", r.set("xx", "1", xx=True), None)
    check.equal("SET XX on something", r.set("nx", "3", xx=True), True)
    check.equal("SET GET", r.set("nx", "4", get=True), b"3")
    check.equal("SET GET on nothing", r.set("fresh", "4", get=True), None)
    check.equal("SET EX", r.set("ex", "1", ex=100), True)
    check.true("its TTL", 98 <= r.ttl("ex") <= 100)
    check.equal("SET KEEPTTL", r.set("ex", "2", keepttl=True), True)
    check.true("keeps the TTL", 98 <= r.ttl("ex") <= 100)
    check.equal("SET without", r.set("ex", "3"), True)
    check.equal("drops it", r.ttl("ex"), -1)
    check.equal("SET PX", r.set("px", "1", px=150), True)
    check.true("its PTTL", 0 < r.pttl("px") <= 150)
    check.equal("SET EXAT", r.set("exat", "1", exat=int(time.time()) + 50), True)
    check.true("its TTL", 45 <= r.ttl("exat") <= 51)
    check.equal("SET PXAT in the past", r.set("pxat", "1", pxat=1000), True)
    check.equal("is gone", r.get("pxat"), None)
    time.sleep(0.2)
    check.equal("expired here", r.get("px"), None)
    check.equal("expired elsewhere", third.get("px"), None)
    check.says("SET EX 0", error_of(lambda: r.execute_command("SET", "a", "b", "EX", "0")), "invalid expire")
    check.says("SET NX XX", error_of(lambda: r.execute_command("SET", "a", "b", "NX", "XX")), "syntax")
    check.says("SET EX x", error_of(lambda: r.execute_command("SET", "a", "b", "EX", "x")), "not an integer")
    check.says("SET with one argument", error_of(lambda: r.execute_command("SET", "a")), "wrong number of arguments", "set")

    # Many keys.
    many = {f"m{i}": f"v{i}".encode() for i in range(100)}
    check.equal("MSET", r.mset(many), True)
    check.soon("MGET elsewhere, with a hole", lambda: second.mget([*many, "none"]), [*many.values(), None])
    check.soon("EXISTS counts", lambda: third.exists("m1", "m1", "none"), 2)
    check.equal("DEL of several", second.delete("m0", "m1", "none"), 2)
    check.equal("UNLINK", third.unlink("m2", "m3"), 2)
    check.soon("gone everywhere", lambda: [c.mget("m0", "m1", "m2", "m3") for c in (r, second, third)], [[None] * 4] * 3)
    check.says("MSET odd", error_of(lambda: r.execute_command("MSET", "a", "b", "c")), "wrong number of arguments")

    # Deadlines.
    check.equal("TTL of nothing", (r.ttl("none"), r.pttl("none")), (-2, -2))
    check.equal("EXPIRE of nothing", r.expire("none", 5), False)
    check.equal("EXPIRE", r.expire("m5", 100), True)
    check.soon("TTL elsewhere", lambda: 98 <= second.ttl("m5") <= 100, True)
    check.equal("PEXPIRE", third.pexpire("m5", 50000), True)
    check.true("PTTL elsewhere", 45000 <= r.pttl("m5") <= 50000)
    check.equal("PERSIST", r.persist("m5"), True)
    check.equal("PERSIST again", r.persist("m5"), False)
    check.soon("no TTL left", lambda: third.ttl("m5"), -1)
    check.soon("the value survived", lambda: third.get("m5"), b"v5")
    check.equal("EXPIRE 0", r.expire("m6", 0), True)
    check.soon("deletes", lambda: second.get("m6"), None)

    # Numbers and strings.
    check.equal("INCR of nothing", r.incr("n"), 1)
    check.equal("INCRBY", second.incrby("n", 41), 42)
    check.equal("DECR", third.decr("n"), 41)
    check.equal("DECRBY", r.decrby("n", 50), -9)
    check.soon("the sum", lambda: second.get("n"), b"-9")
    r.set("word", "twelve")
    check.says("INCR of a word", error_of(lambda: second.incr("word")), "not an integer")
    r.set("big", str(2**63 - 1))
    check.says("INCR overflow", error_of(lambda: r.incr("big")), "overflow")
    check.equal("a hundred INCRs through three nodes", [(r, second, third)[i % 3].incr("c") for i in range(100)], [*range(1, 101)])
    check.equal("APPEND", (r.append("ap", "ab"), second.append("ap", b"\xff")), (2, 3))
    check.soon("appended", lambda: third.get("ap"), b"ab\xff")
    check.equal("STRLEN of nothing", r.strlen("none"), 0)
    check.equal("TYPE", (r.type("ap"), r.type("none")), (b"string", b"none"))

    # Commands on very many keys are carried out in pieces, and still are one command to the client.
    many = [f"many{i}" for i in range(20_000)]
    check.equal("MSET of 20,000", r.mset({key: key for key in many}), True)
    check.equal("MGET of 20,000", r.mget(many) == [key.encode() for key in many], True)
    check.equal("EXISTS of 20,000", r.exists(*many, many[0]), 20_001)
    check.equal("DEL of 20,000", r.delete(*many, many[0]), 20_000)
    check.equal("EXISTS of none", r.exists(*many), 0)

    # A pipeline of 1000: each reply where it belongs, errors between them too.
    with r.pipeline(transaction=False) as pipe:
        for i in range(250):
            pipe.set(f"p{i}", i)
            pipe.get(f"p{i}")
            pipe.incr(f"p{i}")
            pipe.execute_command("GET") if i % 50 == 0 else pipe.get(f"p{i - 1}")
        replies = pipe.execute(raise_on_error=False)
    check.equal("pipeline length", len(replies), 1000)
    for i in range(250):
        check.equal(f"pipeline {i}", replies[4 * i : 4 * i + 3], [True, str(i).encode(), i + 1])
        if i % 50 == 0:
            check.says(f"pipeline error {i}", replies[4 * i + 3], "wrong number of arguments")
        else:
            check.equal(f"pipeline neighbour {i}", replies[4 * i + 3], str(i).encode())

    # Databases are apart.
    other = connect(1, db=3)
    check.equal("SELECT isolates", (other.set("n", "three"), other.get("n"), r.get("n"), other.get("c")), (True, b"three", b"-9", None))
    check.equal("DBSIZE of db 3", other.dbsize(), 1)
    check.equal("FLUSHDB of db 3", (other.flushdb(), other.get("n"), r.get("n")), (True, None, b"-9"))
    check.says("SELECT x", error_of(lambda: r.execute_command("SELECT", "x")), "not an integer")
    check.says("SELECT 99999", error_of(lambda: r.execute_command("SELECT", "99999")), "index is out of range")

    # The connection.
    c = connect(0, client_name="checker", single_connection_client=True)
    check.equal("CLIENT GETNAME", c.client_getname(), "checker" if isinstance(c.client_getname(), str) else b"checker")
    check.true("CLIENT ID", c.client_id() > 0)
    check.true("CLIENT SETNAME", c.client_setname("other"))
    greeting = c.execute_command("HELLO", protocol)
    if isinstance(greeting, list):
        greeting = dict(zip(greeting[::2], greeting[1::2]))
    check.equal("HELLO", greeting[b"proto"], protocol)
    check.says("HELLO 9", error_of(lambda: c.execute_command("HELLO", "9")), "unsupported protocol")
    check.says("an unknown command", error_of(lambda: r.execute_command("NOSUCH", "a")), "unknown command", "nosuch")
    check.says("too many arguments", error_of(lambda: r.execute_command("GET", "a", "b")), "wrong number of arguments")
    check.says("INCRBY x", error_of(lambda: r.execute_command("INCRBY", "n", "x")), "not an integer")
    check.says("EXPIRE x", error_of(lambda: r.execute_command("EXPIRE", "n", "x")), "not an integer")
    check.true("INFO", r.info()["loading"] == 0)
    check.true("CONFIG GET", "maxmemory" in r.config_get("maxmemory"))
    check.true("COMMAND COUNT", r.command_count() > 30)

    # Flush.
    check.true("DBSIZE", 300 < r.dbsize() < 500)
    check.soon("DBSIZE is the cluster's", lambda: second.dbsize(), r.dbsize())
    check.equal("FLUSHALL", second.flushall(), True)
    check.equal("nothing anywhere", [c.dbsize() for c in (r, second, third)], [0, 0, 0])
    check.equal("no old value", [c.get("n") for c in (r, second, third)], [None] * 3)
    check.equal("and new ones live", r.set("n", "5"), True)
    check.soon("elsewhere too", lambda: third.get("n"), b"5")
    check.done()


for protocol in (2, 3):
    main(protocol)
