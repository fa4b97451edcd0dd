// Slack's markup: from text to elements, and from what somebody types to text. Text never becomes HTML.
import { el } from "./dom.js";
import { sign } from "./emoji.js";
import { nameOf } from "./store.js";

const SAFE = /^(https?|mailto|tel):/i;
const INLINE = new RegExp(
  [
    "(?<code>`[^`\\n]+`)",
    "<(?<link>[^<>\\n]+)>",
    ":(?<emoji>[a-z0-9_+'-]+(?:::skin-tone-\\d)?):",
    "(?<![\\p{L}\\p{N}*])\\*(?<bold>[^*\\s](?:[^*\\n]*[^*\\s])?)\\*(?![\\p{L}\\p{N}*])",
    "(?<![\\p{L}\\p{N}_])_(?<italic>[^_\\s](?:[^_\\n]*[^_\\s])?)_(?![\\p{L}\\p{N}_])",
    "(?<![\\p{L}\\p{N}~])~(?<strike>[^~\\s](?:[^~\\n]*[^~\\s])?)~(?![\\p{L}\\p{N}~])",
    "(?<bare>https?:\\/\\/[^\\s<>]+[^\\s<>.,;:!?)\\]'\"])",
  ].join("|"),
  "gu",
);

const plain = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** Nodes of a text in Slack's markup. */
export function markup(text, store) {
  const parts = String(text ?? "").split(/```(?:\n)?([\s\S]+?)```\n?/);
  return parts.flatMap((part, index) => (index % 2 ? [el("pre", {}, plain(unlinked(part)))] : quotes(part, store)));
}

/** A text in Slack's markup as one line to be read out. */
export function spoken(text, store) {
  return el("p", {}, markup(text, store)).textContent;
}

// In code, links show what they point to.
const unlinked = (text) => text.replace(/<([^<>|\n]+)(?:\|([^<>\n]*))?>/g, (_, target, label) => label || target);

function quotes(text, store) {
  const nodes = [];
  for (const chunk of text.split(/((?:^|(?<=\n))(?:&gt;|>)[^\n]*(?:\n(?:&gt;|>)[^\n]*)*\n?)/)) {
    if (/^(&gt;|>)/.test(chunk)) {
      const inner = chunk.replace(/^(&gt;|>) ?/gm, "").replace(/\n$/, "");
      nodes.push(el("blockquote", {}, inline(inner, store)));
    } else if (chunk) nodes.push(...inline(chunk, store));
  }
  return nodes;
}

function inline(text, store) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    const node = element(found.groups, store);
    if (node === null) continue;
    nodes.push(plain(text.slice(end, found.index)), node);
    end = found.index + found[0].length;
  }
  nodes.push(plain(text.slice(end)));
  return nodes.filter((node) => node !== "");
}

function element({ code, link, emoji, bold, italic, strike, bare }, store) {
  if (code) return el("code", {}, plain(unlinked(code.slice(1, -1))));
  if (link) return reference(link, store);
  if (emoji) return sign(emoji) && el("span", { class: "emoji", role: "img", "aria-label": emoji, title: `:${emoji}:` }, sign(emoji));
  if (bold) return el("strong", {}, inline(bold, store));
  if (italic) return el("em", {}, inline(italic, store));
  if (strike) return el("s", {}, inline(strike, store));
  return anchor(plain(bare), plain(bare));
}

function reference(link, store) {
  const [target, ...rest] = link.split("|");
  const label = plain(rest.join("|"));
  if (target.startsWith("@")) return mention(target.slice(1), label, store);
  if (target.startsWith("#")) return channelLink(target.slice(1), label, store);
  if (target.startsWith("!")) return special(target.slice(1), label);
  return SAFE.test(target) ? anchor(plain(target), label || plain(target).replace(/^mailto:/, "")) : null;
}

function mention(id, label, store) {
  const user = store.users.get(id);
  const own = id === store.bot?.id ? "mention bot" : "mention";
  return el("span", { class: own }, `@${user ? nameOf(user) : label || id}`);
}

function channelLink(id, label, store) {
  const channel = store.channels.get(id);
  if (!channel) return el("span", { class: "mention" }, `#${label || id}`);
  return el("button", { type: "button", class: "mention", onclick: () => store.select(id) }, `#${channel.name}`);
}

function special(word, label) {
  const [kind] = word.split("^");
  const shown = ["here", "channel", "everyone"].includes(kind) ? `@${kind}` : label || kind;
  return el("span", { class: kind === "date" ? null : "mention" }, shown);
}

function anchor(target, label) {
  return el("a", { href: target, rel: "noopener noreferrer", target: "_blank" }, label);
}

/** What somebody typed, as Slack's clients send it: signs escaped, addresses as links. */
export function typed(text) {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return escaped
    .split(/(```[\s\S]*?```|`[^`\n]*`)/)
    .map((part, index) => (index % 2 ? part : part.replace(/https?:\/\/[^\s<>|]+[^\s<>|.,;:!?)\]'"*_~]/g, "<$&>")))
    .join("");
}

/** A text as its author would type it again. */
export function untyped(text, store) {
  const bare = text.replace(/<([^<>|\n]+)(?:\|([^<>\n]*))?>/g, (whole, target, label) => {
    if (target.startsWith("@")) return `@${store.users.get(target.slice(1))?.name ?? target.slice(1)}`;
    if (target.startsWith("#")) return `#${label || store.channels.get(target.slice(1))?.name}`;
    return SAFE.test(target) ? target : whole;
  });
  return plain(bare);
}
