// The team, its channels, and the people's direct messages with the bot.
import { post } from "./api.js";
import { ask } from "./dialogs.js";
import { byId, el, icon } from "./dom.js";
import { nameOf } from "./store.js";

const OTHER = "\u0000other";
const NEWCOMERS = ["dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia", "peggy", "rupert"];

export class Sidebar {
  /** `watch` shows another team, `chosen` is told that a channel was chosen. */
  constructor(store, watch, chosen) {
    Object.assign(this, { store, watch, chosen });
    byId("team").addEventListener("change", (event) => this.#switch(event.target.value));
    byId("new-channel").addEventListener("click", () => this.#newChannel());
    byId("join").addEventListener("click", () => this.#join());
    byId("enter").addEventListener("click", () => this.#enter());
  }

  draw() {
    const { store } = this;
    this.#teams();
    const channels = [...store.channels.values()].filter((channel) => channel.kind !== "im" && !channel.archived);
    channels.sort((one, other) => one.name.localeCompare(other.name));
    fill(byId("channels"), channels.map((channel) => this.#item(channel.id, channel.kind === "group" ? icon("lock") : "#", channel.name)));
    fill(byId("directs"), store.humans().map((user) => this.#item(user.direct, el("span", { class: "dot" }), nameOf(user))));
  }

  #teams() {
    const { teams, team, teamCount } = this.store;
    const shown = teams.some((one) => one.id === team.id) ? teams : [...teams, team];
    const wanted = shown.map((one) => one.id + one.name).join() + team.id + teamCount;
    if (this.teamsShown === wanted) return;
    this.teamsShown = wanted;
    const options = shown.map((one) => el("option", { value: one.id }, one.name));
    if (teamCount > teams.length) options.push(el("option", { value: OTHER }, `Another of ${teamCount} teams…`));
    byId("team").replaceChildren(...options);
    byId("team").value = team.id;
  }

  #item(id, sign, name) {
    const unread = this.store.unread.get(id) ?? 0;
    const current = id === this.store.channel;
    return el("li", {}, el("button", {
      type: "button", class: unread ? "unread" : null, "aria-current": current ? "page" : null, "data-channel": id,
      onclick: () => { this.store.select(id); this.chosen(); },
    }, el("span", { class: "sign", "aria-hidden": "true" }, sign), el("span", { class: "name" }, name),
    unread > 0 && el("span", { class: "count" }, String(unread), el("span", { class: "unseen" }, " unread"))));
  }

  async #switch(value) {
    if (value !== OTHER) return this.watch(value);
    byId("team").value = this.store.team.id;
    return ask("Another team", [{ name: "team", label: "Its name, id or domain" }], "Show", ({ team }) => this.watch(team));
  }

  #newChannel() {
    const fields = [{ name: "name", label: "Name", hint: "small letters, without spaces" }, { name: "private", label: "Private", flag: true }];
    ask("New channel", fields, "Create", async ({ name, private: hidden }) => {
      const made = await post("channels", { team: this.store.team.id, name: name.replace(/^#/, ""), private: hidden });
      this.store.select(made.channel);
      this.chosen();
    });
  }

  #join() {
    const taken = new Set([...this.store.users.values()].map((user) => user.name));
    const value = NEWCOMERS.find((name) => !taken.has(name)) ?? "";
    ask("Someone joins the team", [{ name: "name", label: "Name", value }], "Join", async ({ name }) => {
      const made = await post("join", { team: this.store.team.id, name });
      this.store.speaker = made.user;
    });
  }

  #enter() {
    const { store } = this;
    const channel = store.channels.get(store.channel);
    const options = store.humans().map((user) => ({ value: user.id, text: nameOf(user) + (channel.members.includes(user.id) ? " (is in it, joins anew)" : "") }));
    ask(`A member joins #${channel.name}`, [{ name: "user", label: "Who", options }], "Join", ({ user }) =>
      post("enter", { team: store.team.id, channel: channel.id, user }));
  }
}

// Only what is new is put in, so that who moves through the list by keyboard is not thrown out of it.
function fill(list, items) {
  const held = list.contains(document.activeElement) ? document.activeElement.dataset.channel : null;
  if (items.map((item) => item.outerHTML).join() === [...list.children].map((item) => item.outerHTML).join()) return;
  list.replaceChildren(...items);
  if (held) list.querySelector(`[data-channel="${held}"]`)?.focus();
}
