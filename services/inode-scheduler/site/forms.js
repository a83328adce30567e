/* Forms that say what is wrong where it is wrong, and to whom it must be read aloud. A form sends
 * what it holds as an object of texts; what the API refuses with a `field` is said beside it. */
import { el, mark } from './view.js';
import { cap, duration } from './format.js';
import { name as whoIsIn } from './session.js';

let made = 0;

/* { name, label, type, hint, value, autocomplete, optional, area, options, … attributes } */
function control(field) {
    const id = `f${++made}-${field.name}`, said = `${id}-said`, hint = `${id}-hint`;
    const { name, label, hint: words, value, optional, options, hidden, ...rest } = field;
    const describedby = [words && hint, said].filter(Boolean).join(' ');
    const common = { id, name, 'aria-describedby': describedby, required: optional || hidden ? null : '' };
    const input = options
        ? el('select', common, Object.entries(options).map(([key, text]) => el('option', { value: key }, text)))
        : el('input', { type: 'text', autocapitalize: 'off', spellcheck: 'false', ...rest, ...common,
            value: value ?? null });
    if (options && value !== undefined) input.value = value;
    const error = el('p.wrong', { id: said });
    const element = el('div.field', hidden ? { hidden: '' } : null, el('label', { for: id }, label,
        optional && !options && el('span.muted', ' (may be left out)')),
    input, words && el('p.words', { id: hint }, words), error);
    return { name, input, element, say(text) {
        error.replaceChildren(text ? mark('bad', text) : '');
        if (text) input.setAttribute('aria-invalid', 'true'); else input.removeAttribute('aria-invalid');
    } };
}

const sentence = text => `${cap(text)}${/[.!?]$/.test(text) ? '' : '.'}`;
export const refusal = error => {
    if (error instanceof TypeError) return 'The pool does not answer. Nothing was changed, as far as is known here; try again.';
    const later = error.status === 429 && error.later ? ` In ${duration(error.later)} it may be tried again.` : '';
    return sentence(error.message) + later;
};

/* form({ fields, submit, quiet, danger, send: async values => …, done: result => words }) */
export function form({ fields, submit, danger, send, done, busy = 'One moment…', label }) {
    const controls = fields.map(control), by = new Map(controls.map(c => [c.name, c]));
    const outcome = el('div.outcome', { role: 'status' });
    /* What password managers go by. */
    const forWhom = fields.some(f => f.type === 'password') && !by.has('name')
        && el('input', { type: 'text', autocomplete: 'username', hidden: '', value: whoIsIn() ?? '' });
    const button = el(danger ? 'button.danger' : 'button', { type: 'submit' }, submit);
    const element = el('form.form', { 'aria-label': label ?? submit, onsubmit: async event => {
        event.preventDefault();
        if (button.disabled) return;
        controls.forEach(c => c.say(''));
        outcome.replaceChildren();
        button.disabled = true;
        button.textContent = busy;
        try {
            const values = Object.fromEntries(controls.filter(c => !c.element.hidden)
                .map(c => [c.name, c.input.value]));
            const words = done(await send(values));
            if (words) outcome.replaceChildren(mark('good', words));
        } catch (error) {
            wrong(error);
        } finally {
            button.disabled = false;
            button.textContent = submit;
        }
    } }, forWhom, controls.map(c => c.element), el('div.buttons', button), outcome);
    function wrong(error) {
        const at = by.get(error.field);
        if (at) {
            if (at.element.hidden) { /* what nobody sees must not be required */
                at.element.hidden = false;
                at.input.required = true;
            }
            at.say(refusal(error));
            at.input.focus();
        } else {
            outcome.replaceChildren(mark('bad', refusal(error)));
            if (!(error.status >= 0) && !(error instanceof TypeError)) throw error;
        }
    }
    return { element, clear() { controls.forEach(c => { c.input.value = ''; }); } };
}

/* A button that does something: once at a time, with what came of it beside it. */
export function action(text, act, { danger, quiet = true, label } = {}) {
    const said = el('span.said', { role: 'status' });
    const button = el(`button${quiet ? '.quiet' : ''}${danger ? '.danger' : ''}`, { type: 'button', 'aria-label': label ?? null, onclick: async () => {
        button.disabled = true;
        said.replaceChildren();
        try {
            const words = await act();
            if (words) said.replaceChildren(mark('good', words));
        } catch (error) {
            said.replaceChildren(mark('bad', refusal(error)));
            if (!(error.status >= 0) && !(error instanceof TypeError)) throw error;
        } finally { button.disabled = false; }
    } }, text);
    return el('span.action', button, said);
}

/* Asks in the page, with the keyboard in it, before something that cannot be taken back; where that
 * is dangerous the keyboard stands on the way out. */
export function sure(text, question, act, options = {}) {
    const id = `q${++made}`;
    const open = el(`button.quiet${options.danger ? '.danger' : ''}`, { type: 'button', 'aria-label': options.label ?? null,
        onclick: () => dialog.showModal() }, text);
    const dialog = el('dialog', { 'aria-label': text, 'aria-describedby': id }, el('p', { id }, question), el('div.buttons',
        action(options.yes ?? text, async () => {
            const words = await act();
            dialog.close();
            return words;
        }, { danger: options.danger, quiet: false }),
        el('button.quiet', { type: 'button', autofocus: options.danger ? '' : null, onclick: () => dialog.close() }, 'Leave it')));
    return el('span', open, dialog);
}

/* A secret that is shown this once, with a way to take it along. */
export function shownOnce(title, text, words) {
    const button = el('button.quiet', { type: 'button', onclick: async () => {
        try { await navigator.clipboard.writeText(text); button.textContent = 'Copied'; } catch {
            getSelection().selectAllChildren(code); }
    } }, 'Copy');
    const code = el('code.secret', { tabindex: 0 }, text);
    return el('div.once', el('h3', title), el('div.copy', code, button), el('p.note', words));
}

export const PASSWORD = { name: 'password', type: 'password', autocomplete: 'current-password', maxlength: 1024 };
export const CODE = { name: 'code', label: 'Code of your second factor', inputmode: 'numeric', autocomplete: 'one-time-code',
    maxlength: 32, hint: 'Six digits from your app, or a recovery code.' };
/* What every change that could take the money wants. */
export const proof = me => [{ ...PASSWORD, label: 'Your password' },
    { ...CODE, hidden: !me.second_factor, optional: !me.second_factor }];
