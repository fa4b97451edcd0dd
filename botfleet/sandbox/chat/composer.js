// Where one types: who speaks, what is completed, and what becomes of it.
import { post } from "./api.js";
import { slash } from "./apps.js";
import { el, icon } from "./dom.js";
import { EMOJI } from "./emoji.js";
import { typed } from "./markup.js";
import { nameOf } from "./store.js";

const OFFERED = 6;
const BEGUN = /(^|[\s(])([@#]|:(?=\w{2}))([\p{L}\p{N}_.+-]*)$/u;
let count = 0;

export class Composer {
  #offers = [];
  #chosen = 0;

  constructor(root, store, { inThread = false } = {}) {
    Object.assign(this, { store, inThread });
    const id = inThread ? `reply-text${(count += 1)}` : "text";
    this.speaker = el("select", { "aria-label": "Who speaks", onchange: () => this.#speak() });
    this.list = el("ul", { class: "offers", role: "listbox", id: `${id}-offers`, "aria-label": "Completions", hidden: true });
    this.area = el("textarea", {
      id, rows: "1", "aria-label": "Message", "aria-autocomplete": "list", "aria-controls": `${id}-offers`, autocomplete: "off",
      oninput: () => this.#typed(), onkeydown: (event) => this.#key(event), onblur: () => this.#offer([]),
      enterkeyhint: "send",
    });
    this.trouble = el("p", { class: "trouble", role: "alert", hidden: true });
    const send = el("button", { type: "submit", class: "send", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
    const form = el("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); this.send(); } },
      this.list, this.speaker, this.area, send);
    root.replaceChildren(this.trouble, form);
  }

  draw() {
    const { store } = this;
    const partner = store.directPartner(store.channel);
    const people = partner ? [store.users.get(partner)] : store.humans();
    const known = [...this.speaker.options].map((option) => option.value + option.text).join();
    if (known !== people.map((user) => user.id + nameOf(user)).join()) {
      this.speaker.replaceChildren(...people.map((user) => el("option", { value: user.id }, nameOf(user))));
    }
    this.speaker.value = partner ?? store.speaker ?? "";
    this.speaker.disabled = people.length < 2;
    const where = partner ? store.bot.name : `#${store.channels.get(store.channel)?.name}`;
    this.area.placeholder = this.inThread ? "Reply in the thread" : `Message ${where}`;
    const archived = store.channels.get(store.channel)?.archived ?? false;
    this.area.disabled = archived;
    if (archived) this.area.placeholder = "This channel is archived";
  }

  /** Go on with typing; not where that brings a keyboard up. */
  focus() {
    if (matchMedia("(pointer: fine)").matches) this.area.focus();
  }

  /** Say what is typed, or a text that was offered. */
  async send(text = this.area.value) {
    const said = text.trim();
    if (!said) return;
    const { store } = this;
    const user = store.speakerIn(store.channel).id;
    const mine = this.area.value === text;
    if (mine) { this.area.value = ""; this.#fit(); }
    this.tell("");
    try {
      if (said.startsWith("/")) await this.#slash(user, said);
      else await post("say", {
        team: store.team.id, channel: store.channel, user, text: typed(said), thread_ts: this.inThread ? store.thread : null,
      });
    } catch (error) {
      if (mine && !this.area.value) this.area.value = text;
      this.tell(error.message);
    }
  }

  /** Show that something went wrong; an empty text takes it away. */
  tell(text) {
    this.trouble.textContent = text;
    this.trouble.hidden = !text;
  }

  async #slash(user, said) {
    if (!this.store.app?.commands) {
      const [command] = said.split(/\s/);
      throw new Error(`Nobody takes ${command}: slash commands go to apps with HTTP, and no app of this team has a URL for them.`);
    }
    await slash(this.store, user, said);
  }

  #speak() {
    this.store.speaker = this.speaker.value;
    this.store.changed();
    this.focus();
  }

  #typed() {
    this.#fit();
    this.tell("");
    const before = this.area.value.slice(0, this.area.selectionStart);
    const [, , kind, begun] = before.match(BEGUN) ?? [];
    this.#offer(kind ? this.#matches(kind, begun.toLowerCase()) : []);
  }

  #fit() {
    this.area.style.height = "auto";
    this.area.style.height = `${Math.min(this.area.scrollHeight, 200)}px`;
  }

  #matches(kind, begun) {
    const { store } = this;
    if (kind === ":") {
      return [...EMOJI].filter(([name]) => name.startsWith(begun)).slice(0, OFFERED).map(([name, sign]) => ({ text: `:${name}:`, shown: `${sign} :${name}:` }));
    }
    const channels = [...store.channels.values()].filter((channel) => channel.kind !== "im" && !channel.archived);
    const users = [...store.users.values()].sort((one, other) => other.is_bot - one.is_bot);
    const names = (kind === "#" ? channels : users).map((one) => one.name);
    return names.filter((name) => name.toLowerCase().startsWith(begun)).slice(0, OFFERED).map((name) => ({ text: kind + name, shown: kind + name }));
  }

  #offer(offers) {
    this.#offers = offers;
    this.#chosen = 0;
    this.list.hidden = offers.length === 0;
    this.list.replaceChildren(...offers.map((offer, index) => el("li", {
      role: "option", id: `${this.list.id}-${index}`,
      onpointerdown: (event) => { event.preventDefault(); this.#complete(index); },
    }, offer.shown)));
    this.#mark();
  }

  #mark() {
    [...this.list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === this.#chosen)));
    if (this.#offers.length) this.area.setAttribute("aria-activedescendant", `${this.list.id}-${this.#chosen}`);
    else this.area.removeAttribute("aria-activedescendant");
  }

  #complete(index) {
    const at = this.area.selectionStart;
    const before = this.area.value.slice(0, at).replace(BEGUN, `$1${this.#offers[index].text} `);
    this.area.value = before + this.area.value.slice(at).replace(/^ /, "");
    this.area.setSelectionRange(before.length, before.length);
    this.#offer([]);
  }

  #key(event) {
    if (event.isComposing) return;
    const offered = this.#offers.length;
    if (offered && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      this.#chosen = (this.#chosen + (event.key === "ArrowDown" ? 1 : offered - 1)) % offered;
      this.#mark();
    } else if (offered && (event.key === "Tab" || (event.key === "Enter" && !this.#isWhole()))) this.#complete(this.#chosen);
    else if (offered && event.key === "Escape") { event.stopPropagation(); this.#offer([]); }
    else if (event.key === "Enter" && !event.shiftKey) { this.#offer([]); this.send(); }
    else return;
    event.preventDefault();
  }

  // "@alice" typed to its end is sent by Enter, not completed.
  #isWhole() {
    return this.area.value.slice(0, this.area.selectionStart).endsWith(this.#offers[this.#chosen].text);
  }
}
