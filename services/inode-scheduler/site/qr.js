/* QR codes (ISO/IEC 18004), as little of them as a second factor's address takes: bytes, error
 * correction M, versions 1 to 10 (213 bytes). qr(text) gives the rows of modules, true for dark. */

/* Of each version at level M: codewords for correction in a block, blocks of one length, and how
 * many of them, then those with one data codeword more (table 9). */
const BLOCKS = [null, [10, 16, 1], [16, 28, 1], [26, 44, 1], [18, 32, 2], [24, 43, 2], [16, 27, 4], [18, 31, 4],
    [22, 38, 2, 2], [22, 36, 3, 2], [26, 43, 4, 1]];
/* Centres of the alignment patterns (annex E). */
const ALIGNED = [null, [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

/* GF(256) over x^8 + x^4 + x^3 + x^2 + 1. */
const EXP = new Uint8Array(512), LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
    EXP[i] = EXP[i + 255] = x;
    LOG[x] = i;
    x = x << 1 ^ (x & 128 ? 0x11d : 0);
}
const times = (a, b) => a && b ? EXP[LOG[a] + LOG[b]] : 0;

function correction(data, count) {
    let generator = [1];
    for (let i = 0; i < count; i++) {
        const next = [...generator, 0];
        generator.forEach((c, j) => { next[j + 1] ^= times(c, EXP[i]); });
        generator = next;
    }
    const rest = [...data, ...new Array(count).fill(0)];
    for (let i = 0; i < data.length; i++) {
        const factor = rest[i];
        for (let j = 0; j <= count; j++) rest[i + j] ^= times(generator[j], factor);
    }
    return rest.slice(data.length);
}

const capacity = ([, length, short, long = 0]) => length * (short + long) + long;

/* Data and correction of all blocks, interleaved (7.6). */
function codewords(bytes, version) {
    const [count, length, short, long = 0] = BLOCKS[version], total = capacity(BLOCKS[version]);
    const bits = [];
    const put = (value, width) => { for (let i = width - 1; i >= 0; i--) bits.push(value >> i & 1); };
    put(4, 4); /* bytes */
    put(bytes.length, version < 10 ? 8 : 16);
    bytes.forEach(byte => put(byte, 8));
    put(0, Math.min(4, total * 8 - bits.length));
    while (bits.length % 8) bits.push(0);
    const data = [];
    for (let i = 0; i < bits.length; i += 8) data.push(parseInt(bits.slice(i, i + 8).join(''), 2));
    for (let pad = 0xec; data.length < total; pad ^= 0xec ^ 0x11) data.push(pad);
    const blocks = [];
    for (let i = 0, at = 0; i < short + long; i++) {
        const size = length + (i >= short ? 1 : 0);
        blocks.push(data.slice(at, at + size));
        at += size;
    }
    const checks = blocks.map(block => correction(block, count)), all = [];
    for (let i = 0; i <= length; i++) blocks.forEach(block => { if (i < block.length) all.push(block[i]); });
    for (let i = 0; i < count; i++) checks.forEach(check => all.push(check[i]));
    return all;
}

/* The remainder of a BCH code, for format and version. */
function remainder(value, generator, width) {
    const degree = generator.toString(2).length - 1;
    let rest = value << degree;
    for (let i = width - 1; i >= 0; i--) if (rest >> (i + degree) & 1) rest ^= generator << i;
    return value << degree | rest;
}

const MASKS = [(y, x) => (y + x) % 2 === 0, y => y % 2 === 0, (y, x) => x % 3 === 0, (y, x) => (y + x) % 3 === 0,
    (y, x) => ((y >> 1) + Math.floor(x / 3)) % 2 === 0, (y, x) => y * x % 2 + y * x % 3 === 0,
    (y, x) => (y * x % 2 + y * x % 3) % 2 === 0, (y, x) => ((y + x) % 2 + y * x % 3) % 2 === 0];

/* What a scanner likes less (7.8.3.1). */
function penalty(rows) {
    const size = rows.length;
    let points = 0, dark = 0;
    const lines = [rows, rows.map((_, x) => rows.map(row => row[x]))];
    for (const side of lines)
        for (const line of side) {
            const text = line.map(m => m ? '1' : '0').join('');
            for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) points += run.length - 2;
            for (const find of ['10111010000', '00001011101'])
                for (let at = text.indexOf(find); at >= 0; at = text.indexOf(find, at + 1)) points += 40;
        }
    for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++) {
            dark += rows[y][x];
            if (y && x && rows[y][x] === rows[y - 1][x] && rows[y][x] === rows[y][x - 1] && rows[y][x] === rows[y - 1][x - 1])
                points += 3;
        }
    return points + 10 * Math.floor(Math.abs(20 * dark / size / size - 10));
}

