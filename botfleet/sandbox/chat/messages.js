// A list of messages: of a channel or of a thread. Only what changed is drawn anew.
import { blocks } from "./blocks.js";
import { post } from "./api.js";
import { el, icon } from "./dom.js";
import { sign } from "./emoji.js";
import { markup, typed, untyped } from "./markup.js";
import { pick } from "./picker.js";
import { nameOf } from "./store.js";

const TOGETHER = 300; // seconds within which one person's messages stand under one name
const NEAR = 80; // pixels from the end that count as the end

export class MessageList {
  #drawn = new Map(); // by key: what was drawn, and its element
  #place = null;
  #editing = null;

  /** `onnewer` is told whether there is something below that is not seen. */
  constructor(root, store, { inThread = false, onnewer = () => {} } = {}) {
    Object.assign(this, { root, store, inThread, onnewer });
    root.addEventListener("scroll", () => this.#atEnd() && onnewer(false));
    root.addEventListener("keydown", (event) => this.#walk(event));
    root.addEventListener("focusin", (event) => reach(event.target.closest(".message"), "0"));
    root.addEventListener("focusout", (event) => reach(event.target.closest(".message"), "-1"));
    // Whatever grows below, or makes the list smaller, leaves who reads the end at the end.
    new ResizeObserver(() => this.stays && this.toEnd()).observe(root);
  }

  draw() {
    const { store } = this;
    const place = `${store.team.id} ${store.channel} ${this.inThread ? store.thread : ""}`;
    const isNew = place !== this.#place;
    if (isNew) {
      this.#drawn.clear();
      this.#editing = null;
    }
    this.#place = place;
    const atEnd = isNew || this.#atEnd();
    const before = this.root.lastElementChild;
    this.#arrange(store.listed(store.channel, this.inThread ? store.thread : null));
    if (atEnd) this.toEnd();
    else if (this.root.lastElementChild !== before) this.onnewer(true);
  }

  toEnd() {
    this.root.scrollTop = this.root.scrollHeight;
    this.stays = true;
    this.onnewer(false);
  }

  // Up and down lead from message to message, Tab into the one that is reached and out of the list.
  #walk(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step === undefined || event.target.matches("textarea, select, input")) return;
    const all = [...this.root.querySelectorAll(".message")];
    const at = all.indexOf(event.target.closest(".message"));
    const next = at < 0 ? all.at(-1) : all[at + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  #atEnd() {
    this.stays = this.root.scrollHeight - this.root.scrollTop - this.root.clientHeight < NEAR;
    return this.stays;
  }

  #arrange(messages) {
    const nodes = this.inThread ? [] : [welcome(this.store)];
    const kept = new Map();
    let last = null;
    for (const message of messages) {
      const day = new Date(message.ts * 1000).toDateString();
      if (!last || day !== new Date(last.ts * 1000).toDateString()) nodes.push(this.#day(day, kept));
      nodes.push(this.#element(message, follows(message, last), kept));
      last = message;
    }
    this.#drawn = kept;
    this.#replace(nodes);
  }

  #day(day, kept) {
    const key = `day ${day}`;
    const known = this.#drawn.get(key) ?? { node: el("h2", { class: "day" }, el("span", {}, dayName(day))) };
    kept.set(key, known);
    return known.node;
  }

  #element(message, compact, kept) {
    const key = `${message.type === "sandbox_ephemeral" ? "e" : message.notice ? "n" : "m"}${message.ts}`;
    const { epoch, speaker } = this.store;
    const editing = this.#editing === message.ts;
    let known = this.#drawn.get(key);
    const same = known && known.message === message && known.compact === compact && known.epoch === epoch;
    if (!same || known.speaker !== speaker || known.editing !== editing) {
      known = { message, compact, epoch, speaker, editing, was: known?.node };
      known.node = this.#one(message, compact, editing);
    }
    kept.set(key, known);
    return known.node;
  }

  // Through the sandbox anything can be sent, and what can't be shown must not hide the rest.
  #one(message, compact, editing) {
    try {
      return message.notice ? this.#notice(message) : this.#message(message, compact, editing);
    } catch (error) {
      console.info("can't be shown:", error);
      return el("p", { class: "notice" }, "(a message that can't be shown)");
    }
  }

