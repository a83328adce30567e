/* What everybody sees: the pool from its first share to a payout that is checked in the browser. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { api, base, data, KINDS, ledger, ok, rpc, stratum, units, until, visitor } from './world.mjs';

/* Who mines is told by nobody but the demo's own miner. */
export const demoMiner = () => until('a miner that was let in', () =>
    /authorized as ([^.\s]+)/.exec(readFileSync(`${data}/log/miner.log`, 'utf8'))?.[1]);

const chartOf = (page, title) => page.locator('figure.chart', { has: page.getByRole('slider', { name: title, exact: true }) });

/* Each chart's table, and what its slider says by the keyboard, are the series' numbers. */
async function drawsWhatTheApiSays(page) {
    for (const title of ['Pool hashrate', 'Workers', 'Luck']) {
        const chart = chartOf(page, title), slider = chart.getByRole('slider');
        await chart.locator('summary').click();
        await slider.focus();
        await page.keyboard.press('Home');
        const first = await slider.getAttribute('aria-valuetext');
        assert.equal(await slider.getAttribute('aria-valuenow'), '0');
        await page.keyboard.press('ArrowRight');
        await page.keyboard.press('ArrowLeft');
        assert.equal(await slider.getAttribute('aria-valuetext'), first);
    }
    const digits = text => Number(text.replace(/\D/g, ''));
    await until('the last point\u2019s workers and the sums of blocks are the API\u2019s', async () => {
        const { points } = await api('pool/series?step=60'), rows = async title => chartOf(page, title).locator('tbody tr').evaluateAll(trs => trs.map(tr => [...tr.children].map(td => td.textContent)));
        const workers = await rows('Workers'), luck = await rows('Luck');
        return digits(workers[0][1]) === points.at(-1).workers && luck.length === points.length
            && digits(luck[0][1]) === points.reduce((sum, p) => sum + (p.blocks ?? 0), 0);
    });
    const { luck, blocks_found: found } = await api('pool/statistics');
    assert.ok(luck.blocks <= found && luck.expected_blocks > 0);
    ok('the charts of hashrate, workers and luck are read by arrow keys, and their tables are the series of the API');
}

/* What a miner is told can be copied, and its first share is noticed. */
async function connects(page, name, go, text) {
    await go('#/connect');
    await page.getByLabel('Address or account name').fill(name);
    const told = page.locator('.pairs code').filter({ hasText: `${name}.rig1` });
    await told.waitFor();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base });
    await page.getByRole('button', { name: 'Copy User' }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${name}.rig1`);
    assert.equal(await page.locator('.pairs code').first().innerText(), `stratum+tcp://${stratum}`);
    await page.getByRole('button', { name: 'Wait for it' }).click();
    await until('its shares are noticed', async () => (await text('main')).includes('It works'));
    await go(`#/connect/${await rpc('getnewaddress')}`);
    await until('no share yet', async () => (await text('main')).includes('No share yet'));
    ok('a miner is told the pool, user and password to copy, and its first share is noticed');
}

/* Addresses lead to their pages, back and forward too; a pool in trouble is told at the top. */
async function findsTheWay({ page, go, text }) {
    const heading = async name => until(name, async () => (await page.locator('h1').innerText()) === name && (await page.title()) === `${name} \u00b7 adit`);
    await go('#/blocks');
    await heading('Blocks');
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Health' }).click();
    await heading('Health');
    await page.goBack();
    await heading('Blocks');
    await page.goForward();
    await heading('Health');
    await page.reload();
    await heading('Health');
    assert.equal(await page.locator('.top [aria-current=page]').innerText(), 'Health');

    const answers = (path, change) => page.route(`**/api/v1/pool/${path}`, async route => {
        const answer = await route.fetch();
        await route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify(change(await answer.json())) });
    });
    await answers('status', status => ({ ...status, status: 'standby', reason: 'another inode-scheduler leads' }));
    await answers('statistics', all => ({ ...all, share_statistics: { ...all.share_statistics, last_updated: all.last_updated - 213 } }));
    await go('#/');
    await page.reload();
    await until('a standby says so', async () => (await text('.state')) === 'This server stands by: another inode-scheduler leads.');
    await until('old numbers are said to be old', async () => (await text('.late')).includes('Shares were last counted 4'));
    await page.unroute('**/api/v1/pool/status');
    await page.unroute('**/api/v1/pool/statistics');
    await page.route('**/api/v1/**', route => route.abort());
    await page.reload();
    await until('a pool that is away', async () => (await page.getByRole('alert').innerText()).includes('The pool does not answer.'));
    await page.unroute('**/api/v1/**');
    await page.reload();
    await until('it is back', async () => (await text('.state')).includes('running') && (await page.getByRole('alert').innerText().catch(() => '')) === '');
    ok('addresses, back and forward lead to their pages; a standby, old numbers and a pool that is away are told');
}

