// The page tells its age by the reader's own clock, and an update that is due turns overdue by it.
"use strict";
(function () {
  function span(seconds) {
    var minutes = Math.floor(seconds / 60);
    if (minutes < 1) { return "less than a minute"; }
    if (minutes < 120) { return minutes + " min"; }
    var hours = Math.floor(minutes / 60);
    return hours < 48 ? hours + " h " + (minutes % 60) + " min" : Math.floor(hours / 24) + " days";
  }
  function each(selector, work) { Array.prototype.forEach.call(document.querySelectorAll(selector), work); }
  function since(text) { return (Date.now() - Date.parse(text)) / 1000; }
  function tick() {
    each("[data-ago]", function (found) {
      var told = span(Math.max(since(found.dataset.ago), 0)) + " ago";
      found.textContent = "bare" in found.dataset ? " " + told : " (" + told + ")";
    });
    each("[data-stale]", function (found) {
      found.hidden = since(found.dataset.stale) <= Number(found.dataset.after);
    });
    each("[data-due]", function (found) {
      var late = since(found.dataset.due);
      found.classList.toggle("overdue", late >= 0);
      found.querySelector("[data-word]").textContent = late >= 0 ? "Update overdue: it was due" : "Next update due";
      found.querySelector("[data-left]").textContent = late >= 0 ? " (" + span(late) + " late)" : " (in " + span(-late) + ")";
    });
  }
  tick();
  setInterval(tick, 5000);
})();
