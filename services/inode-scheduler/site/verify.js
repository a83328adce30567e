/* Checks a pool's proofs in the browser, as `adit verify` does offline: docs/proofs.md has the
 * formats, common/core/proof the rules. Bytes alone are believed; a document's words must agree with
 * them. Numbers are BigInt. SHA-256 is written out because a page that came over plain HTTP has no
 * crypto.subtle. Nothing is fetched here, and nothing is kept.
 *
 *   const { ok, findings } = verifyDocument(document, { chain, work });
 *   for (const { ok, text } of findings) …
 */
const LIMIT_128 = 1n << 128n, MONEY_MAX = (1n << 63n) - 1n, BASIS_POINTS = 10000n, ROUNDING = 2n;
const NAME_BYTES_MAX = 128, PATH_MAX = 32;
export const STATEMENT_BYTES = 257;

export const sentences = {
    PROOF_OK: 'the proof is right',
    PROOF_MALFORMED: 'these bytes are no proof of this version',
    PROOF_BAD_TOTALS: "fee, unallocated and the accounts' amounts do not sum to the reward",
    PROOF_BAD_FEE: "the account's fee is more than everything",
    PROOF_BAD_PLACE: "the leaf's place is beyond the number of accounts",
    PROOF_BAD_LENGTH: 'the path is not as long as the number of accounts demands',
    PROOF_OVERFLOW: 'the sums along the path leave their range',
    PROOF_WRONG_SUMS: "the sums at the root are not the statement's totals",
    PROOF_WRONG_ROOT: "the path does not lead to the statement's root",
    PROOF_BROKEN_CHAIN: 'a statement does not follow the one before it',
};

/* FIPS 180-4. The constants are the fractions of roots of primes, made once. */
const primes = [];
for (let n = 2; primes.length < 64; n++)
    if (primes.every(p => n % p)) primes.push(n);
/* floor(2^32 · frac(n^(1/k))), by integers: the k-th root of n · 2^(32k) */
function rootFraction(n, k) {
    const wanted = BigInt(n) << BigInt(32 * k);
    let low = 0n, high = 1n << 42n;
    while (high - low > 1n) {
        const middle = (low + high) >> 1n;
        if (middle ** BigInt(k) <= wanted) low = middle; else high = middle;
    }
    return Number(low & 0xffffffffn) | 0;
}
const K = Int32Array.from(primes, p => rootFraction(p, 3));
const H = Int32Array.from(primes.slice(0, 8), p => rootFraction(p, 2));
const turn = (x, n) => (x >>> n) | (x << (32 - n));

export function sha256(bytes) {
    const state = Int32Array.from(H), w = new Int32Array(64);
    const padded = new Uint8Array((bytes.length + 72) & ~63), view = new DataView(padded.buffer);
    padded.set(bytes);
    padded[bytes.length] = 0x80;
    view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
    for (let at = 0; at < padded.length; at += 64) {
        for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
        for (let i = 16; i < 64; i++) {
            const x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) +
                (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
        }
        let [a, b, c, d, e, f, g, h] = state;
        for (let i = 0; i < 64; i++) {
            const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) +
                K[i] + w[i]) | 0;
            const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
                ((a & b) ^ (a & c) ^ (b & c))) | 0;
            h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
        }
        [a, b, c, d, e, f, g, h].forEach((value, i) => { state[i] += value; });
    }
    const hash = new Uint8Array(32), out = new DataView(hash.buffer);
    state.forEach((value, i) => out.setInt32(4 * i, value));
    return hash;
}

const join = (...parts) => {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => { all.set(part, at); return at + part.length; }, 0);
    return all;
};
/* BIP 340: sha256(sha256(tag) ‖ sha256(tag) ‖ message) */
const tags = {};
function tagged(tag, ...parts) {
    const t = tags[tag] ??= sha256(new TextEncoder().encode(tag));
    return sha256(join(t, t, ...parts));
}

