/* The own account: what needs a look, payouts, security, keys, and what was done. Each page asks
 * once and again after each change, so that nothing moves under a form. */
import { action, CODE, form, PASSWORD, proof, shownOnce, sure } from './forms.js';
import { ago, money, moment, short, unitsOf } from './format.js';
import { amount, ask, choiceLinks, el, mark, Refusal, section, stateKind, table, when } from './view.js';
import { about, asked, ended, logOut, me, remove, tell } from './session.js';
import { targetList, targets } from './connect.js';
import { moneyFacts, outlookFacts } from './pages.js';
import { qrPicture } from './qr.js';

const TABS = { '': 'Overview', payout: 'Payouts', notices: 'Notices', security: 'Security', keys: 'Keys and links', activity: 'Activity' };
const now = () => Date.now() / 1000;

export function page(tab, lead, parts, load, every) {
    const self = { title: tab ? TABS[tab] : 'Your account', parts: [
        el('div.split', choiceLinks('Your account', '#/me', TABS, tab),
            el('div', el('h1', tab ? TABS[tab] : 'Your account'), lead && el('p.lead', lead), parts))],
    async load(signal) {
        await load(signal);
        self.ended = !every;
    } };
    return self;
}

export function overview() {
    const looks = section('', ({ me, lockedText }) => el('ul.findings.roomy', [
        me.second_factor ? el('li', mark('good', 'A second factor protects this account.'))
            : el('li', mark('warn', 'No second factor: who has your password can change where you are paid.'), ' ', el('a', { href: '#/me/security' }, 'Turn it on')),
        me.email_confirmed ? el('li', mark('good', `${me.email} is confirmed.`))
            : el('li', mark('warn', `${me.email} is not confirmed yet.`), ' ', action('Send the letter again', async () =>
                (await tell('/api/v1/me/email/confirmation')).detail)),
        lockedText ? el('li', mark('wait', lockedText)) : !me.payout_address ? el('li', mark('warn', 'No payout address: nothing can be paid.'), ' ', el('a', { href: '#/me/payout' }, 'Set one'))
            : el('li', mark('good', `Paid to ${short(me.payout_address)}.`))]));
    const outlook = section('', outlookFacts, '.plain');
    const balances = section('Balances', a => [moneyFacts(a), el('p.more', el('a', { href: `#/account/${encodeURIComponent(a.name)}` }, 'Workers, credits, payments and proofs'))]);
    const connect = section('Point a miner here', ({ a, who }) => targetList(targets(a, `${who.name}.rig1`, who.worker_password ? 'the one you set for miners' : 'x')));
    const out = action('Log out', async () => { await logOut(); location.hash = '#/login'; });
    return page('', null, [looks.element, outlook.element, balances.element, connect.element, el('p', out)], async signal => {
        const [who, a] = await Promise.all([me(signal), about(signal)]);
        const own = `/api/v1/accounts/${encodeURIComponent(who.name)}`, [account, o] = await Promise.all([ask(own, signal), ask(`${own}/outlook`, signal)]);
        looks.update({ me: who, lockedText: who.payouts_locked_until
            ? `Nothing is paid before ${moment(who.payouts_locked_until)}, because the address was changed.` : '' });
        outlook.update([account, o]);
        balances.update(account);
        connect.update({ a, who: { name: who.name, worker_password: who.worker_password } });
    }, true);
}