export async function watchThePool() {
    const { page, go, text, fact } = await visitor();
    await go('');
    await until('the pool runs', async () => (await text('.state')).includes('all five parts are healthy'));
    await until('both miners are seen', async () => Number(await fact('Miners connected')) >= 2);
    ok('the overview shows a running pool and its miners');

    await until('a block matured', async () => (await page.locator('td:has-text("Matured")').count()) > 0);
    const rows = await page.locator('table:has(caption:text("Blocks")) tbody tr').evaluateAll(trs =>
        trs.map(tr => [...tr.children].map(cell => cell.textContent)));
    const list = (await api('blocks?limit=100')).blocks;
    assert.ok(rows.length > 0);
    for (const [height, , , reward, hash] of rows) {
        const block = list.find(b => `${b.height}` === height.replace(/\D/g, '') && b.hash.endsWith(hash.slice(1)));
        assert.ok(block, `the API knows block ${height}`);
        assert.equal(units(reward), BigInt(block.reward));
    }
    ok(`${rows.length} blocks and their rewards are the API's`);

    await drawsWhatTheApiSays(page);
    const name = await demoMiner();
    await page.fill('#who', name);
    await page.keyboard.press('Enter');
    await until('its worker', async () => (await text('table:has(caption:text-is("Workers")) tbody th')).startsWith('cpu'));
    const { id } = await api(`accounts/${name}`);
    await until('balances equal the ledger\'s', async () => {
        const books = ledger(id), shown = await Promise.all(KINDS.map(async kind => units(await fact(kind))));
        return books[3] > 0n && shown.every((amount, i) => amount === books[i]);
    });
    ok('a looked up account has its worker, and its four balances are the sums of its postings');

    /* What was earned is what the ledger has, of all kinds: a pool this young has paid no more. */
    await until('what was earned is the sum of its postings', async () => {
        const { earned } = await api(`accounts/${name}/outlook`), shown = await fact(/^Earned in/);
        return earned.whole_day && units(shown) > 0n && units(shown) === ledger(id).reduce((all, one) => all + one, 0n);
    });
    ok('what it earned in a day is the sum of all its postings');
    await page.getByRole('link', { name: /^cpu\d?$/ }).first().click();
    await until('its worker works', async () => (await text('main .state')).startsWith('Working'));
    await page.goBack();
    await until('the account again', async () => (await page.locator('h1').innerText()).includes(name.slice(0, 12)));
    ok('a worker has a page of its own, and the way back leads back');

    const button = page.getByRole('button', { name: /Check this payout/ }).last();
    await until('a payout to check', () => button.count());
    await button.click();
    await until('the proof is checked', async () => (await text('.verdict')).includes('This payout is proven'));
    assert.equal(await page.locator('.findings .bad').count(), 0);
    ok('a payout is proven in the browser');

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
    ok('a proof with one changed digit is called wrong');

    await connects(page, name, go, text);
    await findsTheWay({ page, go, text });

    await go('#/account/nobody-of-this-name');
    await until('an unknown name is told', async () => (await text('main')).includes('typing error'));
    ok('an unknown account is told so');
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    await page.context().close();
    return { name, base };
}
