/* The pages. Each has a title, its parts, and load(signal), which asks the API and draws. */
import { barChart, lineChart } from './chart.js';
import { ago, cap, clock, count, duration, hashes, margin, money, percent, rate, reasons, short, shortHash } from './format.js';
import { amount, ask, choice, el, facts, mark, Refusal, section, stateKind, table, when } from './view.js';
import { proofPanel } from './proof.js';

const PARTS = {
    'stratum-gateway': ['Gateway', 'talks to the miners'],
    'share-validator': ['Validator', 'checks every share'],
    'inode-scheduler': ['Scheduler', 'follows the chain'],
    auth: ['Auth', 'knows who a miner is'],
    payout: ['Payout', 'credits and pays'],
};
/* Times are drawn against the pool's clock, in steps that do not redraw a page every second. */
const step = now => Math.floor(now / 5) * 5;
const api = path => `/api/v1/${path}`;
const accountPath = (name, rest = '') => api(`accounts/${encodeURIComponent(name)}${rest}`);

function rateChart(title, path) {
    const chart = lineChart(title);
    let span = '60';
    const self = { async load(signal) {
        const asked = span, series = await ask(`${path}?step=${asked}`, signal);
        if (asked === span) chart.update(series);
    } };
    const switcher = choice('Time shown', { 60: '2 hours', 3600: '7 days' }, span, key => {
        span = key;
        self.load().catch(() => {}); /* the next look tries again, and says what is wrong */
    });
    return Object.assign(self, { element: el('div.plot', switcher, chart.element) });
}

const blockState = block => ({
    candidate: 'Found, offered to the nodes', accepted: `On the chain, ${count(block.confirmations)} deep`,
    matured: 'Matured', orphaned: 'Orphaned: another block took its place', rejected: 'Refused by every node',
})[block.state] ?? block.state;

function blockTable(list, coin, now, nothing) {
    return table('Blocks, newest first', ['Height', 'State', 'Found', '#Reward', 'Hash'],
        list.map(block => [count(block.height), mark(stateKind(block.state), blockState(block)),
            when(block.found_ms / 1000, now), amount(block.reward, coin),
            el('code', { title: block.hash }, shortHash(block.hash))]), nothing);
}

/* The pool in one sentence. */
function stateWords(status) {
    const troubled = Object.entries(status.component_health).filter(([, part]) => part.status !== 'healthy');
    if (status.status === 'running' && troubled.length === 0) return 'The pool is running, and all five parts are healthy.';
    const why = status.reason || troubled.map(([name, part]) => `${name} is ${part.status}` +
        `${part.last_error ? ` (${part.last_error})` : ''}`).join(', ');
    return `The pool is ${status.status === 'error' ? 'in trouble' : status.status}: ${why}.`;
}

function lookUp(value = '') {
    const input = el('input', { id: 'who', name: 'who', autocomplete: 'off', autocapitalize: 'off',
        spellcheck: 'false', placeholder: 'Address or account name', maxlength: 100, value });
    return el('form.lookup', { role: 'search', onsubmit: event => {
        event.preventDefault();
        const name = input.value.trim();
        if (name) location.hash = `#/account/${encodeURIComponent(name)}`; else input.focus();
    } }, el('label', { for: 'who' }, 'Your own mining'), el('div', input, el('button', 'Show')));
}

function luckWords(luck) {
    if (!luck) return ['–', 'not enough is known yet'];
    const spread = luck.expected_blocks > 0 ? 1 / Math.sqrt(luck.expected_blocks) : Infinity;
    return [percent(luck.luck, 0), `${count(luck.blocks)} found, the work was worth ${hashes(luck.expected_blocks)}; ` +
        (spread > 1 ? 'chance decides almost alone so far' : `chance alone makes ±\u00a0${percent(2 * spread, 0)}`)];
}

