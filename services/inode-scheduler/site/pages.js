/* The pages. Each has a title, its parts, and load(signal), which asks the API and draws. */
import { barChart, lineChart } from './chart.js';
import { ago, cap, clock, count, duration, frequency, hashes, margin, moment, money, percent, rate, reasons, rough, short, shortHash } from './format.js';
import { amount, ask, choice, copyable, el, facts, folded, mark, needs, reasonsOf, redraw, Refusal, section, stateKind, table, when } from './view.js';
import { targetList, targets } from './connect.js';
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

/* Charts of one series, and the switch of the time they show. */
function seriesCharts(path, charts) {
    let span = '60';
    const self = { async load(signal) {
        const asked = span, series = await ask(`${path}?step=${asked}`, signal);
        if (asked === span) charts.forEach(chart => chart.update(series));
    } };
    return Object.assign(self, { switcher: choice('Time shown', { 60: '2 hours', 3600: '7 days' }, span, key => {
        span = key;
        self.load().catch(() => {}); /* the next look tries again, and says what is wrong */
    }) });
}

const blockState = (block, maturity) => ({
    candidate: 'Found, offered to the nodes', accepted: maturity ? `${count(block.confirmations)} of ${count(maturity)} deep` : `On the chain, ${count(block.confirmations)} deep`,
    matured: 'Matured', orphaned: 'Orphaned: another block took its place', rejected: 'Refused by every node',
})[block.state] ?? block.state;

function blockTable(list, coin, now, nothing, maturity) {
    return table('Blocks, newest first', ['Height', 'State', 'Found', '#Reward', 'Hash'],
        list.map(block => [count(block.height), mark(stateKind(block.state), blockState(block, maturity)),
            when(block.found_ms / 1000, now), amount(block.reward, coin),
            el('code', { title: block.hash }, shortHash(block.hash))]), nothing);
}