/* One withdrawal has one name, however often it is sent. */
const requestName = () => `web-${Date.now().toString(36)}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;

export function payout() {
    let again = () => {}, request = requestName();
    const address = section('Payout address', ({ me, a }) => {
        const asks = form({ submit: 'Change the address', fields: [
            { name: 'payout_address', label: 'New address', maxlength: 95, autocomplete: 'off' },
            { name: 'coin', label: 'Coin', optional: true, maxlength: 31, autocomplete: 'off', placeholder: me.coin, hint: `Left out: ${me.coin}, which this pool pays. Other coins are paid by the pools that share this account.` }, ...proof(me)],
        send({ payout_address, coin, ...shown }) {
            const body = { ...shown, payout_address: payout_address.trim() };
            return tell('/api/v1/me/address', coin.trim() ? { ...body, coin: coin.trim() } : body);
        },
        done() { again(); return ''; } });
        const others = me.payouts.filter(p => p.coin !== me.coin && p.address);
        return [el('p', el('code.break', me.payout_address || 'none')),
            me.payouts_locked_until && el('p', mark('wait', `Nothing is paid before ${moment(me.payouts_locked_until)}.`)),
            others.length > 0 && el('dl.pairs', others.map(p => el('div', el('dt', p.coin), el('dd', el('code', p.address))))),
            el('details', el('summary', 'Change it'), el('p.note', `After a change nothing is paid for ${a.address_lock_hours} hours, and a letter says so: time to notice, if it was not you.`), asks.element)];
    });
    const threshold = section('Threshold', ({ me, a }) => {
        const own = me.threshold !== '0';
        const asks = form({ submit: 'Set the threshold', fields: [{ name: 'threshold', label: `Pay me from (${a.ticker})`,
            inputmode: 'decimal', value: money(own ? me.threshold : a.threshold, a.exponent).replace(/\u202f/g, ''),
            hint: `The pool\u2019s own is ${money(a.threshold, a.exponent, a.ticker)}; 0 goes back to it.` }],
        send({ threshold }) {
            const units = unitsOf(threshold, a.exponent);
            if (units === null) throw Object.assign(new Refusal(400, `an amount with at most ${a.exponent} decimals`), { field: 'threshold' });
            return tell('/api/v1/me/threshold', { threshold: units });
        },
        done() { again(); return 'Set.'; } });
        return [el('p', own ? 'Your own: ' : 'The pool\u2019s: ', amount(own ? me.threshold : a.threshold, a), ' and more is paid by itself.'), asks.element];
    });
    const withdrawal = section('Withdraw now', ({ me, a, account, waiting }) => {
        const asks = form({ submit: 'Ask for the payment', busy: 'Asking…', fields: [{ name: 'amount', label: `Amount (${a.ticker})`, optional: true,
            inputmode: 'decimal', hint: 'Left out: everything available. It goes to your payout address alone.' }],
        send({ amount: text }) {
            const units = text.trim() === '' ? '0' : unitsOf(text, a.exponent);
            if (units === null) throw Object.assign(new Refusal(400, `an amount with at most ${a.exponent} decimals`), { field: 'amount' });
            return tell('/api/v1/withdrawals', { request, amount: units });
        },
        done(answer) {
            request = requestName();
            again();
            if (answer.state === 'refused') throw new Refusal(409, answer.reason || 'it was refused');
            return answer.state === 'planned' ? `It is payment ${answer.payment}.` : 'It waits for the next look at payments.';
        } });
        return [el('p', amount(account.available, a), ' available'),
            waiting.length > 0 && table('Requests that wait', ['Asked', '#Amount', 'State'], waiting.map(w => [when(w.created, now()),
                w.amount === '0' ? 'everything' : amount(w.amount, a), mark('wait', w.reason || 'waits for the next look')]), ''),
            asks.element];
    });
    const list = section('Latest payments', ({ payments, coin }) => table('Payments, newest first', ['Number', 'State', '#Amount', 'To', 'Made'],
        payments.map(p => [`${p.number}`, mark(stateKind(p.state), p.state), amount(p.amount, coin),
            el('code', { title: p.address }, short(p.address)), when(p.created, now())]), 'Nothing has been paid yet.'));
    const self = page('payout', 'Where your coins go, and when.', [el('div.pairof', el('div', address.element, withdrawal.element), threshold.element), list.element], async signal => {
        const [who, a, own] = await Promise.all([me(signal), about(signal), asked('/api/v1/withdrawals', signal)]);
        const base = `/api/v1/accounts/${encodeURIComponent(who.name)}`;
        const [account, paid] = await Promise.all([ask(base, signal), ask(`${base}/payments?limit=10`, signal)]);
        address.update({ me: who, a });
        threshold.update({ me: who, a });
        withdrawal.update({ me: who, a, account: { available: account.available }, waiting: own.withdrawals });
        list.update({ payments: paid.payments, coin: paid });
    });
    again = () => self.look();
    return self;
}

function factorOff(again) {
    const box = el('div'), start = form({ submit: 'Begin', fields: [{ ...PASSWORD, label: 'Your password' }],
        send: body => tell('/api/v1/me/factor', body), done(offer) { box.replaceChildren(...offered(offer)); return ''; } });
    const offered = ({ secret, uri }) => {
        const asks = form({ submit: 'Turn it on', fields: [{ ...CODE, hint: 'The six digits that the app shows now.' }],
            send: ({ code }) => tell('/api/v1/me/factor/confirm', { code: code.replace(/\s/g, '') }),
            done({ recovery_codes }) {
                box.replaceChildren(mark('good', 'The second factor is on.'), shownOnce('Recovery codes', recovery_codes.join('\n'),
                    'Each is good once, in place of a code, for when the telephone is lost. Keep them on paper. They are not shown again. Log in again before you withdraw: this session has shown no code yet.'),
                action('I have kept them', async () => again()));
                return '';
            } });
        return [el('p', 'Read this with an app for codes (Aegis, FreeOTP, 1Password, …), then show that it worked:'),
            el('div.enrol', qrPicture(uri, 'The second factor\u2019s address as a QR code; the same as text beside it'),
                el('div', el('p', 'Or type it in: ', el('code.break', secret.match(/.{1,4}/g).join(' '))), asks.element))];
    };
    box.append(el('p', mark('warn', 'Off. Log-ins, and changes that could take your coins, want your password alone.')), start.element);
    return box;
}

function factorOn(me, again) {
    const fresh = form({ submit: 'Make fresh recovery codes', fields: proof(me), send: body => tell('/api/v1/me/factor/recovery', body),
        done({ recovery_codes }) { shown.replaceChildren(shownOnce('Recovery codes', recovery_codes.join('\n'), 'The ones before are void. These are not shown again.')); return ''; } });
    const shown = el('div'), off = form({ submit: 'Turn it off', danger: true, fields: proof(me),
        send: body => tell('/api/v1/me/factor/remove', body), done() { again(); return ''; } });
    return [el('p', mark('good', 'On. Log-ins, new addresses and withdrawals want a code.')),
        el('details', el('summary', 'Fresh recovery codes'), fresh.element, shown),
        el('details', el('summary', 'Turn it off'), off.element)];
}

export function security() {
    let again = () => {};
    const factor = section('Second factor', ({ me }) => me.second_factor ? factorOn(me, again) : factorOff(() => again()));
    const password = section('Password', ({ me }) => form({ submit: 'Change the password', busy: 'Changing…', label: 'Change the password', fields: [
        ...proof(me), { name: 'new_password', label: 'New password', type: 'password', autocomplete: 'new-password', minlength: 8, maxlength: 1024,
            hint: 'Every session ends with it, this one too.' },
        { name: 'keys', label: 'API keys and links', options: { keep: 'Keep them', revoke: 'Remove them too' } }],
    send: body => tell('/api/v1/me/password', body), done() { ended(); location.hash = '#/login'; return ''; } }).element);
    const email = section('E-mail', ({ me }) => [el('p', el('span.break', me.email), ' ', mark(me.email_confirmed ? 'good' : 'warn', me.email_confirmed ? 'confirmed' : 'not confirmed')),
        el('details', el('summary', 'Change it'), form({ submit: 'Change the e-mail address', fields: [
            { name: 'email', label: 'New e-mail address', type: 'email', autocomplete: 'email', maxlength: 254 }, ...proof(me)],
        send: ({ email: text, ...shown }) => tell('/api/v1/me/email', { ...shown, email: text.trim() }), done() { again(); return ''; } }).element)]);
    const workers = section('Miners\u2019 password', ({ me }) => [el('p', me.worker_password ? mark('good', 'Miners must show it.') : 'None: whoever mines under your name mines for you.'),
        el('details', el('summary', me.worker_password ? 'Change or remove it' : 'Set one'), form({ submit: 'Set it', label: 'Miners\u2019 password', fields: [
            { name: 'worker_password', label: 'Miners\u2019 password', optional: true, maxlength: 64, autocomplete: 'off', hint: '8 characters at the least, without spaces; empty: none is asked.' }, ...proof(me)],
        send: body => tell('/api/v1/me/worker-password', body), done() { again(); return ''; } }).element)]);
    const sessions = section('Sessions', ({ sessions: list }) => [table('Where you are logged in', ['Begun', 'From', 'Last used', 'Second factor', ''], list.map(s => [
        when(s.created, now()), el('code', s.address), when(s.used, now()), s.second_factor ? mark('good', 'shown') : 'not shown',
        s.current ? mark('good', 'this one') : action('End it', async () => { await remove(`/api/v1/me/sessions/${s.id}`); again(); }, { label: `End the session begun ${ago(s.created, now())} from ${s.address}` })]), 'None.'),
    el('p.more', sure('End all sessions', 'Every browser and program is logged out, this one too.', async () => { await remove('/api/v1/me/sessions'); ended(); location.hash = '#/login'; }, { yes: 'End them all' }))]);
    const close = section('Close the account', ({ me }) => el('details', el('summary', 'Close it for good'), el('p.note', 'No miner is let in under the name any more and nobody logs in. What you are owed is still paid; the name stays taken. It cannot be undone.'),
        form({ submit: 'Close the account', danger: true, fields: proof(me), send: body => tell('/api/v1/me/close', body), done() { ended(); location.hash = '#/'; return ''; } }).element));
    const self = page('security', null, [factor.element, el('div.pairof', password.element, el('div', email.element, workers.element)), sessions.element, close.element], async signal => {
        const [who, open] = await Promise.all([me(signal), asked('/api/v1/me/sessions', signal)]);
        for (const one of [factor, password, email, workers, close])
            one.update({ me: { second_factor: who.second_factor, ...(one === email ? { email: who.email, email_confirmed: who.email_confirmed } : null),
                ...(one === workers ? { worker_password: who.worker_password } : null) } });
        sessions.update({ sessions: open.sessions });
    });
    again = () => self.look();
    return self;
}

const SCOPES = { read: 'Look at the account', 'read withdraw-propose': 'Look, and ask for withdrawals' };

export function keys() {
    let again = () => {};
    const fresh = el('div', { 'aria-live': 'polite' });
    const gone = (kind, grant) => sure('Remove', `${grant.name}: who has this ${kind} is let in no more.`, async () => { await remove(`/api/v1/me/keys/${grant.id}`); again(); }, { danger: true, label: `Remove ${kind} ${grant.name}` });
    const list = (kind, heads, grants, cells) => table(kind, [...heads, 'Made', 'Last used', ''], grants.map(g => [...cells(g), when(g.created, now()), when(g.used, now()), gone(kind === 'API keys' ? 'key' : 'link', g)]), `No ${kind}.`);
    const made = section('API keys', ({ me, keys: all }) => [el('p', 'For programs. A key is exchanged for short access tokens (', el('code', 'POST /api/v1/auth/token'), ').'),
        list('API keys', ['Name', 'May'], all, g => [g.name, g.scopes.join(', ')]),
        el('details', el('summary', 'Make one'), form({ submit: 'Make the key', fields: [{ name: 'name', label: 'What it is for', maxlength: 64, autocomplete: 'off' },
            { name: 'scopes', label: 'It may', options: me.roles.includes('operator') ? { ...SCOPES, operator: 'See what operators see' } : SCOPES }, ...proof(me)],
        send: body => tell('/api/v1/me/keys', body), done({ key, name }) { fresh.replaceChildren(shownOnce(`Key ${name}`, key, 'It is not shown again.')); again(); return ''; } }).element)]);
    const links = section('Read-only links', ({ links: all }) => [el('p', 'For people who should see this account\u2019s mining and nothing they could change.'),
        list('links', ['Name'], all, g => [g.name]),
        el('details', el('summary', 'Make one'), form({ submit: 'Make the link', fields: [{ name: 'name', label: 'For whom', maxlength: 64, autocomplete: 'off' }],
            send: body => tell('/api/v1/me/links', body), done({ link, name }) { fresh.replaceChildren(shownOnce(`Link for ${name}`, `${location.origin}/#/link/${link}`, 'It is not shown again.')); again(); return ''; } }).element)]);
    const self = page('keys', null, [fresh, made.element, links.element], async signal => {
        const [who, grants] = await Promise.all([me(signal), asked('/api/v1/me/keys', signal)]);
        made.update({ me: { second_factor: who.second_factor, roles: who.roles }, keys: grants.keys });
        links.update({ links: grants.links });
    });
    again = () => self.look();
    return self;
}