  // Elements that stay are left where they are, so that focus and selection live on.
  #replace(nodes) {
    const wanted = new Set(nodes);
    const held = document.activeElement?.dataset?.act && this.root.contains(document.activeElement) ? document.activeElement : null;
    const heldIn = held?.closest(".message")?.dataset.ts;
    for (const child of [...this.root.children]) if (!wanted.has(child)) child.remove();
    nodes.forEach((node, index) => {
      if (this.root.children[index] !== node) this.root.insertBefore(node, this.root.children[index] ?? null);
    });
    if (held && !held.isConnected) {
      const message = this.root.querySelector(`.message[data-ts="${CSS.escape(heldIn)}"]`);
      const same = message?.querySelector(`[data-act="${CSS.escape(held.dataset.act)}"]`);
      (same ?? message ?? this.root).focus();
    }
  }

  #notice(message) {
    const who = nameOf(this.store.users.get(message.user));
    return el("p", { class: "notice" }, el("strong", {}, who), ` ${message.text}`, " ", time(message.ts));
  }

  #message(message, compact, editing) {
    const { store } = this;
    const author = authorOf(message, store);
    const whispered = message.type === "sandbox_ephemeral";
    const classes = ["message", compact && "compact", whispered && "whisper"].filter(Boolean).join(" ");
    const head = el("p", { class: compact ? "head unseen" : "head" }, el("strong", { class: "author" }, author.name),
      author.isBot && el("span", { class: "badge" }, "APP"), " ", time(message.ts));
    return el("article", { class: classes, "data-ts": message.ts, tabindex: "-1", "aria-label": `${author.name}, ${clock(message.ts)}` },
      compact ? el("span", { class: "gutter", "aria-hidden": "true" }, clock(message.ts, false)) : avatar(author),
      el("div", { class: "body" },
        whispered && el("p", { class: "only" }, icon("eye"), `Only visible to ${nameOf(store.users.get(message.visible_to))}`),
        head,
        editing ? this.#editor(message) : this.#content(message),
        this.#reactions(message),
        !this.inThread && message.reply_count > 0 && this.#replies(message)),
      !whispered && this.#tools(message, author));
  }

  #content(message) {
    const parts = blocks(message, this.store);
    const hasBlocks = message.blocks?.length > 0;
    return [
      message.text && !hasBlocks && el("div", { class: "text" }, markup(message.text, this.store),
        message.edited && el("span", { class: "edited" }, " (edited)")),
      parts,
    ];
  }

  #editor(message) {
    const area = el("textarea", { class: "editor", "aria-label": "Change the message", rows: "2" });
    area.value = untyped(message.text, this.store);
    const end = () => { this.#editing = null; this.store.changed(); };
    const save = async () => {
      if (area.value.trim()) await this.#do("edit", { ts: message.ts, text: typed(area.value.trim()) });
      end();
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") end();
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); save(); }
    });
    setTimeout(() => area.focus());
    return el("div", {}, area, el("div", { class: "row" },
      el("button", { type: "button", class: "quiet", onclick: end }, "Cancel"),
      el("button", { type: "button", class: "strong", onclick: save }, "Save")));
  }

  #reactions(message) {
    if (!message.reactions?.length) return null;
    const speaker = this.store.speakerIn(this.store.channel)?.id;
    return el("div", { class: "reactions" }, message.reactions.map(({ name, users }) => {
      const own = users.includes(speaker);
      const who = users.map((id) => nameOf(this.store.users.get(id))).join(", ");
      return el("button", {
        type: "button", class: "reaction", tabindex: "-1", "aria-pressed": String(own), "data-act": `reaction ${name}`,
        title: `${who}: :${name}:`,
        onclick: () => this.#react(message, name, own),
      }, el("span", { role: "img", "aria-label": `:${name}:` }, sign(name) ?? `:${name}:`), ` ${users.length}`,
      el("span", { class: "unseen" }, ` by ${who}`));
    }));
  }

  #replies(message) {
    const text = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
    return el("button", { type: "button", class: "replies", tabindex: "-1", "data-act": "replies", onclick: () => this.#open(message) }, icon("reply"), text);
  }

  #tools(message, author) {
    const tool = (name, label, onclick) =>
      el("button", { type: "button", class: "tool", tabindex: "-1", title: label, "aria-label": label, "data-act": name, onclick }, icon(name));
    return el("div", { class: "tools" },
      tool("smile", "Add a reaction", (event) => pick(event.currentTarget, (name) => this.#react(message, name, false))),
      !this.inThread && tool("reply", "Reply in a thread", () => this.#open(message)),
      !author.isBot && tool("edit", "Edit", () => { this.#editing = message.ts; this.store.changed(); }),
      !author.isBot && tool("trash", "Delete", () => this.#do("delete", { ts: message.ts })));
  }

  #open(message) {
    this.store.thread = message.thread_ts ?? message.ts;
    this.store.changed({ type: "thread" });
  }

  #react(message, name, remove) {
    const user = this.store.speakerIn(this.store.channel).id;
    const entry = message.reactions?.find((one) => one.name === name);
    if (!remove && entry?.users.includes(user)) return undefined;
    return this.#do("react", { ts: message.ts, name, user, remove });
  }

  async #do(path, fields) {
    try {
      await post(path, { team: this.store.team.id, channel: this.store.channel, ...fields });
    } catch (error) {
      this.store.changed({ type: "trouble", text: error.message });
    }
  }
}

// One would have to pass four buttons of each message otherwise, on the way from the channels to the field.
function reach(message, tabindex) {
  for (const button of message?.querySelectorAll(".tool, .reaction, .replies") ?? []) button.setAttribute("tabindex", tabindex);
}

function welcome(store) {
  const name = store.bot.name;
  const channel = store.channels.get(store.channel);
  const direct = store.directPartner(store.channel);
  if (direct) {
    const who = nameOf(store.users.get(direct));
    return el("div", { class: "welcome" }, el("h2", {}, `${who} and ${name}`),
      el("p", {}, `What ${who} writes to ${name} alone. Here it needs no @${name}: say `, el("code", {}, "help"), "."));
  }
  return el("div", { class: "welcome" }, el("h2", {}, `Welcome to #${channel?.name ?? ""}`),
    el("p", {}, "Type as alice, bob or carol, and see what your bot answers. Begin with ",
      el("code", {}, `@${name}`), ", so that it knows it is meant."));
}

/** Who is shown as the author. */
export function authorOf(message, store) {
  const user = store.users.get(message.user);
  const isBot = Boolean(message.bot_id) || Boolean(user?.is_bot) || message.user === store.bot.id;
  return { id: message.user, name: message.username || nameOf(user), isBot, emoji: message.icons?.emoji };
}

function avatar(author) {
  const own = author.emoji && sign(author.emoji.replaceAll(":", ""));
  if (own) return el("span", { class: "avatar", "aria-hidden": "true" }, own);
  if (author.isBot) return el("img", { class: "avatar", src: "/page/icon.svg", alt: "", width: "36", height: "36" });
  const tone = [...String(author.id)].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 6;
  return el("span", { class: `avatar tone${tone}`, "aria-hidden": "true" }, author.name.slice(0, 1).toUpperCase());
}

function follows(message, last) {
  if (!last || last.notice || message.notice || message.type !== last.type) return false;
  const sameAuthor = message.user === last.user && message.username === last.username;
  return sameAuthor && message.ts - last.ts < TOGETHER && message.visible_to === last.visible_to;
}

function dayName(day) {
  const today = new Date();
  const yesterday = new Date(today - 86_400_000);
  if (day === today.toDateString()) return "Today";
  if (day === yesterday.toDateString()) return "Yesterday";
  return new Date(day).toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });
}

const HOURS = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** The time of day; the gutter has no room for AM and PM. */
const clock = (ts, half = true) => HOURS.formatToParts(ts * 1000)
  .filter(({ type }) => half || type !== "dayPeriod").map(({ value }) => value).join("").trim();

function time(ts) {
  const when = new Date(ts * 1000);
  return el("time", { datetime: when.toISOString(), title: when.toLocaleString() }, clock(ts));
}