export const hex = bytes => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');
/* null for anything but an even number of hex digits */
export function unhex(text) {
    if (typeof text !== 'string' || text.length % 2 || !/^[0-9a-fA-F]*$/.test(text)) return null;
    return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.substr(2 * i, 2), 16));
}
const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

function number(value, length) {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++, value >>= 8n) bytes[i] = Number(value & 255n);
    return bytes;
}

/* Little-endian. Throws where there is less than is asked for. */
class Reader {
    constructor(bytes) { this.bytes = bytes; this.at = 0; }
    take(length) {
        if (length > this.bytes.length - this.at) throw new RangeError('short');
        this.at += length;
        return this.bytes.slice(this.at - length, this.at);
    }
    big(length) { return this.take(length).reduceRight((sum, b) => sum << 8n | BigInt(b), 0n); }
    small(length) { return Number(this.big(length)); }
    node() { return { work: this.big(16), amount: this.big(8), hash: this.take(32) }; }
    position() { return { high: this.big(8), low: this.big(8), index: this.small(4) }; }
    statement() {
        const from = this.at;
        const s = {
            number: this.big(8), previous: this.take(32), block: this.take(32).reverse(),
            height: this.small(4), reward: this.big(8), fee: this.big(8),
            unallocated: this.big(8), accounts: this.small(4), root: this.node(),
            empty: this.small(1), oldest: this.position(), newest: this.position(),
            windowWork: this.big(16), networkWork: this.big(16), shares: this.big(8),
        };
        const [, scheme] = /^([\x21\x23-\x5b\x5d-\x7e]{0,15})\0+$/.exec(
            String.fromCharCode(...this.take(16))) ?? [];
        if (s.empty > 1 || scheme === undefined || s.number === 0n) throw new RangeError('bounds');
        return { ...s, empty: s.empty === 1, scheme, bytes: this.bytes.slice(from, this.at) };
    }
}

const read = (bytes, reading) => {
    try {
        const reader = new Reader(bytes), value = reading(reader);
        return reader.at === bytes.length ? value : null;
    } catch (error) {
        if (error instanceof RangeError) return null;
        throw error;
    }
};

/* What the encoder writes and nothing else; null otherwise. */
export const readStatement = bytes => read(bytes, reader => reader.statement());

export const readProof = bytes => read(bytes, reader => {
    if (hex(reader.take(5)) !== '6150524601') throw new RangeError('magic'); /* "aPRF" 1 */
    const statement = reader.statement();
    const salt = reader.take(32), kind = reader.small(1), nameBytes = reader.small(1);
    if (kind < 1 || kind > 3 || nameBytes < 1 || nameBytes > NAME_BYTES_MAX)
        throw new RangeError('name');
    const leaf = {
        salt, kind, name: reader.take(nameBytes), account: reader.big(8),
        basisPoints: reader.big(2), work: reader.big(16), amount: reader.big(8),
    };
    const place = reader.small(4), length = reader.small(1);
    if (length > PATH_MAX) throw new RangeError('path');
    return { statement, leaf, place, path: Array.from({ length }, () => reader.node()) };
});

export const statementHead = statement => tagged('adit/proof/head', statement.bytes);

const sumsOf = node => join(number(node.work, 16), number(node.amount, 8));

function leafNode(leaf) {
    const { work, amount } = leaf;
    return { work, amount, hash: tagged('adit/proof/leaf', leaf.salt,
        Uint8Array.of(leaf.kind, leaf.name.length), leaf.name, number(leaf.account, 8),
        number(leaf.basisPoints, 2), sumsOf(leaf)) };
}

/* null where the sums leave their range */
function joinNodes(left, right) {
    const work = left.work + right.work, amount = left.amount + right.amount;
    if (work >= LIMIT_128 || amount > MONEY_MAX) return null;
    return { work, amount, hash: tagged('adit/proof/node', sumsOf(left), left.hash,
        sumsOf(right), right.hash) };
}

