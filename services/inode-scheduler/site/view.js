/* Building pages: elements, sections that are drawn anew only when what they show has changed, and
 * questions to the API. Text goes in as text, never as markup. */
import { ago, cap, coins, dated, moment } from './format.js';

/* el('p.note', { id: 'x', onclick }, 'text', child, …) */
export function el(what, ...rest) {
    const [name, ...classes] = what.split('.'), node = document.createElement(name);
    if (classes.length) node.className = classes.join(' ');
    for (const part of rest.flat(Infinity)) {
        if (part === null || part === undefined || part === false) continue;
        if (typeof part === 'object' && !(part instanceof Node)) {
            for (const [key, value] of Object.entries(part)) {
                if (value === null || value === undefined) continue;
                if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
                else node.setAttribute(key, value);
            }
        } else node.append(part);
    }
    return node;
}

export class Refusal extends Error {
    constructor(status, detail) { super(detail); this.status = status; }
}

/* In place of a signal: what was answered before, and changed since (live.js), without a question. */
export const LOCAL = Symbol('what was answered before');
const answers = new Map(); /* path → what the page shown was drawn from */
const remember = (map, path, value) => {
    if (!map.has(path) && map.size >= 64) map.delete(map.keys().next().value);
    map.set(path, value);
};
export const forget = () => answers.clear();
export function change(is, write) {
    for (const [path, body] of answers) if (is(path)) answers.set(path, write(body, path));
}

const known = new Map(); /* path → { tag, body }: what an entity tag stands for */

/* The document of a path. A Refusal where the pool says no, a TypeError where it says nothing. */
export async function ask(path, signal) {
    if (signal === LOCAL) {
        if (answers.has(path)) return answers.get(path);
        throw new TypeError('this was not asked for yet');
    }
    const body = await fetched(path, signal);
    remember(answers, path, body);
    return body;
}

async function fetched(path, signal) {
    const had = known.get(path);
    /* Without max-age a fetch with a tag says no-cache (Fetch, HTTP-network-or-cache fetch), which asks for all anew. */
    const headers = had ? { 'if-none-match': had.tag, 'cache-control': 'max-age=1' } : {};
    const answer = await fetch(path, { signal, headers });
    if (answer.status === 304 && had) return had.body;
    const body = await answer.json().catch(() => null);
    if (!answer.ok || body === null)
        throw new Refusal(answer.status, body?.detail ?? `the pool answered ${answer.status}`);
    const tag = answer.headers.get('etag');
    if (tag) remember(known, path, { tag, body });
    return body;
}

/* The right-hand zeros are there, and out of the way. */
export function amount(units, { exponent, ticker }, unit = true) {
    const { sign, whole, part, rest } = coins(units, exponent);
    return el('span.money', `${sign}${whole}`, part && el('span.part', `.${part}`), rest && el('span.zeros', rest),
        unit && el('span.unit', ` ${ticker}`));
}

export const when = (time, now) => time
    ? el('time', { datetime: new Date(time * 1000).toISOString(), title: moment(time) }, ago(time, now))
    : el('span.muted', 'never');

/* A word with a shape, so that nothing hangs on colour. */
const MARKS = {
    good: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1z', warn: 'M6 1l5.5 10H.5z',
    bad: 'M2.5 1L6 4.5 9.5 1 11 2.5 7.5 6 11 9.5 9.5 11 6 7.5 2.5 11 1 9.5 4.5 6 1 2.5z',
    wait: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1zm0 1.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z',
};
export function mark(kind, text) {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    svg.setAttribute('viewBox', '0 0 12 12');
    svg.setAttribute('aria-hidden', 'true');
    path.setAttribute('d', MARKS[kind]);
    svg.append(path);
    return el(`span.mark.${kind}`, svg, el('span', text));
}
export const stateKind = state => ({
    healthy: 'good', running: 'good', matured: 'good', confirmed: 'good', settled: 'good',
    unhealthy: 'warn', starting: 'wait', stopping: 'warn', accepted: 'wait', candidate: 'wait',
    error: 'bad', orphaned: 'bad', rejected: 'bad', failed: 'bad', voided: 'bad',
})[state] ?? 'wait';

/* rows of cells; a head that starts with '#' is of numbers. */
export function table(caption, heads, rows, nothing) {
    if (rows.length === 0) return el('p.empty', nothing);
    const classOf = head => head.startsWith('#') ? { class: 'number' } : null;
    return el('div.scroll', { tabindex: 0, role: 'region', 'aria-label': caption },
        el('table', el('caption', caption),
            el('thead', el('tr', heads.map(head => el('th', { scope: 'col' }, classOf(head), head.replace('#', '') || el('span.hidden', 'What can be done'))))),
            el('tbody', rows.map(cells => el('tr', cells.map((cell, i) => el(i === 0 ? 'th' : 'td',
                i === 0 ? { scope: 'row' } : null, classOf(heads[i]),
                { 'data-head': heads[i].replace('#', '') }, Array.isArray(cell) ? el('div', cell) : cell)))))));
}

