/* What operators see and order. The pool decides who is one; what is about money payout decides, by
 * the operator's own token. */
import { action, form, sure } from './forms.js';
import { clock, count, duration, money, moment, percent, short, shortHash } from './format.js';
import { amount, ask, choiceLinks, el, facts, folded, mark, needs, reasonsOf, section, stateKind, table, when } from './view.js';
import { asked, sawOperator, tell } from './session.js';
import { eventList } from './settings.js';

const TABS = { '': 'What needs you', nodes: 'Nodes', validators: 'Validators', payments: 'Payments', ledger: 'Ledger', luck: 'Luck', bans: 'Bans', activity: 'Activity' };
const now = () => Date.now() / 1000, api = path => `/api/v1/operator/${path}`;

function page(tab, lead, parts, load, every = true) {
    const self = { title: TABS[tab], parts: [el('div.split', choiceLinks('Operating the pool', '#/operate', TABS, tab),
        el('div', el('h1', TABS[tab]), lead && el('p.lead', lead), parts))],
    async load(signal) {
        try { await load(signal); } catch (error) {
            if (error.status === 403) sawOperator(false);
            throw error;
        }
        sawOperator(true);
        self.ended = !every;
    } };
    return self;
}

/* Everything that wants somebody, worst first; what is wrong with parts and nodes, since when, and
 * what to do about it says the API. */