/* The pool in one sentence. */
function stateWords(status) {
    const troubled = Object.entries(status.component_health).filter(([, part]) => part.status !== 'healthy');
    if (status.status === 'running' && troubled.length === 0) return 'The pool is running, and all five parts are healthy.';
    const why = status.reason || troubled.map(([name, part]) => `${name} is ${part.status}` +
        `${part.last_error ? ` (${part.last_error})` : ''}`).join(', ');
    if (status.status === 'standby') return `This server stands by${why ? `: ${why}` : ''}.`;
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

/* What is older than it should be, in words; '' where nothing is. */
const late = t => {
    const behind = t.last_updated - t.share_statistics.last_updated;
    return t.share_statistics.last_updated && behind > 15 ? `Shares were last counted ${duration(behind)} ago: the numbers below are of then.` : '';
};

const numberFacts = ([s, t]) => facts([
    ['Miners connected', count(s.connected_miners), `${count(t.active_miners)} ${t.active_miners === 1 ? 'worker' : 'workers'} of ` +
        `${count(t.active_accounts)} ${t.active_accounts === 1 ? 'account' : 'accounts'} with a share in ten minutes`],
    ['Shares a second', frequency(t.shares_per_second), `${count(s.valid_shares)} valid of ${count(s.total_shares)}`],
    ['Blocks found', count(t.blocks_found), t.blocks_orphaned ? `${count(t.blocks_orphaned)} more orphaned or refused` : 'none orphaned'],
    ['Luck', ...luckWords(t.luck)],
    s.solvency && ['Owed to miners', amount(s.solvency.owed, t), `the wallet could spend ${money(s.solvency.wallet, t.exponent)} ${t.ticker}`],
]);

const networkFacts = ([n, t, now]) => facts([
    ['Height', count(n.height), `${n.profile}${n.chain === n.profile ? '' : `, chain ${n.chain}`}`],
    ['A block takes', `${hashes(n.network_work)} hashes`, t.total_hashrate > 0
        ? `this pool: one in ${duration(n.network_work / t.total_hashrate)} on average` : 'nobody is mining'],
    ['The next one pays', amount(n.job_value, t), `${n.template_transactions === 1 ? 'one transaction' : `${count(n.template_transactions)} transactions`}; ` +
        `spendable ${count(n.coinbase_maturity)} blocks later`],
    ['Last block of ours', t.last_block_time ? ago(t.last_block_time, now) : 'none yet'],
]);

/* Where nobody mines yet: what to tell a miner, ready to be copied. */
const welcome = () => section('Nobody mines here yet', a => [el('p', 'Point a miner at the pool and its first share is here within seconds. No account is needed, an address is enough.'),
    targetList(targets(a, 'YOUR-ADDRESS.rig1')), el('p.more', el('a', { href: '#/connect' }, 'Step by step'))], '.welcome');

export function overview() {
    const state = el('p.state', { role: 'status' }), old = el('p.late', { role: 'status' }), big = el('p.big', '–'), words = el('p.words', 'Asking the pool…');
    const chart = lineChart('Pool hashrate'), workers = lineChart('Workers', 'workers'), luck = lineChart('Luck', 'luck');
    const series = seriesCharts(api('pool/series'), [chart, workers, luck]);
    const numbers = section('', numberFacts, '.plain'), network = section('Network', networkFacts), hello = welcome();
    hello.element.hidden = true;
    const latest = section('Latest blocks', ([list, coin, now, maturity]) => [blockTable(list, coin, now,
        'None found yet. With the work that is done now, the next one is a matter of chance.', maturity),
    el('p.more', el('a', { href: '#/blocks' }, 'All blocks'))]);
    const bars = barChart('Rejected shares by reason', count);
    const rejects = section('Rejected shares', ([all, list]) => {
        if (list.length === 0) return el('p.empty', 'None rejected since the gateways started.');
        bars.update(list.map(([key, value]) => ({ name: reasons[key] ?? key, value,
            words: `${count(value)} (${percent(all ? value / all : NaN, 2)})` })));
        return [bars.element];
    });
    const parts = section('Health', list => [el('ul.parts', list.map(([name, status, instances]) =>
        el('li', mark(stateKind(status), `${PARTS[name]?.[0] ?? name}: ${status}`),
            el('span.muted', instances > 1 ? `${instances} of it` : PARTS[name]?.[1] ?? '')))),
    el('p.more', el('a', { href: '#/health' }, 'What that means'))]);
    const chartCard = (title, lead, one) => el('section.card', el('h2', title), el('p.under', lead), one.element);
    return { title: 'Overview', live: '', parts: [el('h1.hidden', 'Overview'), state, old, hello.element,
        el('section.hero', el('div.herohead', el('div', el('h2', 'Pool hashrate'), big, words), lookUp()), el('div.plot', series.switcher, chart.element)),
        numbers.element,
        el('div.even', chartCard('Workers', 'With a share in ten minutes; over days, in the hour.', workers),
            chartCard('Luck', 'Blocks found, and as many as the work was worth.', luck)),
        el('div.two', el('div', latest.element, rejects.element), el('div.stack', parts.element, network.element))],
    async load(signal) {
        const [s, t, b] = await Promise.all([ask(api('pool/status'), signal),
            ask(api('pool/statistics'), signal), ask(api(`blocks?limit=${narrow.matches ? 4 : 8}`), signal), series.load(signal)]);
        const now = step(t.last_updated), troubled = Object.values(s.component_health).some(p => p.status !== 'healthy');
        const sentence = stateWords(s), behind = late(t), nobody = s.connected_miners === 0 && t.active_miners === 0;
        if (state.textContent !== sentence)
            state.replaceChildren(mark(s.status === 'running' && troubled ? 'warn' : stateKind(s.status), sentence));
        if (old.textContent !== behind) old.replaceChildren(behind && mark('warn', behind));
        if (nobody) hello.update(await ask(api('pool/about'), signal));
        hello.element.hidden = !nobody;
        big.textContent = rate(t.total_hashrate);
        words.textContent = t.hashrate_errors['10m'] === null ? 'No share came in the last ten minutes.'
            : `over ten minutes, ${margin(t.hashrate_errors['10m'])}`;
        numbers.update([s, t]);
        latest.update([b.blocks, b, now, t.network.coinbase_maturity]);
        network.update([t.network, t, now]);
        parts.update(Object.entries(s.component_health).map(([name, p]) => [name, p.status, p.instances.length]));
        rejects.update([s.total_shares, Object.entries(t.rejects).filter(([, n]) => n > 0).sort((a, z) => z[1] - a[1])]);
    } };
}

/* A list that grows by pages: the newest are asked for again, older ones on demand. */
const narrow = matchMedia('(max-width: 40rem)');
function paged(path, name, key, draw, PAGE = narrow.matches ? 6 : 12) {
    const body = el('div'), more = el('button.quiet.older', { type: 'button', hidden: '' }, 'Show older ones');
    let older = [], next = null, head = []; /* next: behind all that is shown */
    const all = () => [...head, ...older.filter(o => !head.some(h => key(h) === key(o)))];
    const show = answer => {
        redraw(body, [draw(all(), answer)]);
        more.hidden = next === null;
    };
    let last = null, seen = '';
    more.addEventListener('click', async () => {
        more.disabled = true;
        try {
            const answer = await ask(`${path}?limit=${PAGE}&page=${next}`);
            older = all().concat(answer[name]);
            next = answer.next;
            show(last);
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
        else next = answer.next;
        head = answer[name];
        show(answer);
        return answer;
    } };
}

export function blocks() {
    let maturity = 0;
    const list = paged(api('blocks'), 'blocks', block => block.hash, (all, coin) =>
        blockTable(all, coin, Date.now() / 1000, 'This pool has not found a block yet. When it does, it stands here at once, and its reward is shared.', maturity), narrow.matches ? 10 : 25);
    const numbers = section('', t => facts([
        ['Found', count(t.blocks_found), t.blocks_orphaned ? `${count(t.blocks_orphaned)} more orphaned or refused` : 'none orphaned'],
        ['Luck', ...luckWords(t.luck)],
        ['One in', t.total_hashrate > 0 ? duration(t.network.network_work / t.total_hashrate) : '–', t.total_hashrate > 0 ? 'on average, with the work that is done now' : 'nobody is mining'],
    ]), '.plain');
    return { title: 'Blocks', live: '', parts: [el('h1', 'Blocks'),
        el('p.lead', 'Every block the pool found, and what became of it. A reward can be paid out when its block has matured.'), numbers.element,
        el('section.card', el('h2.hidden', 'All blocks'), list.element)],
    async load(signal) {
        const t = await ask(api('pool/statistics'), signal);
        maturity = t.network.coinbase_maturity;
        numbers.update(t);
        await list.load(signal);
    } };
}

export function accounts() {
    return { title: 'Account', parts: [el('h1', 'Account'),
        el('p.lead', 'No log-in is needed to look: whoever knows the address or the name sees its work, credits and payments.'),
        el('section.card', lookUp())] };
}

const SPANS = { '1m': 'minute', '10m': '10 minutes', '1h': 'hour', '1d': 'day' };
const estimatesOf = a => [table('Hashrate by the time it is estimated over', ['Over the last', '#Hashrate', '#Error'],
    Object.entries(SPANS).map(([key, words]) => [words, rate(a.hashrates[key]), margin(a.hashrate_errors[key])])),
el('p.note', 'A hashrate is counted from shares, which arrive by chance: the fewer, the less it says. In 19 of 20 cases it is within the error.')];

/* A rate and what it is worth, for a cell. */
const estimate = (value, error) => el('span.estimate', rate(value), ' ', el('span.muted', margin(error)));
/* The rate of now above its chart. */
function rateNow() {
    const big = el('p.big.lesser', '–'), words = el('p.words');
    return { parts: [big, words], update(of) {
        big.textContent = rate(of.hashrates['10m']);
        words.textContent = of.hashrate_errors['10m'] === null ? 'No share came in the last ten minutes.' : `over ten minutes, ${margin(of.hashrate_errors['10m'])}`;
    } };
}

const rejectsOf = r => !r ? el('p.empty', 'This pool keeps no traces of rejected shares.')
    : r.traces === 0 ? el('p.empty', mark('good', 'None lately.'))
        : [el('p', `${count(r.traces)} lately. What the traces say:`), el('ul.findings', r.advice.map(a => el('li',
            mark('warn', `${count(a.count)}\u00a0×: ${a.what}`), el('p.note', a.todo),
            a.detail && el('p.note', a.detail))))];
const askRejects = (path, signal) => ask(path, signal).then(r => ({ traces: r.traces, advice: r.advice }), error => { /* of a cache: it may be away */
    if (error instanceof Refusal) return null;
    throw error;
});

/* Whether a worker works, from its last share; it may be slow. */
const SILENT_S = 600;
const workerState = (w, now) => !w.last_share ? mark('wait', 'no share yet') : now - w.last_share < SILENT_S ? mark('good', 'working')
    : mark('warn', `silent for ${duration(now - w.last_share)}`);

/* What a miner wants to know first: what came in, what is to be expected, when it is paid. */
export function outlookFacts([a, o]) {
    const open = BigInt(o.threshold) - BigInt(a.available), coming = BigInt(a.immature), days = Number(open - coming) / Number(o.expected_day ?? 0);
    const paid = !a.payout_address ? ['nowhere', 'no payout address is set']
        : o.locked_until ? [moment(o.locked_until), 'nothing is paid before: the address was changed']
            : open <= 0n ? ['next', 'enough is available: it goes out with the next payment']
                : coming >= open ? ['soon', `as soon as enough of what is immature has matured`]
                    : Number.isFinite(days) ? [`in ${duration(days * 86400)}`, 'at the work of the last hour; chance may make it sooner or later'] : ['–', 'with the first blocks'];
    return facts([
        [o.earned.whole_day ? 'Earned in 24 hours' : `Earned in ${duration(step(Date.now() / 1000) - o.earned.since)}`, amount(o.earned.amount, o), 'credited, after the fee'],
        ['To be expected a day', o.expected_day === null ? '–' : `≈\u00a0${rough(o.expected_day, o.exponent, o.ticker)}`, o.expected_day === null || o.expected_error === null ? 'no share in the last hour'
            : `at the work of the last hour, ${margin(o.expected_error)}; ${percent(o.fee_basis_points / 10000, 2)} fee is off`],
        ['Next payment', ...paid], ['Paid by itself from', amount(o.threshold, o), 'available on'],
    ]);
}

export const moneyFacts = a => facts([
    ['Immature', amount(a.immature, a), 'of blocks that could still be orphaned'],
    ['Available', amount(a.available, a), 'paid with the next payment'],
    ['On its way', amount(a.in_flight, a), 'in a payment that is not confirmed'],
    ['Paid', amount(a.paid, a), a.payout_address ? el('code', { title: a.payout_address }, short(a.payout_address)) : 'no payout address is set'],
]);

/* Nobody of this name: what to look at, and how to begin. */
const unknownAccount = name => [el('section.card', el('p', 'Check for a typing error. A name appears here with its first accepted share, a few seconds after it.'), lookUp(name)),
    el('p', el('a', { href: `#/connect/${encodeURIComponent(name)}` }, 'Connect a miner to this address, and wait for its first share'))];

export function account(name) {
    const title = el('h1', el('span.hidden', 'Account '), short(name, 12)), sub = el('p.state', { role: 'status' }, 'Asking the pool…');
    const speed = rateNow(), chart = lineChart('Hashrate of this account'), series = seriesCharts(accountPath(name, '/series'), [chart]);
    const outlook = section('', outlookFacts, '.plain'), money4 = section('Balances', moneyFacts), estimates = section('Estimates', estimatesOf);
    const fewWorkers = folded(WORKERS_FEW);
    const workers = section('Workers', ([list, now]) => [fewWorkers(list, some => table('Workers', ['Worker', 'State', '#10 minutes', '#Hour', '#Shares', 'Last share'],
        some.map(w => [w.name ? el('a', { href: `#/account/${encodeURIComponent(name)}/${encodeURIComponent(w.name)}` }, w.name) : '(no name)', workerState(w, now), estimate(w.hashrates['10m'], w.hashrate_errors['10m']), estimate(w.hashrates['1h'], w.hashrate_errors['1h']),
            count(w.shares_accepted), when(w.last_share, now)]), 'No worker has been seen.'), () => workers.again()),
    list.length === WORKERS_SHOWN && el('p.note', `The pool tells of ${WORKERS_SHOWN} at most.`)]);
    const rejects = section('Rejected shares', rejectsOf);
    const panel = el('div.panel', { 'aria-live': 'polite' });
    const check = async (posting, coin) => {
        panel.replaceChildren(el('p.empty', 'Fetching the proof and the chain of statements…'));
        panel.replaceChildren(...await proofPanel(name, posting, coin));
        panel.scrollIntoView({ block: 'nearest', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
    };
    /* What matures leaves one balance for another: one line says so; the CSV file has both postings. */
    const moved = c => !(c.event === 'matured' && c.kind === 'immature');
    const EVENTS = { found: 'Block found', matured: 'Block matured', orphaned: 'Block orphaned', received: 'Payment received', retracted: 'Payment taken back' };
    const credits = paged(accountPath(name, '/credits'), 'credits', c => `${c.sequence} ${c.kind}`, (list, coin) =>
        table('Credits, newest first', ['What', 'When', '#Amount', 'Balance', 'Block', 'Proof'], list.filter(moved).map(c => [
            EVENTS[c.event] ?? c.event, when(c.time, Date.now() / 1000), amount(c.amount, coin), c.kind,
            el('code', { title: c.block ?? c.transaction }, shortHash(c.block ?? c.transaction ?? '')), c.event === 'found' ? el('button.quiet', { type: 'button',
                id: `proof${c.sequence}`, onclick: () => check(c, coin) }, 'Check this payout',
            el('span.hidden', ` of block ${shortHash(c.block)}`)) : '']),
        'Nothing has been credited yet. Credits come with the pool\u2019s next block.'), narrow.matches ? 16 : 32); /* two postings of three are of payments, or the other leg */
    const payments = paged(accountPath(name, '/payments'), 'payments', p => p.number, (list, coin) =>
        table('Payments, newest first', ['Number', 'State', '#Amount', 'To', 'Made', 'Transaction'], list.map(p => [
            `${p.number}`, mark(stateKind(p.state), `${cap(p.state)}${p.confirmations ? `, ${count(p.confirmations)} deep` : ''}`),
            amount(p.amount, coin), el('code', { title: p.address }, short(p.address)), when(p.created, Date.now() / 1000),
            p.txid ? el('code', { title: p.txid }, short(p.txid)) : '–']), 'Nothing has been paid yet.'));
    const whole = [outlook.element, el('section.hero', el('h2', 'Hashrate'), speed.parts, el('div.plot', series.switcher, chart.element)), money4.element,
        workers.element, el('div.even', rejects.element, estimates.element),
        el('section.card', el('h2', 'Credits'), el('p.under', 'Your part of every block. \u201cCheck this payout\u201d makes your own browser do the sums, so that you need not believe the pool.'), panel, credits.element,
            el('p.more', el('a', { href: accountPath(name, '/earnings.csv'), download: '' }, 'The newest 500 postings as a CSV file'))),
        el('section.card', el('h2', 'Payments'), payments.element)];
    const rest = el('div', whole);
    const page = { title: `Account ${short(name)}`, live: `account=${encodeURIComponent(name)}`, parts: [el('div.heading', title, copyable(name, 'the whole name', '')), sub, rest],
        missing(text) {
            page.ended = false;
            sub.replaceChildren(mark('warn', `${cap(text)}.`));
            rest.replaceChildren(...unknownAccount(name));
        },
        async load(signal) {
            const a = await ask(accountPath(name), signal);
            if (rest.firstChild !== whole[0]) rest.replaceChildren(...whole);
            const [w, r, o] = await Promise.all([ask(accountPath(name, `/workers?limit=${WORKERS_SHOWN}`), signal), askRejects(accountPath(name, '/rejects?limit=1'), signal),
                ask(accountPath(name, '/outlook'), signal), series.load(signal), credits.load(signal), payments.load(signal)]);
            rejects.update(r);
            const now = step(Date.now() / 1000), live = w.workers.filter(x => now - x.last_share < SILENT_S).length;
            const sentence = a.last_share ? `${live} of ${count(w.workers.length)} ${w.workers.length === 1 ? 'worker' : 'workers'} working, last share ${ago(a.last_share, now)}.` : 'No share since the pool looked last.';
            if (sub.textContent !== sentence) sub.replaceChildren(mark(live ? live < w.workers.length ? 'warn' : 'good' : 'wait', sentence));
            outlook.update([a, o]);
            speed.update(a);
            money4.update(a);
            estimates.update(a);
            workers.update([[...w.workers].sort(byTrouble(now)), now]);
        } };
    return page;
}
const WORKERS_SHOWN = 500, WORKERS_FEW = 20;
/* Those that fell silent first, then the strongest. */
const byTrouble = now => (x, y) => (fell(y, now) - fell(x, now)) || y.hashrates['10m'] - x.hashrates['10m'] || y.last_share - x.last_share;
const fell = (w, now) => w.last_share > 0 && now - w.last_share >= SILENT_S && now - w.last_share < 86400;

/* #/account/NAME/WORKER */
export function worker(name, of) {
    const base = accountPath(name, `/workers/${encodeURIComponent(of)}`), back = `#/account/${encodeURIComponent(name)}`;
    const sub = el('p.state', { role: 'status' }, 'Asking the pool…'), speed = rateNow(), chart = lineChart('Hashrate of this worker'), series = seriesCharts(`${base}/series`, [chart]);
    const estimates = section('Estimates', estimatesOf), rejects = section('Rejected shares', rejectsOf);
    const rest = el('div', el('section.hero', el('h2', 'Hashrate'), speed.parts, el('div.plot', series.switcher, chart.element)), el('div.even', rejects.element, estimates.element));
    const page = { title: `Worker ${of}`, parts: [el('p.crumb', el('a', { href: back }, `Account ${short(name)}`)), el('h1', el('span.hidden', 'Worker '), of || '(no name)'), sub, rest],
        missing(text) {
            page.ended = false;
            sub.replaceChildren(mark('warn', `${cap(text)}.`));
            rest.hidden = true;
        },
        async load(signal) {
            const { workers } = await ask(accountPath(name, '/workers?limit=500'), signal), w = workers.find(x => x.name === of), now = step(Date.now() / 1000);
            if (!w) throw new Refusal(404, 'the account has no worker of this name');
            rest.hidden = false;
            const [r] = await Promise.all([askRejects(`${base}/rejects?limit=1`, signal), series.load(signal)]);
            const said = workerState(w, now), more = w.last_share ? `, last share ${ago(w.last_share, now)}, ${count(w.shares_accepted)} accepted.` : '.';
            said.lastElementChild.textContent = cap(said.textContent) + more;
            if (sub.textContent !== said.textContent) sub.replaceChildren(said);
            rejects.update(r);
            speed.update(w);
            estimates.update(w);
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
    const wrong = section('What is wrong', list => needs(list, 'Nothing.'), '.whole');
    const again = section('Started again', list => table('What the supervisor starts again', ['Process', 'State', '#Attempts now', '#Restarts', 'Ended last', 'Why'],
        list.map(p => [`${p.name} ${p.instance}`, mark(p.attempts ? 'warn' : 'good', p.next_try_ms ? `tried again at ${clock(p.next_try_ms / 1000)}` : p.state),
            count(p.attempts), count(p.restarts), p.ended_ms ? clock(p.ended_ms / 1000) : 'never', p.why || 'nothing']), 'Nothing has ended since the pool was started, or something else than adit up supervises it.'), '.whole');
    const validators = section('Validators and their scores', ([list]) => table('Validators', ['Validator', 'State', 'Score', 'Signs receipts with'],
        list.map(v => [v.name, mark(stateKind(v.status), v.status), `${v.score}`,
            v.receipt_key ? el('code', { title: v.receipt_key }, short(v.receipt_key, 6)) : 'nothing']),
        'No validator has been heard of.'));
    return { title: 'Health', parts: [el('h1', 'Health'), state,
        el('p.lead', 'Every part sends a heartbeat each second. One lost beat is no outage; after two and a half seconds of silence a part counts as unhealthy, after fifteen as failed.'),
        el('div.grid', wrong.element, parts.map(([, card]) => card.element), validators.element, again.element)],
    async load(signal) {
        const [s, v] = await Promise.all([ask(api('pool/status'), signal), ask(api('validators'), signal)]);
        const now = step(s.last_updated), troubled = Object.values(s.component_health).some(p => p.status !== 'healthy');
        const sentence = stateWords(s);
        if (state.textContent !== sentence)
            state.replaceChildren(mark(s.status === 'running' && troubled ? 'warn' : stateKind(s.status), sentence));
        /* a beat within the last seconds is drawn as one time, so that tables rest */
        const calm = part => ({ ...part, last_check: undefined, instances: part.instances.map(i =>
            ({ ...i, last_check: now - i.last_check < 8 ? now : i.last_check })) });
        wrong.update(reasonsOf(s));
        again.update((s.recovery?.processes || []).filter(p => p.restarts));
        parts.forEach(([key, card]) => card.update([calm(s.component_health[key]), now]));
        validators.update([v.validators.map(x => ({ ...x, last_seen: 0 }))]);
    } };
}
