/* Numbers as people read them. Money is exact: text of base units in, text of coins out, by BigInt
 * and never through a float. Nothing here touches the page. */
const THIN = '\u202f', NONE = '–';

const grouped = digits => digits.replace(/\B(?=(\d{3})+$)/g, THIN);

/* { sign, whole, part, rest }: part has at least two decimals, rest is the zeros behind them. */
export function coins(units, exponent) {
    if (!/^-?\d+$/.test(String(units))) throw new TypeError(`no amount: ${units}`);
    const value = BigInt(units), size = value < 0n ? -value : value;
    const digits = size.toString().padStart(exponent + 1, '0');
    const whole = digits.slice(0, digits.length - exponent), decimals = digits.slice(whole.length);
    const kept = Math.max(Math.min(2, exponent), decimals.replace(/0+$/, '').length);
    return { sign: value < 0n ? '\u2212' : '', whole: grouped(whole), part: decimals.slice(0, kept),
        rest: decimals.slice(kept) };
}

export function money(units, exponent, ticker = '') {
    const { sign, whole, part } = coins(units, exponent);
    return `${sign}${whole}${part && '.' + part}${ticker && '\u00a0' + ticker}`;
}

/* An estimate of money: three figures of it, and no more decimals than those take. */
export function rough(units, exponent, ticker) {
    const digits = `${units}`, kept = digits.slice(0, 3).padEnd(digits.length, '0');
    return money(kept, exponent, ticker).replace(/\.00(?=\u00a0|$)/, '');
}

/* What a person wrote, as text of base units; null where it is no amount of this coin. */
export function unitsOf(text, exponent) {
    const [, whole, part = ''] = /^\s*([\d\s\u202f]*)(?:[.,](\d*))?\s*$/.exec(text) ?? [];
    const digits = whole?.replace(/\D/g, '');
    if (digits === undefined || part.length > exponent || digits + part === '') return null;
    return BigInt(digits + part.padEnd(exponent, '0')).toString();
}

export const cap = text => text.charAt(0).toUpperCase() + text.slice(1);

/* Adds texts of base units. */
export const sum = units => units.reduce((all, one) => all + BigInt(one), 0n).toString();

export const count = value => Number.isFinite(value) ? grouped(Math.round(value).toString()) : NONE;

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];

/* Three figures and an SI prefix: ["61.2", "k"]. */
export function scaled(value) {
    if (!Number.isFinite(value) || value < 0) return [NONE, ''];
    let at = 0;
    /* 999.5 would be shown as 1000 */
    while (value >= 999.5 && at < PREFIXES.length - 1) { value /= 1000; at++; }
    const figures = at === 0 && Number.isInteger(value) ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return [value.toFixed(figures), PREFIXES[at]];
}
export const rate = value => { const [n, p] = scaled(value); return `${n}\u00a0${p}H/s`; };
export const hashes = value => { const [n, p] = scaled(value); return `${n}${p && '\u00a0' + p}`; };

/* What is not nothing is not shown as nothing. */
export const percent = (part, figures = 1) => !Number.isFinite(part) ? NONE
    : part > 0 && 100 * part < 0.5 * 10 ** -figures ? `<\u00a0${(10 ** -figures).toFixed(figures)}\u00a0%` : `${(100 * part).toFixed(figures)}\u00a0%`;

/* Two standard deviations: 19 of 20 estimates are no further off. `error` is one, or null. */
export function margin(error) {
    if (error === null || error === undefined) return 'no shares yet';
    return 2 * error >= 1 ? 'too few shares to tell' : `±\u00a0${percent(2 * error, error < 0.05 ? 1 : 0)}`;
}

const SPANS = [[86400 * 2, 86400, 'days'], [7200, 3600, 'h'], [120, 60, 'min'], [0, 1, 's']];
export function duration(seconds) {
    if (!Number.isFinite(seconds)) return NONE;
    const [, unit, name] = SPANS.find(([from]) => seconds >= from) ?? SPANS.at(-1);
    return `${Math.max(0, Math.round(seconds / unit))}\u00a0${name}`;
}
export const ago = (time, now) => !time ? 'never' : now - time < 2 ? 'just now' : `${duration(now - time)} ago`;

const two = n => String(n).padStart(2, '0');
export const clock = time => {
    const d = new Date(time * 1000);
    return `${two(d.getHours())}:${two(d.getMinutes())}`;
};
export const moment = time => {
    const d = new Date(time * 1000);
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(time)}:${two(d.getSeconds())}`;
};

/* The time of today, the day and time of another. */
export const dated = (time, now = Date.now() / 1000) => moment(time).slice(0, 10) === moment(now).slice(0, 10) ? clock(time) : moment(time).slice(0, 16);

/* Few of them with their decimals, many without. */
export const frequency = value => value < 100 ? value.toFixed(2) : count(value);

export const short = (text, ends = 8) =>
    text.length <= 2 * ends + 1 ? text : `${text.slice(0, ends)}…${text.slice(-ends)}`;
/* A block's hash begins with zeros that say nothing. */
export const shortHash = hash => `…${hash.slice(-12)}`;

export const reasons = {
    stale: 'Stale: for a block already found', job_not_found: 'For a job nobody knows',
    duplicate: 'Handed in twice', low_difficulty: 'Below the difficulty', unauthorized: 'Not authorised',
    not_subscribed: 'Not subscribed', invalid_ntime: 'Time out of range',
    invalid_version: 'Version bits', invalid_extranonce2: 'Extranonce of a wrong length',
    malformed: 'Malformed', worker_mismatch: 'Another worker\u2019s', overloaded: 'The pool was overloaded',
    not_durable: 'The pool could not store it', banned: 'Banned',
};
