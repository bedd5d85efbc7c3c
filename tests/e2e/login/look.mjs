// What a test sees of a page: whether it fits, whether a thumb hits what is there, and what bars people from it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// What is meant for a thumb. A link within a sentence is as high as its line.
const TARGETS = 'button, .button, summary, select, textarea, input:not([type=hidden]):not([type=checkbox]), label.check, '
  + 'header a, .thumb a, .incident h2 a, .incident h3 a';

export class Looker {
  constructor(modules, url) {
    this.axe = readFileSync(createRequire(`${modules}/node_modules/`).resolve('axe-core/axe.min.js'), 'utf8');
    this.url = url;
    this.facts = { looked: [], wide: [], small: [], barriers: [], complaints: [], strangers: [], dialogs: [] };
  }

  // From now on: what the page complains of, whom it asks besides us, and what it pops up.
  listen(page) {
    const { complaints, strangers, dialogs } = this.facts;
    page.on('console', (said) => {
      const icon = said.location().url.endsWith('/favicon.ico');
      // A page that is refused, or not to be had now, is an error to the console, and expected.
      if (said.type() === 'error' && !icon && !/status of (4\d\d|503)/.test(said.text())) complaints.push(said.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (asked) => { if (!asked.url().startsWith(this.url)) strangers.push(asked.url()); });
    page.on('dialog', (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });
  }

  async fits(page, name, { thumb = true } = {}) {
    await page.waitForLoadState(); // its style may come after what is looked for
    const seen = await page.evaluate((targets) => {
      const root = document.documentElement;
      const small = [...document.querySelectorAll(targets)]
        .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 43.5)
        .map((each) => `${each.tagName} ${each.textContent.trim().slice(0, 40)} ${each.getBoundingClientRect().height}`);
      return { wide: root.scrollWidth - root.clientWidth, small };
    }, TARGETS);
    this.facts.looked.push(name);
    if (seen.wide > 0) this.facts.wide.push(`${name}: ${seen.wide}`);
    if (thumb) this.facts.small.push(...seen.small.map((each) => `${name}: ${each}`));
  }

  // All of axe's rules in the light, those of colour in the dark too. Only where scripts run.
  async bars(page, name) {
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      const rules = scheme === 'dark' ? { runOnly: ['color-contrast', 'link-in-text-block'] } : {};
      if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(this.axe);
      const found = await page.evaluate(
        async (options) => (await window.axe.run(document, options)).violations, { resultTypes: ['violations'], ...rules });
      for (const each of found.filter(({ impact }) => ['serious', 'critical'].includes(impact))) {
        const where = each.nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ''}`);
        this.facts.barriers.push(`${name}, ${scheme}: ${each.id}: ${where.join(' | ')}`);
      }
    }
    await page.emulateMedia({ colorScheme: 'light' });
  }
}
