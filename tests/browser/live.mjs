/* What happens is shown as it happens: by the stream alone, without it, and after it was cut. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { api, data, ok, until, visitor } from './world.mjs';

const shown = page => page.locator('table:has(caption:text("Blocks")) tbody tr code').first().getAttribute('title', { timeout: 1000 }).catch(() => null);
const newest = async () => (await api('blocks?limit=1')).blocks[0].hash;
const isLive = text => async () => (await text('#pulse')).startsWith('Live');
/* A block that was not there when it began, on the page. */
async function anotherBlock(page) {
    const before = await newest();
    await until('a block is found', async () => await newest() !== before);
    await until('it is shown', async () => await shown(page) === await newest());
}

export async function tellsAsItHappens() {
    const { page, go, text } = await visitor();
    await go('');
    await until('the page is told', isLive(text));
    await until('its blocks', async () => await shown(page) !== null);
    await page.evaluate(() => { window.stays = true; });
    await page.route('**/api/v1/blocks*', route => route.abort());
    await anotherBlock(page);
    assert.ok(await page.evaluate(() => window.stays));
    await page.unroute('**/api/v1/blocks*');
    ok('a block stands on the page by the stream alone, without a reload');

    process.kill(Number(readFileSync(`${data}/run/inode-scheduler-1.kore.pid`, 'utf8')), 'SIGKILL');
    await until('the page notices', async () => !await isLive(text)());
    await until('the page is told again', isLive(text));
    await anotherBlock(page);
    assert.ok(await page.evaluate(() => window.stays));
    ok('a stream that was cut comes back by itself');

    await page.route('**/api/v1/live*', route => route.fulfill({ status: 503, body: '' }));
    await go('#/blocks');
    await page.reload();
    await until('the page asks', async () => (await text('#pulse')).includes('asked again every'));
    await anotherBlock(page);
    ok('where no stream is to be had the page asks');
    await page.close();
}
