/* Who is logged in here. The access token lives in this module's memory alone and dies with the
 * page; the refresh token is in a cookie that no script can read, for auth's own routes. Of several
 * tabs one refreshes at a time, because each refresh token is good once. What is kept in the
 * browser's storage is the name, so that a visitor who never logged in asks auth nothing. */
import { ask, Refusal } from './view.js';

const HINT = 'account', ROLE = 'operates', EARLY_MS = 30000;
let access = null, dies = 0, refreshing = null, generation = 0;

/* Nobody is logged in (any more), or the token says otherwise. */
export class SignedOut extends Refusal {
    constructor(detail) { super(401, detail); }
}

export const about = signal => ask('/api/v1/pool/about', signal);

export const name = () => {
    try { return localStorage.getItem(HINT); } catch { return null; }
};

/* Whether an operator's pages are worth offering; what they show is decided by the pool. */
export const operates = () => {
    try { return localStorage.getItem(ROLE) === 'yes'; } catch { return false; }
};

function put(key, value) {
    if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, value);
}

function remember(who, operator) {
    if (who === name() && operator === operates()) return;
    try {
        put(HINT, who);
        put(ROLE, operator ? 'yes' : null);
    } catch { /* no storage: nobody can be logged in here */ }
    dispatchEvent(new Event('session'));
}
const say = (who, roles = []) => remember(who, roles.includes('operator'));
/* An operator's page was shown, or refused. */
export const sawOperator = yes => remember(name(), yes);

function forget() {
    access = null;
    generation++;
    say(null);
}

/* Another tab logged out, or in as somebody else. */
addEventListener('storage', event => {
    if (event.key !== HINT) return;
    access = null;
    generation++;
    dispatchEvent(new Event('session'));
});

const ofAuth = path => /^\/api\/v1\/(me|auth|login|register)(\/|\?|$)/.test(path);

/* auth is at this origin behind a reverse proxy, else where the pool says. */
async function urlOf(path) {
    if (!ofAuth(path)) return path;
    const { auth, site } = await about();
    if (auth && site && site !== location.origin)
        throw new Refusal(0, `log in at ${site}, where this pool expects it; this page came from ${location.origin}`);
    return auth + path;
}

function problem(answer, body) {
    const refusal = new Refusal(answer.status, body?.detail ?? `the pool answered ${answer.status}`);
    refusal.field = body?.field;
    refusal.later = Number(answer.headers.get('retry-after')) || 0;
    return refusal;
}

async function send(method, path, { token, body, signal, keep } = {}) {
    const url = await urlOf(path), headers = {};
    if (token) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const answer = await fetch(url, { method, headers, signal, cache: 'no-store', keepalive: keep === true,
        credentials: keep ? 'include' : 'omit', body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    let document = null;
    try { document = text === '' ? {} : JSON.parse(text); } catch { /* no answer of the pool's */ }
    if (!answer.ok || document === null) throw problem(answer, document);
    return document;
}

function keepAccess(tokens) {
    access = tokens.access_token;
    dies = Date.now() + tokens.expires_in * 1000;
}

/* The request outlives the page (keepalive), so that a reload does not lose the next token. */
async function refreshNow() {
    const before = generation;
    try {
        const tokens = await send('POST', '/api/v1/auth/refresh', { body: {}, keep: true });
        if (before === generation) keepAccess(tokens);
    } catch (error) {
        if (!(error instanceof Refusal) || error.status !== 401) throw error;
        if (before === generation) forget();
        throw new SignedOut('the session has ended: log in again');
    }
}

function refresh() {
    refreshing ??= (navigator.locks ? navigator.locks.request('adit-refresh', refreshNow) : refreshNow())
        .finally(() => { refreshing = null; });
    return refreshing;
}

async function token() {
    if (name() === null) throw new SignedOut('log in first');
    if (access === null || Date.now() > dies - EARLY_MS) await refresh();
    if (access === null) throw new SignedOut('log in first');
    return access;
}

/* A request with the token: asked(…) reads, tell(…) changes. A 401 is answered by one refresh. */
async function guarded(method, path, body, signal) {
    const used = await token();
    try { return await send(method, path, { token: used, body, signal }); } catch (error) {
        if (!(error instanceof Refusal) || error.status !== 401 || error.field !== 'authorization') throw error;
    }
    if (access === used) access = null;
    return send(method, path, { token: await token(), body, signal });
}
export const asked = (path, signal) => guarded('GET', path, undefined, signal);
export const tell = (path, body) => guarded('POST', path, body);
export const remove = path => guarded('DELETE', path);
/* The own account; what it says of roles is remembered. */
export async function me(signal) {
    const account = await asked('/api/v1/me', signal);
    say(account.name, account.roles);
    return account;
}

/* What needs no token: registration, letters. */
export const post = (path, body) => send('POST', path, { body });

export async function logIn(who, password, code) {
    const body = { name: who, password, keep: 'cookie' };
    if (code) body.code = code;
    generation++;
    keepAccess(await send('POST', '/api/v1/login', { body, keep: true }));
    const me = await send('GET', '/api/v1/me', { token: access });
    say(me.name, me.roles);
    return me;
}

/* The name of the account that a read-only link is of. */
export async function nameOfLink(key) {
    const tokens = await post('/api/v1/auth/token', { key });
    return (await send('GET', '/api/v1/me', { token: tokens.access_token })).name;
}

/* The session ends at auth, too; where that cannot be told, at least this browser forgets. */
export async function logOut() {
    try { await send('POST', '/api/v1/auth/logout', { body: {}, keep: true }); } catch { /* ended */ }
    forget();
}
export const ended = forget;
