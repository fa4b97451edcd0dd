// Blocks, attachments and files of a message, as far as a chat shows them.
import { interact } from "./apps.js";
import { el } from "./dom.js";
import { sign } from "./emoji.js";
import { markup } from "./markup.js";

const SAFE = /^https?:\/\//i;
const COLOURS = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };

/** What stands in a message beside its text. */
export function blocks(message, store) {
  return [
    message.blocks?.length > 0 && el("div", { class: "blocks" }, list(message.blocks).map((one) => block(one, message, store))),
    list(message.attachments).map((one) => attachment(one, message, store)),
    list(message.files).map((file) => el("p", { class: "file" }, el("strong", {}, file.title || file.name), ` ${size(file.size)}`)),
  ];
}

export const list = (given) => (Array.isArray(given) ? given.filter((one) => one && typeof one === "object") : []);

/** One block, of a message or of a modal, whose elements are then used with its `view_id`. */
export function block(one, message, store) {
  const inner = (part) => element(part, message, store);
  switch (one.type) {
    case "section":
      return el("div", { class: "section" },
        el("div", { class: "grow" }, one.text && el("p", {}, text(one.text, store)),
          one.fields && el("div", { class: "fields" }, list(one.fields).map((field) => el("p", {}, text(field, store))))),
        one.accessory && inner(one.accessory));
    case "header":
      return el("h3", {}, text(one.text, store));
    case "divider":
      return el("hr");
    case "context":
      return el("p", { class: "context" }, list(one.elements).map((part) => [part.type === "image" ? picture(part) : text(part, store), " "]));
    case "actions":
      return el("div", { class: "actions" }, list(one.elements).map(inner));
    case "image":
      return el("p", {}, picture(one));
    case "rich_text":
      return el("div", { class: "rich" }, list(one.elements).map((part) => rich(part, store)));
    default:
      return el("p", { class: "context" }, `(a block of type ${one.type})`);
  }
}

function text(given, store) {
  if (typeof given === "string") return markup(given, store);
  if (given?.type === "plain_text") return withEmoji(given.text ?? "");
  return markup(given?.text ?? "", store);
}

export const withEmoji = (given) => String(given).replace(/:([a-z0-9_+-]+):/g, (whole, name) => sign(name) ?? whole);

function element(part, message, store) {
  const label = withEmoji(part.text?.text ?? part.placeholder?.text ?? part.alt_text ?? part.action_id ?? "");
  const act = { message, part, label, store, off: store.app?.interactive ? null : "No app here takes clicks" };
  if (part.type === "image") return picture(part);
  if (part.type === "button") return button(act);
  if (part.type === "datepicker") return date(act);
  const options = choices(part, store);
  return options === null ? el("span", { class: "context" }, `(${part.type})`) : select(act, options);
}

function button({ message, part, label, store, off }) {
  if (off && SAFE.test(part.url ?? "")) return el("a", { class: "button", href: part.url, rel: "noopener noreferrer", target: "_blank" }, label);
  const style = ["primary", "danger"].includes(part.style) ? part.style : "";
  return el("button", {
    type: "button", class: `button ${style}`, disabled: off !== null, title: off, "data-act": `button ${part.action_id}`,
    onclick: (event) => interact(store, message, part, null, event.currentTarget),
  }, label);
}

function date({ message, part, label, store, off }) {
  return el("input", {
    type: "date", "aria-label": label, value: part.initial_date, disabled: off !== null, title: off,
    onchange: ({ currentTarget: node }) => node.value && interact(store, message, part, node.value, node),
  });
}

function select({ message, part, label, store, off }, options) {
  const node = el("select", {
    "aria-label": label, disabled: off !== null, title: off, "data-act": `select ${part.action_id}`,
    onchange: () => node.value && interact(store, message, part, part.type === "checkboxes" ? [node.value] : node.value, node),
  }, el("option", { value: "" }, label), options.map(([value, name]) => el("option", { value }, name)));
  node.value = part.initial_option?.value ?? "";
  return node;
}

