// Small questions, in the browser's own dialogs: Escape closes, focus is kept inside and given back.
import { el } from "./dom.js";

/** Ask for a few values; `act` gets them by name, and what it throws is shown. */
export function ask(title, fields, yes, act) {
  const inputs = fields.map(input);
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const form = el("form", { method: "dialog" }, el("h2", { id: "dialog-title" }, title),
    fields.map((field, index) => el("label", { class: field.flag ? "flag" : null }, el("span", {}, field.label), inputs[index],
      field.hint && el("small", {}, field.hint))),
    trouble,
    el("div", { class: "row" }, el("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"),
      el("button", { type: "submit", class: "strong" }, yes)));
  const dialog = el("dialog", { "aria-labelledby": "dialog-title", onclose: () => dialog.remove() }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = fields.map((field, index) => [field.name, field.flag ? inputs[index].checked : inputs[index].value.trim()]);
    try {
      await act(Object.fromEntries(values));
      dialog.close();
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  inputs[0].select?.();
}

function input(field) {
  if (field.flag) return el("input", { type: "checkbox", name: field.name });
  if (field.options) return el("select", { name: field.name }, field.options.map((one) => el("option", { value: one.value }, one.text)));
  return el("input", { type: "text", name: field.name, value: field.value ?? null, required: true, autocomplete: "off" });
}
