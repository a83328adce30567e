/* Takes the pictures of docs/screenshots: a pool that has mined for a while, light and dark, on
 * desktop and phone; pngquant, where it is, makes them small. Run by `run` with
 * ADIT_STORY=pictures.mjs. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { base, close, mine, shots, until, visitor } from './world.mjs';
import { spoil } from './numbers.mjs';
import { demoMiner } from './public.mjs';
import { makeOperator, member } from './operator.mjs';

const folder = shots ?? fileURLToPath(new URL('../../docs/screenshots', import.meta.url));
const AFTER_MS = Number(process.env.ADIT_PICTURES_AFTER_S ?? 900) * 1000;
const SIZES = { '': { width: 1280, height: 900 }, 'phone-': { width: 390, height: 844 } };
const NAME = 'gertrude';

const began = Date.now();
const miner = await demoMiner(), operator = await makeOperator(), account = await member(NAME, 'correct horse battery');
for (const [rig, rate] of [['attic', 30000], ['garage', 12000], ['kitchen', 900]]) mine(`${NAME}.${rig}`, rate);
await spoil(`${NAME}.kitchen`);
/* What it is told: two kinds by letter. */
await account.go('#/me/notices');
for (const kind of ['A worker is offline', 'My miner found a block'])
    await account.card('What you are told').getByRole('checkbox', { name: `${kind}, by e-mail` }).check();
await account.card('What you are told').getByRole('button', { name: 'Save' }).click();
await new Promise(done => setTimeout(done, Math.max(0, AFTER_MS - (Date.now() - began))));

/* name: [page, whose session, what is done there before] */
const PAGES = {
    overview: ['', null], blocks: ['#/blocks', null], connect: [`#/connect/${miner}`, null], health: ['#/health', null],
    account: [`#/account/${NAME}`, null], proof: [`#/account/${NAME}`, null, async page => {
        await page.getByRole('button', { name: /Check this payout/ }).first().click();
        await page.waitForSelector('.verdict');
        await page.locator('.panel').evaluate(panel => panel.scrollIntoView());
    }],
    worker: [`#/account/${NAME}/attic`, null], me: ['#/me', account], 'me-payout': ['#/me/payout', account], 'me-notices': ['#/me/notices', account],
    operate: ['#/operate', operator], 'operate-ledger': ['#/operate/ledger', operator],
};
mkdirSync(folder, { recursive: true });
const sessions = new Map([[null, undefined]]);
for (const visit of [account, operator]) {
    sessions.set(visit, await visit.context.storageState());
    await visit.context.close();
}
/* A session's cookie is good once and goes on from window to window. */
for (const [size, viewport] of Object.entries(SIZES))
    for (const theme of ['light', 'dark'])
        for (const [whose, state] of sessions) {
            const { page, context } = await visitor({ viewport, colorScheme: theme, storageState: state, deviceScaleFactor: 1, reducedMotion: 'reduce' });
            for (const [name, [hash, of, act]] of Object.entries(PAGES)) {
                if (of !== whose) continue;
                await page.goto('about:blank'); /* nothing of the page before */
                await page.goto(`${base}/${hash}`);
                await until(`${name} is drawn`, async () => await page.locator('main h1').count() > 0 && !(await page.locator('body').innerText()).includes('Asking the pool'));
                await act?.(page);
                const path = `${folder}/${name}-${size}${theme}.png`;
                await page.screenshot({ path });
                spawnSync('pngquant', ['--force', '--skip-if-larger', '--strip', '--output', path, '256', path]);
            }
            if (whose) sessions.set(whose, await context.storageState());
            await context.close();
        }
await close();
console.log(`pictures of ${Object.keys(PAGES).length} pages are in ${folder}`);
