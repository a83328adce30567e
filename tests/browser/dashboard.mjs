/* A pool is watched from its first share to a checked payout, each number held against the API;
 * then every page, in both themes and two sizes, is looked over by axe-core. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { ADIT_URL: base, ADIT_CHROMIUM: executablePath, ADIT_MODULES: modules, ADIT_SHOTS: shots } = process.env;
const { chromium } = createRequire(`${modules}/`)('playwright-core');
const axe = readFileSync(`${modules}/node_modules/axe-core/axe.min.js`, 'utf8');
const DEADLINE_MS = 180000;
const api = async path => (await fetch(`${base}/api/v1/${path}`)).json();

async function until(what, ask) {
    const end = Date.now() + DEADLINE_MS;
    for (let last; ; await new Promise(done => setTimeout(done, 500))) {
        try { if ((last = await ask())) return last; } catch (error) { last = error; }
        if (Date.now() > end) throw new Error(`never: ${what} (${last})`);
    }
}
/* "1 234.50 DEV" to base units, by its digits alone */
const units = (text, exponent) => {
    const [whole, part = ''] = text.replace(/[^0-9.]/g, '').split('.');
    return BigInt(whole + part.padEnd(exponent, '0'));
};

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const errors = [];
page.on('pageerror', error => errors.push(error.message));
page.on('request', request => {
    if (!request.url().startsWith(base)) errors.push(`asked another: ${request.url()}`);
});
const text = selector => page.locator(selector).first().innerText();
const fact = async name => page.locator(`.facts div:has(> dt:text-is("${name}")) dd`).first().innerText();

await page.goto(base);
await until('the pool runs', async () => (await text('.state')).includes('all five parts are healthy'));
await until('both miners are seen', async () => await fact('Miners connected') === '2');
console.log('ok: the overview shows a running pool and its miners');

await until('a block matured', async () => (await page.locator('td:has-text("Matured")').count()) > 0);
const list = (await api('blocks?limit=100')).blocks;
const rows = await page.locator('table:has(caption:text("Blocks")) tbody tr').evaluateAll(trs =>
    trs.map(tr => [...tr.children].map(cell => cell.textContent)));
assert.ok(rows.length > 0);
for (const [height, , , reward, hash] of rows) {
    const block = list.find(b => `${b.height}` === height.replace(/\D/g, '') && b.hash.endsWith(hash.slice(1)));
    assert.ok(block, `the API knows block ${height}`);
    assert.equal(units(reward, 8), BigInt(block.reward));
}
console.log(`ok: ${rows.length} blocks and their rewards are the API's`);

/* Who mines is told by nobody but the demo's own miner. */
const name = await until('a miner that was let in', () =>
    /authorized as ([^.\s]+)/.exec(readFileSync(process.env.ADIT_MINER_LOG, 'utf8'))?.[1]);
await page.fill('#who', name);
await page.keyboard.press('Enter');
await until('its worker', async () => (await text('table:has(caption:text-is("Workers")) tbody th')).startsWith('cpu'));
await until('balances equal the API\'s', async () => {
    const account = await api(`accounts/${name}`);
    return units(await fact('Paid'), account.exponent) === BigInt(account.paid) &&
        units(await fact('Immature'), account.exponent) === BigInt(account.immature) && BigInt(account.paid) > 0n;
});
console.log('ok: the account has its worker, and its balances are the API\'s');

const button = page.getByRole('button', { name: /Check this payout/ }).last();
await until('a payout to check', () => button.count());
await button.click();
await until('the proof is checked', async () => (await text('.verdict')).includes('This payout is proven'));
assert.equal(await page.locator('.findings .bad').count(), 0);
console.log('ok: a payout is proven in the browser');

await page.route('**/proofs/*', async route => {
    const answer = await route.fetch(), document = await answer.json();
    const at = document.bytes.length - 3, digit = document.bytes[at] === '0' ? '1' : '0';
    document.bytes = document.bytes.slice(0, at) + digit + document.bytes.slice(at + 1);
    await route.fulfill({ response: answer, json: document });
});
await page.reload();
await until('a payout to check again', () => button.count());
await button.click();
await until('a changed proof is refused', async () => (await text('.verdict')).includes('WRONG'));
await page.unroute('**/proofs/*');
console.log('ok: a proof with one changed digit is called wrong');

await page.goto(`${base}/#/account/nobody-of-this-name`);
await until('an unknown name is told', async () => (await text('main')).includes('typing error'));
console.log('ok: an unknown account is told so');

const pages = { overview: '', blocks: '#/blocks', account: `#/account/${name}`, look: '#/account', health: '#/health' };
const sizes = { '': { width: 1280, height: 900 }, 'phone-': { width: 390, height: 844 } };
let violations = 0;
for (const [size, viewport] of Object.entries(sizes))
    for (const theme of ['light', 'dark']) {
        /* the policy is lifted for axe alone, which is put into the page */
        const context = await browser.newContext({ viewport, colorScheme: theme, bypassCSP: true });
        const looked = await context.newPage();
        for (const [title, hash] of Object.entries(pages)) {
            await looked.goto(`${base}/${hash}`);
            await looked.reload();
            await looked.waitForLoadState('networkidle');
            if (title === 'account') {
                await looked.getByRole('button', { name: /Check this payout/ }).first().click();
                await looked.waitForSelector('.verdict');
            }
            if (shots) {
                await until('a chart with a line', async () =>
                    !['overview', 'account'].includes(title) || (await looked.locator('polyline').count()) > 0);
                if (title === 'account') await looked.locator('.panel').scrollIntoViewIfNeeded();
                else await looked.evaluate(() => scrollTo(0, 0));
                await looked.screenshot({ path: `${shots}/${title}-${size}${theme}.png` });
            }
            await looked.evaluate(axe);
            const { violations: found } = await looked.evaluate(() => globalThis.axe.run(document,
                { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
            for (const { id, nodes } of found) console.log(`not ok: ${title} ${size}${theme}: ${id} ${nodes[0].html}`);
            violations += found.length;
            assert.ok(await looked.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${title} fits ${size}`);
        }
        await context.close();
    }
assert.equal(violations, 0);
console.log('ok: axe-core finds nothing on any page, in both themes, on desktop and phone');
await browser.close();
assert.deepEqual(errors, []);
