// node-redis, in RESP 2 and 3.
import { createRequire } from 'node:module';
import { BINARY, Checks, MEBIBYTE, ports } from './checks.mjs';

const require = createRequire(process.env.NODE_CLIENTS ? `${process.env.NODE_CLIENTS}/` : import.meta.url);
const { createClient, RESP_TYPES } = require('redis');
const version = require('redis/package.json').version;
const bytes = { [RESP_TYPES.BLOB_STRING]: Buffer };

for (const RESP of [2, 3]) {
  const check = new Checks(`node-redis ${version} RESP${RESP}`);
  const connect = async (i, more = {}) => {
    const client = createClient({ RESP, socket: { port: ports[i], host: '127.0.0.1', reconnectStrategy: false }, ...more });
    client.on('error', (error) => check.fail('connection', error, 'none lost'));
    return client.connect();
  };
  const [r, second, third] = [await connect(0), await connect(1), await connect(2)];
  check.equal('PING', await r.ping(), 'PONG');
  check.equal('FLUSHDB', await r.flushDb(), 'OK');

  for (const [what, value] of [['bytes', BINARY], ['empty', Buffer.alloc(0)], ['1 MiB', MEBIBYTE]]) {
    check.equal(`SET of ${what}`, await r.set(BINARY, value), 'OK');
    for (const client of [r, second, third]) {
      await check.soon(`GET of ${what}`, () => client.withTypeMapping(bytes).get(BINARY), value);
    }
    await check.soon(`STRLEN of ${what}`, () => third.strLen(BINARY), value.length);
  }
  check.equal('GET of nothing', await r.get('none'), null);

  check.equal('SET NX', await r.set('nx', '1', { condition: 'NX' }), 'OK');
  check.equal('SET NX again', await second.set('nx', '2', { condition: 'NX' }), null);
  check.equal('SET XX of nothing', await r.set('xx', '1', { condition: 'XX' }), null);
  check.equal('SET XX GET', await third.set('nx', '3', { condition: 'XX', GET: true }), '1');
  check.equal('SET EX', await r.set('ex', '1', { expiration: { type: 'EX', value: 100 } }), 'OK');
  check.equal('SET KEEPTTL', await r.set('ex', '2', { expiration: 'KEEPTTL' }), 'OK');
  check.within('TTL', await second.ttl('ex'), 98, 100);
  check.equal('SET PX', await r.set('px', '1', { expiration: { type: 'PX', value: 100 } }), 'OK');
  await new Promise((done) => setTimeout(done, 150));
  check.equal('expired', [await r.get('px'), await second.get('px'), await third.get('px')], [null, null, null]);
  check.equal('EXPIRE', await second.expire('nx', 50), 1);
  check.within('PTTL', await third.pTTL('nx'), 48000, 50000);
  check.equal('PERSIST', await r.persist('nx'), 1);
  check.equal('TTL without', [await r.ttl('nx'), await r.ttl('none')], [-1, -2]);

  const pairs = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`m${i}`, `v${i}`]));
  check.equal('MSET', await r.mSet(pairs), 'OK');
  await check.soon('MGET', () => third.mGet([...Object.keys(pairs), 'none']), [...Object.values(pairs), null]);
  await check.soon('EXISTS', () => second.exists(['m1', 'm2', 'none']), 2);
  check.equal('DEL', await second.del(['m1', 'm2', 'none']), 2);
  await check.soon('gone', () => r.mGet(['m1', 'm2']), [null, null]);

  check.equal('INCR', [await r.incr('n'), await second.incrBy('n', 9), await third.decr('n')], [1, 10, 9]);
  await r.set('word', 'w');
  await check.says('INCR of a word', r.incr('word'), 'not an integer');
  check.equal('APPEND', [await r.append('ap', 'ab'), await second.append('ap', 'c'), await third.get('ap')], [2, 3, 'abc']);
  check.equal('TYPE', [await r.type('ap'), await r.type('none')], ['string', 'none']);

  // node-redis pipelines by itself what one tick asks for.
  const asked = [];
  for (let i = 0; i < 500; i++) asked.push(r.set(`p${i}`, `${i}`), r.get(`p${i}`));
  const answers = await Promise.all(asked);
  for (let i = 0; i < 500; i++) check.equal(`pipeline ${i}`, answers.slice(2 * i, 2 * i + 2), ['OK', `${i}`]);

  const other = await connect(1, { database: 2, name: 'other' });
  await other.set('n', 'two');
  check.equal('SELECT isolates', [await other.get('n'), await r.get('n'), await other.dbSize()], ['two', '9', 1]);
  check.equal('CLIENT GETNAME', await other.clientGetName(), 'other');
  check.within('CLIENT ID', await other.clientId(), 1, Number.MAX_SAFE_INTEGER);
  await check.says('an unknown command', r.sendCommand(['NOSUCH', 'x']), 'unknown command');
  await check.says('wrong arity', r.sendCommand(['GET']), 'wrong number of arguments');
  await check.says('a wrong number', r.sendCommand(['EXPIRE', 'n', 'x']), 'not an integer');
  check.equal('FLUSHALL', await second.flushAll(), 'OK');
  check.equal('empty', [await r.dbSize(), await third.dbSize(), await other.dbSize()], [0, 0, 0]);
  for (const client of [r, second, third, other]) await client.close();
  check.done();
}
