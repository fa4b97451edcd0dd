// The panel beside the channel: a thread, or the bot's connection and what can go wrong with it.
import { post } from "./api.js";
import { Composer } from "./composer.js";
import { byId, el, icon } from "./dom.js";
import { MessageList } from "./messages.js";

/** Whether the bot has no socket, and is told of events all the same. */
const isByHttp = (store) => store.state.connections === 0 && Boolean(store.app?.events);

/** How the bot is doing, in a few words, and the colour for it. */
export function standing(store) {
  const { state } = store;
  if (state.error) return { tone: "bad", text: state.error === "token_revoked" ? "token revoked" : state.error };
  if (state.connections === 0) return isByHttp(store) ? { tone: "good", text: "over HTTP" } : { tone: "bad", text: "not connected" };
  if (state.silent === state.connections) return { tone: "warn", text: "silent" };
  if (Object.keys(state.faults).length) return { tone: "warn", text: "connected, with faults" };
  return { tone: "good", text: state.connections > 1 ? `connected, ${state.connections} sockets` : "connected" };
}

// Those of sockets are not offered to a bot that hears by HTTP.
const FAULTS = [
  ["drop", "Drop the connection", {}, "The TCP connection is cut. The bot comes back by itself.", true],
  ["silent", "Fall silent", {}, "The socket stays open, but nothing comes through, pings neither. The bot notices within half a minute and takes a new one.", true],
  ["goodbye", "Say goodbye", {}, "Slack's request to reconnect. The bot opens a new connection first.", true],
  ["ratelimit", "Rate limit", { count: 3, retry_after: 2 }, "The next three calls of the Web API get a 429. The bot waits as told, and asks again."],
  ["slow", "Answer slowly", { seconds: 2 }, "Each answer of the Web API takes two seconds more, until all faults end."],
  ["refuse", "Refuse connections", { seconds: 10 }, "New sockets get a 503 for ten seconds. Drop the connection to see it.", true],
  ["revoke", "Revoke the token", {}, "As if the app were removed: the token dies, its sockets are cut, and the bot stays away."],
];

export class Side {
  #kind = null;
  #opener = null;

