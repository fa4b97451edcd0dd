// The emoji picker: one for the page, shown at the button that asks.
import { el } from "./dom.js";
import { COMMON, EMOJI, sign } from "./emoji.js";

const FOUND = 24;
let picker = null;

/** Let somebody choose an emoji; `chosen` gets its name. */
export function pick(button, chosen) {
  picker?.remove();
  const search = el("input", { type: "search", placeholder: "Search", "aria-label": "Search an emoji" });
  const grid = el("div", { class: "grid" });
  const close = () => { picker?.remove(); picker = null; button.isConnected && button.focus(); };
  const show = () => {
    const wanted = search.value.trim().replaceAll(":", "").toLowerCase();
    const names = wanted ? [...EMOJI.keys()].filter((name) => name.includes(wanted)).slice(0, FOUND) : COMMON;
    grid.replaceChildren(...names.map((name) => el("button", {
      type: "button", title: `:${name}:`, "aria-label": name, onclick: () => { close(); chosen(name); },
    }, sign(name))));
  };
  search.addEventListener("input", show);
  show();
  picker = el("div", { class: "picker", role: "dialog", "aria-label": "Choose an emoji" }, search, grid);
  picker.addEventListener("keydown", (event) => onKey(event, search, grid, close));
  picker.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !picker?.contains(event.relatedTarget)) { picker?.remove(); picker = null; }
  });
  document.body.append(picker);
  place(picker, button);
  search.focus();
}

document.addEventListener("pointerdown", (event) => {
  if (picker && !picker.contains(event.target)) { picker.remove(); picker = null; }
});

function onKey(event, search, grid, close) {
  if (event.key === "Escape") { event.preventDefault(); close(); }
  if (event.key === "Enter" && event.target === search) { event.preventDefault(); grid.firstElementChild?.click(); }
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
  if (step === undefined) return;
  const buttons = [...grid.children];
  const index = buttons.indexOf(event.target);
  if (index < 0 && event.key !== "ArrowDown") return;
  event.preventDefault();
  (buttons[index < 0 ? 0 : index + step] ?? (step < 0 ? search : event.target)).focus();
}

function place(panel, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const above = at.bottom + height + 8 > innerHeight;
  panel.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
  panel.style.top = `${Math.max(8, above ? at.top - height - 4 : at.bottom + 4)}px`;
}