export function overview() {
    const state = el('p.state', { role: 'status' }), big = el('p.big', '–'), words = el('p.words', 'Asking the pool…');
    const chart = rateChart('Pool hashrate', api('pool/series'));
    const numbers = section('', ([s, t]) => facts([
        ['Miners connected', count(s.connected_miners), `${count(t.active_miners)} workers of ` +
            `${count(t.active_accounts)} accounts with a share in ten minutes`],
        ['Shares a second', t.shares_per_second.toFixed(2), `${count(s.valid_shares)} valid of ${count(s.total_shares)}`],
        ['Blocks found', count(t.blocks_found), t.blocks_orphaned ? `${count(t.blocks_orphaned)} more orphaned or refused` : 'none orphaned'],
        ['Luck', ...luckWords(t.luck)],
        s.solvency && ['Owed to miners', amount(s.solvency.owed, t), `the wallet could spend ${money(s.solvency.wallet, t.exponent, t.ticker)}`],
    ]), '.plain');
    const latest = section('Latest blocks', ([list, coin, now]) => [blockTable(list, coin, now,
        'None found yet. With the work that is done now, the next one is a matter of chance.'),
    el('p.more', el('a', { href: '#/blocks' }, 'All blocks'))]);
    const bars = barChart('Rejected shares by reason', count);
    const rejects = section('Rejected shares', ([all, list]) => {
        if (list.length === 0) return el('p.empty', 'None rejected since the gateways started.');
        bars.update(list.map(([key, value]) => ({ name: reasons[key] ?? key, value,
            words: `${count(value)} (${percent(all ? value / all : NaN, 2)})` })));
        return [bars.element];
    });
    const network = section('Network', ([n, t, now]) => facts([
        ['Height', count(n.height), `${n.profile}${n.chain === n.profile ? '' : `, chain ${n.chain}`}`],
        ['A block takes', `${hashes(n.network_work)} hashes`, t.total_hashrate > 0
            ? `this pool: one in ${duration(n.network_work / t.total_hashrate)} on average` : 'nobody is mining'],
        ['The next one pays', amount(n.job_value, t), `${n.template_transactions === 1 ? 'one transaction' : `${count(n.template_transactions)} transactions`}; ` +
            `spendable ${count(n.coinbase_maturity)} blocks later`],
        ['Last block of ours', t.last_block_time ? ago(t.last_block_time, now) : 'none yet'],
    ]));
    const parts = section('Health', list => [el('ul.parts', list.map(([name, status, instances]) =>
        el('li', mark(stateKind(status), `${PARTS[name]?.[0] ?? name}: ${status}`),
            el('span.muted', instances > 1 ? `${instances} of it` : PARTS[name]?.[1] ?? '')))),
    el('p.more', el('a', { href: '#/health' }, 'What that means'))]);
    return { title: 'Overview', parts: [el('h1.hidden', 'Overview'), state,
        el('section.hero', el('div.herohead', el('div', el('h2', 'Pool hashrate'), big, words), lookUp()), chart.element),
        numbers.element, el('div.two', el('div', latest.element, rejects.element), el('div.stack', parts.element, network.element))],
    async load(signal) {
        const [s, t, b] = await Promise.all([ask(api('pool/status'), signal),
            ask(api('pool/statistics'), signal), ask(api('blocks?limit=8'), signal), chart.load(signal)]);
        const now = step(t.last_updated), troubled = Object.values(s.component_health).some(p => p.status !== 'healthy');
        const sentence = stateWords(s);
        if (state.textContent !== sentence)
            state.replaceChildren(mark(s.status === 'running' && troubled ? 'warn' : stateKind(s.status), sentence));
        big.textContent = rate(t.total_hashrate);
        words.textContent = t.hashrate_errors['10m'] === null ? 'No share came in the last ten minutes.'
            : `over ten minutes, ${margin(t.hashrate_errors['10m'])}`;
        numbers.update([s, t]);
        latest.update([b.blocks, b, now]);
        network.update([t.network, t, now]);
        parts.update(Object.entries(s.component_health).map(([name, p]) => [name, p.status, p.instances.length]));
        rejects.update([s.total_shares, Object.entries(t.rejects).filter(([, n]) => n > 0).sort((a, z) => z[1] - a[1])]);
    } };
}

