/* Small charts in SVG: lines over time with the band of their statistical error, and bars. Each is
 * a figure with a title, a sentence that says what it shows, and its numbers as a table; a line's
 * points are read by pointer or by arrow keys. Sizes and scales are pure functions, which the tests
 * call. */
import { clock, count, hashes, margin, moment, rate } from './format.js';

/* At most `wanted` steps of 1, 2 or 5 times a power of ten from 0 to at least `max`; no step below
 * `least`: what is counted has no halves. */
export function ticks(max, wanted = 4, least = 0) {
    if (!(max > 0)) return [0, 1];
    const raw = Math.max(max / wanted, least), power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= raw * (1 - 1e-9));
    const count = Math.ceil(max / step - 1e-9);
    return Array.from({ length: count + 1 }, (_, i) => i * step);
}

/* Value to pixel; a range of nothing maps to its beginning. */
export const scale = (from, to, low, high) => value =>
    to === from ? low : low + (value - from) / (to - from) * (high - low);

/* A running slot is too short to be compared with whole ones until half of it is over. */
export const whole = (points, step) => points.filter(p => p.seconds >= step / 2);

/* Round times between the first and the last: at most `wanted` of them. */
export function timeTicks(from, to, wanted) {
    const steps = [60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800];
    const step = steps.find(s => (to - from) / s <= wanted) ?? 604800;
    const offset = new Date(from * 1000).getTimezoneOffset() * 60, list = [];
    for (let t = Math.ceil((from - offset) / step) * step + offset; t <= to; t += step) list.push(t);
    return list;
}

/* Found blocks against those that the work was worth, added up from the first point on. */
export function sums(points) {
    let found = 0, expected = 0;
    return points.map(p => ({ time: p.time, seconds: p.seconds, found: found += p.blocks ?? 0, expected: expected += p.expected_blocks ?? 0 }));
}

/* What kinds of lines there are: `of` a point is its value, `low` and `high` the edges of its band,
 * `says` it in words, `cells` are its row of the table. `also` is a second line, dashed. */
const spread = p => 2 * Math.min(p.error ?? 0, 0.5);
const KINDS = {
    rate: {
        of: p => p.hashrate, low: p => p.hashrate * (1 - spread(p)), high: p => p.hashrate * (1 + spread(p)),
        label: rate, says: p => `${rate(p.hashrate)} (${margin(p.error)}), ${count(p.shares)} shares`,
        heads: ['Hashrate', 'Error', 'Shares'], cells: p => [rate(p.hashrate), margin(p.error), count(p.shares)],
    },
    workers: {
        of: p => p.workers, label: count, least: 1, from: points => points.filter(p => p.workers !== null), young: true,
        says: p => `${count(p.workers)} ${p.workers === 1 ? 'worker' : 'workers'}`, heads: ['Workers'], cells: p => [count(p.workers)],
    },
    luck: {
        of: p => p.found, also: p => p.expected, steps: true, label: count, least: 1, from: sums, young: true,
        low: p => Math.max(0, p.expected - 2 * Math.sqrt(p.expected)), high: p => p.expected + 2 * Math.sqrt(p.expected),
        says: p => `${count(p.found)} found, ${hashes(p.expected)} expected`,
        heads: ['Found', 'Expected'], cells: p => [count(p.found), hashes(p.expected)],
        legend: ['Found', 'Expected, and where chance leaves 19 of 20'],
    },
};

const NS = 'http://www.w3.org/2000/svg';
function draw(name, attributes = {}, ...children) {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
}
const tag = (name, text = '', cls = '') => {
    const node = document.createElement(name);
    node.textContent = text;
    if (cls) node.className = cls;
    return node;
};
let numbers = 0;

function table(head, rows) {
    const all = tag('table'), top = all.createTHead().insertRow(), body = all.createTBody();
    head.forEach(text => { const cell = tag('th', text); cell.scope = 'col'; top.append(cell); });
    rows.forEach(cells => {
        const row = body.insertRow();
        cells.forEach(text => { row.insertCell().textContent = text; });
    });
    return all;
}

