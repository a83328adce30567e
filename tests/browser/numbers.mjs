/* Every number beside the API's: shares that are refused, by reason; hashrates with their errors;
 * what operators see. How the pages write a number is format.js's; that is used here, too. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { api, base, KINDS, ledger, ok, stratum, units, until, visitor } from './world.mjs';

const source = readFileSync(fileURLToPath(new URL('../../services/inode-scheduler/site/format.js', import.meta.url)));
const { count, frequency, hashes, margin, money, percent, rate, reasons } = await import(`data:text/javascript;base64,${source.toString('base64')}`);
const rows = (page, caption) => page.locator(`table:has(caption:text-is("${caption}")) tbody tr`).evaluateAll(trs =>
    trs.map(tr => [...tr.children].map(cell => cell.textContent)));

/* A miner whose shares are wrong: below the difficulty, and for a job that nobody made. */
export async function spoil(user) {
    const [host, port] = stratum.split(':'), socket = connect(Number(port), host), sent = [];
    const say = message => { sent.push(message.id); socket.write(`${JSON.stringify(message)}\n`); };
    let text = '', job = null, size = 4, refused = 0;
    socket.on('error', () => {});
    socket.on('data', data => {
        text += data;
        for (let end; (end = text.indexOf('\n')) >= 0; text = text.slice(end + 1)) {
            const message = JSON.parse(text.slice(0, end));
            if (message.id === 1) size = message.result[2];
            if (message.method === 'mining.notify') job = message.params;
            if (message.id > 2 && message.error) refused++;
        }
    });
    say({ id: 1, method: 'mining.subscribe', params: ['wrong/1'] });
    say({ id: 2, method: 'mining.authorize', params: [user, 'x'] });
    await until('a job for who hands in wrong shares', () => job);
    for (let i = 0; i < 6; i++)
        say({ id: 3 + i, method: 'mining.submit', params: [user, i % 3 ? job[0] : 'ffffffff', `${i}`.padStart(2 * size, '0'), job[7], `${i}`.padStart(8, '0')] });
    await until('refusals', () => refused >= 4);
    socket.destroy();
}

async function refusedByReason(name) {
    await spoil(`${name}.wrong`);
    const { page, go } = await visitor();
    await go('');
    const said = await until('the bars are the API\u2019s, by reason', async () => {
        const { rejects } = await api('pool/statistics'), list = Object.entries(rejects).filter(([, n]) => n > 0).sort((a, z) => z[1] - a[1]);
        const bars = await page.locator('.bars li').evaluateAll(all => all.map(one => [...one.querySelectorAll('span')].map(span => span.textContent)));
        return list.length > 1 && bars.length === list.length && bars.every(([reason, words], i) =>
            reason === (reasons[list[i][0]] ?? list[i][0]) && words.startsWith(`${count(list[i][1])} (`)) && bars;
    });
    await page.context().close();
    ok(`rejected shares stand there by reason, as the API has them: ${said.map(([reason, words]) => `${reason} ${words}`).join('; ')}`);
}

/* Each rate stands beside its error, in words. */
async function ratesHaveTheirErrors(name) {
    const { page, go } = await visitor(), said = (rates, errors, key) => `${rate(rates[key])} ${margin(errors[key])}`;
    await go('');
    await until('the pool\u2019s', async () => {
        const t = await api('pool/statistics');
        return await page.locator('.big').innerText() === rate(t.total_hashrate) && (await page.locator('.big + .words').innerText()).endsWith(margin(t.hashrate_errors['10m']));
    });
    await go(`#/account/${name}`);
    await until('the account\u2019s, at its head and over each time', async () => {
        const a = await api(`accounts/${name}`), list = await rows(page, 'Hashrate by the time it is estimated over');
        return await page.locator('.big').innerText() === rate(a.hashrates['10m']) && (await page.locator('.big + .words').innerText()).endsWith(margin(a.hashrate_errors['10m']))
            && ['1m', '10m', '1h', '1d'].every((key, i) => list[i][1] === rate(a.hashrates[key]) && list[i][2] === margin(a.hashrate_errors[key]));
    });
    const seen = await until('each worker\u2019s', async () => {
        const { workers } = await api(`accounts/${name}/workers?limit=500`), list = await rows(page, 'Workers');
        return list.length > 0 && list.every(row => workers.some(w => w.name === row[0] && row[2] === said(w.hashrates, w.hashrate_errors, '10m')
            && row[3] === said(w.hashrates, w.hashrate_errors, '1h') && row[4] === count(w.shares_accepted))) && list;
    });
    const rig = seen.find(row => !row[2].includes('no shares'))[0];
    await go(`#/account/${name}/${rig}`);
    await until('its own page\u2019s', async () => {
        const { workers } = await api(`accounts/${name}/workers?limit=500`), w = workers.find(x => x.name === rig);
        return await page.locator('.big').innerText() === rate(w.hashrates['10m']) && (await page.locator('.big + .words').innerText()).endsWith(margin(w.hashrate_errors['10m']));
    });
    await go(`#/account/${name}`);
    await page.locator('figure.chart summary').first().click();
    await until('each point of the chart', async () => {
        const { points, step } = await api(`accounts/${name}/series?step=60`), list = await page.locator('figure.chart tbody tr').evaluateAll(trs => trs.map(tr => [...tr.children].map(td => td.textContent)));
        const whole = points.filter(p => p.seconds >= step / 2).reverse();
        return list.length > 0 && list.length === whole.length && list.slice(1).every(([, shown, error, shares], i) => shown === rate(whole[i + 1].hashrate)
            && error === margin(whole[i + 1].error) && shares === count(whole[i + 1].shares));
    });
    await page.context().close();
    ok('every hashrate (the pool\u2019s, an account\u2019s, a worker\u2019s, a chart\u2019s points) is the API\u2019s and has its error beside it');
}

