/* Which page is shown, asking for its numbers every few seconds while somebody looks, the theme.
 * The pool is asked again rather than telling by itself: docs/dashboard.md says why. */
import { account, accounts, blocks, health, overview, worker } from './pages.js';
import { connect } from './connect.js';
import { clock, moment } from './format.js';
import { name, operates, SignedOut } from './session.js';
import { el, mark, Refusal } from './view.js';

const EVERY_MS = 5000;
const content = document.getElementById('content'), pulse = document.getElementById('pulse'), trouble = document.getElementById('trouble');
let page = null, timer = 0, asking = null, answered = 0;

/* Pages that few visits need come when they are asked for. */
const signin = page => import('./signin.js').then(all => all[page]());
const ROUTES = {
    '': overview, blocks, health, account: accounts,
    login: () => signin('login'), register: () => signin('register'), forgot: () => signin('forgot'),
};
const ME = { '': 'overview', payout: 'payout', security: 'security', keys: 'keys', activity: 'activity' };
const OPERATE = { '': 'overview', nodes: 'nodes', validators: 'validators', payments: 'payments', ledger: 'ledger', bans: 'bans', activity: 'activity', luck: 'luck' };

async function pageOf(hash) {
    if (location.pathname === '/account/reset') return signin('reset');
    if (location.pathname === '/account/confirm') return signin('confirm');
    const [name = '', argument = '', more] = hash.replace(/^#\/?/, '').split('/');
    let text = '', rest = '';
    try {
        text = decodeURIComponent(argument);
        rest = decodeURIComponent(more ?? '');
    } catch { /* no name then */ }
    if (name === 'account' && text !== '') return more === undefined ? account(text) : worker(text, rest);
    if (name === 'connect') return connect(text);
    if (name === 'link') return import('./signin.js').then(all => all.byLink(text));
    if (name === 'me' && Object.hasOwn(ME, argument)) return import('./settings.js').then(all => all[ME[argument]]());
    if (name === 'operate' && Object.hasOwn(OPERATE, argument)) return import('./operate.js').then(all => all[OPERATE[argument]]());
    if (Object.hasOwn(ROUTES, name)) return ROUTES[name]();
    return { title: 'Not found', parts: [el('h1', 'There is no such page'),
        el('p', el('a', { href: '#/' }, 'To the overview'))] };
}

const say = text => { if (pulse.textContent !== text) pulse.textContent = text; };
/* Above the page: numbers below are old, or not there. '' ends it. */
function warn(text) {
    content.classList.toggle('old', text !== '');
    if (trouble.textContent !== text) trouble.replaceChildren(text && mark('warn', text));
}

async function look() {
    clearTimeout(timer);
    if (!page?.load || document.hidden) return;
    const mine = page, control = asking = new AbortController();
    const late = setTimeout(() => control.abort(), 15000);
    try {
        await mine.load(control.signal);
        if (mine !== page) return;
        answered = Date.now();
        warn('');
        say(`As of ${clock(answered / 1000)}${mine.ended ? '' : `, asked again every ${EVERY_MS / 1000} seconds`}.`);
        mine.trouble?.(null);
    } catch (error) {
        if (mine !== page) return;
        if (error instanceof SignedOut) {
            const back = location.hash;
            (await import('./signin.js')).wantAfterwards(back);
            location.replace('#/login');
            return;
        }
        if (!(error instanceof Refusal || error instanceof TypeError || error.name === 'AbortError'))
            throw error;
        if (error instanceof Refusal && error.status === 403) {
            content.replaceChildren(el('h1', 'Not for this account'), el('p', mark('bad', `${error.message}.`)),
                el('p', el('a', { href: '#/me' }, 'To your account')));
            mine.ended = true;
            say('');
            return;
        }
        if (error instanceof Refusal && error.status === 404 && mine.missing) {
            mine.missing(error.message);
            say('');
            return;
        }
        warn(`${error instanceof Refusal ? `The pool answers: ${error.message}.` : 'The pool does not answer.'} ` +
            `${answered ? `What is shown is of ${moment(answered / 1000)}. ` : ''}Trying again every ${EVERY_MS / 1000} seconds.`);
        say('');
    } finally {
        clearTimeout(late);
        if (mine === page && document.hidden === false && !mine.ended)
            timer = setTimeout(look, EVERY_MS);
    }
}

let shows = 0;
async function show(first) {
    const mine = ++shows;
    asking?.abort();
    page = null;
    let next;
    try { next = await pageOf(location.hash); } catch (error) {
        if (!(error instanceof TypeError)) throw error; /* a module that did not come */
        next = { title: 'No answer', parts: [el('h1', 'The pool does not answer'), el('p', 'Reload the page in a moment.')] };
    }
    if (mine !== shows) return;
    page = next;
    page.look = () => { if (page === next) { next.ended = false; look(); } };
    document.title = `${page.title} · adit`;
    warn('');
    answered = 0;
    content.replaceChildren(...page.parts);
    for (const link of document.querySelectorAll('.top a[href^="/#/"]')) {
        const of = link.hash.split('/')[1] ?? '', here = location.hash.split('/')[1] ?? '';
        if (of === here) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
    }
    if (!page.load) say('');
    if (!first) { scrollTo(0, 0); content.focus({ preventScroll: true }); }
    look();
}

/* Who is logged in, by what this browser remembers: no question for it. */
const who = document.getElementById('me'), operate = document.getElementById('operate');
function showWho() {
    const is = name();
    who.textContent = is ?? 'Log in';
    who.href = is === null ? '/#/login' : '/#/me';
    operate.hidden = !operates();
}
addEventListener('session', showWho);
showWho();

const theme = document.getElementById('theme'), root = document.documentElement;
const themes = { '': 'as the system', light: 'light', dark: 'dark' };
function showTheme() {
    const now = root.dataset.theme ?? '';
    theme.lastElementChild.textContent = theme.title = `Theme: ${themes[now]}`;
    theme.dataset.now = now;
}
theme.addEventListener('click', () => {
    const names = Object.keys(themes), next = names[(names.indexOf(root.dataset.theme ?? '') + 1) % names.length];
    if (next) root.dataset.theme = next; else delete root.dataset.theme;
    try { localStorage.setItem('theme', next); } catch { /* for this visit then */ }
    showTheme();
});
showTheme();
document.getElementById('skip').addEventListener('click', event => {
    event.preventDefault();
    content.focus();
});
addEventListener('hashchange', () => show(false));
document.addEventListener('visibilitychange', () => { if (!document.hidden && !page?.ended) look(); });
show(true);
