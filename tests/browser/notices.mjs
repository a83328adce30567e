/* What a person is told: chosen on a page, tried out by letter and by webhook, read in the log, and
 * stopped by the link in a letter. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { data, ok, until } from './world.mjs';

/* The newest letter of this subject to somebody. */
function letterOf(to, subject) {
    const folder = `${data}/mail`;
    return readdirSync(folder).filter(name => name.endsWith('.eml')).sort().reverse()
        .map(name => readFileSync(`${folder}/${name}`, 'utf8')).find(text => text.includes(`To: <${to}>\r\nSubject: ${subject}`));
}

async function receiver() {
    const heard = [];
    const server = createServer((request, response) => {
        const parts = [];
        request.on('data', part => parts.push(part)).on('end', () => {
            heard.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
            response.writeHead(204).end();
        });
    });
    await new Promise(listening => server.listen(0, '127.0.0.1', listening));
    return { heard, server, url: `http://127.0.0.1:${server.address().port}/hook` };
}

const signed = (secret, { headers, body }) => `v1,${createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'))
    .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64')}`;

export async function isTold({ page, go, card }, email) {
    await go('#/me/notices');
    const chosen = card('What you are told'), hook = card('Webhook'), log = card('Sent lately');
    const box = name => chosen.getByRole('checkbox', { name });
    await box('A payment was sent, by e-mail').check();
    assert.ok(await box('A payment was sent, by webhook').isDisabled());
    const minutes = chosen.getByLabel('A worker is offline after');
    await minutes.fill('0.5');
    await chosen.getByRole('button', { name: 'Save' }).click();
    await until('what is too short is said at its field', async () => await minutes.getAttribute('aria-invalid') === 'true');
    await minutes.fill('15');
    await chosen.getByRole('button', { name: 'Save' }).click();
    await until('it was saved', async () => (await minutes.inputValue()) === '15' && await box('A payment was sent, by e-mail').isChecked());
    await chosen.getByRole('button', { name: 'Send me a letter' }).click();
    const letter = await until('the letter to try it out', () => letterOf(email, 'A notice to try it out'));
    const { heard, server, url } = await receiver();
    await hook.getByLabel('URL').fill(url);
    await hook.getByRole('button', { name: 'Set the webhook' }).click();
    const secret = await until('its secret', () => page.locator('.once .secret').innerText());
    await hook.getByRole('button', { name: 'Send a notice' }).click();
    await until('the webhook is told', () => heard.length > 0);
    assert.equal(heard[0].headers['webhook-signature'], signed(secret, heard[0]));
    await until('the log has both', async () => {
        await page.reload();
        await log.locator('tbody tr').first().waitFor();
        return (await log.locator('tbody tr').evaluateAll(rows => rows.map(row => row.innerText))).filter(text => /try it out/.test(text) && /sent/i.test(text)).length >= 2;
    });
    server.close();
    ok('notices are chosen, tried out by letter and by a signed webhook, and read in the log');
    const link = /(http\S+\/account\/unsubscribe#\S+)/.exec(letter)[1];
    await page.goto(link);
    await page.getByRole('button', { name: 'Send no more' }).click();
    await until('no more letters', async () => (await page.locator('main').innerText()).includes('No more letters with notices'));
    await go('#/me/notices');
    await until('the boxes say so', async () => await box('A payment was sent, by e-mail').count() === 1 && !await box('A payment was sent, by e-mail').isChecked());
    ok('the link in a letter stops the letters');
}
