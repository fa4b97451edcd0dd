// Slash commands and clicks, where the team's app takes them by HTTP.
import { post } from "./api.js";

/** Say a slash command; the caller looks whether the app takes any. */
export function slash(store, user, said) {
  const [command] = said.split(/\s/);
  const text = said.slice(command.length).trim() || null;
  return post("command", { team: store.team.id, channel: store.channel, user, command, text });
}

/** Tell the app that somebody used an element of a message or a modal; `value` is what was chosen, if anything. */
export async function interact(store, { ts, view_id }, part, value, node) {
  const user = store.speakerIn(store.channel).id;
  const place = view_id ? { view_id } : { team: store.team.id, channel: store.channel, user, ts };
  node.setAttribute("aria-busy", "true");
  try {
    await post("interact", { ...place, action_id: part.action_id, value });
  } catch (error) {
    store.changed({ type: "trouble", text: error.message });
  }
  node.removeAttribute("aria-busy");
}
