/* What goes wrong, as people see it: a pool that refuses, is slow or away; forms that are wrong;
 * questions before what cannot be taken back. Each state is looked at by axe-core in both themes. */
import assert from 'node:assert/strict';
import { base, ok, until, visitor } from './world.mjs';
import { breaks } from './looks.mjs';

const PAGES = { overview: '#/', blocks: '#/blocks', account: '#/account/NAME', connect: '#/connect', health: '#/health', worker: '#/account/NAME/cpu' };
const API = '**/api/v1/**';
const away = { 'is away': route => route.abort(), 'answers 503': route => route.fulfill({ status: 503, contentType: 'application/problem+json',
    body: JSON.stringify({ type: 'about:blank', title: 'Service Unavailable', status: 503, detail: 'the store is away' }) }),
'answers no JSON': route => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }) };
const SAYS = { 'is away': /^The pool does not answer\./, 'answers 503': /^The pool answers: the store is away\./, 'answers no JSON': /^The pool answers: the pool answered 502\.|^The pool answers 502/ };

/* One message, said as an alert, and the page with its heading behind it. */
async function isSaid(page, says, what) {
    await until(`${what} is said`, async () => says.test(await page.getByRole('alert').innerText()));
    assert.equal(await page.getByRole('alert').count(), 1);
    assert.ok((await page.locator('main').innerText()).length > 20 && await page.locator('h1').count() === 1, `${what}: the page is there`);
    assert.match(await page.getByRole('alert').innerText(), /Trying again every 5 seconds\./);
}

export async function standsTrouble(name) {
    let states = 0, wrong = 0;
    for (const colorScheme of ['light', 'dark']) {
        const { page, go, context } = await visitor({ colorScheme, bypassCSP: true, viewport: { width: 390, height: 844 } });
        for (const [what, answer] of Object.entries(away).slice(0, colorScheme === 'light' ? 3 : 1)) {
            await page.route(API, answer);
            for (const [title, hash] of Object.entries(PAGES)) {
                await go(hash.replace('NAME', name));
                await isSaid(page, SAYS[what], `${title}, where the pool ${what},`);
                wrong += await breaks(page, `${title}, where the pool ${what},`, colorScheme);
                states++;
            }
            await page.unroute(API);
        }
        /* Offline while it is shown: what was seen stays, and is said to be old; then it goes on. */
        await go('#/health');
        await page.reload();
        await until('numbers', async () => (await page.locator('main').innerText()).includes('stratum-gateway: talks'));
        await context.setOffline(true);
        await until('old numbers', async () => /^The pool does not answer\. What is shown is of \d{4}-/.test(await page.getByRole('alert').innerText()));
        assert.ok((await page.locator('main').innerText()).includes('stratum-gateway: talks'));
        wrong += await breaks(page, 'old numbers', colorScheme);
        await context.setOffline(false);
        await until('new ones', async () => await page.locator('#trouble').innerText() === '');
        await context.close();
    }
    assert.equal(wrong, 0);
    /* Slow: it asks, says so, and has the numbers when they come. */
    const { page, go, context } = await visitor();
    let answer;
    const looked = new Promise(done => { answer = done; });
    await page.route(API, async route => { await looked; await route.continue().catch(() => {}); });
    await go('#/blocks');
    await until('that it asks', async () => /Asking the pool/.test(await page.locator('main').innerText()) && await page.locator('#trouble').innerText() === '');
    answer();
    await until('what was slow', async () => await page.locator('main tbody tr').count() > 0);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await context.close();
    ok(`a pool that is away, refuses, is slow or goes offline is told by one sentence, with the page behind it; axe-core finds nothing in ${states} such states`);
}

/* What is wrong in a form is said there; what cannot be taken back is asked first, by a question
 * that has the keyboard, ends by Escape, and leaves the keyboard where it was. */
export async function asksFirst({ context }) {
    const state = await context.storageState();
    await context.close();
    let kept = state, wrong = 0;
    for (const colorScheme of ['light', 'dark']) {
        const visit = await visitor({ colorScheme, bypassCSP: true, storageState: kept, viewport: { width: 390, height: 844 } }), { page, go } = visit;
        await go('#/me/notices');
        const open = page.getByRole('button', { name: 'Remove it' }).first();
        await open.click();
        const dialog = page.getByRole('dialog');
        await dialog.waitFor();
        wrong += await breaks(page, 'a question', colorScheme);
        for (let i = 0; i < 6; i++) {
            await page.keyboard.press('Tab');
            assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null), 'nothing behind a question has the keyboard');
        }
        await page.keyboard.press('Escape');
        await dialog.waitFor({ state: 'hidden' });
        assert.ok(await open.evaluate(node => node === document.activeElement));
        await go('#/me/payout');
        const box = visit.card('Withdraw now');
        await box.getByLabel(/^Amount/).fill('a lot');
        await box.getByRole('button', { name: 'Ask for the payment' }).click();
        await until('a wrong amount is said', async () => await box.locator('[aria-invalid]').count() === 1);
        wrong += await breaks(page, 'a wrong amount', colorScheme);
        await page.route('**/api/v1/me**', route => route.fulfill({ status: 503, contentType: 'application/json', headers: { 'access-control-allow-origin': base, 'access-control-allow-credentials': 'true' }, body: '{"detail":"the store is away"}' }));
        await go('#/me/security');
        await until('its own pages say so, too', async () => /^The pool answers: the store is away\.|^The pool does not answer\./.test(await page.getByRole('alert').innerText()));
        wrong += await breaks(page, 'an own page without answers', colorScheme);
        await page.unroute('**/api/v1/me**');
        await until('and go on', async () => await page.locator('#trouble').innerText() === '');
        kept = await visit.context.storageState();
        await visit.context.close();
        const nobody = await visitor({ colorScheme, bypassCSP: true });
        await nobody.go('#/login');
        await nobody.page.getByLabel('Account name').fill('nobody-of-this-name');
        await nobody.page.getByLabel('Password', { exact: true }).fill('wrong in any case');
        await nobody.page.getByRole('button', { name: 'Log in' }).click();
        await until('a refused log-in', async () => await nobody.page.locator('.mark.bad').count() > 0);
        wrong += await breaks(nobody.page, 'a refused log-in', colorScheme);
        await nobody.context.close();
    }
    assert.equal(wrong, 0);
    ok('questions and wrong forms keep the keyboard where it belongs; axe-core finds nothing in them, in both themes');
    return visitor({ storageState: kept });
}
