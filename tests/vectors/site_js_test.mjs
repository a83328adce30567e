/* How the dashboard writes numbers and scales charts. Run by Node.js: site_js_test.mjs SOURCE. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

/* Named as browsers want them, the files become modules by the folder they are copied to. */
const folder = mkdtempSync(join(tmpdir(), 'adit-site-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
cpSync(`${process.argv[2]}/services/inode-scheduler/site`, folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
const { coins, count, duration, margin, money, rate, rough, scaled, short, unitsOf } =
    await import(pathToFileURL(join(folder, 'format.js')));
const { scale, sums, ticks, timeTicks, whole } = await import(pathToFileURL(join(folder, 'chart.js')));
const { qr } = await import(pathToFileURL(join(folder, 'qr.js')));

const seed = Number(process.env.ADIT_SEED ?? Date.now() % 1000000);
console.log(`ADIT_SEED=${seed}`);
let state = seed || 1;
const random = () => { /* xorshift32 */
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
};

test('money is written exactly, whatever its size and decimals', () => {
    const plain = text => text.replace(/[\u202f\u00a0]/g, ' ');
    assert.equal(plain(money('5000000000', 8, 'BTC')), '50.00 BTC');
    assert.equal(plain(money('1', 8)), '0.00000001');
    assert.equal(plain(money('-123456789012345678', 8)), '\u22121 234 567 890.12345678');
    assert.equal(plain(money('9223372036854775807', 8)), '92 233 720 368.54775807');
    assert.equal(money('0', 0), '0');
    assert.equal(money('7', 1), '0.7');
    assert.throws(() => money('1.5', 8), TypeError);
    assert.throws(() => money('', 8), TypeError);
    assert.throws(() => money(undefined, 8), TypeError);
});

test('the digits of money are those of its base units', () => {
    for (let i = 0; i < 2000; i++) {
        const exponent = Math.floor(random() * 13), length = 1 + Math.floor(random() * 18);
        let digits = '';
        while (digits.length < length) digits += Math.floor(random() * 10);
        const units = BigInt(digits), { whole: front, part, rest } = coins(`${units}`, exponent);
        const back = (front + part + rest).replace(/\u202f/g, '');
        assert.equal((part + rest).length, exponent);
        assert.equal(BigInt(back), units);
        assert.ok(/^0*$/.test(rest));
    }
});

test('rates have three figures and never a thousand of one prefix', () => {
    assert.equal(rate(0), '0\u00a0H/s');
    assert.deepEqual(scaled(999), ['999', '']);
    assert.deepEqual(scaled(999.6), ['1.00', 'k']);
    assert.deepEqual(scaled(999950), ['1.00', 'M']);
    assert.deepEqual(scaled(61234), ['61.2', 'k']);
    assert.deepEqual(scaled(3.2e20), ['320', 'E']);
    assert.equal(scaled(NaN)[0], '–');
    for (let i = 0; i < 2000; i++) {
        const value = 10 ** (random() * 24), [text, prefix] = scaled(value);
        const size = Number(text) * 1000 ** ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'].indexOf(prefix);
        assert.ok(Math.abs(size / value - 1) < 0.006, `${value} ${text}${prefix}`);
        assert.ok(Number(text) < 1000);
    }
});

test('counts, spans and errors are said as they are', () => {
    assert.equal(count(1234567), '1\u202f234\u202f567');
    assert.equal(duration(59), '59\u00a0s');
    assert.equal(duration(3600), '60\u00a0min');
    assert.equal(margin(null), 'no shares yet');
    assert.equal(margin(0.5), 'too few shares to tell');
    assert.equal(margin(0.1), '±\u00a020\u00a0%');
    assert.equal(short('abcdefghijklmnopqrstuvwxyz', 4), 'abcd…wxyz');
    assert.equal(short('abc'), 'abc');
});

test('a scale begins at nothing, reaches the largest value and has few round steps', () => {
    assert.deepEqual(ticks(0), [0, 1]);
    assert.deepEqual(ticks(100), [0, 50, 100]);
    for (let i = 0; i < 2000; i++) {
        const max = 10 ** (random() * 24 - 3), marks = ticks(max);
        assert.equal(marks[0], 0);
        assert.ok(marks.at(-1) >= max * (1 - 1e-9) && marks.length >= 2 && marks.length <= 6, `${max}`);
        assert.ok(marks.at(-1) <= max * 2.5);
    }
});

test('what is counted has no steps between whole numbers', () => {
    assert.deepEqual(ticks(1, 4, 1), [0, 1]);
    assert.deepEqual(ticks(2, 4, 1), [0, 1, 2]);
    for (let i = 0; i < 2000; i++) {
        const max = 1 + Math.floor(random() * 10 ** (random() * 9)), marks = ticks(max, 4, 1);
        assert.ok(marks.every(Number.isInteger) && marks.at(-1) >= max && marks.length <= 6, `${max}`);
    }
});

test('blocks found and expected are added up, and what is not known adds nothing', () => {
    const list = sums([{ time: 1, seconds: 60, blocks: 2, expected_blocks: 1.5 }, { time: 2, seconds: 60, blocks: null, expected_blocks: 0.25 },
        { time: 3, seconds: 30, blocks: 1, expected_blocks: 0 }]);
    assert.deepEqual(list.map(p => [p.time, p.found, p.expected]), [[1, 2, 1.5], [2, 2, 1.75], [3, 3, 1.75]]);
});

test('an estimate of money has three figures and is never more than the amount', () => {
    const plain = text => text.replace(/[\u202f\u00a0]/g, ' ');
    assert.equal(plain(rough('43219872090320', 8, 'DEV')), '432 000 DEV');
    assert.equal(plain(rough('123456789', 8, 'DEV')), '1.23 DEV');
    assert.equal(plain(rough('1', 8, 'DEV')), '0.00000001 DEV');
    assert.equal(plain(rough('0', 8, 'DEV')), '0 DEV');
    for (let i = 0; i < 1000; i++) {
        const units = `${Math.floor(random() * 10 ** (1 + random() * 14))}`, shown = BigInt(unitsOf(rough(units, 8, '').trim(), 8));
        assert.ok(shown <= BigInt(units) && (BigInt(units) - shown) * 100n <= BigInt(units));
    }
});

test('values are placed in proportion, and a range of nothing is no error', () => {
    const y = scale(0, 10, 100, 0);
    assert.deepEqual([0, 5, 10].map(y), [100, 50, 0]);
    assert.equal(scale(3, 3, 7, 9)(3), 7);
});

test('times on the axis are round and inside', () => {
    for (let i = 0; i < 500; i++) {
        const from = 1.7e9 + Math.floor(random() * 1e8), to = from + 60 + Math.floor(random() * 700000);
        const list = timeTicks(from, to, 6);
        assert.ok(list.length <= 7 && list.every(t => t >= from && t <= to && t % 60 === 0));
    }
});

test('a point that has barely begun is not compared with whole ones', () => {
    assert.deepEqual(whole([{ seconds: 60 }, { seconds: 29 }], 60), [{ seconds: 60 }]);
    assert.equal(whole([{ seconds: 60 }, { seconds: 31 }], 60).length, 2);
});

test('what a person writes as an amount is the amount that is shown, or none', () => {
    for (let i = 0; i < 2000; i++) {
        const exponent = Math.floor(random() * 19), units = BigInt(Math.floor(random() * 2 ** 53)).toString();
        assert.equal(unitsOf(money(units, exponent), exponent), units);
        assert.equal(unitsOf(money(units, exponent).replace('.', ','), exponent), units);
    }
    assert.equal(unitsOf('1', 8), '100000000');
    assert.equal(unitsOf(' 0.5 ', 8), '50000000');
    assert.equal(unitsOf('.5', 1), '5');
    assert.equal(unitsOf('0', 8), '0');
    for (const text of ['', '.', '-1', '+1', '1e3', '1.2.3', '0x1', '1.000000001', 'one', '1 DEV'])
        assert.equal(unitsOf(text, 8), null, text);
});

/* Made here and read back by another reader, for every length there is; these three stand for them. */
test('a code\u2019s modules are those that a reader has read', () => {
    const known = {
        a: [21, 'e8ab680854e4019c4ac89bd0e19dfe1f7e967f3cafd048091b3e3ec474b6f431'],
        'otpauth://totp/adit:gertrude?secret=3K2FP6D25LW627GNX4P57WXEGQZLM452&issuer=adit':
            [37, 'eff79816c44a810f39188df25a12dde63ceca28b99c5919f088e4a23311c8086'],
        ['x'.repeat(213)]: [57, 'f8a692e420006d88c10e55f6fb2f048c68ad07db0d7c3f134adf4ff3fc04aae2'],
    };
    for (const [text, [size, hash]] of Object.entries(known)) {
        const rows = qr(text);
        assert.equal(rows.length, size);
        const bits = rows.map(row => row.map(dark => dark ? 1 : 0).join('')).join('\n');
        assert.equal(createHash('sha256').update(bits).digest('hex'), hash);
    }
    assert.throws(() => qr('x'.repeat(214)), RangeError);
});
