// A phone opens the link of a page and presses its one button; what it saw as one line of JSON.
//   node tap.mjs MODULES CHROMIUM LINK FOLDER
import { go, launch, phone } from './chromium.mjs';

const [modules, chromium, link, folder] = process.argv.slice(2);
const browser = await launch(modules, chromium);
const context = await phone(browser);
const page = await context.newPage();

async function seen(name) {
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  return {
    text: await page.locator('main').innerText(),
    width: await page.evaluate(() => document.documentElement.scrollWidth),
  };
}

await go(page, link);
const opened = await seen('opened');
const button = page.getByRole('button');
const buttons = await button.count();
const place = await button.boundingBox();
await Promise.all([page.waitForEvent('framenavigated'), button.click()]);
await page.waitForLoadState();
const pressed = await seen('pressed');
await go(page, link);
const again = await seen('again');
const left = await button.count();
await browser.close();
console.log(JSON.stringify({ opened, buttons, place, pressed, again, left }));