const EVENTS = {
    registered: 'Account made', login: 'Logged in', 'login.failed': 'A log-in failed', logout: 'Logged out', address: 'Payout address changed',
    threshold: 'Threshold changed', email: 'E-mail changed', 'email.confirmed': 'E-mail confirmed', password: 'Password changed',
    'password.forgot': 'A letter for a new password was asked for', 'password.wrong': 'A wrong password was shown', 'worker password': 'Miners\u2019 password changed',
    notices: 'Notices chosen', 'webhook.set': 'Webhook set', 'webhook.removed': 'Webhook removed',
    'factor.on': 'Second factor turned on', 'factor.off': 'Second factor turned off', 'factor.recovery': 'Fresh recovery codes', 'code.wrong': 'A wrong code was shown',
    'code.recovery': 'A recovery code was used', 'session.ended': 'A session was ended', 'session.reused': 'A refresh token came twice: its session was ended',
    'key.made': 'API key made', 'key.removed': 'API key removed', 'link.made': 'Link made', 'link.removed': 'Link removed', role: 'Role changed', closed: 'Account closed',
};
const ALARMING = ['login.failed', 'password.wrong', 'code.wrong', 'session.reused'];

/* Events of one account or of all, newest first, with a way to the older ones. */
export function eventList(path, withAccount) {
    let all = [], next = null;
    const box = el('div'), more = el('button.quiet', { type: 'button', hidden: '', onclick: async () => {
        const older = await asked(`${path}?page=${next}`);
        all = [...all, ...older.events];
        draw(older.next);
    } }, 'Show older ones');
    const draw = behind => {
        const heads = ['When', 'What', ...(withAccount ? ['Account'] : []), 'By', 'From', 'More'];
        box.replaceChildren(table('Security events, newest first', heads, all.map(e => [
            el('time', { datetime: new Date(e.time_ms).toISOString() }, moment(e.time_ms / 1000)),
            mark(ALARMING.includes(e.event) ? 'warn' : 'wait', EVENTS[e.event] ?? e.event), ...(withAccount ? [el('code', e.account)] : []),
            e.actor, e.address ? el('code', e.address) : '', el('span.break', e.detail)]), 'Nothing was written down.'));
        next = behind;
        more.hidden = next === null;
    };
    return { element: el('section.card', box, more), async load(signal) {
        const newest = await asked(path, signal);
        all = newest.events;
        draw(newest.next);
    } };
}

export function activity() {
    const list = eventList('/api/v1/me/events');
    return page('activity', 'Everything that was done to this account\u2019s security, by whom and from where. Nothing here is ever changed.', [list.element], signal => list.load(signal));
}
