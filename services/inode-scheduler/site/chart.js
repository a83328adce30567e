/* Small charts in SVG: a line with the band of its statistical error, and bars. Each is a figure
 * with a title, a sentence that says what it shows, and its numbers as a table. Sizes and scales
 * are pure functions, which the tests call. */
import { clock, moment, percent, rate } from './format.js';

/* At most `wanted` steps of 1, 2 or 5 times a power of ten from 0 to at least `max`. */
export function ticks(max, wanted = 4) {
    if (!(max > 0)) return [0, 1];
    const raw = max / wanted, power = 10 ** Math.floor(Math.log10(raw));
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

const LEFT = 68; /* room for the words beside the scale */
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
    const figure = tag('figure', '', 'chart'), id = `chart${++numbers}`;
    const picture = tag('div', '', 'picture'), details = tag('details');
    const numbersBox = tag('div', '', 'scroll');
    numbersBox.tabIndex = 0;
    numbersBox.setAttribute('role', 'region');
    numbersBox.setAttribute('aria-label', `${title}, as a table`);
    details.append(tag('summary', 'The same as a table'), numbersBox);
    figure.append(picture, details);
    return { figure, picture, details, numbersBox, id };
}

function labelled(svg, id, title, words) {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-labelledby', `${id}t ${id}d`);
    svg.prepend(draw('title', { id: `${id}t` }, title), draw('desc', { id: `${id}d` }, words));
}

const dayClock = (time, step) => {
    const date = new Date(time * 1000);
    return step < 3600 ? clock(time) : `${date.getDate()}.${date.getMonth() + 1}. ${clock(time)}`;
};

/* A hashrate over time; update({ points, step }) draws it anew, in the width it has. */
export function lineChart(title) {
    const { figure, picture, details, numbersBox, id } = frame(title);
    const readout = tag('p', '', 'readout');
    readout.setAttribute('aria-hidden', 'true');
    picture.before(readout);
    let data = null, at = null;
    function fill() {
        if (!details.open || !data) return;
        numbersBox.replaceChildren(table(['From', 'Hashrate', 'Shares', 'Error (1σ)'],
            [...data.points].reverse().map(p => [moment(p.time), rate(p.hashrate), `${p.shares}`,
                p.error === null ? '–' : `± ${percent(p.error)}`])));
    }
    function point(points, x) {
        readout.textContent = at === null ? '' : `${dayClock(at.time, data.step)}   ${rate(at.hashrate)}` +
            `   ${at.shares} shares`;
        return at === null || !points.includes(at) ? [] : [draw('line', { class: 'cross',
            x1: x(at.time), x2: x(at.time), y1: 8, y2: 178 })];
    }
    function paint() {
        const points = data ? whole(data.points, data.step) : [];
        const width = Math.max(260, Math.round(picture.clientWidth)), height = 204;
        if (points.length < 2) {
            picture.replaceChildren(tag('p', data ? 'Too young for a line: the first points come within two ' +
                (data.step < 3600 ? 'minutes.' : 'hours.') : 'Asking the pool…', 'empty'));
            return;
        }
        const high = p => p.hashrate * (1 + 2 * Math.min(p.error ?? 0, 0.5));
        const low = p => p.hashrate * (1 - 2 * Math.min(p.error ?? 0, 0.5));
        const marks = ticks(Math.max(...points.map(high)));
        const first = points[0].time, last = points.at(-1).time;
        const x = scale(first, last, LEFT, width - 6), y = scale(0, marks.at(-1), 178, 8);
        const place = (p, of) => `${x(p.time).toFixed(1)},${y(of(p)).toFixed(1)}`;
        const line = points.map(p => place(p, q => q.hashrate)).join(' ');
        const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, width, height },
            ...marks.flatMap(mark => [
                draw('line', { class: 'grid', x1: LEFT, x2: width - 6, y1: y(mark), y2: y(mark) }),
                draw('text', { x: LEFT - 8, y: y(mark) + 4, 'text-anchor': 'end' }, rate(mark).replace(/\.0+(?=\D)/, ''))]),
            ...timeTicks(first, last, width / 90).map(time => draw('text', { x: x(time), y: 198,
                'text-anchor': x(time) < LEFT + 20 ? 'start' : x(time) > width - 30 ? 'end' : 'middle' }, dayClock(time, data.step))),
            draw('polygon', { class: 'band', points: [...points.map(p => place(p, high)),
                ...[...points].reverse().map(p => place(p, low))].join(' ') }),
            draw('polyline', { class: 'line', points: line }),
            ...point(points, x));
        const rates = points.map(p => p.hashrate);
        labelled(svg, id, title, `From ${moment(first)} to ${moment(last)}: now ${rate(rates.at(-1))}, ` +
            `lowest ${rate(Math.min(...rates))}, highest ${rate(Math.max(...rates))}.`);
        svg.addEventListener('pointermove', event => {
            const time = first + (event.offsetX - LEFT) / (width - LEFT - 6) * (last - first);
            const near = points.reduce((best, p) =>
                Math.abs(p.time - time) < Math.abs(best.time - time) ? p : best);
            if (near === at) return;
            at = near;
            svg.querySelector('.cross')?.remove();
            svg.append(...point(points, x));
        });
        svg.addEventListener('pointerleave', () => {
            at = null;
            svg.querySelector('.cross')?.remove();
            point(points, x);
        });
        picture.replaceChildren(svg);
    }
    details.addEventListener('toggle', fill);
    let width = 0;
    new ResizeObserver(() => {
        if (picture.clientWidth !== width) { width = picture.clientWidth; paint(); }
    }).observe(picture);
    return { element: figure, update(next) { data = next; at = null; paint(); point([], null); fill(); } };
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