/* A list that grows by pages: the newest are asked for again, older ones on demand. */
function paged(path, name, before, draw, PAGE = 10) {
    const body = el('div'), more = el('button', { type: 'button', hidden: '' }, 'Show older ones');
    let older = [], drained = false, head = [];
    const all = () => [...head, ...older.filter(o => !head.some(h => before(h) === before(o)))];
    const redraw = answer => {
        body.replaceChildren(draw(all(), answer));
        more.hidden = drained || all().length < PAGE;
    };
    let last = null, seen = '';
    more.addEventListener('click', async () => {
        more.disabled = true;
        try {
            const answer = await ask(`${path}?limit=${PAGE}&before=${before(all().at(-1))}`);
            older = all().slice(0).concat(answer[name]);
            drained = answer[name].length === 0;
            redraw(last);
        } catch (error) { body.append(el('p.note', `The older ones could not be had: ${error.message}`)); }
        more.disabled = false;
    });
    return { element: el('div', body, more), async load(signal) {
        const answer = await ask(`${path}?limit=${PAGE}`, signal);
        const text = JSON.stringify(answer) + Math.floor(Date.now() / 30000);
        last = answer;
        if (text === seen) return answer;
        seen = text;
        if (older.length) older = all();
        head = answer[name];
        redraw(answer);
        return answer;
    } };
}

export function blocks() {
    const list = paged(api('blocks'), 'blocks', block => block.found_ms, (all, coin) =>
        blockTable(all, coin, Date.now() / 1000, 'This pool has not found a block yet.'), 25);
    const card = el('section.card', list.element);
    return { title: 'Blocks', parts: [el('h1', 'Blocks'),
        el('p.lead', 'Every block the pool found, and what became of it. A reward can be paid out when its block has matured.'), card],
    load: signal => list.load(signal) };
}

export function accounts() {
    return { title: 'Account', parts: [el('h1', 'Account'),
        el('p.lead', 'No log-in is needed to look: whoever knows the address or the name sees its work, credits and payments.'),
        el('section.card', lookUp())] };
}

const SPANS = { '1m': 'minute', '10m': '10 minutes', '1h': 'hour', '1d': 'day' };

