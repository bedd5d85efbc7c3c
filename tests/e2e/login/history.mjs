// People look at an encrypted history in Temporal's own UI; what they saw as one line of JSON.
//   node history.mjs MODULES CHROMIUM GATEWAY UI INCIDENT WORDS FOLDER NAME=TOKEN...
import { SLOW, launch } from './chromium.mjs';

const [modules, chromium, gateway, ui, incident, words, folder, ...people] = process.argv.slice(2);
const browser = await launch(modules, chromium);
const facts = {};

for (const [name, token] of people.map((each) => each.split('='))) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 } });
  context.setDefaultTimeout(SLOW);
  const page = await context.newPage();
  await page.goto(`${gateway}/login`);
  await page.getByLabel('Your access token').fill(token);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${gateway}/`);
  // What the UI keeps of "Use my browser setting and ignore Cluster-level setting", with cross-origin credentials.
  await context.addInitScript(([endpoint]) => {
    localStorage.setItem('endpoint', JSON.stringify(endpoint));
    localStorage.setItem('includeCredentials', 'true');
    localStorage.setItem('overrideRemoteCodecConfiguration', 'true');
  }, [`${gateway}/codec`]);
  const answers = [];
  page.on('response', (answer) => {
    if (answer.url().startsWith(`${gateway}/codec/`) && answer.request().method() === 'POST') answers.push(answer.status());
  });
  await page.goto(`${ui}/namespaces/default/workflows/${incident}`);
  // Decrypted, or the UI's own word that it could not be.
  const settled = await page.waitForFunction(
    (text) => [text, 'Codec Server could not connect'].find((each) => document.body.innerText.includes(each)), words);
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  const seen = (await settled.jsonValue()) === words && (await page.locator('body').innerText()).includes(words);
  facts[name] = { seen, statuses: [...new Set(answers)] };
  await context.close();
}
await browser.close();
console.log(JSON.stringify(facts));
