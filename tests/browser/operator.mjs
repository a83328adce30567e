/* An operator's way: what needs somebody, payments approved and paused, the books, bans. */
import assert from 'node:assert/strict';
import { adit, auth, data, linkOfLetter, ok, rpc, units, until, visitor } from './world.mjs';
import { logIn } from './account.mjs';

const NAME = 'olga', PASSWORD = 'a long enough sentence';

/* An account made by the API and its letter, logged in on the page. */
export async function member(name, password) {
    const answer = await fetch(`${auth}/api/v1/register`, { method: 'POST', headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, email: `${name}@example.org`, password, payout_address: await rpc('getnewaddress') }) });
    assert.equal(answer.status, 202);
    const visit = await visitor(), { page, text } = visit;
    await page.goto(await until('the letter that makes the account', () => linkOfLetter(`${name}@example.org`, 'confirm')));
    await until('the account', async () => (await text('main')).includes('You can log in now'));
    await logIn(visit, name, password);
    return visit;
}

export async function makeOperator() {
    const visit = await member(NAME, PASSWORD), { page, go, text } = visit;
    assert.ok(await page.locator('#operate').isHidden());
    await go('#/operate');
    await until('its pages are for operators alone', async () => (await text('h1')) === 'Not for this account');
    adit('operator', '--data', data, 'add', NAME);
    await page.reload(); /* a new token knows */
    await until('what needs somebody', async () => (await text('h1')) === 'What needs you' && (await page.locator('.facts').count()) > 0);
    assert.ok(await page.locator('#operate').isVisible());
    ok('operators\u2019 pages are shut until an account is made an operator\u2019s on the machine');
    return visit;
}

export const approves = ({ page, go, card, text }) => async (number, amount) => {
    await go('#/operate');
    await until('it is what needs somebody', async () => /payments? waits? for approvals/.test(await text('.needs')));
    await go('#/operate/payments');
    const row = card('Under way').locator('tr', { has: page.getByRole('rowheader', { name: `${number}`, exact: true }) });
    await until('the payment waits', async () => (await row.innerText()).includes('waits for approvals'));
    assert.equal(units(await row.locator('.money').first().innerText()), amount);
    await row.getByRole('button', { name: `Approve payment ${number}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click();
    await until('it goes on', async () => !(await row.innerText().catch(() => '')).includes('waits for approvals'));
};

export async function operates({ page, go, card, text }) {
    await go('#/operate/payments');
    await page.getByText('Pause them').click();
    await page.getByLabel('Why').fill('the wallet moves');
    await page.getByRole('button', { name: 'Pause payments' }).click();
    await until('a pause', async () => /Paused since .* by operator [0-9a-f]{16}: the wallet moves/.test(await text('main .state')));
    await go('#/operate');
    await until('it is said', async () => (await text('.needs')).includes('Payments are paused'));
    await go('#/operate/payments');
    await page.getByRole('button', { name: 'Resume payments' }).click();
    await until('no pause', async () => (await text('main .state')).includes('go on by themselves'));
    ok('payments are paused with a reason, which every operator sees, and go on');

    await go('#/operate/ledger');
    await page.getByRole('button', { name: 'Audit now' }).click();
    await until('the audit', async () => (await card('Audit').innerText()).includes('The books agree to the base unit.'));
    const all = await card('Balances by owner').locator('td .money').evaluateAll(cells => cells.map(cell => cell.textContent));
    const sum = all.reduce((s, t) => s + (/[\u2212-]/.test(t) ? -1n : 1n) * units(t), 0n);
    assert.equal(sum, 0n);
    ok('an audit on demand finds no difference, and the balances on the page add up to nothing');

    await go('#/operate/bans');
    await page.getByLabel('Whom').fill('203.0.113.9');
    await page.getByRole('button', { name: 'Ban', exact: true }).click();
    await until('the ban', async () => (await card('Who is banned').innerText()).includes('203.0.113.9'));
    await page.getByRole('button', { name: 'Lift the ban of 203.0.113.9' }).click();
    await until('no ban', async () => (await card('Who is banned').innerText()).includes('Nobody.'));
    ok('a ban is set, seen and lifted');

    await go('#/operate/nodes');
    await until('the node', async () => (await card('Nodes').innerText()).includes('followed'));
    await go('#/operate/validators');
    await until('the validator', async () => (await card('Validators').locator('tbody tr').count()) >= 1);
    await go('#/operate/activity');
    await until('everybody\u2019s events', async () => (await text('main')).includes('Logged in'));
    ok('nodes, validators and everybody\u2019s events are there');
}
