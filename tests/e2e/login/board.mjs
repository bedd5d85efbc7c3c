// A captain takes an incident, declares it and approves a move, by the keyboard alone on a small telephone without
// JavaScript; then other pages with JavaScript see a note of somebody else come by itself. The facts as one line of JSON.
//   node board.mjs MODULES CHROMIUM URL INCIDENT ANA BEN
import { SLOW, arrived, go, launch, phone, sought } from './chromium.mjs';

const [modules, chromium, url, incident, ana, ben] = process.argv.slice(2);
const browser = await launch(modules, chromium);
const facts = { stops: {}, unseen: [], complaints: [], scripts: [] };

function listen(page) {
  page.on('console', (said) => {
    const ours = said.location().url.startsWith(url) && !said.location().url.endsWith('/favicon.ico');
    const answered = /status of (40[139]|503)/.test(said.text()); // refused, or not now: an error to the console only
    if (said.type() === 'error' && ours && !answered) facts.complaints.push(said.text());
  });
  page.on('pageerror', (error) => facts.scripts.push(String(error)));
}

async function logIn(context, token) {
  const page = await context.newPage();
  listen(page);
  await page.goto(`${url}/login`);
  await page.getByLabel('Your access token').fill(token);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${url}/`);
  return page;
}

// Tab until the focus is there; each stop must be seen.
async function tab(page, name, locator) {
  const aim = locator.first();
  await aim.waitFor();
  for (facts.stops[name] = 1; facts.stops[name] < 200; facts.stops[name] += 1) {
    await page.keyboard.press('Tab');
    if (!(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== 'none'))) facts.unseen.push(name);
    if (await aim.evaluate((each) => each === document.activeElement)) return;
  }
  throw new Error(`no Tab leads to ${name}`);
}

async function press(page, name, locator) {
  await tab(page, name, locator);
  await page.keyboard.press('Enter');
}

const text = (page) => page.locator('main').innerText();

// Ana, without JavaScript and without a mouse.
const phoned = await phone(browser);
const page = await logIn(phoned, ana);
await page.keyboard.press('Tab');
facts.skip = await page.evaluate(() => document.activeElement.textContent);
await press(page, 'board', page.getByRole('link', { name: 'The whole board' }));
await page.waitForURL(`${url}/board`);
await sought(page.locator('.incident').filter({ hasText: 'SEV2' }).filter({ hasText: 'Waits for' }));
facts.list = await text(page);
await press(page, 'incident', page.getByRole('link', { name: 'Refund agent' }));
await arrived(page, `${url}/board/${incident}`);
facts.opened = await text(page);

await press(page, 'take', page.getByRole('button', { name: 'Take it: I am the captain' }));
await arrived(page, /done=acknowledge/);
facts.taken = await text(page);
await press(page, 'declare', page.getByRole('link', { name: /^Declare/ }));
await arrived(page, /unfold=declare/);
await tab(page, 'why', page.locator('#declare textarea')); // the severity is proposed already
await page.keyboard.type('refunds are paid that should be denied');
await press(page, 'declared', page.locator('#declare').getByRole('button', { name: 'Declare' }));
await arrived(page, /done=declare/);

// The engine freezes the scene first.
const approve = page.getByRole('button', { name: /^Approve [0-9a-f]{12}$/ });
await sought(approve);
facts.plan = await page.locator('.plan').first().innerText();
facts.digest = (await page.locator('.plan .digest').first().innerText()).replace(/\s/g, '');
await press(page, 'plan', page.getByRole('link', { name: /^See the plan/ }));
await arrived(page, /unfold=approve/);
await press(page, 'approve', approve);
await arrived(page, /done=approve/);
facts.approved = await text(page);

// With JavaScript, at a desk: what Ben notes comes by itself, and what is being typed stays.
async function seated(token) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(SLOW);
  return logIn(context, token);
}

const desk = await seated(ben);
await go(desk, `${url}/board/${incident}`);
await desk.getByText('● Live').waitFor();
await desk.locator('#fold-note > summary').click();
await desk.locator('#note-text').fill('half a sentence');
// A public word with a cause that is no fact is refused in its place; what was typed outlives the news.
const own = await seated(ana);
await go(own, `${url}/board/${incident}?unfold=update#update`);
await own.locator('#update select').selectOption('public');
await own.locator('#update textarea').first().fill('It broke because of the new index.');
await own.getByRole('button', { name: 'Send this word' }).click();
await own.locator('#update [role=alert]').waitFor();
await own.getByText('● Live').waitFor();
await go(page, `${url}/board/${incident}?unfold=note#note`);
await page.locator('#note-text').fill('the index was rebuilt at two');
await page.getByRole('button', { name: 'Note it' }).click();
await arrived(page, /done=note/);
await desk.locator('#timeline').getByText('the index was rebuilt at two').waitFor();
facts.live = await desk.locator('#timeline').innerText();
facts.typing = await desk.locator('#note-text').inputValue();
await desk.getByRole('button', { name: /There is news/ }).first().waitFor();
await own.locator('#timeline').getByText('the index was rebuilt at two').waitFor();
facts.refused = await own.locator('#update').innerText();
facts.kept = await own.locator('#update textarea').first().inputValue();

// Hostile words: nothing of them happens on either page, and they break no line out of it.
const hostile = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\u202e${'W'.repeat(900)}`;
await go(page, `${url}/board/${incident}?unfold=note#note`);
await page.locator('#note-text').fill(hostile);
await page.getByRole('button', { name: 'Note it' }).click();
await arrived(page, /done=note/);
await desk.locator('#timeline').getByText('WWWWWWWW').waitFor();
facts.pwned = await desk.evaluate(() => window.pwned ?? null);
facts.hostile = await page.locator('#timeline').innerText();

// News that a page could not fetch is fetched when it can, though nothing new happens.
const news = (at) => at.pathname === `/board/${incident}`;
await desk.route(news, (route) => route.fulfill({ status: 503 }));
await go(page, `${url}/board/${incident}?unfold=note#note`);
await page.locator('#note-text').fill('nothing happens after this');
await page.getByRole('button', { name: 'Note it' }).click();
await arrived(page, /done=note/);
await desk.getByText('Not live: the station does not answer').waitFor();
await desk.unroute(news);
await desk.locator('#timeline').getByText('nothing happens after this').waitFor();
facts.caught = await desk.locator('[data-live]').innerText();
await browser.close();
console.log(JSON.stringify(facts));