export function account(name) {
    const title = el('h1', el('span.hidden', 'Account '), short(name, 12)), sub = el('p.lead', 'Asking the pool…');
    const copy = el('button.quiet', { type: 'button', onclick: async event => {
        try { await navigator.clipboard.writeText(name); event.target.textContent = 'Copied'; } catch {
            event.target.replaceWith(el('code.break', name)); }
    } }, 'Copy the whole name');
    const chart = rateChart('Hashrate of this account', accountPath(name, '/series'));
    const money4 = section('', a => facts([
        ['Immature', amount(a.immature, a), 'of blocks that could still be orphaned'],
        ['Available', amount(a.available, a), 'paid with the next payment'],
        ['On its way', amount(a.in_flight, a), 'in a payment that is not confirmed'],
        ['Paid', amount(a.paid, a), a.payout_address ? el('code', { title: a.payout_address }, short(a.payout_address)) : 'no payout address is set'],
    ]), '.plain');
    const estimates = section('Estimates', a => [table('Hashrate by the time it is estimated over', ['Over the last', '#Hashrate', '#Error'],
        Object.entries(SPANS).map(([key, words]) => [words, rate(a.hashrates[key]), margin(a.hashrate_errors[key])])),
    el('p.note', 'A hashrate is counted from shares, which arrive by chance: the fewer, the less it says. In 19 of 20 cases it is within the error.')]);
    const workers = section('Workers', ([list, now]) => table('Workers', ['Worker', '#10 minutes', '#Error', '#Hour', '#Shares', 'Last share'],
        list.map(w => [w.name || '(no name)', rate(w.hashrates['10m']), margin(w.hashrate_errors['10m']), rate(w.hashrates['1h']),
            count(w.shares_accepted), when(w.last_share, now)]), 'No worker has been seen.'));
    const rejects = section('Rejected shares', r => !r ? el('p.empty', 'This pool keeps no traces of rejected shares.')
        : r.traces === 0 ? el('p.empty', 'None lately.')
            : [el('p', `${count(r.traces)} lately. What the traces say:`), el('ul.findings', r.advice.map(a => el('li',
                mark('warn', `${count(a.count)}\u00a0×: ${a.what}`), el('p.note', a.todo),
                a.detail && el('p.note', a.detail))))]);
    const panel = el('div.panel', { 'aria-live': 'polite' });
    const check = async posting => {
        panel.replaceChildren(el('p.empty', 'Fetching the proof and the chain of statements…'));
        panel.replaceChildren(...await proofPanel(name, posting));
        panel.scrollIntoView({ block: 'nearest', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
    };
    /* What matures leaves one balance for another: one line says so; the CSV file has both postings. */
    const moved = c => !(c.event === 'matured' && c.kind === 'immature');
    const EVENTS = { found: 'Block found', matured: 'Block matured', orphaned: 'Block orphaned' };
    const credits = paged(accountPath(name, '/credits'), 'credits', c => c.sequence, (list, coin) =>
        table('Credits, newest first', ['What', 'When', '#Amount', 'Balance', 'Block', 'Proof'], list.filter(moved).map(c => [
            EVENTS[c.event] ?? c.event, when(c.time, Date.now() / 1000), amount(c.amount, coin), c.kind,
            el('code', { title: c.block }, shortHash(c.block)), c.event === 'found' ? el('button.quiet', { type: 'button',
                id: `proof${c.sequence}`, onclick: () => check(c) }, 'Check this payout',
            el('span.hidden', ` of block ${shortHash(c.block)}`)) : '']),
        'Nothing has been credited yet. Credits come with the pool\u2019s next block.'));
    const payments = paged(accountPath(name, '/payments'), 'payments', p => p.number, (list, coin) =>
        table('Payments, newest first', ['Number', 'State', '#Amount', 'To', 'Made', 'Transaction'], list.map(p => [
            `${p.number}`, mark(stateKind(p.state), `${cap(p.state)}${p.confirmations ? `, ${count(p.confirmations)} deep` : ''}`),
            amount(p.amount, coin), el('code', { title: p.address }, short(p.address)), when(p.created, Date.now() / 1000),
            p.txid ? el('code', { title: p.txid }, short(p.txid)) : '–']), 'Nothing has been paid yet.'));
    const whole = [el('section.hero', el('h2', 'Hashrate'), chart.element), money4.element,
        el('div.two', el('div', workers.element, rejects.element), estimates.element),
        el('section.card', el('h2', 'Credits'), panel, credits.element,
            el('p.more', el('a', { href: accountPath(name, '/earnings.csv'), download: '' }, 'All postings as a CSV file'))),
        el('section.card', el('h2', 'Payments'), payments.element)];
    const rest = el('div', whole);
    const page = { title: `Account ${short(name)}`, parts: [el('div.heading', title, copy), sub, rest],
        missing(text) {
            page.ended = false;
            sub.replaceChildren(mark('warn', `${cap(text)}.`));
            rest.replaceChildren(el('section.card', el('p', 'Check for a typing error. A name appears here with its first accepted share, a few seconds after it.'), lookUp(name)));
        },
        async load(signal) {
            const a = await ask(accountPath(name), signal);
            if (rest.firstChild !== whole[0]) rest.replaceChildren(...whole);
            const [w, r] = await Promise.all([ask(accountPath(name, '/workers?limit=200'), signal),
                ask(accountPath(name, '/rejects?limit=1'), signal).catch(error => { /* of a cache: it may be away */
                    if (error instanceof Refusal) return null;
                    throw error;
                }), chart.load(signal), credits.load(signal), payments.load(signal)]);
            rejects.update(r && { traces: r.traces, advice: r.advice });
            const now = step(Date.now() / 1000);
            const live = w.workers.filter(x => now - x.last_share < 600).length;
            sub.replaceChildren(mark(live ? 'good' : 'wait', a.last_share
                ? `${live} of ${w.workers.length} workers active, last share ${ago(a.last_share, now)}.` : 'No share since the pool looked last.'));
            money4.update(a);
            estimates.update(a);
            workers.update([[...w.workers].sort((x, y) => y.hashrates['10m'] - x.hashrates['10m']), now]);
        } };
    return page;
}

const ADVICE = {
    unhealthy: 'Silent for some seconds, or something that it needs is away. Parts come back by themselves; nothing accepted is lost.',
    error: 'Not heard of for a quarter of a minute. An operator looks at ./adit logs and restarts it; miners keep what was accepted.',
};

export function health() {
    const state = el('p.state', { role: 'status' });
    const parts = Object.keys(PARTS).map(key => [key, section(PARTS[key][0], ([part, now]) => [
        el('p.muted', `${key}: ${PARTS[key][1]}.`), el('p', mark(stateKind(part.status), cap(part.status))),
        ADVICE[part.status] && el('p', ADVICE[part.status]), part.last_error && el('p.note', part.last_error),
        part.instances.length > 0 && table(`Instances of ${key}`, ['Instance', 'State', 'Last beat', 'Running for', '#Restarts seen', '#Errors'],
            part.instances.map(i => [i.instance, mark(stateKind(i.status), i.status), when(i.last_check, now),
                i.started ? duration(now - i.started) : '–', count(i.restarts), count(i.error_count)]))])]);
    const wrong = section('What is wrong', list => list.length === 0 ? el('p', mark('good', 'Nothing.'))
        : el('ol.needs', list.map(r => el('li', mark(r.status === 'error' ? 'bad' : 'warn', `${r.what}: ${r.reason}`), el('p', `${r.since ? `Since ${clock(r.since)}. ` : ''}${cap(r.do)}.`)))));
    const again = section('Started again', list => table('What the supervisor starts again', ['Process', 'State', '#Attempts now', '#Restarts', 'Ended last', 'Why'],
        list.map(p => [`${p.name} ${p.instance}`, mark(p.attempts ? 'warn' : 'good', p.next_try_ms ? `tried again at ${clock(p.next_try_ms / 1000)}` : p.state),
            count(p.attempts), count(p.restarts), p.ended_ms ? clock(p.ended_ms / 1000) : 'never', p.why || 'nothing']), 'Nothing has ended since the pool was started, or something else than adit up supervises it.'));
    const validators = section('Validators and their scores', ([list]) => table('Validators', ['Validator', 'State', 'Score', 'Signs receipts with'],
        list.map(v => [v.name, mark(stateKind(v.status), v.status), `${v.score}`,
            v.receipt_key ? el('code', { title: v.receipt_key }, short(v.receipt_key, 6)) : 'nothing']),
        'No validator has been heard of.'));
    return { title: 'Health', parts: [el('h1', 'Health'), state,
        el('p.lead', 'Every part sends a heartbeat each second. One lost beat is no outage; after two and a half seconds of silence a part counts as unhealthy, after fifteen as failed.'),
        el('div.grid', wrong.element, parts.map(([, card]) => card.element), again.element, validators.element)],
    async load(signal) {
        const [s, v] = await Promise.all([ask(api('pool/status'), signal), ask(api('validators'), signal)]);
        const now = step(s.last_updated), troubled = Object.values(s.component_health).some(p => p.status !== 'healthy');
        const sentence = stateWords(s);
        if (state.textContent !== sentence)
            state.replaceChildren(mark(s.status === 'running' && troubled ? 'warn' : stateKind(s.status), sentence));
        /* a beat within the last seconds is drawn as one time, so that tables rest */
        const calm = part => ({ ...part, last_check: undefined, instances: part.instances.map(i =>
            ({ ...i, last_check: now - i.last_check < 8 ? now : i.last_check })) });
        wrong.update(s.health.reasons);
        again.update((s.recovery?.processes || []).filter(p => p.restarts));
        parts.forEach(([key, card]) => card.update([calm(s.component_health[key]), now]));
        validators.update([v.validators.map(x => ({ ...x, last_seen: 0 }))]);
    } };
}