function findings(status, payments, ledger) {
    const list = reasonsOf(status, '#/health'), add = (kind, what, todo, where, read, since = 0) => list.push({ kind, what, todo, where, read, since });
    if (ledger.audit.differences > 0) add('bad', `The last audit found ${count(ledger.audit.differences)} differences`,
        'Pause payments, then run ./adit audit: it names each difference.', '#/operate/ledger', 'The ledger', ledger.audit.at);
    if (ledger.insolvent !== '0') add('bad', `The wallet has ${money(ledger.insolvent, ledger.exponent, ledger.ticker)} less than miners may be paid`,
        'Fund the wallet, or find out where the coins went before anything else is paid.', '#/operate/ledger', 'Payments');
    if (ledger.trouble) add('warn', `Payout says: ${ledger.trouble}`, 'Nothing is credited or paid meanwhile, and nothing is lost. Look at ./adit logs payout, the store and the wallet.', '#/operate/ledger', 'What each loss does');
    const waiting = payments.payments.filter(p => p.waits_for_approval);
    if (waiting.length) add('warn', waiting.length === 1 ? 'One payment waits for approvals' : `${count(waiting.length)} payments wait for approvals`,
        'Look whether it is right that so much leaves at once.', '#/operate/payments', 'Payments', Math.min(...waiting.map(p => p.created)));
    if (payments.pause.on) add('warn', `Payments are paused by ${payments.pause.by}${payments.pause.reason ? `: ${payments.pause.reason}` : ''}`,
        'Nothing new is signed until they are resumed.', '#/operate/payments', 'Payments', payments.pause.changed);
    const order = ['bad', 'warn', 'wait'];
    return list.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

export function overview() {
    const wants = section('', ({ list }) => needs(list, 'Nothing. Every part is healthy, the books agree, nobody waits.'));
    const sums = section('', ({ s, p, n, l }) => facts([
        ['Miners', count(s.connected_miners), s.status],
        ['Nodes', `${n.nodes.filter(x => x.usable).length} of ${n.nodes.length}`, 'usable'],
        ['Payments under way', `${count(p.payments.length)}${p.complete ? '' : ' or more'}`, `${p.pause.on ? 'paused' : 'not paused'}; ${count(p.withdrawals.length)}${p.complete ? '' : ' or more'} withdrawals wait`],
        ['Last audit', l.audit.at ? clock(l.audit.at) : 'none yet', l.audit.at ? `${count(l.audit.differences)} differences` : `it runs every ${duration(l.audit.interval_h * 3600)}`],
    ]), '.plain');
    const parts = section('Parts', ({ list, at }) => table('Parts of the pool', ['Part', 'State', 'Instances', '#Started again', '#Errors', 'Last error'], list.map(([part, p]) => [
        part, mark(stateKind(p.status), p.status), p.instances.length === 0 ? 'none heard of' : p.instances.map(i => `${i.instance}, up ${i.started ? duration(at - i.started) : '–'}`).join('; '),
        count(p.instances.reduce((sum, i) => sum + i.restarts, 0)), count(p.error_count), p.last_error || el('span.muted', 'none')]), ''));
    return page('', null, [wants.element, sums.element, parts.element], async signal => {
        const [s, n, p, l] = await Promise.all([ask('/api/v1/pool/status', signal), asked(api('nodes'), signal),
            asked(api('payments'), signal), asked(api('ledger'), signal)]);
        wants.update({ list: findings(s, p, l) });
        parts.update({ at: Math.floor(s.last_updated / 60) * 60, list: Object.entries(s.component_health).map(([part, c]) => [part, { ...c, last_check: 0, instances: c.instances.map(i => ({ ...i, last_check: 0 })) }]) });
        sums.update({ s: { connected_miners: s.connected_miners, status: s.status }, n: { nodes: n.nodes.map(x => ({ usable: x.usable })) },
            p: { payments: p.payments.map(x => x.number), complete: p.complete, pause: p.pause, withdrawals: p.withdrawals.map(w => w.request) }, l: { audit: l.audit } });
    });
}

export function nodes() {
    const list = section('Nodes', ({ nodes: all }) => table('Nodes', ['Node', 'State', '#Height', 'Tip', 'What is wrong'], all.map(n => [
        n.name, mark(n.usable ? 'good' : n.reached ? 'warn' : 'bad', n.usable ? 'followed' : n.reached ? 'left aside' : 'not reached'), count(n.height),
        el('code', { title: n.tip }, shortHash(n.tip)), n.trouble || el('span.muted', 'nothing')]), 'This scheduler stands by and has opened none.'));
    const fewest = folded(12), answers = section('What they said to our blocks', ({ submissions }) => fewest(submissions, some => table('Answers, newest first', ['When', 'Block', 'Node', 'Answer', '#Attempts', '#Took'],
        some.map(x => [moment(x.time_ms / 1000), el('code', { title: x.block }, shortHash(x.block)), x.node,
            mark(x.answer === 'accepted' || x.answer.startsWith('duplicate') ? 'good' : x.answer === '' ? 'wait' : 'warn', x.answer || 'none yet'), count(x.attempts), `${count(x.took_us)}\u00a0µs`]), 'No block was handed in lately.'), () => answers.again()));
    return page('nodes', 'Which nodes are followed, and what each answered when a block of ours was handed in.', [list.element, answers.element], async signal => {
        const n = await asked(api('nodes'), signal);
        list.update({ nodes: n.nodes });
        answers.update({ submissions: [...n.submissions].sort((a, b) => b.time_ms - a.time_ms).slice(0, 50) });
    });
}

const SOURCES = { own: 'ours', list: 'a list', gone: 'gone from its list' };
export function validators() {
    const scored = (title, one, stakes) => section(title, ({ list }) => table(title, [one, 'State', '#Score', ...(stakes ? ['#Stake'] : []), 'Known from', 'Paid at'], list.map(v => [
        v.name, mark(stateKind(v.status), v.status), count(v.score), ...(stakes ? [v.stake === undefined ? '–' : percent(v.stake / 10000, 2)] : []),
        v.source ? mark(v.source === 'gone' || v.stale ? 'warn' : 'good', `${SOURCES[v.source] ?? v.source}${v.stale ? ', which could not be read again' : ''}`) : '–',
        v.wallet ? el('code', { title: v.wallet }, short(v.wallet)) : el('span.muted', 'nowhere')]), 'None has been heard of.'));
    const list = scored('Validators', 'Validator', true), pools = scored('Pools', 'Pool', false);
    return page('validators', 'Who takes part, what reports of validation tasks made of their scores, and where emissions pay them.', [list.element, pools.element], async signal => {
        const [v, p] = await Promise.all([ask('/api/v1/validators', signal), ask('/api/v1/pools', signal)]);
        list.update({ list: v.validators.map(x => ({ ...x, last_seen: 0 })) });
        pools.update({ list: p.pools });
    });
}

const WORDS = { planned: 'planned', intent: 'its money is set aside', signed: 'signed', broadcast: 'sent', uncertain: 'refused by a node: the chain decides', confirmed: 'confirmed', voiding: 'being given up' };
export function payments() {
    let again = () => {};
    const order = (number, verb, extra = {}) => async () => {
        const { detail } = await tell(api(`payments/${number}`), { verb, ...extra });
        again();
        return detail;
    };
    const pause = section('', ({ pause: p }) => [el('p.state', p.on ? mark('warn', `Paused since ${moment(p.changed)} by ${p.by}${p.reason ? `: ${p.reason}` : ''}`) : mark('good', 'Payments go on by themselves.')),
        p.on ? action('Resume payments', async () => { const { detail } = await tell(api('payments'), { verb: 'resume' }); again(); return detail; }, { quiet: false })
            : el('details', el('summary', 'Pause them'), form({ submit: 'Pause payments', danger: true, fields: [{ name: 'reason', label: 'Why', maxlength: 190, optional: true, hint: 'It is kept, and seen by every operator.' }],
                send: ({ reason }) => tell(api('payments'), { verb: 'pause', reason }), done() { again(); return ''; } }).element)]);
    const open = section('Under way', ({ list, needed, coin }) => table('Payments that are not settled', ['Number', 'State', '#Amount', 'Approvals', 'Made', ''], list.map(p => [
        `${p.number}`, [mark(p.waits_for_approval ? 'warn' : stateKind(p.state), p.waits_for_approval ? 'waits for approvals' : `${WORDS[p.state] ?? p.state}${p.confirmations ? `, ${count(p.confirmations)} deep` : ''}`),
            p.reason && el('p.note', p.reason), p.txid && el('p', el('code', { title: p.txid }, short(p.txid)))],
        amount(p.amount, coin), p.approvals || p.waits_for_approval ? `${p.approvals} of ${needed}${p.approved_by_you ? ', yours too' : ''}` : 'needs none', when(p.created, now()),
        el('div.buttons', p.waits_for_approval && !p.approved_by_you && sure('Approve', `Payment ${p.number} of ${money(p.amount, coin.exponent, coin.ticker)} is signed and sent once ${needed} operators have approved it.`, order(p.number, 'approve'), { label: `Approve payment ${p.number}` }),
            ['planned', 'intent'].includes(p.state) && sure('Reject', `Payment ${p.number} is given up; its money goes back to the balances.`, order(p.number, 'reject', { reason: 'refused on the dashboard' }), { danger: true, label: `Reject payment ${p.number}` }),
            ['broadcast', 'uncertain'].includes(p.state) && sure('Raise the fee', `Payment ${p.number} gets another version with a higher fee; only one of them can ever confirm.`, order(p.number, 'bump'), { label: `Raise the fee of payment ${p.number}` }))]),
    'None.'));
    const asks = section('Withdrawals that wait', ({ list, complete, coin }) => [!complete && el('p.note', 'There are more payments or withdrawals than the 200 of each that are listed.'), table('Withdrawals', ['Account', 'Request', '#Amount', 'Asked', 'Why it waits'], list.map(w => [
        el('code', w.account), el('span.break', w.request), w.amount === '0' ? 'everything' : amount(w.amount, coin), when(w.created, now()), w.reason || 'not looked at yet']), 'None.')]);
    const self = page('payments', null, [pause.element, open.element, asks.element, el('p', action('Look at payments now', async () => { const { detail } = await tell(api('payments'), { verb: 'push' }); again(); return detail; }))], async signal => {
        const p = await asked(api('payments'), signal), coin = { exponent: p.exponent, ticker: p.ticker };
        pause.update({ pause: p.pause });
        open.update({ list: p.payments.map(x => ({ ...x, updated: 0 })).sort((a, b) => b.waits_for_approval - a.waits_for_approval || b.number - a.number), needed: p.approvals_needed, coin });
        asks.update({ list: p.withdrawals, complete: p.complete, coin });
    });
    again = () => self.look();
    return self;
}

const OWNERS = { miner: 'Miners', fee: 'The pool\u2019s fee', network: 'The network', unallocated: 'Unallocated', reserve: 'Reserve', loss: 'Losses', cost: 'Costs', capital: 'Capital', pools: 'Pools', validators: 'Validators', unallocated_pools: 'Unallocated of pools', unallocated_validators: 'Unallocated of validators' };
/* Nothing is shown as little as it is. */
const sparse = (units, coin) => units === '0' ? el('span.money.zeros', '0') : amount(units, coin, false);
export function ledger() {
    const KINDS = ['immature', 'available', 'in flight', 'paid'], of = (kinds, kind) => kinds[kind] ?? kinds[kind.replace(' ', '_')] ?? '0';
    const books = section('Balances by owner', ({ books: b, trouble, coin }) => {
        if (b === null) return el('p', mark('warn', trouble));
        const owners = Object.entries(b.balances), has = ([, kinds]) => KINDS.some(kind => of(kinds, kind) !== '0'), none = owners.filter(one => !has(one));
        return [table('Balances by owner and kind', ['Owner', '#Immature', '#Available', '#In flight', '#Paid'], owners.filter(has).map(([owner, kinds]) => [
            OWNERS[owner] ?? owner, ...KINDS.map(kind => sparse(of(kinds, kind), coin))]), 'Nothing was posted yet.'),
        none.length > 0 && el('p.note', `Nothing is with: ${none.map(([owner]) => OWNERS[owner] ?? owner).join(', ')}.`),
        el('p.note', `In ${coin.ticker}. All of it adds up to nothing: what the network gave is what everybody has. ${count(b.set)} posting sets, ${count(b.accounts)} accounts, ${count(b.open_sets)} sets under way.`)];
    });
    const result = el('div', { 'aria-live': 'polite' });
    const audit = section('Audit', ({ audit: a }) => [el('p', a.at ? mark(a.differences ? 'bad' : 'good', `By itself at ${moment(a.at)}: ${a.differences ? `${count(a.differences)} differences` : 'no difference'}.`)
        : mark('wait', `None by itself yet; it runs every ${duration(a.interval_h * 3600)}.`)),
    el('p', 'An audit derives every entry again from what was recorded before it, and adds everything up. Payments wait meanwhile.'),
    action('Audit now', async () => {
        const r = await tell('/api/v1/operator/audit');
        result.replaceChildren(el('p.state', mark(r.differences ? 'bad' : 'good', r.differences ? `${count(r.differences)} differences. The first: ${r.first}` : 'The books agree to the base unit.')),
            facts([['Posting sets', count(r.sets)], ['Entries', count(r.entries)], ['Accounts', count(r.accounts)], ['Snapshots', count(r.snapshots)], ['Payments', count(r.payments)]]));
    }, { quiet: false }), result]);
    return page('ledger', null, [books.element, audit.element], async signal => {
        const l = await asked(api('ledger'), signal);
        books.update({ books: l.books && { ...l.books, epoch: 0, event: 0 }, trouble: l.trouble, coin: { exponent: l.exponent, ticker: l.ticker } });
        audit.update({ audit: l.audit });
    });
}

/* Whose blocks are fewer than chance explains. An alarm is for people: nobody is banned by it. */
export function luck() {
    const lines = section('Least explained by chance', ({ lines: all, rule }) => table('Accounts and workers', ['Who', 'State', '#Blocks', '#Expected', '#Evidence', 'Watched since'],
        all.map(l => [l.name ? el('a.break', { href: `#/account/${encodeURIComponent(l.name)}` }, l.worker ? `${short(l.name, 8)}, ${l.worker_name || l.worker}` : short(l.name, 8)) : el('code', l.account),
            l.alarms ? mark('bad', `${count(l.alarms)} alarms, last ${moment(l.last_alarm)}`) : mark('good', 'no alarm'), count(l.blocks), l.expected_blocks.toFixed(2),
            `${l.evidence_bits} of ${rule.alarm_bits} bits`, moment(l.since)]), 'Nobody has mined yet.'));
    return page('luck', 'A worker that is paid for shares and keeps its blocks to itself has nothing but bad luck. Each one’s blocks are held against what its work was to find; an alarm is no proof, and nobody is banned by it.', [lines.element], async signal => {
        const l = await asked(api('luck'), signal);
        lines.update({ lines: l.lines.slice(0, 50), rule: l.rule });
    });
}

export function bans() {
    let again = () => {};
    const list = section('Who is banned', ({ gateways, complete }) => [!complete && el('p', mark('wait', 'This scheduler has led for seconds only: gateways that have not reported to it yet are missing here.')),
        complete && gateways.length === 0 && el('p.empty', 'No gateway reports here now.'), gateways.map(g => [
        gateways.length > 1 && el('h3', `Gateway ${g.gateway}`), !g.answered ? el('p', mark('warn', 'This gateway does not answer.')) : [table(`Bans of gateway ${g.gateway}`, ['Whom', 'For', 'Why', ''], g.bans.map(b => [
            el('code.break', b.whom), duration(b.seconds), b.reason, action('Lift', async () => { await tell(api('bans'), { verb: 'lift', whom: b.whom }); again(); }, { label: `Lift the ban of ${b.whom}` })]), 'Nobody.'), g.count > g.bans.length && el('p', `${count(g.bans.length)} of ${count(g.count)}, the newest.`)]])]);
    const asks = form({ submit: 'Ban', danger: true, fields: [{ name: 'whom', label: 'Whom', maxlength: 200, autocomplete: 'off', hint: 'An address, an IPv6 network of 64 bits, or worker ACCOUNT/WORKER.' },
        { name: 'seconds', label: 'For how long', options: { 3600: 'an hour', 86400: 'a day', 604800: 'a week', 31536000: 'a year' } }],
    send: body => tell(api('bans'), { verb: 'ban', ...body, whom: body.whom.trim() }), done({ detail }) { again(); asks.clear(); return detail; } });
    const self = page('bans', 'Gateways ban by themselves what costs them more than it brings. Here you see it, and overrule it.', [list.element, el('section.card', el('h2', 'Ban somebody'), asks.element)], async signal => {
        const b = await asked(api('bans'), signal);
        list.update({ complete: b.complete, gateways: b.gateways.map(g => ({ ...g, bans: g.bans.map(x => ({ ...x, seconds: Math.ceil(x.seconds / 60) * 60 })) })) });
    });
    again = () => self.look();
    return self;
}

export function activity() {
    const list = eventList('/api/v1/auth/events', true);
    return page('activity', 'Security events of all accounts.', [list.element], signal => list.load(signal), false);
}

