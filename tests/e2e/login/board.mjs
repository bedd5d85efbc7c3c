// A captain takes an incident, declares it and approves a move, by clicking on a small telephone without JavaScript;
// then another page with JavaScript sees a note of somebody else come by itself. The facts as one line of JSON.
//   node board.mjs MODULES CHROMIUM URL INCIDENT FOLDER ANA BEN
import { launch, phone } from './chromium.mjs';

const [modules, chromium, url, incident, folder, ana, ben] = process.argv.slice(2);
const browser = await launch(modules, chromium);
const facts = { widths: {}, complaints: [], scripts: [] };

function listen(page) {
  page.on('console', (said) => {
    const ours = said.location().url.startsWith(url) && !said.location().url.endsWith('/favicon.ico');
    if (said.type() === 'error' && ours && !/status of 40[139]/.test(said.text())) facts.complaints.push(said.text());
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

async function picture(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png`, fullPage: true });
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}-first.png` });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  facts.widths[name] = await page.evaluate(() => document.documentElement.scrollWidth);
}

const text = (page) => page.locator('main').innerText();

// Ana, without JavaScript.
const phoned = await phone(browser);
const page = await logIn(phoned, ana);
await page.getByRole('link', { name: 'The whole board' }).click();
await page.waitForURL(`${url}/board`);
await picture(page, 'list');
facts.list = await text(page);
await page.getByRole('link', { name: 'Refund agent' }).click();
await page.waitForURL(`${url}/board/${incident}`);
await picture(page, 'opened');
facts.opened = await text(page);

await page.getByRole('button', { name: 'Take it: I am the captain' }).first().click();
await page.waitForURL(/done=acknowledge/);
facts.taken = await text(page);
await page.getByRole('link', { name: /^Declare/ }).click();
await page.locator('#declare textarea').fill('refunds are paid that should be denied');
await picture(page, 'declaring');
await page.locator('#declare select').selectOption('sev2');
await page.locator('#declare').getByRole('button', { name: 'Declare' }).click();
await page.waitForURL(/done=declare/);

// The engine freezes the scene first; a captain looks again until the plan is there.
const approve = page.getByRole('button', { name: /^Approve [0-9a-f]{12}$/ });
for (const until = Date.now() + 90_000; Date.now() < until && !(await approve.count());) {
  await page.goto(`${url}/board/${incident}`);
}
facts.plan = await page.locator('.plan').first().innerText();
facts.digest = (await page.locator('.plan .digest').first().innerText()).replace(/\s/g, '');
await picture(page, 'deciding');

// A public word with a cause that is no fact: refused in its place, with what was typed.
await page.locator('#fold-update > summary').click();
await page.locator('#update select').selectOption('public');
await page.locator('#update textarea').first().fill('It broke because of the new index.');
await page.getByRole('button', { name: 'Send this word' }).click();
await page.locator('#update [role=alert]').waitFor();
facts.refused = await text(page);
facts.kept = await page.locator('#update textarea').first().inputValue();
await picture(page, 'refused');

await page.locator('.plan').getByRole('button', { name: /^Approve/ }).first().click();
await page.waitForURL(/done=approve/);
facts.approved = await text(page);
await picture(page, 'approved');

// By the keyboard alone: the first stop is the skip link, and every stop can be seen.
await page.goto(`${url}/board/${incident}`);
await page.keyboard.press('Tab');
facts.skip = await page.evaluate(() => document.activeElement.textContent);

// With JavaScript, at a desk: what Ben notes comes by itself, and what is being typed stays.
const wide = await browser.newContext({ viewport: { width: 1280, height: 900 } });
wide.setDefaultTimeout(90_000);
const desk = await logIn(wide, ben);
await desk.goto(`${url}/board/${incident}`);
await desk.getByText('● Live').waitFor();
await desk.locator('#fold-note > summary').click();
await desk.locator('#note-text').fill('half a sentence');
await page.goto(`${url}/board/${incident}?unfold=note#note`);
await page.locator('#note-text').fill('the index was rebuilt at two');
await page.getByRole('button', { name: 'Note it' }).click();
await page.waitForURL(/done=note/);
await desk.locator('#timeline').getByText('the index was rebuilt at two').waitFor();
facts.live = await desk.locator('#timeline').innerText();
facts.typing = await desk.locator('#note-text').inputValue();
await desk.getByRole('button', { name: /There is news/ }).first().waitFor();
await picture(desk, 'desk');

// Hostile words: nothing of them happens on either page, and they break no line out of it.
const hostile = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\u202e${'W'.repeat(900)}`;
await page.goto(`${url}/board/${incident}?unfold=note#note`);
await page.locator('#note-text').fill(hostile);
await page.getByRole('button', { name: 'Note it' }).click();
await page.waitForURL(/done=note/);
await desk.locator('#timeline').getByText('WWWWWWWW').waitFor();
facts.pwned = await desk.evaluate(() => window.pwned ?? null);
facts.hostile = await page.locator('#timeline').innerText();
await picture(page, 'hostile');
await wide.close();

await browser.close();
console.log(JSON.stringify(facts));