/* The first rows of a long list, and a button that has `again` draw all of them. */
export function folded(most) {
    let all = false;
    return (list, draw, again) => [draw(all ? list : list.slice(0, most)), list.length > most && !all && el('button.quiet.older', { type: 'button',
        onclick: () => { all = true; again(); } }, `Show all ${list.length}`)];
}

export const facts = list => el('dl.facts', list.filter(Boolean).map(([name, value, words]) =>
    el('div', el('dt', name), el('dd', value), words && el('dd.words', words))));

/* What wants somebody: [{ kind, what, since, todo, where, read }], worst first. `read` names the
 * chapter of docs/operations.md. */
export function needs(list, nothing) {
    if (list.length === 0) return el('p.state', mark('good', nothing));
    return el('ol.needs', list.map(n => el('li', n.where ? el('a', { href: n.where }, mark(n.kind, n.what)) : mark(n.kind, n.what),
        el('p', n.since ? el('span.since', `Since ${dated(n.since)}. `) : '', n.todo, n.read && el('span.read', ` docs/operations.md: ${n.read}.`)))));
}
/* What the API's status says is wrong, as needs() shows it. */
export const reasonsOf = (status, where) => (status.health?.reasons ?? []).map(r => ({ kind: r.status === 'error' ? 'bad' : 'warn',
    what: `${cap(r.what)}: ${r.reason}`, since: r.since, todo: `${cap(r.do)}.`, where, read: 'What each loss does' }));

/* Names and values beside each other. */
export const pairs = list => el('dl.pairs', list.filter(Boolean).map(([name, value]) => el('div', el('dt', name), el('dd', value))));

/* A text with a button that copies it; where the browser lets nobody copy, it is selected. */
export function copyable(text, what = 'it', shown = text) {
    const code = el('code.break', shown), said = el('span.hidden', { role: 'status' });
    const button = el('button.quiet.small', { type: 'button', 'aria-label': `Copy ${what}`, onclick: async () => {
        try {
            await navigator.clipboard.writeText(text);
            button.textContent = 'Copied';
            said.textContent = `${what} copied`;
            setTimeout(() => { button.textContent = 'Copy'; said.textContent = ''; }, 2000);
        } catch {
            code.textContent = text;
            getSelection().selectAllChildren(code);
        }
    } }, 'Copy');
    return el('span.copyable', code, button, said);
}

/* Puts other insides into a box. What has the focus keeps it, where the new insides have something
 * of the same words, or else in the same place: nobody's keyboard starts again at the top. */
const STOPS = 'a[href], button, input, select, summary, [tabindex]';
const wordsOf = node => node.tagName + (node.id || node.getAttribute('aria-label') || node.textContent);
export function redraw(box, insides) {
    const had = document.activeElement, at = had !== box && box.contains(had) ? [...box.querySelectorAll(STOPS)].indexOf(had) : -1;
    const words = at < 0 ? '' : wordsOf(had);
    box.replaceChildren(...insides);
    if (at < 0) return;
    const stops = [...box.querySelectorAll(STOPS)];
    (stops.find(stop => wordsOf(stop) === words) ?? stops[Math.min(at, stops.length - 1)])?.focus({ preventScroll: true });
}

/* A box whose insides `draw(data)` makes, again only when data is another. */
export function section(title, draw, cls = '') {
    const body = el('div.body'), box = el(`section.card${cls}`, title && el('h2', title), body);
    let seen = null, shown;
    body.append(el('p.empty', 'Asking the pool…'));
    const again = () => redraw(body, [draw(shown)].flat(Infinity).filter(Boolean));
    return { element: box, again, update(data) {
        const text = JSON.stringify(data);
        if (text === seen) return;
        seen = text;
        shown = data;
        again();
    } };
}

/* Pages that belong together, beside their content: choiceLinks('Label', '#/me', { '': 'A', b: 'B' }, 'b') */
export const choiceLinks = (label, base, tabs, here) => el('nav.side', { 'aria-label': label }, el('ul', Object.entries(tabs).map(([key, text]) =>
    el('li', el('a', { href: key ? `${base}/${key}` : base, 'aria-current': key === here ? 'page' : null }, text)))));

/* One of few, as buttons: choice('Span', { a: 'A', b: 'B' }, 'a', key => …) */
export function choice(label, options, chosen, onChoose) {
    const buttons = Object.entries(options).map(([key, text]) => el('button.quiet', { type: 'button',
        'aria-pressed': `${key === chosen}`, onclick: event => {
            buttons.forEach(b => b.setAttribute('aria-pressed', `${b === event.currentTarget}`));
            onChoose(key);
        } }, text));
    return el('div.choice', { role: 'group', 'aria-label': label }, buttons);
}
