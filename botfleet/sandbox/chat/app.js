// The page: a store that a stream keeps up, and what shows it.
import { Composer } from "./composer.js";
import { announce, byId, el, icon } from "./dom.js";
import { spoken } from "./markup.js";
import { authorOf, MessageList } from "./messages.js";
import { Modals } from "./modals.js";
import { Side, standing } from "./side.js";
import { Sidebar } from "./sidebar.js";
import { isReply, nameOf, Store } from "./store.js";
import { Stream } from "./stream.js";

const store = new Store();
const stream = new Stream((event) => store.take(event), live);
const sidebar = new Sidebar(store, watch, () => { closeChannels(); composer.focus(); });
const list = new MessageList(byId("log"), store, { onnewer: (newer) => { byId("newer").hidden = !newer; } });
const composer = new Composer(byId("composer"), store);
const side = new Side(store);
const modals = new Modals(store);
let due = false;
let begun = false;

function watch(team) {
  stream.watch(team);
  history.replaceState(null, "", `?team=${encodeURIComponent(team)}`);
}

function live(isThere) {
  const line = byId("line");
  if (!isThere && line.hidden) line.textContent = "The sandbox is away. This page comes back with it.";
  line.hidden = isThere;
}

store.addEventListener("change", ({ detail }) => {
  if (detail.type === "trouble") composer.tell(detail.text);
  if (detail.type === "thread") side.openThread();
  if (begun) tellAloud(detail);
  if (due || store.team === null) return;
  due = true;
  requestAnimationFrame(draw);
});

function draw() {
  due = false;
  sidebar.draw();
  drawHeader();
  list.draw();
  composer.draw();
  drawHints();
  side.draw();
  modals.draw();
  if (!begun) composer.focus();
  begun = true;
}

function drawHeader() {
  const channel = store.channels.get(store.channel);
  const partner = store.users.get(store.directPartner(store.channel));
  const place = partner ? `${nameOf(partner)} and ${store.bot.name}` : channel?.name ?? "";
  byId("place").replaceChildren(partner ? "" : channel?.kind === "group" ? icon("lock") : "#", place);
  const members = channel?.members.length ?? 2;
  byId("people").textContent = partner ? "Direct messages" : `${channel?.kind === "group" ? "Private, " : ""}${members} members`;
  byId("enter").hidden = Boolean(partner);
  const { tone, text } = standing(store);
  const pill = byId("bot");
  if (pill.dataset.shown !== tone + text) {
    pill.dataset.shown = tone + text;
    const unseen = (words) => el("span", { class: "unseen" }, words);
    pill.replaceChildren(el("span", { class: `dot ${tone}` }),
      el("span", {}, el("span", { class: "wide" }, store.bot.name, unseen(" is"), " "), text, unseen(". Its connection and faults")));
  }
  pill.setAttribute("aria-expanded", String(side.kind === "bot"));
  byId("typing").textContent = store.isTyping(store.channel) ? `${store.bot.name} is typing…` : "";
  document.title = `${partner ? "" : "#"}${place} · ${store.team.name} · botfleet sandbox`;
}

function drawHints() {
  const mention = store.directPartner(store.channel) ? "" : `@${store.bot.name} `;
  const texts = ["ping", "help", "hi"].map((word) => mention + word);
  const hints = byId("hints");
  if (hints.dataset.texts === texts.join()) return;
  hints.dataset.texts = texts.join();
  hints.replaceChildren(el("span", { "aria-hidden": "true" }, "Try:"), ...texts.map((text) =>
    el("button", { type: "button", class: "hint", onclick: () => { composer.send(text); composer.focus(); } }, text)));
}

function tellAloud(event) {
  if (event.channel !== store.channel || typeof event.text !== "string") return;
  if (event.type === "message" && !event.subtype?.startsWith("message_")) {
    announce(`${authorOf(event, store).name}${isReply(event) ? " in a thread" : ""}: ${spoken(event.text, store)}`);
  } else if (event.type === "sandbox_ephemeral") announce(`Only visible to one: ${spoken(event.text, store)}`);
}

function closeChannels() {
  document.body.classList.remove("channels-open");
  byId("menu").setAttribute("aria-expanded", "false");
  byId("shade").hidden = true;
}

function openChannels() {
  document.body.classList.add("channels-open");
  byId("menu").setAttribute("aria-expanded", "true");
  byId("shade").hidden = false;
  byId("team").focus();
}

byId("menu").append(icon("menu"));
byId("enter").prepend(icon("person"));
byId("menu").addEventListener("click", openChannels);
byId("shade").addEventListener("click", closeChannels);
byId("sidebar").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.classList.contains("channels-open")) { closeChannels(); byId("menu").focus(); }
});
byId("bot").addEventListener("click", () => { side.toggleBot(); drawHeader(); });
byId("newer").addEventListener("click", () => list.toEnd());
// "is typing" ends without an event.
setInterval(() => byId("typing").textContent && drawHeader(), 1000);

stream.watch(new URLSearchParams(location.search).get("team"));
