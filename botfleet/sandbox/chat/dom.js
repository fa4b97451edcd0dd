// Elements, made without HTML: what people wrote only ever becomes text.

/** Make an element; `on…` are listeners, null and false leave a property or child out. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

const PATHS = {
  menu: "M3 5h14M3 10h14M3 15h14",
  close: "M5 5l10 10M15 5L5 15",
  lock: "M6 9V6.500a4 4 0 0 1 8 0V9M5 9h10v7H5z",
  smile: "M10 2.500a7.500 7.500 0 1 0 0 15a7.500 7.500 0 0 0 0-15M7 11.500c1.500 2.500 4.500 2.500 6 0M7.500 7.500v.5M12.500 7.500v.5",
  reply: "M4 4h12v9H9l-4 3.500V13H4z",
  edit: "M4 16l1-4 8.500-8.500 3 3L8 15zM12 5l3 3",
  trash: "M4 6h12M8 6V4h4v2M6 6l.7 10h6.600L14 6",
  send: "M3 10L17 3.500 12.500 17 9.500 11.500z",
  person: "M8 3a3 3 0 1 0 0 6a3 3 0 0 0 0-6M2.500 17c0-7 11-7 11 0M16 6v5M13.500 8.500h5",
  eye: "M2 10c3.500-6 12.500-6 16 0c-3.500 6-12.500 6-16 0zM10 7.500a2.500 2.500 0 1 0 0 5a2.500 2.500 0 0 0 0-5",
};

/** Draw one of the few icons, in the colour of the text around it. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Say something to those who listen to the page. */
export function announce(text) {
  byId("announcer").replaceChildren(text);
}
