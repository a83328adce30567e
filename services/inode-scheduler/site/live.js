/* The stream of what happens (docs/live.md), for the page that is shown and as long as somebody
 * looks. What it tells is written into the answers that the page was drawn from; the page is drawn
 * again from those, and only what is another is painted. Without a stream pages ask by themselves. */
import { change } from './view.js';

const AGAIN_MS = 60000, SILENT_MS = 20000;
let source = null, wanted = null, listener = null, timer = 0, silence = 0;

/* Into a list as the API answered it, newest first: in place of what it is about, or beside. */
function put(list, entry, key, order, path) {
    const known = list.some(x => x[key] === entry[key]);
    const next = known ? list.map(x => x[key] === entry[key] ? entry : x) : [...list, entry];
    const limit = Number(new URLSearchParams(path.split('?')[1]).get('limit') ?? 50);
    return (known ? next : next.sort((a, z) => z[order] - a[order])).slice(0, limit);
}
const ACCOUNT = '^/api/v1/accounts/[^/?]+';
const answers = (pattern, write) => change(path => new RegExp(pattern).test(path) && !/[?&](before|page)=/.test(path), write);
const putWorkers = list => answers(`${ACCOUNT}/workers\\?`, (body, path) =>
    ({ ...body, workers: list.reduce((all, worker) => put(all, worker, 'id', 'hashrate', path), body.workers) }));

/* What an event changes; true: more has changed than it says, which is asked for soon. */
const TELLS = {
    shares(data) {
        answers('/pool/statistics$', body => ({ ...body, ...data }));
        answers('/pool/status$', body => ({ ...body, connected_miners: data.total_miners,
            total_shares: data.share_statistics.total_shares, valid_shares: data.share_statistics.valid_shares }));
    },
    status() { return true; },
    job(data) { answers('/pool/statistics$', body => ({ ...body, network: data.network })); },
    block(data) {
        answers('/api/v1/blocks\\?', (body, path) => ({ ...body, blocks: put(body.blocks, data.block, 'hash', 'found_ms', path) }));
        return true;
    },
    account(data) { answers(`${ACCOUNT}$`, body => ({ ...body, ...data, name: body.name })); },
    workers(data) { putWorkers(data.workers); },
    worker(data) { putWorkers([data.worker]); },
    paid(data) {
        answers(`${ACCOUNT}/payments\\?`, (body, path) => ({ ...body, payments: put(body.payments, data.payment, 'number', 'number', path) }));
        return true;
    },
};

function close() {
    clearTimeout(timer);
    clearTimeout(silence);
    source?.close();
    source = null;
}
function later(ms) {
    close();
    listener.open(false);
    timer = setTimeout(open, ms * (1 + Math.random()));
}
/* The pool tells something every second: a connection that says nothing is none. */
function hear() {
    clearTimeout(silence);
    silence = setTimeout(() => later(0), SILENT_MS);
}

function open() {
    let greeted = false;
    const mine = source = new EventSource(`/api/v1/live${wanted ? `?${wanted}` : ''}`);
    mine.addEventListener('hello', event => {
        hear();
        listener.open(true, greeted && !JSON.parse(event.data).resumed);
        greeted = true;
    });
    for (const [name, write] of Object.entries(TELLS))
        mine.addEventListener(name, event => {
            hear();
            listener.told(write(JSON.parse(event.data)) === true);
        });
    mine.addEventListener('error', () => {
        if (mine !== source) return;
        clearTimeout(silence);
        if (mine.readyState === EventSource.CLOSED) later(AGAIN_MS); /* refused: full, or not there */
        else listener.open(false); /* the browser tries again by itself */
    });
}

/* Which stream is wanted, as its query; null: none. `open(is, missed)` says whether it is there, and
 * whether something was missed; `told(more)` that answers were changed. */
export function follow(query, hears) {
    if (query === wanted) return;
    wanted = query;
    listener = hears;
    close();
    if (query === null) listener.open(false); else open();
}
