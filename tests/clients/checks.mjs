// What every foreign client checks, counted: the scripts differ in how their client says it.
import { isDeepStrictEqual, inspect } from 'node:util';

export const ports = process.env.CHICKADEE_PORTS.split(' ').map(Number);
export const BINARY = Buffer.from([...Array(256).keys(), 13, 10, 0xff, 0xfe]);
export const MEBIBYTE = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

// A Buffer of a client may be a view: compare bytes, not views.
const plain = (x) => (Buffer.isBuffer(x) ? x.toString('latin1') : Array.isArray(x) ? x.map(plain) : x);
const same = (seen, wanted) => isDeepStrictEqual(plain(seen), plain(wanted));

export class Checks {
  constructor(name) {
    this.name = name;
    this.count = 0;
  }

  fail(what, seen, wanted) {
    console.log(`FAILED ${this.name}: ${what}: got ${inspect(seen).slice(0, 300)}, wanted ${inspect(wanted).slice(0, 300)}`);
    process.exit(1);
  }

  equal(what, seen, wanted) {
    this.count += 1;
    if (!same(seen, wanted)) this.fail(what, seen, wanted);
  }

  // A write is acknowledged by a majority: another node's read may be a moment behind it.
  async soon(what, read, wanted) {
    const end = Date.now() + 2000;
    let seen = await read();
    while (!same(seen, wanted) && Date.now() < end) {
      await new Promise((done) => setTimeout(done, 10));
      seen = await read();
    }
    this.equal(what, seen, wanted);
  }

  within(what, seen, low, high) {
    this.count += 1;
    if (!(seen >= low && seen <= high)) this.fail(what, seen, `${low} to ${high}`);
  }

  async says(what, promise, ...words) {
    this.count += 1;
    let error;
    try {
      error = `no error but ${inspect(await promise)}`;
    } catch (e) {
      error = String(e.message);
    }
    if (!words.every((word) => error.toLowerCase().includes(word.toLowerCase()))) this.fail(what, error, words);
  }

  done() {
    console.log(`ok ${this.name}: ${this.count} checks`);
  }
}