const order = (a, b) => a.high !== b.high ? (a.high < b.high ? -1 : 1)
    : a.low !== b.low ? (a.low < b.low ? -1 : 1) : a.index - b.index;

/* The number of a stretch of bought work; 0 for a block's statement. `block` is as people see it:
 * the number, little-endian, before 24 zeros. */
export const stretchOf = s => s.height !== 0 || s.block.slice(8).some(b => b !== 0) ? 0n
    : s.block.slice(0, 8).reduceRight((sum, b) => sum << 8n | BigInt(b), 0n);

export function checkStatement(s) {
    const nobody = s.accounts === 0;
    const right = [s.reward, s.fee, s.unallocated, s.root.amount].every(m => m <= MONEY_MAX) &&
        s.fee + s.unallocated + s.root.amount === s.reward && nobody === (s.root.work === 0n) &&
        !(nobody && s.root.amount !== 0n) && (s.empty || order(s.oldest, s.newest) <= 0) &&
        !(stretchOf(s) !== 0n && (nobody || s.empty || s.unallocated !== 0n));
    return right ? 'PROOF_OK' : 'PROOF_BAD_TOTALS';
}

/* The statement, then the leaf's way to its root; a key of `sentences`. `visit` sees the leaf's node
 * and each one it leads to, with the sibling it was joined with. */
export function checkProof(proof, visit = () => {}) {
    const { statement, leaf, path } = proof, { root } = statement;
    const totals = checkStatement(statement);
    if (totals !== 'PROOF_OK') return totals;
    if (leaf.basisPoints > BASIS_POINTS) return 'PROOF_BAD_FEE';
    if (proof.place >= statement.accounts) return 'PROOF_BAD_PLACE';
    let node = leafNode(leaf), used = 0, at = proof.place;
    visit({ node, sibling: null });
    for (let last = statement.accounts - 1; last > 0; at = at >>> 1, last = last >>> 1) {
        if (at === last && at % 2 === 0) continue; /* the last of an odd number goes up as it is */
        if (used === path.length) return 'PROOF_BAD_LENGTH';
        const sibling = path[used++];
        node = at % 2 === 0 ? joinNodes(node, sibling) : joinNodes(sibling, node);
        if (node === null) return 'PROOF_OVERFLOW';
        visit({ node, sibling, onLeft: at % 2 !== 0 });
        if (node.work > root.work || node.amount > root.amount) return 'PROOF_WRONG_SUMS';
    }
    if (used !== path.length) return 'PROOF_BAD_LENGTH';
    if (node.work !== root.work || node.amount !== root.amount) return 'PROOF_WRONG_SUMS';
    return same(node.hash, root.hash) ? 'PROOF_OK' : 'PROOF_WRONG_ROOT';
}

/* What the work gives after the fee; a right amount is up to 2 base units off. The proof is right. */
export const fairAmount = ({ statement, leaf }) =>
    statement.reward * leaf.work * (BASIS_POINTS - leaf.basisPoints) /
    (BASIS_POINTS * statement.root.work);

/* By how much a right amount may be off: a block's by 2; of a stretch, whose fractions are carried,
 * by the account's part of a unit for each account more. */
export const rounding = ({ statement, leaf }) => stretchOf(statement) === 0n ? ROUNDING : ROUNDING +
    (leaf.work * BigInt(statement.accounts + 2) + statement.root.work - 1n) / statement.root.work;

export const follows = (before, after) =>
    after.number === before.number + 1n && same(statementHead(before), after.previous);

/* { number, head } of a coinbase output's script, or null */
export function readCommitment(script) {
    if (script.length !== 42 || hex(script.slice(0, 6)) !== '6a2861646974') return null;
    const reader = new Reader(script.slice(6));
    return { number: reader.small(4), head: reader.take(32) };
}

