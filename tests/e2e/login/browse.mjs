// What people do with a browser, in headless Chromium without JavaScript in the pages; the facts as one line of JSON.
//   node browse.mjs MODULES CHROMIUM URL INCIDENT TOKEN FOLDER
import { createServer } from 'node:http';
import { launch, phone, sought } from './chromium.mjs';

const [modules, chromium, url, incident, token, folder] = process.argv.slice(2);
const browser = await launch(modules, chromium);
const complaints = [];

async function visit() {
  const context = await phone(browser);
  const page = await context.newPage();
  page.on('console', (said) => {
    // A page that is refused, or not to be had now, is an error to the console, and expected; nothing else of ours is.
    const ours = said.location().url.startsWith(url) && !said.location().url.endsWith('/favicon.ico');
    if (said.type() === 'error' && ours && !/status of (40[13]|503)/.test(said.text())) complaints.push(said.text());
  });
  await page.goto(url);
  return { context, page };
}

async function picture(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png`, fullPage: true });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  return page.evaluate(() => document.documentElement.scrollWidth);
}

// Through the provider's own form and its question for consent; what page that leads to.
async function through(page, login) {
  await page.getByRole('link', { name: 'Log in with Example SSO' }).click();
  await page.fill('input[name=login]', login);
  await page.fill('input[name=password]', 'any, to this provider');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL((where) => where.href.startsWith(url) && !where.searchParams.has('resume'));
  await page.waitForLoadState();
  return seen(page);
}

const seen = async (page) => ({
  path: new URL(page.url()).pathname,
  heading: await page.locator('h1').innerText(),
  text: await page.locator('main').innerText(),
});

const facts = { widths: {} };

// Ana, through the provider.
const ana = await visit();
facts.first = await seen(ana.page);
facts.widths.login = await picture(ana.page, 'login');
await through(ana.page, 'ana');
await sought(ana.page.locator('.incident').filter({ hasText: incident }));
facts.home = await seen(ana.page);
facts.widths.home = await picture(ana.page, 'home');
facts.cookies = await ana.context.cookies(url);

// An act by her session: without the token of her forms, then with it.
const csrf = await ana.page.locator('input[name=csrf]').first().getAttribute('value');
const note = (headers) => ana.context.request
  .post(`${url}/incidents/${incident}/note`, { data: { text: 'seen from a browser' }, headers })
  .then(async (answer) => ({ status: answer.status(), body: await answer.json() }));
facts.unsigned = await note({ Origin: url });
facts.foreign = await note({ Origin: 'http://127.0.0.1:1', 'X-CSRF-Token': csrf });
facts.signed = await note({ Origin: url, 'X-CSRF-Token': csrf });

// Another site on the same host, to which the browser gives the cookie: its form does not log her out.
const evil = createServer((_, answer) => {
  answer.setHeader('content-type', 'text/html');
  answer.end(`<form method=post action="${url}/logout"><input name=csrf value=${csrf}><button>Win</button></form>`);
});
await new Promise((done) => evil.listen(0, '127.0.0.1', done));
await ana.page.goto(`http://127.0.0.1:${evil.address().port}/`);
await ana.page.getByRole('button', { name: 'Win' }).click();
await ana.page.waitForURL(`${url}/logout`);
facts.forged = await seen(ana.page);
evil.close();

await ana.page.goto(url);
facts.still = await seen(ana.page);
await ana.page.getByRole('button', { name: 'Log out ana' }).click();
await ana.page.waitForURL(`${url}/login`);
facts.after = (await ana.context.cookies(url)).map((each) => each.name);
await ana.context.addCookies(facts.cookies); // somebody had copied it
await ana.page.goto(url);
facts.copied = await seen(ana.page);

// Whom the provider knows and the station does not; and whose address the provider has not verified.
const mallory = await visit();
facts.stranger = await through(mallory.page, 'mallory');
facts.widths.refused = await picture(mallory.page, 'refused');
facts.strangers = (await mallory.context.cookies(url)).map((each) => each.name);
const impostor = await visit();
facts.impostor = await through(impostor.page, 'impostor');

// A wrong token and a right one, by the form and the keyboard.
const typed = await visit();
await typed.page.getByLabel('Your access token').fill('wrong');
await typed.page.keyboard.press('Enter');
await typed.page.getByRole('alert').waitFor();
facts.wrong = await seen(typed.page);
facts.widths.wrong = await picture(typed.page, 'wrong');
await typed.page.getByLabel('Your access token').fill(token);
await typed.page.keyboard.press('Enter');
await typed.page.waitForURL(`${url}/`);
facts.typed = await seen(typed.page);

facts.complaints = complaints;
await browser.close();
console.log(JSON.stringify(facts));
