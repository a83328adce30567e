/* Which page is shown, asking for its numbers every few seconds while somebody looks, the theme.
 * The pool is asked again rather than telling by itself: docs/dashboard.md says why. */
import { account, accounts, blocks, health, overview } from './pages.js';
import { clock, moment } from './format.js';
import { el, Refusal } from './view.js';

const EVERY_MS = 5000;
const content = document.getElementById('content'), pulse = document.getElementById('pulse');
let page = null, timer = 0, asking = null, answered = 0;

function pageOf(hash) {
    const [name = '', argument] = hash.replace(/^#\/?/, '').split('/');
    if (name === '') return overview();
    if (name === 'blocks') return blocks();
    if (name === 'health') return health();
    if (name === 'account') {
        let who = '';
        try { who = decodeURIComponent(argument ?? ''); } catch { /* no name then */ }
        return who === '' ? accounts() : account(who);
    }
    return { title: 'Not found', parts: [el('h1', 'There is no such page'),
        el('p', el('a', { href: '#/' }, 'To the overview'))] };
}

const say = text => { if (pulse.textContent !== text) pulse.textContent = text; };

async function look() {
    clearTimeout(timer);
    if (!page?.load || document.hidden) return;
    const mine = page, control = asking = new AbortController();
    const late = setTimeout(() => control.abort(), 15000);
    try {
        await mine.load(control.signal);
        if (mine !== page) return;
        answered = Date.now();
        content.classList.remove('old');
        say(`As of ${clock(answered / 1000)}, asked again every ${EVERY_MS / 1000} seconds.`);
        mine.trouble?.(null);
    } catch (error) {
        if (mine !== page) return;
        if (!(error instanceof Refusal || error instanceof TypeError || error.name === 'AbortError'))
            throw error;
        if (error instanceof Refusal && error.status === 404 && mine.missing) {
            mine.missing(error.message);
            say('');
            return;
        }
        content.classList.add('old');
        say(`${error instanceof Refusal ? `The pool answers: ${error.message}.` : 'The pool does not answer.'} ` +
            `${answered ? `What is shown is of ${moment(answered / 1000)}. ` : ''}Trying again.`);
    } finally {
        clearTimeout(late);
        if (mine === page && document.hidden === false && !(mine.ended))
            timer = setTimeout(look, EVERY_MS);
    }
}

function show(first) {
    asking?.abort();
    page = pageOf(location.hash);
    page.look = look;
    document.title = `${page.title} · adit`;
    content.replaceChildren(...page.parts);
    for (const link of document.querySelectorAll('nav a')) {
        const of = link.hash.split('/')[1] ?? '', here = location.hash.split('/')[1] ?? '';
        if (of === here) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
    }
    if (!first) { scrollTo(0, 0); content.focus({ preventScroll: true }); }
    look();
}

const theme = document.getElementById('theme'), root = document.documentElement;
const themes = { '': 'System', light: 'Light', dark: 'Dark' };
function showTheme() {
    const now = root.dataset.theme ?? '';
    theme.textContent = `Theme: ${themes[now]}`;
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
document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
show(true);
