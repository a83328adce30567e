/* What everybody sees: the pool from its first share to a payout that is checked in the browser. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { api, base, data, KINDS, ledger, ok, units, until, visitor } from './world.mjs';

/* Who mines is told by nobody but the demo's own miner. */
export const demoMiner = () => until('a miner that was let in', () =>
    /authorized as ([^.\s]+)/.exec(readFileSync(`${data}/log/miner.log`, 'utf8'))?.[1]);

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

    await go('#/account/nobody-of-this-name');
    await until('an unknown name is told', async () => (await text('main')).includes('typing error'));
    ok('an unknown account is told so');
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    await page.context().close();
    return { name, base };
}