function draw(words, version, mask) {
    const size = 17 + 4 * version;
    const rows = Array.from({ length: size }, () => new Array(size).fill(null));
    const set = (y, x, dark) => { if (rows[y] && x >= 0 && x < size) rows[y][x] = dark; };
    for (const [top, left] of [[0, 0], [0, size - 7], [size - 7, 0]]) /* finders with their edges */
        for (let y = -1; y < 8; y++)
            for (let x = -1; x < 8; x++) {
                const ring = Math.max(Math.abs(y - 3), Math.abs(x - 3));
                set(top + y, left + x, ring !== 2 && ring !== 4);
            }
    const centres = ALIGNED[version], last = centres.length - 1;
    centres.forEach((cy, i) => centres.forEach((cx, j) => {
        if ((i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0)) return;
        for (let y = -2; y <= 2; y++)
            for (let x = -2; x <= 2; x++) set(cy + y, cx + x, Math.max(Math.abs(y), Math.abs(x)) !== 1);
    }));
    for (let i = 8; i < size - 8; i++) { rows[6][i] ??= i % 2 === 0; rows[i][6] ??= i % 2 === 0; }
    rows[size - 8][8] = true;
    const format = remainder(0b00 << 3 | mask, 0x537, 5) ^ 0x5412;
    for (let i = 0; i < 15; i++) { /* figure 25 */
        const bit = (format >> i & 1) === 1;
        if (i < 6) set(i, 8, bit); else if (i < 8) set(i + 1, 8, bit); else set(size - 15 + i, 8, bit);
        if (i < 8) set(8, size - 1 - i, bit); else if (i === 8) set(8, 7, bit); else set(8, 14 - i, bit);
    }
    if (version >= 7) {
        const about = remainder(version, 0x1f25, 6);
        for (let i = 0; i < 18; i++) {
            const bit = (about >> i & 1) === 1, a = Math.floor(i / 3), b = size - 11 + i % 3;
            set(a, b, bit);
            set(b, a, bit);
        }
    }
    let at = 0;
    for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
        if (right === 6) right--;
        for (let i = 0; i < size; i++)
            for (const x of [right, right - 1]) {
                const y = up ? size - 1 - i : i;
                if (rows[y][x] !== null) continue;
                const bit = at < words.length * 8 && (words[at >> 3] >> (7 - at % 8) & 1) === 1;
                rows[y][x] = bit !== MASKS[mask](y, x);
                at++;
            }
    }
    return rows;
}

export function qr(text) {
    const bytes = [...new TextEncoder().encode(text)];
    const version = BLOCKS.findIndex((blocks, v) => v > 0 && bytes.length + (v < 10 ? 2 : 3) <= capacity(blocks));
    if (version < 1) throw new RangeError('too long for a code');
    const words = codewords(bytes, version);
    return MASKS.map((_, mask) => draw(words, version, mask))
        .reduce((best, rows) => penalty(rows) < penalty(best) ? rows : best);
}

/* As a picture with its quiet zone; black on white whatever the theme, for scanners. */
export function qrPicture(text, label) {
    const rows = qr(text), size = rows.length + 8, of = name => document.createElementNS('http://www.w3.org/2000/svg', name);
    const svg = of('svg'), ground = of('rect'), path = of('path');
    svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', label);
    svg.setAttribute('class', 'qr');
    ground.setAttribute('width', size);
    ground.setAttribute('height', size);
    ground.setAttribute('fill', '#fff');
    path.setAttribute('d', rows.map((row, y) => row.map((dark, x) => dark ? `M${x + 4} ${y + 4}h1v1h-1z` : '').join('')).join(''));
    path.setAttribute('shape-rendering', 'crispEdges');
    path.setAttribute('fill', '#000');
    svg.append(ground, path);
    return svg;
}
