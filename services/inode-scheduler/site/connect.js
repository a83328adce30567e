/* How a miner is pointed here: the exact words to copy, and whether its first share has come. */
import { ago, money, percent } from './format.js';
import { ask, copyable, el, mark, pairs, Refusal, section } from './view.js';

const NAME = /^[A-Za-z0-9._+-]{1,100}$/;

/* [[what, text to copy], …] for an account's miner; `password` in words. */
export function targets(about, user, password = 'x') {
    const host = about.stratum_host || location.hostname, { stratum_port: port, stratum_tls_port: tls } = about;
    return [port ? ['Pool', `stratum+tcp://${host}:${port}`] : ['Pool', null], tls && ['With TLS', `stratum+ssl://${host}:${tls}`],
        ['User', user], ['Password', password]].filter(Boolean);
}

export const targetList = rows => pairs(rows.map(([what, text]) => [what, text === null
    ? 'any free port: whoever started the gateways was told which' : copyable(text, what)]));

const SCHEMES = { pplns: 'Blocks are shared by the work of the last shares (PPLNS)', prop: 'Blocks are shared by the work since the one before (PROP)',
    solo: 'Who finds a block has it (SOLO)', pps: 'Every share is paid at once (PPS)', fpps: 'Every share is paid at once, transaction fees included (FPPS)' };

/* #/connect and #/connect/NAME, where the first share is waited for. */
export function connect(name) {
    const known = NAME.test(name) ? name : '';
    const who = el('input', { id: 'coins', name: 'who', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', maxlength: 100, value: known,
        placeholder: 'Your address', 'aria-describedby': 'coins-hint', oninput: () => draw() });
    const rig = el('input', { id: 'rig', name: 'rig', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', maxlength: 32, value: 'rig1', oninput: () => draw() });
    const here = section('2. What your miner is told', rows => [targetList(rows),
        el('p.note', 'The password may also ask for a difficulty, as in d=65536; else the pool finds one that gives a share every few seconds.')]);
    const terms = section('What you agree to', a => pairs([['Mined', `${a.ticker}, by ${a.algorithm}`], ['Shared', SCHEMES[a.scheme] ?? a.scheme],
        ['Fee', percent(a.fee_basis_points / 10000, 2)], ['Paid', `by itself from ${money(a.threshold, a.exponent, a.ticker)} on`]]));
    const arrival = section('3. The first share', state => !state.name ? el('p', 'Write your address in step 1 and press \u201cWait for it\u201d: this page then says when the first share has come.')
        : state.seen ? [el('p.state', mark('good', state.text)), el('p', el('a.button', { href: `#/account/${encodeURIComponent(state.name)}` }, 'To its page'))]
            : [el('p.state', mark('wait', 'No share yet. This page looks every few seconds.')),
                el('ul.hints', ['The miner says \u201cauthorized\u201d or \u201caccepted\u201d when it got through. Does its log have the pool\u2019s address?',
                    'A slow miner may need a minute for its first share.', 'Nothing at all? A firewall between it and the pool, or another algorithm than the one below.'].map(text => el('li', text)))]);
    let about = null;
    function draw() {
        const name = who.value.trim(), worker = rig.value.trim();
        if (about) here.update(targets(about, `${name || 'YOUR-ADDRESS'}${worker && '.' + worker}`));
    }
    const form = el('form.form.broad', { 'aria-label': 'Where your coins go', onsubmit: event => {
        event.preventDefault();
        const name = who.value.trim();
        if (name) location.hash = `#/connect/${encodeURIComponent(name)}`; else who.focus();
    } }, el('div.mainly', el('div.field', el('label', { for: 'coins' }, 'Address or account name'), who),
        el('div.field', el('label', { for: 'rig' }, 'Name of this miner'), rig)),
    el('p.words', { id: 'coins-hint' }, 'No account is needed: mine to an address of yours, and it is paid there. ', el('a', { href: '#/register' }, 'With an account'),
        ' the address can be changed later, by you alone.'), el('div.buttons', el('button', 'Wait for it')));
    return { title: 'Connect a miner', parts: [el('h1', 'Connect a miner'), el('div.two', el('div', el('section.card', el('h2', '1. Where your coins go'), form), here.element),
        el('div', arrival.element, terms.element))],
    async load(signal) {
        about = await ask('/api/v1/pool/about', signal);
        draw();
        terms.update(about);
        let seen = null;
        if (known) {
            try { seen = await ask(`/api/v1/accounts/${encodeURIComponent(known)}`, signal); } catch (error) {
                if (!(error instanceof Refusal) || error.status !== 404) throw error;
            }
        }
        arrival.update({ name: known, seen: !!seen?.last_share, text: seen?.last_share ? `It works: the last share came ${ago(seen.last_share, Math.max(seen.last_share, Math.floor(Date.now() / 5000) * 5))}.` : '' });
    } };
}
