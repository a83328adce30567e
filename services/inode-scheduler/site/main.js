/* Which page is shown, its numbers while somebody looks (told by the pool's stream where there is
 * one, else asked for every few seconds), the theme. */
import { account, accounts, blocks, health, overview, worker } from './pages.js';
import { connect } from './connect.js';
import { clock, moment } from './format.js';
import { name, operates, SignedOut } from './session.js';
import { follow } from './live.js';
import { el, forget, LOCAL, mark, Refusal } from './view.js';

/* Asked for again: all of it; beside a stream what the stream does not tell, and after an event that
 * changed more than it said, not all at the same moment. */
const EVERY_MS = 5000, BESIDE_MS = 20000, SOON_MS = 1000;
const content = document.getElementById('content'), pulse = document.getElementById('pulse'), trouble = document.getElementById('trouble');
let page = null, timer = 0, asking = null, answered = 0, streams = false, drawing = 0;

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
    if (location.pathname === '/account/unsubscribe') return signin('unsubscribe');
    const [name = '', argument = '', more] = hash.replace(/^#\/?/, '').split('/');
    let text = '', rest = '';
    try {
        text = decodeURIComponent(argument);
        rest = decodeURIComponent(more ?? '');
    } catch { /* no name then */ }
    if (name === 'account' && text !== '') return more === undefined ? account(text) : worker(text, rest);
    if (name === 'connect') return connect(text);
    if (name === 'link') return import('./signin.js').then(all => all.byLink(text));
    if (name === 'me' && argument === 'notices') return import('./notices.js').then(all => all.notices());
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
        say(streams ? 'Live: what happens is shown as it happens.'
            : `As of ${clock(answered / 1000)}${mine.ended ? '' : `, asked again every ${EVERY_MS / 1000} seconds`}.`);
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
            timer = setTimeout(look, streams ? BESIDE_MS : EVERY_MS);
    }
}

/* Drawn from what is known, which an event changed. */
function redraw() {
    drawing ||= setTimeout(async () => {
        drawing = 0;
        try { if (page?.load && !document.hidden) await page.load(LOCAL); } catch (error) {
            if (!(error instanceof TypeError)) throw error; /* what was not asked for yet is asked for */
        }
    }, 50);
}
const lookIn = ms => { clearTimeout(timer); timer = setTimeout(look, ms); };
function stream() {
    follow(document.hidden ? null : page?.live ?? null, {
        open(is, missed) {
            if (is === streams && !missed) return;
            streams = is;
            lookIn(0);
        },
        told(more) {
            redraw();
            if (more) lookIn(SOON_MS * (1 + 3 * Math.random()));
        },
    });
}

let shows = 0;
async function show(first) {
    const mine = ++shows;
    asking?.abort();
    page = null;
    forget();
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
    stream();
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
document.addEventListener('visibilitychange', () => {
    if (page) stream();
    if (!document.hidden && !page?.ended) look();
});
show(true);
