// Headless Chromium for the tests, and a telephone in it.
import { createRequire } from 'node:module';

export const SLOW = 90_000; // a machine under load; nothing here waits for time to pass

export function launch(modules, chromium) {
  return createRequire(`${modules}/node_modules/`)('playwright-core').chromium.launch({
    executablePath: chromium,
    timeout: SLOW,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

// The page that we are on. While the station says in its place that it cannot now, it is loaded again, as people do.
export async function shown(page) {
  const away = page.getByRole('heading', { name: 'The station cannot do it now' });
  for (const end = Date.now() + SLOW; (await away.count()) && Date.now() < end;) await page.reload();
}

export async function arrived(page, where) {
  await page.waitForURL(where);
  await shown(page);
}

export async function go(page, where) {
  await page.goto(where);
  await shown(page);
}

// A page without JavaScript is loaded again until this is there: a list is a moment behind.
export async function sought(locator) {
  for (const end = Date.now() + SLOW; !(await locator.count()); await locator.page().reload()) {
    if (Date.now() > end) throw new Error(`no ${locator}; there is:\n${await locator.page().locator('main').innerText()}`);
  }
}

export async function phone(browser) {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, javaScriptEnabled: false });
  context.setDefaultTimeout(SLOW);
  return context;
}
