// A phone opens the link of a page and presses its one button; what it saw as one line of JSON.
//   node tap.mjs MODULES CHROMIUM LINK FOLDER
import { createRequire } from 'node:module';

const [modules, chromium, link, folder] = process.argv.slice(2);
const playwright = createRequire(`${modules}/node_modules/`)('playwright-core');
const SLOW = 90_000; // a machine under load; nothing here waits for time to pass
const browser = await playwright.chromium.launch({
  executablePath: chromium,
  timeout: SLOW,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
});
const context = await browser.newContext({ viewport: { width: 360, height: 740 }, javaScriptEnabled: false });
context.setDefaultTimeout(SLOW);
const page = await context.newPage();

async function seen(name) {
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  return {
    text: await page.locator('main').innerText(),
    width: await page.evaluate(() => document.documentElement.scrollWidth),
  };
}

await page.goto(link);
const opened = await seen('opened');
const button = page.getByRole('button');
const buttons = await button.count();
const place = await button.boundingBox();
await button.click();
await page.waitForLoadState();
const pressed = await seen('pressed');
await page.goto(link);
const again = await seen('again');
const left = await button.count();
await browser.close();
console.log(JSON.stringify({ opened, buttons, place, pressed, again, left }));