/* The row of numbers below the charts, and the network's; what blocks are said to be. */
async function sumsAreTheApis() {
    const { page, go, fact } = await visitor();
    await go('');
    await until('the overview\u2019s numbers', async () => {
        const s = await api('pool/status'), t = await api('pool/statistics');
        return await fact('Miners connected') === count(s.connected_miners) && await fact('Shares a second') === frequency(t.shares_per_second)
            && await fact('Blocks found') === count(t.blocks_found) && await fact('Luck') === percent(t.luck.luck, 0)
            && units(await fact('Owed to miners')) === BigInt(s.solvency.owed);
    });
    await until('the network\u2019s', async () => {
        const { network: n } = await api('pool/statistics');
        return await fact('Height') === count(n.height) && await fact('A block takes') === `${hashes(n.network_work)} hashes`
            && units(await fact('The next one pays')) === BigInt(n.job_value);
    });
    await go('#/blocks');
    const many = await until('the list of blocks', async () => {
        const { blocks } = await api('blocks?limit=100'), list = await rows(page, 'Blocks, newest first'), t = await api('pool/statistics');
        return await fact('Found') === count(t.blocks_found) && await fact('Luck') === percent(t.luck.luck, 0) && list.length > 0 && list.every(([height, state, , reward, hash], i) =>
            height === count(blocks[i].height) && units(reward) === BigInt(blocks[i].reward) && blocks[i].hash.endsWith(hash.slice(1))
            && (state === 'Matured') === (blocks[i].state === 'matured')) && list.length;
    });
    await page.context().close();
    ok(`the sums of the overview, the network\u2019s numbers and ${many} blocks with their states are the API\u2019s`);
}

/* The own account: balances from the ledger itself, what is to be expected, payments, notices. */
export async function ownNumbersAreTheLedgers({ page, go, fact }, name) {
    const ask = path => page.evaluate(async at => (await import('/site/session.js')).asked(`/api/v1/${at}`), path);
    const { id } = await api(`accounts/${name}`);
    await go('#/me');
    await until('its balances', async () => {
        const books = ledger(id), shown = await Promise.all(KINDS.map(async kind => units(await fact(kind)))), o = await api(`accounts/${name}/outlook`);
        return shown.every((amount, i) => amount === books[i]) && units(await fact(/^Earned in/)) === BigInt(o.earned.amount) && units(await fact('Paid by itself from')) === BigInt(o.threshold);
    });
    await until('its payments', async () => {
        await page.goto('about:blank'); /* this page asks once */
        await go('#/me/payout');
        await page.locator('table:has(caption:text("Payments")) tbody tr').first().waitFor();
        const { payments } = await api(`accounts/${name}/payments?limit=10`), list = await rows(page, 'Payments, newest first');
        return list.length === payments.length && payments.every((p, i) => list[i][0] === `${p.number}` && list[i][1] === p.state && units(list[i][2]) === BigInt(p.amount));
    });
    await until('its notices', async () => {
        await page.goto('about:blank');
        await go('#/me/notices');
        await page.locator('table:has(caption:text("newest notices")) tbody tr').first().waitFor();
        const { notices } = await ask('me/notices/log'), list = await rows(page, 'The newest notices, kept for a week');
        return list.length === Math.min(10, notices.length) && list.every((row, i) => row[3] === notices[i].state && row[4] === `${notices[i].tries}`);
    });
    ok('the own account\u2019s balances are the sums of its postings; its outlook, payments and notices are the API\u2019s');
}