/* What a document says in words, from its bytes: as common/adapter/proof_json writes it. */
const words = p => ({ high: `${p.high}`, low: `${p.low}`, index: p.index });
const statementWords = s => ({
    number: `${s.number}`, previous: hex(s.previous), block: hex(s.block), height: s.height,
    reward: `${s.reward}`, fee: `${s.fee}`, unallocated: `${s.unallocated}`,
    accounts: s.accounts, work: `${s.root.work}`, amount: `${s.root.amount}`,
    root: hex(s.root.hash), empty: s.empty, oldest: words(s.oldest), newest: words(s.newest),
    window_work: `${s.windowWork}`, network_work: `${s.networkWork}`, shares: `${s.shares}`,
    scheme: s.scheme, head: hex(statementHead(s)), bytes: hex(s.bytes),
    ...(stretchOf(s) === 0n ? {} : { stretch: `${stretchOf(s)}` }),
});
const leafWords = l => ({
    salt: hex(l.salt), kind: [, 'script', 'account', 'id'][l.kind], name: hex(l.name),
    account: l.account.toString(16).padStart(16, '0'), fee_basis_points: Number(l.basisPoints),
    work: `${l.work}`, amount: `${l.amount}`,
});

/* The first field that is said otherwise than it is meant, or null. What is not said is no lie. */
function contradiction(said, meant) {
    for (const [name, value] of Object.entries(meant)) {
        const other = said?.[name];
        if (other === undefined) continue;
        const nested = typeof value === 'object' && typeof other === 'object';
        if (nested ? contradiction(other, value) !== null : other !== value) return name;
    }
    return null;
}

/* Checks a document of the API. `chain`: that of /api/v1/proofs (its `proofs`); `work`: your own
 * count of expected hashes in the window; `amount`: how base units are said. Stops at the first
 * thing that makes the rest worthless. */
export function verifyDocument(document, { chain = null, work = null, visit, amount = units => `${units}` } = {}) {
    const findings = [];
    const say = (ok, text) => { findings.push({ ok, text }); return ok; };
    const end = () => ({ ok: findings.every(finding => finding.ok), findings });
    const bytes = unhex(document?.bytes), proof = bytes && readProof(bytes);
    if (!say(document?.format === 'adit-proof/1' && !!proof, 'the document is a proof of version 1'))
        return end();
    const { statement, leaf } = proof;
    const lie = contradiction(document, { statement: statementWords(statement),
        leaf: leafWords(leaf), place: proof.place });
    if (lie !== null) say(false, `the document contradicts its bytes: "${lie}"`);
    const outcome = checkProof(proof, visit);
    if (!say(outcome === 'PROOF_OK', sentences[outcome])) return { ...end(), outcome, proof };
    const fair = fairAmount(proof), off = fair > leaf.amount ? fair - leaf.amount : leaf.amount - fair;
    say(off <= rounding(proof), `the work gives ${amount(fair)} after the fee; ${amount(leaf.amount)} was credited`);
    if (work !== null)
        say(BigInt(work) <= leaf.work, `you did ${work}; ${leaf.work} is proven`);
    if (chain !== null) checkChain(statement, chain, say);
    return { ...end(), outcome, proof };
}

function checkChain(statement, chain, say) {
    const list = chain.map(entry => readStatement(unhex(entry?.bytes) ?? new Uint8Array(0)));
    const broken = list.findIndex((s, i) => s === null || (i > 0 && !follows(list[i - 1], s)));
    if (!say(broken < 0, broken < 0 ? 'every statement follows the one before'
        : `the chain is broken at its entry ${broken + 1}`)) return;
    const own = list.find(s => s.number === statement.number);
    say(own !== undefined && same(own.bytes, statement.bytes), own === undefined
        ? 'the chain given does not reach the proof\'s number'
        : `statement ${statement.number} of the chain is the proof's`);
}
