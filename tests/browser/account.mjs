/* A person's way: an account is made, its miner works, a block matures, payments arrive, a second
 * factor guards the address, letters and sessions do what they say. */
import assert from 'node:assert/strict';
import { api, base, KINDS, ledger, linkOfLetter, mine, ok, postings, rpc, totp, units, until, visitor } from './world.mjs';

export const NAME = 'gertrude', PASSWORD = 'correct horse battery';
const SECOND_PASSWORD = 'staple of another kind', LIMIT = BigInt(process.env.ADIT_PAYOUT__APPROVE_ABOVE);

async function logIn({ page, go }, name, password, code) {
    await go('#/login');
    await page.getByLabel('Account name').fill(name);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'Log in' }).click();
    if (code !== undefined) {
        const field = page.getByLabel('Code of your second factor');
        await field.waitFor({ state: 'visible' });
        await field.fill(code);
        await page.getByRole('button', { name: 'Log in' }).click();
    }
    await until('a session', async () => new URL(page.url()).hash.startsWith('#/me'));
}
export { logIn };

/* By the keyboard alone, as somebody without a mouse does. */
async function registers(visit) {
    const { page, go, text } = visit;
    const address = await rpc('getnewaddress');
    await go('#/register');
    await page.getByLabel('Account name').focus();
    for (const word of [NAME, `${NAME}@example.org`, PASSWORD, `${address}x`]) {
        await page.keyboard.type(word);
        await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    const field = page.getByLabel('Payout address');
    await until('a wrong address is said at its field', async () => await field.getAttribute('aria-invalid') === 'true');
    assert.ok(await field.evaluate(node => node === document.activeElement));
    await field.fill(address);
    await page.keyboard.press('Enter');
    await until('a letter is said to be on its way', async () => (await text('main')).includes('Look at your e-mail'));
    await page.goto(await until('the letter', () => linkOfLetter(`${NAME}@example.org`, 'confirm')));
    await until('the account is made', async () => (await text('main')).includes('You can log in now'));
    assert.equal(new URL(page.url()).hash, ''); /* the token is out of sight */
    await logIn(visit, NAME, PASSWORD);
    assert.equal(await text('#me'), NAME);
    ok('an account is made by the keyboard alone; a wrong address is said where it is wrong');
    return address;
}

/* Nothing that opens the account lies where a script of another page or a disk would find it. */
async function keepsNothing({ page, context }) {
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.ok(!/adit-refresh|eyJ/.test(kept), kept);
    const [cookie] = (await context.cookies()).filter(c => c.name.endsWith('adit-refresh'));
    assert.ok(cookie.httpOnly && cookie.sameSite === 'Strict' && cookie.path === '/api/v1/auth');
    await page.reload();
    await until('the session outlives a reload', async () => (await page.locator('h1').innerText()) === 'Your account'
        && (await page.locator('.facts').count()) > 0);
    ok('the session outlives a reload; no token lies in storage or in a script\u2019s reach');
}

/* Each credit that the API has and the page shows is a posting of the store, to the base unit. */
export async function creditsAreTheLedgers(page, name, id) {
    const kinds = ['', 'immature', 'available'], shown = page.locator('table:has(caption:text("Credits")) tbody tr');
    const count = await until('the page\u2019s credits are the API\u2019s, and those are the store\u2019s', async () => {
        const rows = await shown.evaluateAll(trs => trs.map(tr => [...tr.children].map(cell => cell.textContent))), { credits } = await api(`accounts/${name}/credits?limit=100`);
        const legs = postings(id);
        for (const c of credits) assert.ok(legs.has(`${c.sequence} ${kinds.indexOf(c.kind)} ${c.amount}`), JSON.stringify(c));
        const moved = credits.filter(c => !(c.event === 'matured' && c.kind === 'immature'));
        return rows.length > 0 && rows.every((row, i) => units(row[2]) === BigInt(moved[i].amount) && row[3] === moved[i].kind) && credits.length;
    });
    ok(`${count} credits are postings of the store, to the base unit, and the page shows them`);
}

async function mines({ page, go, fact, text }, address) {
    mine(`${NAME}.rig1`, 60000);
    const { id } = await api(`accounts/${NAME}`);
    await go(`#/account/${NAME}`);
    await until('its worker', async () => (await text('table:has(caption:text-is("Workers")) tbody th')) === 'rig1');
    await until('a block of its work matures and is paid', async () => BigInt((await api(`accounts/${NAME}`)).paid) > 0n);
    await until('the page says what the ledger says', async () => {
        const books = ledger(id), shown = await Promise.all(KINDS.map(async kind => units(await fact(kind))));
        return books[3] > 0n && shown.every((amount, i) => amount === books[i]);
    });
    await creditsAreTheLedgers(page, NAME, id);
    /* Each payment against the chain itself. */
    const rows = await until('a payment on the page that confirmed', async () => {
        const list = await page.locator('table:has(caption:text("Payments")) tbody tr').evaluateAll(trs => trs.map(tr =>
            [...tr.children].map(cell => cell.querySelector('[title]')?.title ?? cell.textContent)));
        return list.some(row => /Confirmed|Settled/.test(row[1])) && list;
    });
    let held = 0;
    for (const [, state, amount, to, , txid] of rows) {
        if (!/Confirmed|Settled/.test(state)) continue;
        const transaction = await rpc('getrawtransaction', txid, true);
        const output = transaction.vout.find(one => JSON.stringify(one.scriptPubKey).includes(to));
        assert.equal(to, address);
        assert.equal(BigInt(Math.round(output.value * 1e8)), units(amount));
        held++;
    }
    ok(`its balances are the sums of its postings, and ${held} payments are outputs of that amount in the chain`);
}

/* Codes are good once: the one of the step before, of now, and of the next are three. */
async function guards(visit) {
    const { page, go, card } = visit, box = card('Second factor');
    await go('#/me/security');
    await box.locator('input[type=password]').fill(PASSWORD);
    await box.getByRole('button', { name: 'Begin' }).click();
    const secret = await box.locator('.enrol code').innerText();
    assert.ok(await box.locator('svg.qr path').getAttribute('d'));
    await box.getByLabel('Code of your second factor').fill('000000');
    await box.getByRole('button', { name: 'Turn it on' }).click();
    await until('a wrong code is refused', async () => (await box.locator('.wrong').last().innerText()).length > 0);
    await box.getByLabel('Code of your second factor').fill(totp(secret, -1));
    await box.getByRole('button', { name: 'Turn it on' }).click();
    const recovery = (await box.locator('.secret').innerText()).trim().split('\n');
    assert.equal(recovery.length, 10);
    await box.getByRole('button', { name: 'I have kept them' }).click();
    await until('it is on', async () => (await box.innerText()).includes('Log-ins, new addresses and withdrawals want a code'));
    ok('a second factor is turned on, with a picture for the app and ten recovery codes');

    await go('#/me');
    await page.getByRole('button', { name: 'Log out' }).click();
    await until('nobody is in', async () => new URL(page.url()).hash === '#/login');
    await go('#/me/payout');
    await until('its pages are shut', async () => new URL(page.url()).hash === '#/login');
    await logIn(visit, NAME, PASSWORD, totp(secret));
    ok('logged out, its pages lead to the log-in, which now wants a code');
    return { secret, recovery };
}

/* More than payout.approve_above: an operator looks at it first. */
async function withdraws({ page, go, card }, approve) {
    await go('#/me/payout');
    const limit = card('Threshold');
    await limit.getByLabel(/Pay me from/).fill('1000000');
    await limit.getByRole('button', { name: 'Set the threshold' }).click();
    await until('its own threshold', async () => (await limit.innerText()).startsWith('Threshold\n') && (await limit.innerText()).includes('Your own'));
    assert.equal(await page.evaluate(() => document.querySelectorAll('[aria-invalid]').length), 0);
    await until('a balance waits', async () => BigInt((await api(`accounts/${NAME}`)).available) > LIMIT);
    await page.reload();
    const payments = async () => (await api(`accounts/${NAME}/payments?limit=20`)).payments;
    const before = Math.max(0, ...(await payments()).map(p => p.number)), box = card('Withdraw now');
    await box.getByRole('button', { name: 'Ask for the payment' }).click();
    const { number, amount } = await until('a payment is planned', async () =>
        (await payments()).find(p => p.number > before && BigInt(p.amount) > LIMIT));
    await approve(number, BigInt(amount));
    await until('it arrives', async () => ['confirmed', 'settled'].includes((await payments()).find(p => p.number === number)?.state));
    await page.reload();
    await until('the page says so', async () => (await card('Latest payments').innerText()).includes(`${number}`));
    ok(`a withdrawal asked for on the page is payment ${number}; an operator approves it, and it arrives`);
}

async function redirects({ page, go, card }, secret) {
    const fresh = await rpc('getnewaddress');
    await go('#/me/payout');
    const box = card('Payout address');
    await box.getByText('Change it').click();
    await box.getByLabel('New address').fill(fresh);
    await box.getByLabel('Your password').fill(PASSWORD);
    await box.getByRole('button', { name: 'Change the address' }).click();
    await until('a code is wanted', async () => (await box.locator('input:invalid').count()) > 0 || (await box.locator('.mark.bad').count()) > 0);
    await box.getByLabel('Code of your second factor').fill(totp(secret, 1));
    await box.getByRole('button', { name: 'Change the address' }).click();
    await until('the new address', async () => (await box.innerText()).includes(fresh) && (await box.innerText()).includes('Nothing is paid before'));
    assert.equal((await api(`accounts/${NAME}`)).payout_address, fresh);
    await go('#/me/activity');
    await until('it is written down', async () => (await page.locator('main').innerText()).includes('Payout address changed'));
    ok('the address is changed with the second factor alone, payouts are locked, and the trail has it');
}

async function keepsKeys({ page, go, card }, recovery) {
    await go('#/me/keys');
    const links = card('Read-only links');
    await links.getByText('Make one').click();
    await links.getByLabel('For whom').fill('my sister');
    await links.getByRole('button', { name: 'Make the link' }).click();
    const link = await page.locator('.once .secret').innerText();
    const sister = await visitor();
    await sister.page.goto(link);
    await until('the link shows the account', async () => sister.page.url().endsWith(`#/account/${NAME}`));
    const keys = card('API keys');
    await keys.getByText('Make one').click();
    await keys.getByLabel('What it is for').fill('a script');
    await keys.getByLabel('Your password').fill(PASSWORD);
    await keys.getByLabel('Code of your second factor').fill(recovery[0]);
    await keys.getByRole('button', { name: 'Make the key' }).click();
    await until('a key', async () => (await page.locator('.once h3').innerText()) === 'Key a script');
    await links.getByRole('button', { name: 'Remove link my sister' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await until('the link is gone', async () => (await links.innerText()).includes('No links.'));
    await sister.page.goto('about:blank');
    await sister.page.goto(link);
    await until('it opens nothing', async () => (await sister.page.locator('main').innerText()).includes('opens nothing any more'));
    await sister.context.close();
    ok('a link shows the account to somebody else until it is removed; a key is made with a recovery code');
}

async function readsLetters(visit, recovery) {
    const { page, go } = visit;
    await go('#/forgot');
    await page.getByLabel('Account name').fill(NAME);
    await page.getByRole('button', { name: 'Send the letter' }).click();
    await page.goto(await until('the letter for a new password', () => linkOfLetter(`${NAME}@example.org`, 'reset')));
    await page.getByLabel('New password').fill(SECOND_PASSWORD);
    await page.getByRole('button', { name: 'Set the password' }).click();
    await until('the way to the log-in', async () => new URL(page.url()).hash === '#/login');
    await logIn(visit, NAME, SECOND_PASSWORD, recovery[1]);
    await go('#/me/security');
    const box = visit.card('Password');
    await box.getByLabel('Your password').fill(SECOND_PASSWORD);
    await box.getByLabel('Code of your second factor').fill(recovery[2]);
    await box.getByLabel('New password').fill(PASSWORD);
    await box.getByRole('button', { name: 'Change the password' }).click();
    await until('every session ended', async () => new URL(page.url()).hash === '#/login');
    await logIn(visit, NAME, PASSWORD, recovery[3]);
    ok('a letter sets a new password; a changed password ends the session');
}

async function endsSessions(visit, recovery) {
    const other = await visitor();
    await logIn(other, NAME, PASSWORD, recovery[4]);
    await visit.go('#/me/security');
    const box = visit.card('Sessions');
    await box.getByRole('button', { name: /^End the session/ }).first().click();
    await until('one session is left', async () => (await box.locator('tbody tr').count()) === 1);
    await other.page.reload();
    await until('the other browser is out', async () => new URL(other.page.url()).hash === '#/login');
    await other.context.close();
    ok('a session is seen and ended from another browser');
}

export async function haveAnAccount(approve) {
    const visit = await visitor();
    const address = await registers(visit);
    await keepsNothing(visit);
    await mines(visit, address);
    const { secret, recovery } = await guards(visit);
    await withdraws(visit, approve);
    await redirects(visit, secret);
    await keepsKeys(visit, recovery);
    await readsLetters(visit, recovery);
    await endsSessions(visit, recovery);
    return { visit, recovery, base };
}