  constructor(store) {
    Object.assign(this, { store, root: byId("side") });
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  get kind() {
    return this.#kind;
  }

  toggleBot() {
    if (this.#kind === "bot") return this.close();
    this.#opener = document.activeElement;
    this.store.thread = null;
    this.#show("bot");
    return this.root.querySelector("button")?.focus();
  }

  openThread() {
    this.#opener = document.activeElement;
    this.#show("thread");
    this.composer.draw();
    this.root.querySelector("button").focus();
    this.composer.focus();
  }

  close() {
    this.store.thread = null;
    this.#kind = null;
    this.root.hidden = true;
    this.root.replaceChildren();
    this.store.changed();
    if (this.#opener?.isConnected) this.#opener.focus();
  }

  draw() {
    if (this.#kind === "thread" && this.store.thread === null) return this.close();
    if (this.#kind === "thread") {
      this.list.draw();
      this.composer.draw();
    }
    if (this.#kind === "bot") this.#drawBot();
    return undefined;
  }

  #show(kind) {
    this.#kind = kind;
    const title = kind === "thread" ? "Thread" : "The bot's connection";
    this.root.setAttribute("aria-label", title);
    this.root.hidden = false;
    const close = el("button", { type: "button", class: "plain", "aria-label": `Close: ${title}`, onclick: () => this.close() }, icon("close"));
    this.body = el("div", { class: kind === "thread" ? "threaded" : "faults" });
    this.root.replaceChildren(el("header", {}, el("h2", {}, title), close), this.body);
    if (kind === "thread") this.#thread();
    else this.#bot();
    this.draw();
  }

  #thread() {
    const log = el("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Thread", tabindex: "0" });
    const below = el("div", { class: "below" });
    this.body.append(log, below);
    this.list = new MessageList(log, this.store, { inThread: true });
    this.composer = new Composer(below, this.store, { inThread: true });
  }

  #bot() {
    this.status = el("p", { class: "standing", role: "status" });
    this.more = el("div", {});
    this.happened = el("ol", { class: "happened", "aria-label": "What happened", reversed: true, tabindex: "0" });
    this.trouble = el("p", { class: "trouble", role: "alert", hidden: true });
    const fault = ([kind, label, fields, hint, ofSockets]) => {
      const id = `fault-${kind}`;
      return el("li", { class: ofSockets && "of-sockets" }, el("button", { type: "button", class: kind === "revoke" ? "danger" : "quiet", "aria-describedby": id, onclick: () => this.#act(kind, fields, label) }, label), el("p", { id }, hint));
    };
    const mend = (kind, label) => el("button", { type: "button", class: "strong", onclick: () => this.#act(kind, {}, label) }, label);
    this.restore = mend("restore", "Restore the token");
    this.clear = mend("clear", "End all faults");
    this.body.append(this.status, this.more, el("div", { class: "row start" }, this.restore, this.clear), this.happened,
      this.trouble, el("h3", {}, "Make something go wrong"), this.note = el("p", { class: "note" }), el("ul", { class: "buttons" }, FAULTS.map(fault)));
  }

  async #act(kind, fields, label) {
    this.trouble.hidden = true;
    this.store.note(label);
    try {
      await post(`faults/${kind}`, { team: this.store.team.id, ...fields });
    } catch (error) {
      this.trouble.textContent = error.message;
      this.trouble.hidden = false;
    }
    this.store.changed();
    this.body.scrollTop = 0; // To what has become of it, and the button that ends it.
  }

  #drawBot() {
    const { store } = this;
    const { tone, text } = standing(store);
    const status = `${store.bot.name} is ${store.state.error ? `away: ${text}` : text}.`;
    if (this.status.textContent !== status) this.status.replaceChildren(el("span", { class: `dot ${tone}` }), status);
    this.more.replaceChildren(...advice(store), ...faults(store.state.faults));
    hide(this.restore, !store.state.error, this.root);
    hide(this.clear, !Object.keys(store.state.faults).length && !store.state.silent, this.root);
    const byHttp = isByHttp(store);
    this.note.textContent = byHttp ? "It hears by HTTP and has no socket that could break. Its answers are calls of the Web API."
      : "Short answers go over the socket. To connect is a call of the Web API: drop the connection to see what becomes of such a call.";
    for (const one of this.body.querySelectorAll(".of-sockets")) one.hidden = byHttp;
    const lines = store.happened.slice().reverse();
    this.happened.replaceChildren(...lines.map((line) => el("li", {}, el("time", {}, line.at.toLocaleTimeString()), ` ${line.text}`)));
  }
}

// A button that goes leaves the focus to the panel.
function hide(button, hidden, panel) {
  if (hidden && button === document.activeElement) panel.querySelector("header button").focus();
  button.hidden = hidden;
}

function advice(store) {
  const command = (text) => el("code", { class: "command" }, text);
  if (store.state.error) {
    return [el("p", {}, "A dead token is not tried again until somebody says so. Restore it, then press Restart on its page of the dashboard, or run ",
      command(`botfleet teams restart ${store.team.id}`), ".")];
  }
  if (store.state.connections === 0 && !isByHttp(store)) {
    return [el("p", {}, "If it does not come by itself, press Restart on its page of the dashboard, or run ", command(`botfleet teams restart ${store.team.id}`),
      ". Where no fleet knows this team, ", command("botfleet up"), " starts one with its sandbox.")];
  }
  return [];
}

function faults(given) {
  const lines = [];
  if (given.slow) lines.push(`Answers come ${given.slow} s later.`);
  if (given.refuse) lines.push("New sockets are refused.");
  if (given.silent) lines.push("New sockets are silent.");
  for (const one of given.refusals ?? []) {
    lines.push(`${one.count > 1000 ? "All" : `${one.count} more`} calls${one.method ? ` of ${one.method}` : ""} get ${one.error}.`);
  }
  return lines.map((line) => el("p", { class: "context" }, line));
}
