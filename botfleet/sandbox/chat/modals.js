// The modal that an app has opened for somebody: shown, filled in, submitted and closed.
import { post } from "./api.js";
import { block, choices, list, withEmoji } from "./blocks.js";
import { el } from "./dom.js";
import { nameOf } from "./store.js";

const TYPED = { number_input: "number", email_text_input: "email", url_text_input: "url", datepicker: "date", timepicker: "time" };

export class Modals {
  #view = null;
  #dialog = null;

  constructor(store) {
    this.store = store;
  }

  draw() {
    const view = this.store.views.at(-1) ?? null;
    if (view?.id !== this.#view?.id || view?.hash !== this.#view?.hash) this.#show(view);
    if (view && view.errors !== this.#view.errors) this.#complain(view.errors);
    this.#view = view;
  }

  #show(view) {
    this.#dialog?.remove();
    this.#dialog = null;
    this.#view = view;
    if (view === null) return;
    this.inputs = new Map();
    this.problems = new Map();
    this.trouble = el("p", { class: "trouble", role: "alert", hidden: true });
    const who = nameOf(this.store.users.get(view.user));
    const label = (given, otherwise) => withEmoji(given?.text || otherwise);
    const form = el("form", { onsubmit: (event) => { event.preventDefault(); this.#submit(view); } },
      el("h2", { id: "modal-title" }, label(view.title, "")), el("p", { class: "context" }, `Only visible to ${who}`),
      el("div", { class: "blocks" }, list(view.blocks).map((one) => this.#block(one, view))), this.trouble,
      el("div", { class: "row" }, el("button", { type: "button", class: "quiet", onclick: () => this.#close(view) }, label(view.close, "Cancel")),
        (view.submit || this.inputs.size > 0) && el("button", { type: "submit", class: "strong" }, label(view.submit, "Submit"))));
    this.#dialog = el("dialog", { class: "modal", "aria-labelledby": "modal-title", oncancel: (event) => { event.preventDefault(); this.#close(view); } }, form);
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    this.#complain(view.errors);
  }

  #block(one, view) {
    if (one.type !== "input" || !one.element) return block(one, { view_id: view.id }, this.store);
    const { node, read } = field(one.element, this.store);
    this.inputs.set(one.element.action_id, read);
    const problem = el("small", { class: "problem", role: "alert" });
    if (one.block_id) this.problems.set(one.block_id, problem);
    if (!one.optional && "required" in node && node.type !== "checkbox") node.required = true;
    const title = el("span", {}, withEmoji(one.label?.text ?? ""), one.optional && el("small", {}, " (optional)"));
    const around = node.tagName === "FIELDSET" ? "div" : "label";
    return el(around, { class: "input" }, title, node, one.hint && el("small", {}, withEmoji(one.hint.text ?? "")), problem);
  }

  async #submit(view) {
    const values = {};
    for (const node of this.#dialog.querySelectorAll("select[data-act]")) if (node.value) values[node.dataset.act.slice("select ".length)] = node.value;
    for (const [action, read] of this.inputs) {
      const value = read();
      if (value !== "" && value.length !== 0) values[action] = value;
    }
    await this.#tell("views/submit", { view_id: view.id, values });
  }

  #close(view) {
    return this.#tell("views/close", { view_id: view.id });
  }

  async #tell(path, fields) {
    try {
      await post(path, fields);
    } catch (error) {
      this.#complain({ "": error.message });
    }
  }

  // By block; what belongs to none stands at the end.
  #complain(errors) {
    for (const [id, node] of this.problems) node.textContent = errors[id] ?? "";
    const rest = Object.entries(errors).filter(([id]) => !this.problems.has(id)).map(([, text]) => text);
    this.trouble.textContent = rest.join(" ");
    this.trouble.hidden = rest.length === 0;
  }
}

function field(part, store) {
  const placeholder = withEmoji(part.placeholder?.text ?? "") || null;
  const options = choices(part, store);
  if (options === null) {
    const node = part.multiline ? el("textarea", { rows: "3", placeholder }) : el("input", { type: TYPED[part.type] ?? "text", placeholder });
    node.value = part.initial_value ?? part.initial_date ?? part.initial_time ?? "";
    return { node, read: () => node.value };
  }
  if (part.type === "checkboxes" || part.type === "radio_buttons") return boxes(part, options);
  const many = part.type.startsWith("multi_");
  const node = el("select", { multiple: many }, !many && el("option", { value: "" }, placeholder ?? "Choose"),
    options.map(([value, name]) => el("option", { value }, name)));
  if (!many) node.value = part.initial_option?.value ?? "";
  return { node, read: () => (many ? [...node.selectedOptions].map((option) => option.value) : node.value) };
}

function boxes(part, options) {
  const many = part.type === "checkboxes";
  const first = new Set([part.initial_option, ...list(part.initial_options)].map((option) => option?.value));
  const inputs = options.map(([value]) => el("input", { type: many ? "checkbox" : "radio", name: part.action_id, value, checked: first.has(value) }));
  const node = el("fieldset", {}, options.map(([, name], index) => el("label", { class: "flag" }, el("span", {}, name), inputs[index])));
  const chosen = () => inputs.filter((one) => one.checked).map((one) => one.value);
  return { node, read: () => (many ? chosen() : chosen()[0] ?? "") };
}
