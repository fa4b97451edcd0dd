// What the dashboard's pages do beyond htmx. All of them also work without it.
"use strict";

// Whoever looks at another tab needs no news.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.matches("[data-poll]")) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const one of document.querySelectorAll("[data-poll]")) htmx.trigger(one, "look");
});

// What the reader has opened stays open.
const opened = new Set();
document.addEventListener("htmx:beforeSwap", () => {
  opened.clear();
  for (const one of document.querySelectorAll("details[id][open]")) opened.add(one.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
});

// How many were found, for who hears the page.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.requestConfig?.elt.id !== "filters") return;
  document.getElementById("found-told").textContent = document.getElementById("found-count").textContent;
});

// The dot that says whether what is shown is fresh.
function tellLive(state) {
  const live = document.getElementById("live");
  if (!live) return;
  live.classList.toggle("on", state === "on");
  live.classList.toggle("off", state === "off");
  const word = state === "on" ? "Live" : "Not reached; trying again";
  const shown = live.querySelector("[data-word]");
  if (shown.textContent !== word) shown.textContent = word;
}
if (document.getElementById("live")) tellLive("on");
const polled = (event) => event.target.matches("[data-poll]");
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && polled(event)) tellLive("on");
});
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  // The session is over, or what is shown is gone: the server says which when the whole page is asked for.
  if (status === 401 || (status === 404 && polled(event))) window.location.reload();
  else if (polled(event)) tellLive("off");
});
document.addEventListener("htmx:sendError", (event) => polled(event) && tellLive("off"));

// What needs a yes opens the dialog that the link names; without scripts the link leads to a page.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (!dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    dialog.showModal();
    // What opened it may have been swapped meanwhile.
    dialog.addEventListener("close", () => (document.getElementById(opener.id) || document.getElementById("team-title")).focus(), { once: true });
  } else if (event.target.closest("[data-close]")) {
    const dialog = event.target.closest("dialog");
    if (!dialog) return;
    event.preventDefault();
    dialog.close();
  } else if (event.target.matches("dialog[open]")) {
    event.target.close();
  }
});
document.addEventListener("htmx:afterRequest", (event) => {
  const dialog = event.target.closest && event.target.closest("dialog");
  if (dialog && event.detail.successful) dialog.close();
});

// Times: how long ago, and on what clock of the reader's.
function span(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  let rest = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [size, letter] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || (parts.length === 0 && letter === "s")) parts.push(`${count}${letter}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}
const two = (number) => String(number).padStart(2, "0");
function clockTime(at) {
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date().toDateString() ? time
    : `${at.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${time.slice(0, 5)}`;
}
const WORDS = {
  clock: clockTime,
  ago: (at, passed) => (passed < 1 ? "just now" : `${span(passed)} ago`),
  for: (at, passed) => `for ${span(passed)}`,
  in: (at, passed) => (passed < 0 ? `in ${span(-passed)}` : "now"),
};
function renderTimes(where) {
  for (const one of where.querySelectorAll("time[data-as]")) {
    const at = new Date(one.dateTime);
    const passed = (Date.now() - at) / 1000;
    const text = WORDS[one.dataset.as](at, passed);
    if (one.textContent !== text) one.textContent = text;
    if (!one.title) one.title = at.toLocaleString();
  }
}
renderTimes(document);
document.addEventListener("htmx:afterSwap", () => renderTimes(document));
setInterval(() => document.hidden || renderTimes(document), 1000);

// A team's live events: the newest first, so many at the most; no socket is kept for a tab that is not seen.
const SHOWN_EVENTS = 200;
const stream = document.getElementById("stream");
if (stream) {
  const told = document.getElementById("stream-state");
  const pause = document.getElementById("stream-pause");
  const source = stream.outerHTML;
  let paused = false;
  const list = () => document.getElementById("events");
  const tell = (word, state) => {
    told.querySelector("[data-word]").textContent = word;
    told.className = `live ${state}`;
  };
  const end = () => {
    const old = document.getElementById("stream");
    if (old) htmx.swap(old, "", { swapStyle: "delete" });
  };
  const begin = () => {
    if (paused || document.hidden || document.getElementById("stream")) return;
    document.getElementById("stream-place").innerHTML = source;
    htmx.process(document.getElementById("stream-place"));
  };
  document.addEventListener("htmx:sseOpen", () => tell("Waiting for its holder", ""));
  document.addEventListener("htmx:sseError", () => tell("Not reached; trying again", "off"));
  document.addEventListener("htmx:sseMessage", (event) => {
    tell("Live", "on");
    if (event.detail.type !== "sighting") return;
    document.getElementById("events-none").hidden = true;
    while (list().children.length > SHOWN_EVENTS) list().lastElementChild.remove();
    renderTimes(list());
  });
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (paused) {
      end();
      tell("Paused", "");
    } else begin();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? end() : begin()));
}
