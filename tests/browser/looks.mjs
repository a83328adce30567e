/* Every page as it looks: axe-core finds nothing, nothing is wider than the screen, each mark has a
 * shape and a word, the keyboard reaches everything; in both themes, on desktop, tablet and phone; and how
 * soon and how much. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { api, base, modules, ok, shots, until, visitor } from './world.mjs';

const axe = readFileSync(`${modules}/node_modules/axe-core/axe.min.js`, 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const SIZES = { '': { width: 1440, height: 900 }, 'tablet-': { width: 820, height: 1180 }, 'phone-': { width: 390, height: 844 } };
const BYTES_MAX = 200 * 1024;

const everybodys = (miner, rig) => ({ overview: '', blocks: '#/blocks', account: `#/account/${miner}`, worker: `#/account/${miner}/${rig}`, look: '#/account',
    connect: '#/connect', 'connect-seen': `#/connect/${miner}`, unknown: '#/account/nobody-of-this-name', health: '#/health',
    login: '#/login', register: '#/register', forgot: '#/forgot', nowhere: '#/nowhere' });
const ones = { me: '#/me', 'me-payout': '#/me/payout', 'me-notices': '#/me/notices', 'me-security': '#/me/security', 'me-keys': '#/me/keys', 'me-activity': '#/me/activity' };
const operators = Object.fromEntries(['', 'nodes', 'validators', 'payments', 'ledger', 'luck', 'bans', 'activity']
    .map(name => [name ? `operate-${name}` : 'operate', name ? `#/operate/${name}` : '#/operate']));

async function settle(page, title) {
    await page.waitForLoadState('load'); /* a page that is told keeps a connection: it is never idle */
    await until(`${title} is answered`, async () => !(await page.locator('#pulse').innerText()).startsWith('Asking'));
    await until(`${title} is drawn`, () => page.evaluate(() =>
        document.querySelector('main h1, main .state') !== null && !document.querySelector('main').innerText.includes('Asking the pool')));
    if (title === 'account') {
        const button = page.getByRole('button', { name: /Check this payout/ }).first();
        await until('a payout to check', () => button.count());
        await button.click();
        await page.waitForSelector('.verdict');
    }
    if (title === 'overview' || title === 'account')
        await until('a chart with a line', async () => (await page.locator('polyline').count()) > 0);
    if (title === 'me-security' || title === 'me-payout') /* what is folded away is looked at too */
        await page.locator('main details').evaluateAll(all => all.forEach(one => { one.open = true; }));
}

let framed = 0;
/* Every stop of the keyboard on a page: from the top by Tab alone until the browser's own frame
 * comes, each in sight and marked; nothing keeps the focus, nothing is left out. */
async function walks(page, title) {
    const wanted = await page.evaluate(() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
        .filter(node => node.checkVisibility({ visibilityProperty: true }) && !node.disabled && !(node.closest('details:not([open])') && node.tagName !== 'SUMMARY')).length);
    /* from before everything, wherever the focus was */
    await page.evaluate(() => { const top = document.createElement('span'); top.tabIndex = -1; document.body.prepend(top); top.focus(); });
    let stops = 0, wrong = 0;
    for (; stops <= 2 * wanted + 20; stops++) {
        await page.keyboard.press('Tab');
        const at = await page.evaluate(() => {
            const node = document.activeElement, style = getComputedStyle(node), box = node.getBoundingClientRect();
            return node === document.body || node === document.body.firstChild ? null : { html: node.outerHTML.slice(0, 90), outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
                seen: box.bottom > 0 && box.top < innerHeight && box.width > 0 };
        });
        if (at === null) break;
        if (!at.outline || !at.seen) console.log(`not ok: ${title}: the focus is not to be seen on ${at.html}`, wrong++);
    }
    await page.evaluate(() => document.body.firstChild.remove());
    if (stops > 2 * wanted + 20) console.log(`not ok: ${title}: the keyboard is kept`, wrong++);
    if (stops < wanted) console.log(`not ok: ${title}: ${stops} of ${wanted} stops are reached`, wrong++);
    return wrong;
}

/* How many of axe-core's rules a page breaks as it is now, each said. */
export async function breaks(page, title, as) {
    const { violations } = await page.evaluate(async ([code, tags]) => {
        if (!globalThis.axe) (0, eval)(code);
        return globalThis.axe.run(document, { runOnly: tags, rules: { 'target-size': { enabled: true } } });
    }, [axe, TAGS]);
    for (const { id, nodes } of violations) console.log(`not ok: ${title} ${as}: ${id} ${nodes[0].html} ${nodes[0].failureSummary}`);
    return violations.length;
}