function frame(title) {
    const figure = tag('figure', '', 'chart'), picture = tag('div', '', 'picture'), details = tag('details');
    const numbersBox = tag('div', '', 'scroll');
    numbersBox.tabIndex = 0;
    numbersBox.setAttribute('role', 'region');
    numbersBox.setAttribute('aria-label', `${title}, as a table`);
    details.append(tag('summary', 'The same as a table'), numbersBox);
    figure.append(picture, details);
    return { figure, picture, details, numbersBox, id: `chart${++numbers}` };
}

const dayClock = (time, step) => {
    const date = new Date(time * 1000);
    return step < 3600 ? clock(time) : `${date.getDate()}.${date.getMonth() + 1}. ${clock(time)}`;
};

const HEIGHT = 204, TOP = 8, BOTTOM = 178;
/* The picture of points, and where each is: { svg, x, y }. */
function plot(points, kind, step, width) {
    const most = Math.max(...points.map(kind.high ?? kind.of), ...points.map(kind.of));
    const marks = ticks(most, 4, kind.least), words = marks.map(mark => kind.label(mark).replace(/\.0+(?=\D)/, ''));
    const left = 16 + 7.2 * Math.max(...words.map(word => word.length)); /* room for the words beside the scale */
    const first = points[0].time, last = Math.max(points.at(-1).time, first + 1);
    const x = scale(first, last, left, width - 8), y = scale(0, marks.at(-1), BOTTOM, TOP);
    const place = of => p => `${x(p.time).toFixed(1)},${y(of(p)).toFixed(1)}`;
    const line = of => points.map((p, i) => (kind.steps && i > 0 && of === kind.of ? `${x(p.time).toFixed(1)},${y(of(points[i - 1])).toFixed(1)} ` : '') + place(of)(p)).join(' ');
    const svg = draw('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT },
        ...marks.flatMap((mark, i) => [
            draw('line', { class: 'grid', x1: left, x2: width - 8, y1: y(mark), y2: y(mark) }),
            draw('text', { x: left - 8, y: y(mark) + 4, 'text-anchor': 'end' }, words[i])]),
        ...(points.length > 1 ? timeTicks(first, last, width / 100) : [first]).map(time => draw('text', { x: x(time), y: 198,
            'text-anchor': x(time) < left + 20 ? 'start' : x(time) > width - 30 ? 'end' : 'middle' }, dayClock(time, step))));
    if (kind.high) svg.append(draw('polygon', { class: 'band', points: [...points.map(place(kind.high)), ...[...points].reverse().map(place(kind.low))].join(' ') }));
    if (kind.also) svg.append(draw('polyline', { class: 'line also', points: line(kind.also) }));
    svg.append(draw('polyline', { class: 'line', points: line(kind.of) }));
    if (points.length === 1) svg.append(draw('circle', { class: 'dot', r: 4, cx: x(first), cy: y(kind.of(points[0])) }));
    return { svg, x, y, first, last, left };
}

/* Something over time; update({ points, step }) draws it anew, in the width it has. The picture is
 * a slider over its points to the keyboard and to who listens. */
