/* "Check this payout": the proof of a block and the chain of statements are fetched, and checked
 * here, step by step in sight (verify.js). */
import { cap, count, hashes, money, shortHash } from './format.js';
import { ask, el, mark, Refusal } from './view.js';
import { hex, statementHead, verifyDocument } from './verify.js';

const CHAIN_PAGE = 500, CHAIN_PAGES = 20;

/* The chain up to the proof's statement; from as far back as a page's patience reaches. */
async function chainTo(number) {
    const chain = [], from = Math.max(0, number - CHAIN_PAGE * CHAIN_PAGES);
    for (let after = from; after < number;) {
        const { proofs } = await ask(`/api/v1/proofs?after=${after}&limit=${CHAIN_PAGE}`);
        if (proofs.length === 0) break;
        chain.push(...proofs);
        after = Number(proofs.at(-1).number);
        if (!Number.isSafeInteger(after)) break;
    }
    return chain;
}

const cut = bytes => `${hex(bytes).slice(0, 16)}…`;

function stepRow({ node, sibling, onLeft }, total) {
    const text = sibling === null ? 'Your leaf: salt, name, fee, work and amount, hashed'
        : `Joined with a neighbour on the ${onLeft ? 'left' : 'right'}: ${hashes(Number(sibling.work))} hashes of work more`;
    const share = Number(node.work * 10000n / (total || 1n)) / 100;
    return el('li', el('span', text), el('code', cut(node.hash)),
        el('span.muted', `${share.toFixed(2)} % of the window's work`));
}

function failed(text) {
    return [el('h3', 'Nothing could be checked'), el('p', mark('warn', text))];
}

export async function proofPanel(name, posting, { exponent, ticker }) {
    let document, chain;
    try {
        document = await ask(`/api/v1/accounts/${encodeURIComponent(name)}/proofs/${posting.block}`);
        chain = await chainTo(Number(document.statement?.number ?? 0));
    } catch (error) {
        if (error instanceof Refusal && error.status === 404)
            return failed('The pool has no proof for this block: a scheme without a window gives none.');
        return failed(`The pool did not give the proof (${error.message}). Ask again in a moment.`);
    }
    const coin = [exponent, ticker], steps = [];
    const { ok, findings, proof } = verifyDocument(document, { chain, visit: step => steps.push(step), amount: units => money(units, ...coin) });
    /* The credit of this page against the proof's bytes. */
    if (proof) findings.push({ ok: `${proof.leaf.amount}` === posting.amount && hex(proof.statement.block) === posting.block,
        text: `the proof is of this very block and of ${money(posting.amount, ...coin)}, as credited` });
    const right = ok && findings.every(finding => finding.ok);
    const parts = [el('h3', `Proof for block ${shortHash(posting.block)}`),
        el('p.verdict', mark(right ? 'good' : 'bad', right ? 'This payout is proven: your browser checked every step.' : 'This proof is WRONG. Keep it and show it to others.')),
        el('ul.findings', findings.map(finding => el('li', mark(finding.ok ? 'good' : 'bad', `${cap(finding.text)}.`))))];
    if (proof) parts.push(el('p', `From your leaf to the root of ${count(proof.statement.accounts)} accounts, in ${steps.length === 2 ? 'one step' : `${steps.length - 1} steps`}:`),
        el('ol.path', steps.map(step => stepRow(step, proof.statement.root.work)),
            el('li', el('span', `Root: all accounts of the window, ${money(proof.statement.root.amount, ...coin)} paid out of ${money(proof.statement.reward, ...coin)}`),
                el('code', cut(proof.statement.root.hash)), el('span.muted', `fee ${money(proof.statement.fee, ...coin)}, unallocated ${money(proof.statement.unallocated, ...coin)}`)),
            el('li', el('span', `Statement ${proof.statement.number} of the pool's chain; its head stands in later blocks`),
                el('code', cut(statementHead(proof.statement))), el('span.muted', `scheme ${proof.statement.scheme}`))));
    parts.push(el('p.note', 'A page of the pool is the pool\u2019s word. To depend on nobody, run ', el('code', 'adit verify'),
        ' on your own machine, against your own node and your own count of shares.'));
    return parts;
}