/* Pages of a list follow one another without gap or double, though new entries come meanwhile. */
async function olderOnesFollow(name) {
    const { page, go } = await visitor({ viewport: { width: 390, height: 844 } }); /* shorter pages */
    const lists = [['#/blocks', 'Blocks, newest first', 'blocks?limit=200', ({ blocks }) => blocks.map(b => count(b.height))],
        [`#/account/${name}`, 'Payments, newest first', `accounts/${name}/payments?limit=200`, ({ payments }) => payments.map(p => `${p.number}`)]];
    for (const [hash, caption, path, keys] of lists) {
        await go(hash);
        const more = page.locator(`div:has(> div table caption:text-is("${caption}")) > button.older`);
        await until(`more of "${caption}" than a page has`, () => more.isVisible());
        const before = (await rows(page, caption)).length;
        await more.click();
        await until(`older ones of "${caption}", as the API has them`, async () => {
            const list = (await rows(page, caption)).map(row => row[0]), all = keys(await api(path));
            return list.length > before && list.every((key, i) => key === all[i]);
        });
    }
    await page.context().close();
    ok('older blocks and payments follow the newest without gap or double');
}

export async function numbersAreTheApis(name) {
    await olderOnesFollow(name);
    await sumsAreTheApis();
    await refusedByReason(name);
    await ratesHaveTheirErrors(name);
}

/* Operators' pages against what their routes answer to the same session. */
export async function operatorsNumbersAreTheApis({ page, go, fact }) {
    const ask = path => page.evaluate(async at => (await import('/site/session.js')).asked(`/api/v1/${at}`), path);
    await go('#/operate');
    await until('the sums', async () => {
        const status = await api('pool/status'), { nodes } = await ask('operator/nodes'), { payments } = await ask('operator/payments'), { audit } = await ask('operator/ledger');
        const parts = await rows(page, 'Parts of the pool');
        return await fact('Miners') === count(status.connected_miners) && await fact('Nodes') === `${nodes.filter(n => n.usable).length} of ${nodes.length}`
            && await fact('Payments under way') === count(payments.length) && (audit.at === 0) === (await fact('Last audit') === 'none yet')
            && parts.length === 5 && parts.every(row => status.component_health[row[0]].status === row[1] && count(status.component_health[row[0]].error_count) === row[4]);
    });
    await go('#/operate/nodes');
    await until('the nodes', async () => {
        const { nodes } = await ask('operator/nodes'), list = await rows(page, 'Nodes');
        return list.length === nodes.length && nodes.every((n, i) => list[i][0] === n.name && list[i][2] === count(n.height));
    });
    await go('#/operate/validators');
    await until('the validators', async () => {
        const { validators } = await api('validators'), list = await rows(page, 'Validators');
        return list.length === validators.length && validators.every((v, i) => list[i][0] === v.name && list[i][1] === v.status && list[i][2] === count(v.score));
    });
    await go('#/operate/ledger');
    const kinds = ['immature', 'available', 'in flight', 'paid'];
    await until('the balances by owner', async () => {
        const { books, ticker, exponent } = await ask('operator/ledger'), list = await rows(page, 'Balances by owner and kind');
        const has = Object.values(books.balances).map(all => kinds.map(kind => all[kind] ?? all[kind.replace(' ', '_')] ?? '0')).filter(all => all.some(one => one !== '0'));
        assert.ok(ticker && money('0', exponent));
        return list.length === has.length && has.length > 2 && has.every((all, i) => all.every((one, k) => units(list[i][k + 1]) === BigInt(one.replace('-', '')) && /^[\u2212]/.test(list[i][k + 1]) === one.startsWith('-')));
    });
    await go('#/operate/luck');
    await until('the luck of each', async () => {
        const { lines, rule } = await ask('operator/luck'), list = await rows(page, 'Accounts and workers');
        return list.length > 0 && list.length === Math.min(50, lines.length) && list.every((row, i) => row[2] === count(lines[i].blocks) && row[3] === lines[i].expected_blocks.toFixed(2)
            && row[4] === `${lines[i].evidence_bits} of ${rule.alarm_bits} bits`);
    });
    await go('#/health');
    await until('the health of each instance', async () => {
        const { component_health: all } = await api('pool/status'), list = await Promise.all(Object.keys(all).map(part => rows(page, `Instances of ${part}`)));
        return Object.values(all).every((part, i) => part.instances.length === list[i].length && part.instances.every((one, k) =>
            list[i][k][0] === one.instance && list[i][k][1] === one.status && list[i][k][4] === count(one.restarts) && list[i][k][5] === count(one.error_count)));
    });
    assert.ok(page.url().startsWith(base));
    ok('operators\u2019 numbers (parts, nodes, validators, balances by owner, luck, instances) are their routes\u2019');
}
