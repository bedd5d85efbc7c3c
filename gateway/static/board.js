// Keeps an incident's page up to date. Without this file the page is whole; it only has to be loaded again.
// What somebody is typing is never touched: that part waits until they say so.
'use strict';
(() => {
  const room = document.querySelector('.room');
  const live = () => document.querySelector('[data-live]');
  if (!room || !window.EventSource) return;
  const events = `/board/${room.dataset.incident}/events`;
  let version = room.dataset.version;
  let source = null;
  let fetching = false;
  let again = false;
  let later = 0;
  let watching = false;
  let pause = 3000;

  const tell = (text) => {
    const place = live();
    if (place) { place.hidden = false; place.textContent = text; }
  };

  // Nobody tells of the same change again, so what was missed is fetched in a moment.
  function missed(why) {
    tell(`Not live: ${why}`);
    soon();
  }

  // Longer and longer apart: what is full, or away for an hour, is not asked twenty times a minute.
  function soon() {
    if (!watching) return;
    clearTimeout(later);
    later = setTimeout(renew, pause);
    pause = Math.min(pause * 2, 60000);
  }

  // What was refused was typed too, though the form came with it.
  const typing = (part) => part.contains(document.activeElement) && document.activeElement.matches('input, textarea, select')
    || part.querySelector('form.act [role=alert], textarea[readonly]')
    || [...part.querySelectorAll('textarea, input:not([type=hidden])')].some((each) =>
      each.type === 'checkbox' ? each.checked !== each.defaultChecked : each.value !== each.defaultValue)
    || [...part.querySelectorAll('form.act select')].some((each) =>
      [...each.options].some((option) => option.selected !== option.defaultSelected)
        && [...each.options].some((option) => option.defaultSelected));

  // Two drawings of a part are the same when only the forms' own keys, and how long ago something was, differ.
  const plain = (part) => part.innerHTML
    .replace(/name="key" value="[0-9a-f]*"/g, '').replace(/ open=""/g, '').replace(/<time [^>]*>[^<]*<\/time>/g, '');

  function exchange(old, fresh) {
    const open = new Set([...old.querySelectorAll('details[open]')].map((each) => each.id || each.textContent));
    const focused = document.activeElement && old.contains(document.activeElement) ? document.activeElement.id : '';
    old.replaceWith(fresh);
    for (const each of fresh.querySelectorAll('details')) if (open.has(each.id || each.textContent)) each.open = true;
    if (focused) document.getElementById(focused)?.focus();
  }

  function put(old, fresh) {
    old.querySelector(':scope > .news')?.remove();
    if (!typing(old)) { exchange(old, fresh); return; }
    if (plain(old) === plain(fresh)) return;
    const news = document.createElement('button');
    news.type = 'button';
    news.className = 'news';
    news.textContent = 'There is news in this part. Show it, and drop what you typed';
    news.addEventListener('click', () => { news.remove(); exchange(old, fresh); });
    old.prepend(news);
  }

  async function renew() {
    if (fetching) { again = true; return; }
    fetching = true;
    clearTimeout(later);
    try {
      // Not location.href alone: after a refusal it is the address of the act.
      const here = new URL(`/board/${room.dataset.incident}${location.search}`, location.href);
      here.searchParams.delete('done');
      const answer = await fetch(here, { credentials: 'same-origin', headers: { Accept: 'text/html' } });
      if (answer.redirected || answer.status === 401) { over(); return; }
      if (!answer.ok) { missed('the station does not answer'); return; }
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.querySelector('.room');
      if (!fresh) { over(); return; }
      version = fresh.dataset.version;
      document.title = page.title;
      for (const part of page.querySelectorAll('[data-part]')) {
        const old = document.getElementById(part.id);
        if (old) put(old, document.adoptNode(part));
      }
      const nav = page.querySelector('.thumb');
      if (nav) document.querySelector('.thumb').replaceWith(document.adoptNode(nav));
      listen();
    } catch {
      missed('no connection');
    } finally {
      fetching = false;
      if (again) { again = false; if (watching) renew(); }
    }
  }

  function over() {
    close();
    tell('Not live: log in again');
  }

  function close() {
    watching = false;
    clearTimeout(later);
    source?.close();
    source = null;
  }

  function open() {
    watching = true;
    listen();
  }

  // What the page says of itself is what it knows: while one of the two does not answer, it is not live.
  function listen() {
    if (source) { if (source.readyState === EventSource.OPEN) live_again(); return; }
    if (!watching) return;
    source = new EventSource(`${events}?seen=${encodeURIComponent(version)}`);
    source.addEventListener('open', live_again);
    source.addEventListener('changed', (event) => { if (event.data !== version) renew(); });
    source.addEventListener('over', over);
    source.addEventListener('error', () => {
      tell('Not live: connecting again…');
      // An answer that is no stream ends it for good, though it be a gateway that is just being started again.
      if (source?.readyState === EventSource.CLOSED) { source = null; soon(); }
    });
  }

  function live_again() {
    pause = 3000;
    tell(version ? '● Live' : 'Not live: it is shown anew as soon as it can be');
  }

  // A page that nobody looks at holds nothing open; it catches up when somebody does.
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', open);
  if (!document.hidden) open();
})();
