// Headless Chromium for the tests, and a telephone in it.
import { createRequire } from 'node:module';

const SLOW = 90_000; // a machine under load; nothing here waits for time to pass

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

export async function phone(browser) {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, javaScriptEnabled: false });
  context.setDefaultTimeout(SLOW);
  return context;
}
