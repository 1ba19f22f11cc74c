// ioredis, which waits for INFO to say that nothing is loading before it is ready.
import { createRequire } from 'node:module';
import { BINARY, Checks, MEBIBYTE, ports } from './checks.mjs';

const require = createRequire(process.env.NODE_CLIENTS ? `${process.env.NODE_CLIENTS}/` : import.meta.url);
const { Redis } = require('ioredis');
const check = new Checks(`ioredis ${require('ioredis/package.json').version}`);
const connect = (i, more = {}) => {
  const client = new Redis({ port: ports[i], host: '127.0.0.1', retryStrategy: null, ...more });
  client.on('error', (error) => check.fail('connection', error, 'none lost'));
  return client;
};
const [r, second, third] = [connect(0), connect(1), connect(2)];
check.equal('PING', await r.ping(), 'PONG');
check.equal('FLUSHDB', await r.flushdb(), 'OK');
for (const [what, value] of [['bytes', BINARY], ['empty', Buffer.alloc(0)], ['1 MiB', MEBIBYTE]]) {
  check.equal(`SET of ${what}`, await r.set(BINARY, value), 'OK');
  for (const client of [r, second, third]) await check.soon(`GET of ${what}`, () => client.getBuffer(BINARY), value);
}
check.equal('SET NX', [await r.set('nx', 1, 'NX'), await second.set('nx', 2, 'NX')], ['OK', null]);
check.equal('SET XX GET', await third.set('nx', 3, 'XX', 'GET'), '1');
check.equal('SET EX', await r.set('ex', 1, 'EX', 100), 'OK');
check.equal('SET KEEPTTL', await r.set('ex', 2, 'KEEPTTL'), 'OK');
check.within('TTL', await second.ttl('ex'), 98, 100);
check.equal('SET PX', await r.set('px', 1, 'PX', 100), 'OK');
await new Promise((done) => setTimeout(done, 150));
check.equal('expired', [await r.get('px'), await third.get('px')], [null, null]);
check.equal('EXPIRE, PERSIST', [await second.expire('nx', 50), await r.persist('nx'), await third.ttl('nx')], [1, 1, -1]);
check.equal('MSET', await r.mset('a', 1, 'b', 2, 'c', 3), 'OK');
await check.soon('MGET', () => third.mget('a', 'b', 'none', 'c'), ['1', '2', null, '3']);
check.equal('EXISTS, DEL, UNLINK', [await second.exists('a', 'b'), await second.del('a', 'none'), await r.unlink('b')], [2, 1, 1]);
check.equal('INCR', [await r.incr('n'), await second.incrby('n', 9), await third.decrby('n', 2)], [1, 10, 8]);
await check.says('INCR of bytes', r.incr(BINARY), 'not an integer');
check.equal('APPEND, STRLEN', [await r.append('ap', 'ab'), await third.append('ap', 'c'), await second.strlen('ap')], [2, 3, 3]);
check.equal('TYPE', await r.type('ap'), 'string');

const pipe = second.pipeline();
for (let i = 0; i < 500; i++) pipe.set(`p${i}`, i).get(`p${i}`);
const replies = await pipe.exec();
check.equal('pipeline length', replies.length, 1000);
for (let i = 0; i < 500; i++) {
  check.equal(`pipeline ${i}`, [replies[2 * i][1], replies[2 * i + 1]], ['OK', [null, `${i}`]]);
}

const other = connect(1, { db: 4, connectionName: 'other' });
await other.set('n', 'four');
check.equal('SELECT isolates', [await other.get('n'), await r.get('n'), await other.dbsize()], ['four', '8', 1]);
check.equal('CLIENT GETNAME', await other.client('GETNAME'), 'other');
check.within('CLIENT ID', await other.client('ID'), 1, Number.MAX_SAFE_INTEGER);
await check.says('an unknown command', r.call('NOSUCH', 'x'), 'unknown command');
await check.says('wrong arity', r.call('GET'), 'wrong number of arguments');
check.equal('FLUSHALL', await third.flushall(), 'OK');
check.equal('empty', [await r.dbsize(), await second.dbsize(), await other.dbsize()], [0, 0, 0]);
for (const client of [r, second, third, other]) check.equal('QUIT', await client.quit(), 'OK');
check.done();
