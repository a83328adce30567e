/* What the stories share: a browser, a pool that runs, its API, its ledger as the store has it, its
 * chain, its letters; and how a page is read. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export const { ADIT_URL: base, ADIT_AUTH_URL: auth, ADIT_NODE_URL: node, ADIT_STRATUM: stratum, ADIT_CHROMIUM: executablePath,
    ADIT_MODULES: modules, ADIT_SHOTS: shots, ADIT_DATA: data, ADIT_BIN: bin } = process.env;
const { chromium } = createRequire(`${modules}/`)('playwright-core');
const DEADLINE_MS = Number(process.env.ADIT_BROWSER_S ?? 180) * 1000;
const visits = new Set();

export async function until(what, ask) {
    const end = Date.now() + DEADLINE_MS;
    for (let last; ; await new Promise(done => setTimeout(done, 300))) {
        try { if ((last = await ask())) return last; } catch (error) { last = error; }
        if (Date.now() <= end) continue;
        for (const page of visits) console.log(`${page.url()}\n${await page.locator('body').innerText().catch(() => '')}`);
        throw new Error(`never: ${what} (${last})`);
    }
}
export const ok = text => console.log(`ok: ${text}`);
/* As it is now, not as it was told a moment ago. */
export const api = async path => (await fetch(`${base}/api/v1/${path}`, { headers: { 'cache-control': 'no-cache' } })).json();
export const adit = (...words) => execFileSync(`${bin}/adit`, words, { encoding: 'utf8' });

export async function rpc(method, ...params) {
    const answer = await (await fetch(node, { method: 'POST', body: JSON.stringify({ jsonrpc: '1.0', id: 1, method, params }) })).json();
    assert.equal(answer.error ?? null, null);
    return answer.result;
}

export const KINDS = ['Immature', 'Available', 'On its way', 'Paid'];
/* The sums of an account's postings, read from the store itself: what the pages say is held against
 * this, not against the API alone. */
const readLedger = (...words) => JSON.parse(execFileSync('python3', [fileURLToPath(new URL('ledger.py', import.meta.url)), `${data}/adit.db`, ...words],
    { encoding: 'utf8' }));
export const ledger = id => readLedger(id).map(BigInt);
/* Each of them: "sequence kind amount", kinds as numbers. */
export const postings = id => new Set(readLedger(id, 'legs'));

const miners = [];
export function mine(user, rate) {
    const miner = spawn(`${bin}/adit-miner`, ['--url', `stratum+tcp://${stratum}`, '--user', user, '--pass', 'x', '--algorithm', 'blake2s',
        '--threads', '1', '--hashrate-limit', `${rate}`], { stdio: 'ignore' });
    miner.unref();
    miners.push(miner);
}
process.on('exit', () => miners.forEach(miner => miner.kill('SIGKILL')));

/* What stands alone in a letter to somebody: a link to this page. Each letter is read once. */
const read = new Set();
export function linkOfLetter(to, page) {
    const folder = `${data}/mail`;
    for (const name of readdirSync(folder).filter(name => name.endsWith('.eml') && !read.has(name))) {
        const text = readFileSync(`${folder}/${name}`, 'utf8'), link = /^ {4}(http\S+)/m.exec(text)?.[1];
        if (!text.includes(`To: <${to}>`) || !link?.includes(`/account/${page}#`)) continue;
        read.add(name);
        return link;
    }
    return undefined;
}

/* "1 234.50 DEV" to base units, by its digits alone */
export const units = (text, exponent = 8) => {
    const [whole, part = ''] = text.replace(/[^0-9.]/g, '').split('.');
    return BigInt(whole + part.padEnd(exponent, '0'));
};

/* RFC 6238 with what authenticators use; `steps` of 30 s from now. */
export function totp(secret, steps = 0) {
    const bits = [...secret.replace(/\s/g, '')].map(c => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
    const key = Buffer.from(bits.match(/.{8}/g).map(byte => parseInt(byte, 2))), counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
    const hash = createHmac('sha1', key).update(counter).digest(), at = hash[19] & 15;
    return `${(hash.readUInt32BE(at) & 0x7fffffff) % 1000000}`.padStart(6, '0');
}

export const errors = [];
let browser = null;
/* A browser of its own: nobody is logged in there. */
export async function visitor(options = {}) {
    browser ??= await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    visits.add(page);
    page.on('close', () => visits.delete(page));
    page.on('pageerror', error => errors.push(error.message));
    page.on('request', request => {
        if (!request.url().startsWith(base) && !request.url().startsWith(auth)) errors.push(`asked another: ${request.url()}`);
    });
    page.on('console', message => {
        if (/Content.Security.Policy/i.test(message.text())) errors.push(message.text());
    });
    const go = async hash => { await page.goto(`${base}/${hash}`); };
    const text = selector => page.locator(selector).first().innerText();
    const fact = async name => page.locator('.facts > div').filter({ has: page.locator('dt', { hasText: name instanceof RegExp ? name : new RegExp(`^${name}$`) }) })
        .locator('dd').first().innerText();
    return { context, page, go, text, fact, card: title => page.locator(`section:has(> h2:text-is("${title}"))`) };
}
/* Lets Node.js end: neither a browser nor a miner of ours goes on. */
export async function close() {
    miners.forEach(miner => miner.kill('SIGKILL'));
    await browser?.close();
}
