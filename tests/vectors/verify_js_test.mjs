/* The page's verify.js against the vectors that the C code is held to, and against itself where a
 * document lies. Run by Node.js: verify_js_test.mjs SOURCE. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const source = process.argv[2];
const module_text = readFileSync(`${source}/services/inode-scheduler/site/verify.js`);
/* By URL, because it is named as browsers want it. */
const verify = await import(`data:text/javascript;base64,${module_text.toString('base64')}`);
const { hex, unhex } = verify;
const lines = readFileSync(`${source}/tests/vectors/proofs.txt`, 'utf8').split('\n')
    .filter(line => line && !line.startsWith('#'))
    .map(line => {
        const [kind, ...fields] = line.split(' ');
        return { kind, ...Object.fromEntries(fields.map(field => field.split('='))) };
    });
const of = kind => lines.filter(line => line.kind === kind);

test('the module is small and asks nobody for anything', () => {
    assert.ok(module_text.length <= 15 * 1024);
    assert.ok(!/\b(import|fetch|XMLHttpRequest|eval)\b[ (]/.test(module_text));
});

test('hashes are those of SHA-256 at every length', () => {
    for (let length = 0; length < 300; length++) {
        const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
        assert.equal(hex(verify.sha256(bytes)), createHash('sha256').update(bytes).digest('hex'));
    }
});

test('every proof is said of what the vectors say', () => {
    assert.ok(of('proof').length > 50);
    for (const { expect, fair, rounding, data } of of('proof')) {
        const proof = verify.readProof(unhex(data));
        const outcome = proof === null ? 'PROOF_MALFORMED' : verify.checkProof(proof);
        assert.equal(outcome, expect);
        assert.ok(outcome in verify.sentences);
        if (fair !== undefined) assert.equal(`${verify.fairAmount(proof)}`, fair);
        if (fair !== undefined) assert.equal(`${verify.rounding(proof)}`, rounding);
    }
});

test('no changed bit of a proof goes unnoticed', () => {
    const { data } = of('proof').find(line => line.expect === 'PROOF_OK' && line.data.length > 1000);
    const good = unhex(data), head = hex(verify.statementHead(verify.readProof(good).statement));
    for (let bit = 0; bit < 8 * good.length; bit++) {
        const bytes = good.slice();
        bytes[bit >> 3] ^= 1 << (bit & 7);
        const proof = verify.readProof(bytes);
        /* What the tree does not know, the statement's own hash does. */
        const noticed = proof === null || verify.checkProof(proof) !== 'PROOF_OK' ||
            hex(verify.statementHead(proof.statement)) !== head;
        assert.ok(noticed, `bit ${bit}`);
    }
});

test('statements make one chain', () => {
    const chain = of('statement').map(line => {
        const statement = verify.readStatement(unhex(line.data));
        assert.equal(hex(verify.statementHead(statement)), line.head);
        assert.equal(verify.checkStatement(statement), 'PROOF_OK');
        assert.equal(verify.readStatement(unhex(line.data).slice(1)), null);
        return statement;
    });
    chain.forEach((statement, i) => {
        chain.forEach((other, j) => assert.equal(verify.follows(statement, other), j === i + 1));
    });
});

test('a coinbase output names number and head, or is none', () => {
    for (const { number, head, script } of of('commitment')) {
        const found = verify.readCommitment(unhex(script));
        assert.equal(found && `${found.number}`, number ?? null);
        if (found) assert.equal(hex(found.head), head);
    }
});

const document = JSON.parse(readFileSync(`${source}/tests/vectors/proof_document.json`, 'utf8'));
const chain = of('statement').map(line => ({ bytes: line.data }));
const all_ok = { ok: true, outcome: 'PROOF_OK' };

function expectDocument(changed, options, wanted, text) {
    const { ok, outcome, findings } = verify.verifyDocument(changed, options);
    assert.deepEqual({ ok, outcome }, wanted, JSON.stringify(findings));
    if (text) assert.ok(findings.some(f => !f.ok && f.text.includes(text)), JSON.stringify(findings));
}

test("the API's document is right with its chain and one's own count", () => {
    expectDocument(document, { chain, work: document.leaf.work }, all_ok);
    expectDocument(document, {}, all_ok);
});

test('whatever a document says otherwise than its bytes is a lie', () => {
    const lie = (change, text) => {
        const changed = structuredClone(document);
        change(changed);
        const { ok, findings } = verify.verifyDocument(changed);
        assert.equal(ok, false);
        assert.ok(findings.some(f => !f.ok && f.text.includes(text)), JSON.stringify(findings));
    };
    for (const part of ['statement', 'leaf'])
        for (const name of Object.keys(document[part]))
            lie(d => { d[part][name] = 'x'; }, part);
    lie(d => { d.place++; }, '"place"');
    lie(d => { d.bytes = d.bytes.slice(2); }, 'version 1');
    lie(d => { d.format = 'adit-proof/9'; }, 'version 1');
    for (const nothing of [null, 5, {}, { bytes: 'zz' }, [], { format: 'adit-proof/1', bytes: 7 }])
        assert.equal(verify.verifyDocument(nothing).ok, false);
});

test('a count of more than is proven, and another chain, are told', () => {
    const wanted = { ok: false, outcome: 'PROOF_OK' };
    expectDocument(document, { work: BigInt(document.leaf.work) + 1n }, wanted, 'you did');
    expectDocument(document, { chain: chain.slice(0, 1) }, wanted, 'does not reach');
    expectDocument(document, { chain: [chain[0], chain[2]] }, wanted, 'broken at its entry 2');
    expectDocument(document, { chain: [{}] }, wanted, 'broken at its entry 1');
    const other = structuredClone(chain);
    const at = Number(document.statement.number) - 1;
    /* Another count of shares in the statement of our block, alone: nothing can follow it. */
    const bytes = unhex(other[at].bytes);
    bytes[233] ^= 1;
    expectDocument(document, { chain: [{ bytes: hex(bytes) }] }, wanted, "is the proof's");
});