/** What can be chosen, as values and names; null where the element is no menu. */
export function choices(part, store) {
  if (part.type === "users_select") return store.humans().map((user) => [user.id, user.name]);
  if (part.type === "channels_select" || part.type === "conversations_select") {
    return [...store.channels.values()].filter((one) => one.kind !== "im").map((one) => [one.id, `#${one.name}`]);
  }
  if (!["static_select", "multi_static_select", "overflow", "radio_buttons", "checkboxes"].includes(part.type)) return null;
  const options = [...list(part.options), ...list(part.option_groups).flatMap((group) => list(group.options))];
  return options.map((option) => [String(option.value), withEmoji(option.text?.text ?? option.value)]);
}

// Pictures would have to come from another host, which the page loads nothing from.
function picture(part) {
  const address = part.image_url ?? "";
  const label = part.alt_text || withEmoji(part.title?.text ?? "") || "picture";
  return SAFE.test(address) ? el("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, `[${label}]`) : `[${label}]`;
}

function rich(part, store) {
  const inner = () => list(part.elements).map((one) => richInline(one, store));
  if (part.type === "rich_text_list") {
    const items = list(part.elements).map((one) => el("li", {}, list(one.elements).map((leaf) => richInline(leaf, store))));
    return el(part.style === "ordered" ? "ol" : "ul", {}, items);
  }
  if (part.type === "rich_text_preformatted") return el("pre", {}, inner());
  return el(part.type === "rich_text_quote" ? "blockquote" : "p", {}, inner());
}

const STYLES = { bold: "strong", italic: "em", strike: "s", code: "code" };

function richInline(leaf, store) {
  let node = richLeaf(leaf, store);
  for (const [style, tag] of Object.entries(STYLES)) if (leaf.style?.[style]) node = el(tag, {}, node);
  return node;
}

function richLeaf(leaf, store) {
  if (leaf.type === "user") return markup(`<@${leaf.user_id}>`, store);
  if (leaf.type === "channel") return markup(`<#${leaf.channel_id}>`, store);
  if (leaf.type === "broadcast") return markup(`<!${leaf.range}>`, store);
  if (leaf.type === "emoji") return sign(leaf.name ?? "") ?? `:${leaf.name}:`;
  if (leaf.type === "link" && SAFE.test(leaf.url)) {
    return el("a", { href: leaf.url, rel: "noopener noreferrer", target: "_blank" }, leaf.text || leaf.url);
  }
  return leaf.text ?? leaf.url ?? "";
}

function attachment(one, message, store) {
  const title = one.title && (SAFE.test(one.title_link ?? "")
    ? el("a", { href: one.title_link, rel: "noopener noreferrer", target: "_blank" }, one.title) : one.title);
  const node = el("div", { class: "attachment" },
    one.author_name && el("p", { class: "context" }, one.author_name),
    title && el("p", {}, el("strong", {}, title)),
    one.text && el("p", {}, markup(one.text, store)),
    !one.text && !one.blocks && !one.title && one.fallback && el("p", {}, markup(one.fallback, store)),
    one.fields && el("dl", { class: "fields" }, list(one.fields).map((field) =>
      el("div", { class: field.short ? null : "wide" }, el("dt", {}, field.title ?? ""), el("dd", {}, markup(field.value ?? "", store))))),
    list(one.blocks).map((inner) => block(inner, message, store)),
    one.image_url && el("p", {}, picture({ image_url: one.image_url, alt_text: one.fallback })),
    one.footer && el("p", { class: "context" }, one.footer));
  const colour = COLOURS[one.color] ?? (/^#?[0-9a-f]{6}$/i.test(one.color ?? "") ? `#${one.color.replace("#", "")}` : null);
  if (colour) node.style.borderLeftColor = colour;
  return [one.pretext && el("p", {}, markup(one.pretext, store)), node];
}

function size(bytes) {
  return bytes >= 1024 ? `${(bytes / 1024).toFixed(bytes >= 10240 ? 0 : 1)} KB` : `${bytes ?? 0} bytes`;
}
