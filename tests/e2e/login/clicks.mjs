// The captain's whole part of an incident by clicking, once for each way of looking at it, all of them side by side:
// from the list to the lock. With JavaScript a page is never loaded again; without it by its own link only.
//   node clicks.mjs MODULES CHROMIUM PLAN.json      (see test_clicks.py for what the plan has)
import { readFileSync } from 'node:fs';
import { SLOW, arrived, go, launch, shown, sought } from './chromium.mjs';
import { Looker } from './look.mjs';

const [modules, chromium, planned] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planned, 'utf8'));
const { url, folder, tokens } = plan;
const browser = await launch(modules, chromium);
const looker = new Looker(modules, url);
const facts = { ...looker.facts, ways: {} };
const text = (page) => page.locator('main').innerText();

async function open({ width, height, js, sharp = 1 }) {
  const context = await browser.newContext({
    viewport: { width, height }, javaScriptEnabled: js, deviceScaleFactor: sharp, hasTouch: width < 500, reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(SLOW);
  const page = await context.newPage();
  looker.listen(page);
  return page;
}

async function logIn(way, person) {
  const page = await open(way);
  await page.goto(`${url}/login`);
  if (way.bars === 'all' && person === 'ana') await looker.bars(page, 'login');
  await looker.fits(page, `${way.name} login`);
  await page.getByLabel('Your access token').fill(tokens[person]);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL(`${url}/`);
  return page;
}

async function picture(page, name, scheme = 'light') {
  await page.emulateMedia({ colorScheme: scheme });
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.emulateMedia({ colorScheme: 'light' });
}

// One person before the page of one incident.
class Reader {
  constructor(way, page) { Object.assign(this, { way, page }); }

  async enter() {
    await this.page.getByRole('link', { name: 'The whole board' }).click();
    await this.page.waitForURL(`${url}/board`);
    const link = this.page.locator(`a[href="/board/${this.way.incident}"]`);
    await sought(link);
    await this.look('list');
    await link.click();
    await arrived(this.page, `${url}/board/${this.way.incident}`);
    if (this.way.js) await this.page.getByText('● Live').waitFor();
  }

  async look(name, bars = this.way.bars === 'all' || this.way.bars?.includes(name)) {
    await looker.fits(this.page, `${this.way.name} ${name}`);
    if (bars) await looker.bars(this.page, `${this.way.name} ${name}`);
  }

  // It comes by itself, or is looked for by the page's own link.
  async until(locator) {
    if (this.way.js) { await locator.first().waitFor(); return locator.first(); }
    for (const end = Date.now() + SLOW; !(await locator.count()); await this.page.waitForTimeout(100)) {
      if (Date.now() > end) throw new Error(`${this.way.name}: waited for ${locator}; there is:\n${await text(this.page)}`);
      const again = this.page.getByRole('link', { name: 'look again' });
      await ((await again.count()) ? again.click() : shown(this.page));
    }
    return locator.first();
  }

  // Unfold a form, fill it in, send it; `act` is what the page then says was done.
  async send(id, act, fields = {}, ticked = []) {
    const form = this.page.locator(`form[id="${id}"]`);
    while (!(await form.isVisible())) await this.page.locator(`[id="fold-${id}"] > summary`).click();
    for (const [name, value] of Object.entries(fields)) {
      const field = form.locator(`[name="${name}"]`);
      if (await field.evaluate((each) => each.matches('select'))) await field.selectOption(value);
      else await field.fill(value);
    }
    for (const name of ticked) await form.locator(`[name="${name}"]`).check();
    await form.getByRole('button').click();
    if (act) await arrived(this.page, new RegExp(`done=${act}`));
  }

  card(lever, state) {
    return this.page.locator('#firebreaks article').filter({ hasText: lever }).filter({ hasText: state });
  }

  known(words) { return this.page.locator('#now').getByText(words); }
}

async function captaincy(way) {
  const ana = new Reader(way, await logIn(way, 'ana'));
  const ben = new Reader(way, await logIn(way, 'ben'));
  const cara = new Reader(way, await logIn(way, 'cara'));
  await Promise.all([ana, ben, cara].map((each) => each.enter()));
  const { page } = ana;
  const told = { first: await text(page) };
  facts.ways[way.name] = told;
  await ana.look('opened');

  // Who is it, and how bad is it?
  await page.getByRole('button', { name: 'Take it: I am the captain' }).first().click();
  await arrived(page, /done=acknowledge/);
  await ben.send('acknowledge-scribe', 'acknowledge');
  await page.getByRole('link', { name: /^Declare/ }).click();
  await arrived(page, /unfold=declare/);
  await ana.send('declare', 'declare', { severity: 'sev2', reason: 'wrong refunds are being paid out' });

  // The evidence, its gaps, and what differs.
  await (await ana.until(page.locator('#evidence').getByText('Sealed manifest'))).waitFor();
  told.evidence = await page.locator('#evidence').innerText();
  await page.getByRole('link', { name: 'What differs from a healthy request?' }).click();
  await arrived(page, /\/diff$/);
  told.diff = await text(page);
  await ana.look('diff');
  await page.getByRole('link', { name: '← ' }).click();
  await arrived(page, /\/board\/[^/]+(#.*)?$/);
  if (way.js) await page.getByText('● Live').waitFor();

  // The firebreak that was authorized before, and the plan that only the captain can approve.
  await ana.until(ana.card('refund_tool', 'effective'));
  await ana.until(page.getByRole('button', { name: /^Approve [0-9a-f]{12}$/ }));
  told.deciding = await page.locator('#now').innerText();
  told.plan = await page.locator('.plan').first().innerText();
  told.digest = (await page.locator('.plan .digest').first().innerText()).replace(/\s/g, '');
  await ana.look('deciding');
  if (plan.pictures && way.js) await pictures(way, page);
  if (way.bars === 'all') await others(way, page);

  await ana.send('update', '', { audience: 'public', known: 'It broke because of the new index.' });
  await page.locator('#update [role=alert]').waitFor();
  told.refused = await page.locator('#update').innerText();
  told.kept = await page.locator('#update [name=known]').inputValue();
  await ana.look('refused');
  await page.locator('.plan').getByRole('button', { name: /^Approve/ }).first().click();
  await arrived(page, /done=approve/);
  await ana.until(ana.card('reranker', 'effective'));
  await ana.look('contained');

  // Recovery, the cause, and a word to customers.
  await ana.until(ana.known('The checks have held for the whole soak'));
  await ana.send('note', 'note', { text: plan.cause, standing: 'fact' }, ['cause']);
  await cara.until(cara.known(plan.cause));
  await cara.send('update', 'update', { audience: 'public', known: plan.word, unknown: 'How many customers.' });
  if (way.bars === 'all') await customers(way);
  const short = (await ana.card('refund_tool', 'effective').locator('code').first().innerText()).trim();
  await ana.send(`lift-${short}`, 'lift', { reason: 'the golden answers are right again' });
  await ana.until(page.locator('#firebreaks').getByText('1 firebreak of before'));
  await ana.until(ana.known('The checks have held for the whole soak'));
  await ana.look('restored');

  // The lock.
  const kept = (await ana.card('reranker', 'effective').locator('code').first().innerText()).trim();
  await ana.send(`adopt-${kept}`, 'adopt', { reason: 'on is how it was reviewed' });
  await ana.until(page.locator('#after').getByText('✓ proved.'));
  await ana.send('update', 'update', { audience: 'internal', known: 'The lock is proved; closing.' });
  await ana.until(page.locator('#now').getByRole('button', { name: 'Close the incident' }));
  await page.locator('#now').getByRole('button', { name: 'Close the incident' }).click();
  await arrived(page, /done=close/);
  await ana.until(page.getByText('It is over: closed'));
  told.closed = await text(page);
  await ana.look('closed');
  if (way.bars === 'all') await unsent(way, cara.page);
  await Promise.all([ana, ben, cara].map((each) => each.page.context().close()));
}

// The pages around: what is not there, the start, the link of a page, and each of them in the way's own size.
async function others(way, page) {
  const beside = await page.context().newPage();
  looker.listen(beside);
  for (const [name, where] of [['home', '/'], ['none', '/board/none-1'], ['ring', '/board/ring'], ['drills', '/board/drills'], ['bells', '/board/bells'], ['list, ended too', '/board?all=1'], ['ack', plan.ack]]) {
    await beside.goto(new URL(where, url).href);
    await looker.fits(beside, `${way.name} ${name}`);
    await looker.bars(beside, `${way.name} ${name}`);
  }
  await beside.close();
}

// What is sent when the session has ended: it is shown again, and can be sent from there.
async function unsent(way, page) {
  await go(page, `${url}/board/${plan.hostile}?unfold=note#note`);
  await page.locator('#note [name=text]').fill('typed before the session ended');
  await page.context().clearCookies();
  await page.locator('#note').getByRole('button').click();
  await page.getByText('Nothing that you typed is lost').waitFor();
  await looker.fits(page, `${way.name} unsent`);
  await looker.bars(page, `${way.name} unsent`);
}

async function pictures(way, page) {
  await page.evaluate(() => scrollTo(0, 0));
  await picture(page, `incident-${way.width}`);
  await picture(page, `incident-${way.width}-dark`, 'dark');
  await page.evaluate(() => document.querySelector('.plan .digest').closest('p').previousElementSibling.scrollIntoView());
  await picture(page, `plan-${way.width}`);
  const beside = await page.context().newPage();
  looker.listen(beside);
  await beside.goto(`${url}/board`);
  await picture(beside, `list-${way.width}`);
  await beside.close();
}

// Hostile evidence: nothing happens, and nothing leaves its place, on a telephone and at a desk.
async function hostile() {
  const seen = {};
  for (const way of [{ width: 360, height: 740, js: true }, { width: 1280, height: 900, js: true }]) {
    way.name = `hostile ${way.width}`;
    const page = await logIn(way, 'ana');
    await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    }));
    await go(page, `${url}/board/${plan.hostile}`);
    await page.getByText('● Live').waitFor();
    await page.getByText('Sealed manifest').waitFor();
    await page.evaluate(() => document.querySelectorAll('details').forEach((each) => { each.open = true; }));
    await looker.fits(page, way.name);
    seen.page = await text(page);
    await go(page, `${url}/board/${plan.hostile}/diff`);
    await looker.fits(page, `${way.name} diff`);
    if (way.width === 360) await looker.bars(page, `${way.name} diff`);
    seen.diff = await text(page);
    seen.pwned = (seen.pwned ?? false) || await page.evaluate(() => 'pwned' in window);
    await page.context().close();
  }
  facts.hostile = seen;
}

// What customers read meanwhile, once the word is out.
async function customers(way) {
  const page = await open(way);
  page.removeAllListeners('request'); // another server's
  for (const end = Date.now() + SLOW; ; await page.waitForTimeout(100)) {
    await page.goto(plan.public);
    if ((await page.locator('body').innerText()).includes(plan.word)) break;
    if (Date.now() > end) throw new Error(`the public page has no word:\n${await page.locator('body').innerText()}`);
  }
  facts.public = await page.locator('body').innerText();
  for (const [name, where] of [['public', 'index.html'], ['public history', 'history.html']]) {
    await page.goto(new URL(where, plan.public).href);
    await looker.fits(page, name, { thumb: false });
    await looker.bars(page, name);
    if (plan.pictures && name === 'public') await picture(page, name);
  }
  await page.goto(plan.public);
  await page.locator('main a[href*="incidents/"]').first().click();
  await looker.fits(page, 'public incident', { thumb: false });
  await looker.bars(page, 'public incident');
  await page.context().close();
}

await hostile();
await Promise.all(plan.ways.map(captaincy));
await browser.close();
console.log(JSON.stringify(facts));
