/* What the account is told: by which channel, its webhook, a notice to try it out, and what became
 * of those that were sent. Asked once and again after each change, like the other pages of the own
 * account; docs/notices.md says what each kind holds. */
import { action, form, shownOnce, sure } from './forms.js';
import { duration, moment } from './format.js';
import { el, folded, mark, Refusal, section, table, when } from './view.js';
import { asked, remove, tell } from './session.js';
import { page } from './settings.js';

const KINDS = {
    'worker.offline': ['A worker is offline', 'One notice for all that fell silent together.'],
    'payment.sent': ['A payment was sent', 'With the amount and its transaction.'],
    'block.own': ['My miner found a block', ''],
    'block.found': ['The pool found a block', 'Every one of them.'],
};
const NAMES = { ...Object.fromEntries(Object.entries(KINDS).map(([kind, [text]]) => [kind, text])),
    test: 'A notice to try it out', 'webhook.off': 'The webhook was switched off' };
const STATES = { sent: 'good', waiting: 'wait', withheld: 'warn', 'given up': 'bad' };
const now = () => Date.now() / 1000;

/* A box for each kind and channel, in a table that reads as one: the row names the kind, the column
 * the channel. */
function boxes(all) {
    const made = new Map();
    const box = (kind, channel, words, off) => {
        const input = el('input', { type: 'checkbox', 'aria-label': `${KINDS[kind]?.[0] ?? kind}, by ${words}`, disabled: off ? '' : null });
        input.checked = all[channel].includes(kind);
        made.set(`${channel} ${kind}`, input);
        return input;
    };
    const noMail = !all.letters || !all.address_confirmed, noHook = all.webhook_url === '';
    const element = el('table.choices', el('caption.hidden', 'What you are told, and how'),
        el('thead', el('tr', el('th', { scope: 'col' }, 'Tell me when'), el('th', { scope: 'col' }, 'E-mail'), el('th', { scope: 'col' }, 'Webhook'))),
        el('tbody', all.kinds.map(kind => el('tr', el('th', { scope: 'row' }, KINDS[kind]?.[0] ?? kind, KINDS[kind]?.[1] && el('span.words', KINDS[kind][1])),
            el('td', box(kind, 'email', 'e-mail', noMail)), el('td', box(kind, 'webhook', 'webhook', noHook))))));
    return { element, chosen: channel => all.kinds.filter(kind => made.get(`${channel} ${kind}`).checked).join(',') };
}

const minutes = seconds => `${Math.round(seconds / 6) / 10}`;

function choices(all, again) {
    const grid = boxes(all);
    const asks = form({ submit: 'Save', busy: 'Saving…', label: 'What you are told', fields: [{ name: 'offline_after_s',
        label: 'A worker is offline after (minutes)', inputmode: 'decimal', maxlength: 8, value: minutes(all.offline_after_s),
        hint: `Without an accepted share for so long: ${duration(all.offline_least_s)} to ${duration(all.offline_most_s)}.` }],
    send({ offline_after_s: text }) {
        const seconds = Math.round(Number(text.trim().replace(',', '.')) * 60);
        if (!(seconds >= all.offline_least_s && seconds <= all.offline_most_s))
            throw Object.assign(new Refusal(400, `from ${minutes(all.offline_least_s)} to ${minutes(all.offline_most_s)} minutes`), { field: 'offline_after_s' });
        return tell('/api/v1/me/notices', { email: grid.chosen('email'), webhook: grid.chosen('webhook'), offline_after_s: `${seconds}` });
    },
    done() { again(); return 'Saved.'; } });
    return [!all.letters ? el('p', mark('wait', 'This pool sends no letters: only a webhook tells you.'))
        : !all.address_confirmed && el('p', mark('warn', `${all.address} is not confirmed: no letter goes there.`), ' ', el('a', { href: '#/me' }, 'Confirm it')),
    grid.element, asks.element,
    all.letters && all.address_confirmed && el('p', action('Send me a letter to try it out', async () => {
        const { detail } = await tell('/api/v1/me/notices/test', { channel: 'email' });
        setTimeout(again, 2500);
        return detail;
    }))];
}

const HOOK_STATES = { on: ['good', 'On.'], failing: ['warn', 'It does not take notices now; they are tried again.'],
    off: ['bad', 'Switched off: it took nothing for long. Set it again when its receiver is well.'] };

function webhook(all, again, fresh) {
    const set = form({ submit: all.webhook_url ? 'Set another' : 'Set the webhook', fields: [{ name: 'url', label: 'URL', type: 'url',
        maxlength: 511, autocomplete: 'off', hint: 'HTTPS, reachable from the internet. Each notice is one signed POST (Standard Webhooks).' }],
    send: ({ url }) => tell('/api/v1/me/notices/webhook', { url: url.trim() }),
    done({ secret }) {
        fresh.replaceChildren(shownOnce('The webhook\u2019s secret', secret, 'Your receiver checks signatures with it. It is not shown again.'));
        again();
        return '';
    } });
    if (!all.webhook_url) return [el('p', 'None: notices can also be posted to a server of yours.'), set.element];
    const [kind, words] = HOOK_STATES[all.webhook_state] ?? ['wait', all.webhook_state];
    return [el('p', el('code.break', all.webhook_url)),
        el('p', mark(kind, words), all.webhook_failing_since ? ` Since ${moment(all.webhook_failing_since)}.` : ''),
        el('p', action('Send a notice to try it out', async () => {
            const { detail } = await tell('/api/v1/me/notices/test', { channel: 'webhook' });
            setTimeout(again, 2500);
            return detail;
        }), ' ', sure('Remove it', 'Nothing is posted there any more.', async () => { await remove('/api/v1/me/notices/webhook'); again(); }, { yes: 'Remove it' })),
        el('details', el('summary', 'Set another'), el('p.note', 'It has a secret of its own; what waits for this one is not sent.'), set.element)];
}

export function notices() {
    let again = () => {};
    const fresh = el('div', { 'aria-live': 'polite' });
    const chosen = section('What you are told', all => choices(all, () => again()));
    const hook = section('Webhook', all => webhook(all, () => again(), fresh));
    const fewest = folded(10);
    const log = section('Sent lately', ({ notices: list }) => fewest(list, some => table('The newest notices, kept for a week', ['When', 'What', 'By', 'State', '#Tries', 'Came of it'],
        some.map(n => [when(n.time, now()), NAMES[n.kind] ?? n.kind, n.channel === 'email' ? 'e-mail' : 'webhook',
            mark(STATES[n.state] ?? 'wait', n.state), `${n.tries}`, el('span.break', n.result, n.next && n.tries > 0 ? `; again at ${moment(n.next)}` : '')]), 'Nothing was sent yet.'), () => log.again()));
    const self = page('notices', 'What the pool tells you by itself, and where.', [chosen.element, fresh, hook.element, log.element], async signal => {
        const [all, sent] = await Promise.all([asked('/api/v1/me/notices', signal), asked('/api/v1/me/notices/log', signal)]);
        chosen.update(all);
        hook.update({ webhook_url: all.webhook_url, webhook_state: all.webhook_state, webhook_failing_since: all.webhook_failing_since });
        log.update(sent);
    });
    again = () => self.look();
    return self;
}