export function lineChart(title, kindName = 'rate') {
    const kind = KINDS[kindName], { figure, picture, details, numbersBox, id } = frame(title);
    const readout = tag('p', '', 'readout');
    readout.setAttribute('aria-hidden', 'true');
    picture.before(readout);
    if (kind.legend) {
        const legend = tag('p', '', 'legend');
        kind.legend.forEach((text, i) => {
            const one = tag('span');
            one.append(draw('svg', { viewBox: '0 0 28 10', width: 28, height: 10, 'aria-hidden': 'true' },
            draw('line', { class: i ? 'line also' : 'line', x1: 2, x2: 26, y1: 5, y2: 5 })), text);
            legend.append(one);
        });
        figure.prepend(legend);
    }
    let data = null, points = [], at = -1, drawn = null;
    const words = p => `${dayClock(p.time, data.step)}\u2002${kind.says(p)}`;
    function fill() {
        if (!details.open || !data) return;
        numbersBox.replaceChildren(table(['From', ...kind.heads], [...points].reverse().map(p => [moment(p.time), ...kind.cells(p)])));
    }
    function show(next) {
        at = points.length ? Math.min(Math.max(next, -1), points.length - 1) : -1;
        const p = points[at];
        drawn?.svg.querySelectorAll('.cross, .at').forEach(node => node.remove());
        readout.textContent = p ? words(p) : '';
        if (!p || !drawn) return;
        drawn.svg.append(draw('line', { class: 'cross', x1: drawn.x(p.time), x2: drawn.x(p.time), y1: TOP, y2: BOTTOM }),
            draw('circle', { class: 'dot at', r: 4, cx: drawn.x(p.time), cy: drawn.y(kind.of(p)) }));
        tell(p);
    }
    const tell = p => {
        drawn.svg.setAttribute('aria-valuenow', points.indexOf(p));
        drawn.svg.setAttribute('aria-valuetext', words(p));
    };
    const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9 };
    function listen(svg) {
        svg.addEventListener('pointermove', event => {
            const time = drawn.first + (event.offsetX - drawn.left) / (picture.clientWidth - drawn.left - 8) * (drawn.last - drawn.first);
            const near = points.reduce((best, p, i) => Math.abs(p.time - time) < Math.abs(points[best].time - time) ? i : best, 0);
            if (near !== at) show(near);
        });
        svg.addEventListener('pointerleave', () => { if (document.activeElement !== svg) show(-1); });
        svg.addEventListener('blur', () => show(-1));
        svg.addEventListener('focus', () => { if (svg.matches(':focus-visible') && at < 0) show(points.length - 1); });
        svg.addEventListener('keydown', event => {
            const by = KEYS[event.key];
            if (by === undefined && event.key !== 'Escape') return;
            if (by === undefined) show(-1);
            else { event.preventDefault(); show(Math.max(0, (at < 0 ? points.length - 1 : at) + by)); }
        });
    }
    function paint() {
        points = data ? (kind.from ?? (p => p))(kind.young ? data.points : whole(data.points, data.step)) : [];
        if (points.length === 0 && data?.points.length) points = [data.points.at(-1)]; /* young: better than nothing */
        const width = Math.max(230, Math.round(picture.clientWidth)), focused = picture.contains(document.activeElement), was = at;
        if (points.length === 0) {
            drawn = null;
            figure.classList.add('bare');
            picture.replaceChildren(tag('p', data ? 'No share has come in yet.' : 'Asking the pool…', 'empty'));
            return;
        }
        figure.classList.remove('bare');
        drawn = plot(points, kind, data.step, width);
        const values = points.map(kind.of), { svg } = drawn;
        for (const [key, value] of Object.entries({ role: 'slider', tabindex: 0, 'aria-label': title, 'aria-describedby': `${id}d`, 'aria-valuemin': 0, 'aria-valuemax': points.length - 1 }))
            svg.setAttribute(key, value);
        svg.prepend(draw('desc', { id: `${id}d` }, `From ${moment(points[0].time)} to ${moment(points.at(-1).time)}: now ${kind.label(values.at(-1))}, ` +
            `lowest ${kind.label(Math.min(...values))}, highest ${kind.label(Math.max(...values))}. Arrow keys go from point to point.`));
        listen(svg);
        tell(points.at(-1));
        picture.replaceChildren(svg);
        if (focused) svg.focus({ preventScroll: true });
        show(focused || picture.matches(':hover') ? was : -1);
    }
    details.addEventListener('toggle', fill);
    let width = 0;
    new ResizeObserver(() => {
        if (picture.clientWidth !== width) { width = picture.clientWidth; paint(); }
    }).observe(picture);
    return { element: figure, update(next) { data = next; paint(); fill(); } };
}

/* Parts of a whole: [{ name, value, words }], longest first. */
export function barChart(title, of) {
    const list = tag('ul', '', 'bars');
    list.setAttribute('aria-label', title);
    return { element: list, update(bars) {
        const most = Math.max(1, ...bars.map(bar => bar.value));
        list.replaceChildren(...bars.map(({ name, value, words }) => {
            const item = tag('li'), svg = draw('svg', { viewBox: '0 0 100 6', preserveAspectRatio: 'none',
                'aria-hidden': 'true' }, draw('rect', { class: 'track', width: 100, height: 6 }),
            draw('rect', { class: 'bar', width: Math.max(1, 100 * value / most), height: 6 }));
            item.append(tag('span', name), tag('span', words ?? of(value), 'number'), svg);
            return item;
        }));
    } };
}