async function lookAt(page, title, as) {
    await settle(page, title);
    const violations = await breaks(page, title, as);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    if (wide) console.log(`not ok: ${title} ${as}: wider than the screen`);
    const rowsOfLinks = await page.evaluate(() => new Set([...document.querySelectorAll('.top nav a')].filter(a => !a.hidden).map(a => Math.round(a.getBoundingClientRect().top))).size);
    if (rowsOfLinks !== 1) console.log(`not ok: ${title} ${as}: the pages' links take ${rowsOfLinks} rows`);
    const bare = await page.locator('.mark').evaluateAll(marks => marks.filter(m => !m.querySelector('svg') || !m.textContent.trim()).length);
    if (bare) console.log(`not ok: ${title} ${as}: ${bare} marks without shape or word`);
    const frame = await page.evaluate(() => [document.querySelectorAll('h1').length, document.querySelectorAll('main, header.top, footer').length, document.title]);
    if (frame[0] !== 1 || frame[1] !== 3 || !/^.+ · adit$/.test(frame[2])) console.log(`not ok: ${title} ${as}: headings, landmarks or title: ${frame.join(', ')}`);
    else framed++;
    if (shots) {
        await page.evaluate(() => scrollTo(0, 0));
        if (title === 'account') await page.locator('.panel').scrollIntoViewIfNeeded();
        if (title === 'me-security' || title === 'me-payout')
            await page.locator('main details').evaluateAll(all => all.forEach(one => { one.open = false; }));
        await page.screenshot({ path: `${shots}/${title}-${as}.png` });
    }
    return violations + wide + bare + (rowsOfLinks !== 1);
}

/* The policy is lifted for axe alone, which is put into the page. The session is the visitor's: its
 * cookie is good once and goes on from page to page. */
async function lookAtAll(pages, visit) {
    let wrong = 0, count = 0, state = visit && await visit.context.storageState();
    await visit?.context.close();
    for (const [size, viewport] of Object.entries(SIZES))
        for (const theme of ['light', 'dark']) {
            const { page, context } = await visitor({ viewport, colorScheme: theme, bypassCSP: true, storageState: state || undefined });
            for (const [title, hash] of Object.entries(pages)) {
                await page.goto(`${base}/${hash}`);
                wrong += await lookAt(page, title, `${size}${theme}`);
                if (theme === 'light') wrong += await walks(page, title);
                count++;
            }
            state &&= await context.storageState();
            await context.close();
        }
    assert.equal(wrong, 0);
    assert.equal(framed, count);
    framed = 0;
    return count;
}

export async function looksWell(miner, account, operator) {
    const rig = (await api(`accounts/${miner}/workers`)).workers[0].name;
    const count = await lookAtAll(everybodys(miner, rig)) + await lookAtAll(ones, account) + await lookAtAll(operators, operator);
    ok(`axe-core finds nothing on ${count} pages: every one, in both themes, on desktop, tablet and phone; each has one heading, its landmarks and a title`);
    ok('by Tab alone every stop of every page is reached, in sight and marked, and none keeps the focus');
}

/* From the address bar to the log-in's button by Tab alone, each stop in sight. */
export async function keyboardReaches() {
    const { page, go, context } = await visitor({ reducedMotion: 'reduce' });
    await go('#/login');
    await page.getByRole('button', { name: 'Log in' }).waitFor();
    const seen = [];
    for (let i = 0; i < 20; i++) {
        await page.keyboard.press('Tab');
        const at = await page.evaluate(() => {
            const node = document.activeElement, style = getComputedStyle(node);
            return { name: node.innerText || node.labels?.[0]?.innerText || node.title, outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 };
        });
        seen.push(at.name);
        assert.ok(at.outline, `the focus on "${at.name}" is to be seen`);
        if (i === 0) {
            assert.match(at.name, /Skip to the content/);
            continue;
        }
        if (at.name === 'Log in' && seen.includes('Password')) break;
    }
    assert.ok(seen.includes('Account name') && seen.at(-1) === 'Log in', seen.join(' > '));
    const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter(node => {
        const style = getComputedStyle(node);
        return style.transitionDuration.split(',').some(t => parseFloat(t) > 0) || style.animationName !== 'none';
    }).length);
    assert.equal(moving, 0);
    await context.close();
    ok('the keyboard reaches everything in order, each stop in sight; who wants no motion gets none');
}

export async function isSoonAndSmall() {
    const paints = [];
    for (let i = 0; i < 9; i++) {
        const { page, go, context } = await visitor();
        await go('');
        await until('a paint', () => page.evaluate(() => performance.getEntriesByName('first-contentful-paint').length));
        paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
        await context.close();
    }
    const { page, go, context } = await visitor(), files = new Set();
    page.on('response', response => {
        const { pathname, origin } = new URL(response.url());
        if (origin === new URL(base).origin && (pathname === '/' || pathname.startsWith('/site/'))) files.add(pathname);
    });
    await go('');
    await go('#/me'); /* brings what logged in people and operators get */
    await page.evaluate(() => Promise.all(['settings', 'operate', 'signin', 'notices'].map(name => import(`/site/${name}.js`))));
    await page.waitForLoadState('networkidle');
    await context.close();
    let bytes = 0;
    for (const file of files) bytes += (await (await fetch(base + file)).arrayBuffer()).byteLength;
    assert.ok(files.size > 10 && bytes <= BYTES_MAX, `${bytes} bytes`);
    paints.sort((a, b) => a - b);
    ok(`all pages together are ${Math.ceil(bytes / 1024)} KB in ${files.size} files; the first paint came after ${Math.round(paints[4])} ms (median of 9 on loopback, ${Math.round(paints[8])} at the most)`);
}
