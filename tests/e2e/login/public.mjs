// Customers read the public page, on a phone and on a desk, with JavaScript and without; what they see as one line of JSON.
//   node public.mjs MODULES CHROMIUM URL NOW FOLDER PATH...      (NOW: the reader's clock, an ISO time)
import { SLOW, launch } from './chromium.mjs';

const [modules, chromium, url, now, folder, ...paths] = process.argv.slice(2);
const browser = await launch(modules, chromium);
const facts = [];

async function look(page) {
  return {
    text: await page.locator('body').innerText(),
    overdue: await page.locator('.due.overdue').count(),
    stale: await page.locator('.stale').filter({ visible: true }).count(),
    wide: await page.locator('html').evaluate((root) => root.scrollWidth),
  };
}

for (const width of [360, 1280]) {
  for (const javaScriptEnabled of [true, false]) {
    const context = await browser.newContext({
      viewport: { width, height: 800 }, javaScriptEnabled, colorScheme: width === 360 ? 'dark' : 'light',
    });
    context.setDefaultTimeout(SLOW);
    for (const path of paths) {
      const page = await context.newPage();
      const complaints = [];
      page.on('console', (said) => complaints.push(said.text()));
      page.on('pageerror', (error) => complaints.push(String(error)));
      if (javaScriptEnabled) await page.clock.install({ time: new Date(now) });
      await page.goto(`${url}/${path}`);
      const first = await look(page);
      const name = `${path.replaceAll('/', '-').replace('.html', '')}-${width}${javaScriptEnabled ? '' : '-plain'}`;
      await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
      if (javaScriptEnabled) await page.clock.runFor('20:00');
      facts.push({ path, width, javaScriptEnabled, complaints, first, later: await look(page) });
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
console.log(JSON.stringify(facts));
