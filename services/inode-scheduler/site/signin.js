/* Getting in: log-in, registration, a forgotten password, and where letters lead. */
import { action, CODE, form, PASSWORD } from './forms.js';
import { cap } from './format.js';
import { el, mark, Refusal } from './view.js';
import { about, logIn, name, nameOfLink, post, SignedOut } from './session.js';

const NAME = { name: 'name', label: 'Account name', autocomplete: 'username', maxlength: 200 };
const NEW = { name: 'password', label: 'Password', type: 'password', autocomplete: 'new-password', minlength: 8,
    maxlength: 1024, hint: 'At least 8 characters. A sentence is easier to keep and harder to guess.' };

/* Where somebody wanted to go when a log-in was asked for. */
let wanted = '';
export const wantAfterwards = hash => { wanted = hash; };
function goOn() {
    const to = wanted || '#/me';
    wanted = '';
    location.hash = to;
}

const narrow = (title, lead, ...rest) => ({ title, parts: [el('div.narrow', el('h1', title),
    lead && el('p.lead', lead), rest)] });
const link = (hash, text) => el('a', { href: hash }, text);

export function login(words) {
    const asks = form({ submit: 'Log in', busy: 'Checking…', fields: [
        { ...NAME, value: name() ?? undefined }, { ...PASSWORD, label: 'Password' },
        { ...CODE, hidden: true }],
    async send({ name: who, password, code }) {
        try { return await logIn(who.trim(), password, code); } catch (error) {
            if (error.status === 401) error.field = 'password';
            throw error;
        }
    },
    done() { goOn(); return ''; } });
    /* A code is asked for once the pool wants one: the refusal's field brings it into sight. */
    return narrow('Log in', null, el('section.card', words && el('p', mark('good', words)), asks.element),
        el('p.more', link('#/forgot', 'Forgotten password'), ' · ', link('#/register', 'Make an account')),
        el('p.note', 'To look at an address\u2019 or account\u2019s mining nobody has to log in: ', link('#/account', 'look it up'), '.'));
}

export function register() {
    const asks = form({ submit: 'Make the account', busy: 'Making it…', fields: [
        { ...NAME, minlength: 3, maxlength: 50, hint: '3 to 50 letters and digits. It is what your miners log in with, and everybody may see it.' },
        { name: 'email', label: 'E-mail', type: 'email', autocomplete: 'email', maxlength: 254,
            hint: 'For a forgotten password and for warnings. Nobody else sees it.' },
        NEW,
        { name: 'payout_address', label: 'Payout address', maxlength: 120, autocomplete: 'off', hint: 'An address of this pool\u2019s coin that is yours.' }],
    async send(values) {
        const name = values.name.trim();
        const { next, detail } = await post('/api/v1/register', { name, email: values.email.trim(), password: values.password,
            payout_address: values.payout_address.trim() });
        if (next === 'letter') return detail;
        /* No letters are sent here, and no answer tells whether a name was free: who can log in has it. */
        try { await logIn(name, values.password); } catch (error) {
            if (error.status === 401) throw Object.assign(new Refusal(409, 'this name is not to be had: take another'), { field: 'name' });
            throw error;
        }
        return '';
    },
    done(letter) {
        if (letter === '') goOn();
        else card.replaceChildren(el('p', mark('good', 'Look at your e-mail.')), el('p', `${cap(letter)}.`));
        return '';
    } });
    const card = el('section.card', { 'aria-live': 'polite' }, asks.element);
    return narrow('Make an account', 'Mining needs none: an address is enough. An account has one name for all your workers, a threshold of its own, and payouts that only you redirect.',
        card, el('p.more', 'You have one? ', link('#/login', 'Log in')));
}

export function forgot() {
    const card = el('section.card');
    const page = narrow('Forgotten password', 'A letter goes to the account\u2019s e-mail address with a link that is good once.', card);
    const asks = form({ submit: 'Send the letter', fields: [NAME],
        send: ({ name: who }) => post('/api/v1/auth/password/forgot', { name: who.trim() }),
        done: answer => answer.detail ?? 'If there is such an account, the letter is on its way.' });
    card.append(asks.element);
    page.load = async signal => {
        page.ended = true;
        if (!(await about(signal)).letters)
            card.replaceChildren(mark('warn', 'This pool sends no letters. Ask its operator.'));
    };
    return page;
}

/* /account/reset#TOKEN and /account/confirm#TOKEN: the token leaves the address bar at once, so
 * that neither history nor a screenshot keeps it. */
function tokenOfLetter() {
    const token = location.hash.slice(1);
    history.replaceState(null, '', location.pathname);
    return token;
}
const leave = hash => { history.replaceState(null, '', `/${hash}`); dispatchEvent(new Event('hashchange')); };

export function reset() {
    const token = tokenOfLetter();
    if (!token) return narrow('New password', 'This page is reached by the link in a letter.', link('/#/forgot', 'Ask for one'));
    const asks = form({ submit: 'Set the password', busy: 'Setting it…', fields: [{ ...NEW, label: 'New password' },
        { name: 'keys', label: 'API keys and links', options: { revoke: 'Remove them: somebody else may have made them', keep: 'Keep them' } }],
    send: ({ password, keys }) => post('/api/v1/auth/password/reset', { token, password, keys }),
        done() { leave('#/login'); return ''; } });
    return narrow('New password', 'Every session ends with it; where a second factor is on, it stays.', el('section.card', asks.element));
}

export function confirm() {
    const token = tokenOfLetter(), said = el('p', mark('wait', 'Confirming…'));
    const page = narrow('Confirm an e-mail address', null, el('section.card', said, el('p.more', name() === null ? link('/#/login', 'Log in') : link('/#/me', 'To your account'))));
    page.load = async () => {
        page.ended = true;
        try {
            await post('/api/v1/auth/email/confirm', { token });
            said.replaceChildren(mark('good', name() === null ? 'Confirmed. You can log in now.' : 'The address is confirmed.'));
        } catch (error) {
            if (!(error.status >= 0)) throw error;
            said.replaceChildren(mark('bad', error.message));
        }
    };
    return page;
}

/* /account/unsubscribe#TOKEN: asked first, because programs that look at letters follow links. */
export function unsubscribe() {
    const token = tokenOfLetter(), card = el('section.card', { 'aria-live': 'polite' });
    const stop = action('Send no more', async () => {
        await post(`/api/v1/auth/notices/unsubscribe/${encodeURIComponent(token)}`, {});
        card.replaceChildren(el('p', mark('good', 'No more letters with notices are sent.')), el('p', 'Warnings about the account itself (a new address, a new password) still come.'),
            el('p.more', link('/#/me/notices', 'Choose what you are told')));
    }, { quiet: false });
    card.append(token ? stop : el('p', 'This page is reached by the link in a letter.'));
    return narrow('No more letters', 'Notices of workers, payments and blocks are not sent by e-mail any more. A webhook stays as it is.', card);
}

/* #/link/KEY: what somebody was sent to look at an account. */
export function byLink(key) {
    const said = el('p', mark('wait', 'Opening the link…'));
    const page = narrow('A link to an account', null, el('section.card', said));
    page.load = async () => {
        page.ended = true;
        try { location.replace(`#/account/${encodeURIComponent(await nameOfLink(key))}`); } catch (error) {
            if (!(error.status >= 0)) throw error;
            said.replaceChildren(mark('bad', error instanceof SignedOut || error.status === 401
                ? 'This link opens nothing any more.' : error.message));
        }
    };
    return page;
}
