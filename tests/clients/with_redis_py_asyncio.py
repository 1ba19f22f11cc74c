#!/usr/bin/env python3
"""redis-py's asyncio client: many tasks at once on a pool, in protocol 2 and 3."""

import asyncio

import redis
import redis.asyncio
from checks import BINARY, MEBIBYTE, Checks, ports


async def check_soon(check, what, read, wanted):
    """A write is acknowledged by a majority: another node's read may be a moment behind it."""
    for _ in range(200):
        if (seen := await read()) == wanted:
            break
        await asyncio.sleep(0.01)
    check.equal(what, seen, wanted)


async def main(protocol):
    check = Checks(f"redis-py asyncio {redis.__version__} protocol {protocol}")
    clients = [redis.asyncio.Redis(port=port, protocol=protocol) for port in ports()]
    first, second, third = clients
    check.true("PING", await first.ping())
    check.true("FLUSHDB", await first.flushdb())
    for value in (BINARY, b"", MEBIBYTE):
        check.true("SET", await first.set("v", value))
        await check_soon(check, "GET elsewhere", lambda: third.get("v"), value)

    async def errand(i):
        client = clients[i % 3]
        await client.set(f"a{i}", f"{i}", ex=100)
        return await client.get(f"a{i}"), await client.incr("sum"), await client.ttl(f"a{i}")

    answers = await asyncio.gather(*(errand(i) for i in range(300)))
    for i, (value, _, ttl) in enumerate(answers):
        check.equal(f"task {i}", value, str(i).encode())
        check.true(f"TTL of task {i}", 98 <= ttl <= 100)
    check.equal("every INCR its own number", sorted(n for _, n, _ in answers), [*range(1, 301)])
    keys, values = [f"a{i}" for i in range(300)], [str(i).encode() for i in range(300)]
    await check_soon(check, "MGET elsewhere", lambda: second.mget(keys), values)

    async with third.pipeline(transaction=False) as pipe:
        for i in range(500):
            pipe.set(f"p{i}", i).get(f"p{i}")
        replies = await pipe.execute()
    check.equal("pipeline of 1000", replies, [x for i in range(500) for x in (True, str(i).encode())])
    check.equal("DEL of many", await first.delete(*(f"p{i}" for i in range(500))), 500)
    await check_soon(check, "EXISTS none", lambda: second.exists(*(f"p{i}" for i in range(500))), 0)
    try:
        await first.execute_command("NOSUCH")
        check.true("an unknown command is an error", False)
    except redis.ResponseError as error:
        check.says("an unknown command", error, "unknown command")
    check.true("FLUSHDB", await third.flushdb())
    check.equal("empty", [await client.dbsize() for client in clients], [0, 0, 0])
    for client in clients:
        await client.aclose()
    check.done()


for protocol in (2, 3):
    asyncio.run(main(protocol))
