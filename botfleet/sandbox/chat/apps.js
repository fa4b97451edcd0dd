// Slash commands and clicks, where the team's app takes them by HTTP.
import { post } from "./api.js";

/** Say a slash command; the caller looks whether the app takes any. */
export function slash(store, channel, user, text) {
  const [command, ...rest] = text.split(/\s+/);
  return post("slash", { team: store.team.id, channel, user, command, text: text.slice(command.length).trim() || null });
}

/** Tell the app that somebody used an element of a message. */
export async function interact(store, { block, message }, part, chosen, node) {
  const action = { type: part.type, action_id: part.action_id, block_id: block.block_id };
  const { option, ...more } = chosen;
  if (part.type === "button") Object.assign(action, { text: part.text, value: part.value });
  else if (part.type === "checkboxes") action.selected_options = [option];
  else if (option && !Object.keys(more).length) action.selected_option = option;
  Object.assign(action, more);
  node.setAttribute("aria-busy", "true");
  try {
    await post("interact", {
      team: store.team.id, channel: store.channel, user: store.speakerIn(store.channel).id, ts: message.ts, action,
    });
  } catch (error) {
    store.changed({ type: "trouble", text: error.message });
  }
  node.removeAttribute("aria-busy");
}
