// A team as the page knows it: begun by a snapshot, kept up by Slack's events. No DOM in here.

const TYPING = 6000; // milliseconds that "is typing" stands without a new word of it
const KEPT = 300; // messages of a channel
const byTs = (one, other) => (one.ts < other.ts ? -1 : one.ts > other.ts ? 1 : 0);

export class Store extends EventTarget {
  team = null;
  teams = [];
  teamCount = 0;
  bot = null;
  users = new Map();
  channels = new Map();
  messages = new Map(); // by channel: the messages by key
  state = null;
  app = null;
  views = []; // modals that are open, the topmost last
  unread = new Map();
  channel = null; // the id of the one that is shown
  thread = null; // the ts of the thread that is shown
  speaker = null;
  typing = new Map(); // by channel: until when
  happened = [];
  epoch = 0; // grows when names change, and with them every message's look

  /** Take an event of the stream. */
  take(event) {
    if (event.type === "slack") this.hear(event.event);
    else ACTS[event.type](this, event);
    this.changed(event.type === "slack" ? event.event : event);
  }

  /** Take an event of Slack's; one that makes no sense is left alone, as anything can be sent through the sandbox. */
  hear(event) {
    try {
      if (Object.hasOwn(HEARD, event.type)) HEARD[event.type](this, event);
    } catch (error) {
      console.info("left alone:", event.type, error);
    }
  }

  changed(event = {}) {
    this.dispatchEvent(new CustomEvent("change", { detail: event }));
  }

  /** The person who speaks in a channel: in a direct message, whose it is. */
  speakerIn(channelId) {
    return this.users.get(this.directPartner(channelId) ?? this.speaker);
  }

  directPartner(channelId) {
    for (const user of this.users.values()) if (user.direct && user.direct === channelId) return user.id;
    return null;
  }

  humans() {
    return [...this.users.values()].filter((user) => !user.is_bot);
  }

  /** The messages of a channel, oldest first: of a thread, or what stands in the channel itself. */
  listed(channelId, thread = null) {
    const all = [...(this.messages.get(channelId)?.values() ?? [])].sort(byTs);
    if (thread === null) return all.filter((message) => !isReply(message));
    return all.filter((message) => message.ts === thread || (isReply(message) && message.thread_ts === thread));
  }

  message(channelId, ts) {
    return this.messages.get(channelId)?.get(ts);
  }

  put(channelId, message, key = message.ts) {
    let known = this.messages.get(channelId);
    if (known === undefined) this.messages.set(channelId, (known = new Map()));
    known.set(key, message);
    if (known.size > KEPT * 1.2) for (const old of [...known.keys()].slice(0, -KEPT)) known.delete(old);
  }

  select(channelId) {
    this.channel = channelId;
    this.thread = null;
    this.unread.delete(channelId);
    this.changed();
  }

  note(text) {
    this.happened.push({ at: new Date(), text });
    this.happened.splice(0, this.happened.length - 50);
  }

  /** What the bot is at in a channel, or null. */
  isTyping(channelId) {
    return (this.typing.get(channelId) ?? 0) > Date.now();
  }
}

export function isReply(message) {
  return Boolean(message.thread_ts) && message.thread_ts !== message.ts;
}

export function nameOf(user) {
  return user?.display_name || user?.name || "somebody";
}

const isTs = (ts) => typeof ts === "string" && /^\d{1,11}\.\d+$/.test(ts);
const isText = (value) => typeof value === "string" && value !== "";

function snapshot(store, event) {
  const sameTeam = store.team?.id === event.team.id;
  Object.assign(store, { team: event.team, teams: event.teams, teamCount: event.team_count, bot: event.bot });
  store.users = new Map(event.users.map((user) => [user.id, user]));
  store.channels = new Map(event.channels.map((channel) => [channel.id, channel]));
  store.messages = new Map();
  for (const [id, messages] of Object.entries(event.messages)) for (const one of messages) store.put(id, one);
  for (const one of event.ephemeral) store.put(one.channel, one, `ephemeral ${one.ts}`);
  if (!sameTeam) {
    Object.assign(store, { channel: null, thread: null, speaker: null, happened: [] });
    store.unread.clear();
  }
  if (!store.channels.has(store.channel) && store.directPartner(store.channel) === null) {
    store.channel = event.channels.find((channel) => channel.kind === "channel")?.id ?? event.channels[0]?.id ?? null;
    store.thread = null;
  }
  if (!store.users.has(store.speaker)) store.speaker = store.humans()[0]?.id ?? null;
  store.typing.clear();
  store.views = event.views;
  bot(store, event.state);
  store.epoch += 1;
}

function bot(store, state) {
  const before = store.state;
  store.state = state;
  if (before?.app.interactive !== state.app.interactive) store.epoch += 1;
  store.app = state.app;
  if (before === null || store.happened.length === 0) store.note(first(state));
  else if (state.error !== before.error) store.note(state.error ? `The token is dead: ${state.error}` : "The token works again");
  if (before !== null && state.silent > before.silent) store.note("The connection fell silent");
}

function first(state) {
  if (state.error) return `The token is dead: ${state.error}`;
  if (state.connections) return "Connected";
  return state.app.events ? "Over HTTP" : "Not connected";
}

function connections(store, event) {
  const before = store.state.connections;
  store.state = { ...store.state, connections: event.connections };
  if (event.connections < before) {
    store.note(event.connections ? "Lost one of its connections" : "Lost the connection");
    if (!event.connections) store.lostAt = Date.now();
  } else if (before === 0 && store.lostAt) {
    store.note(`Connected again after ${((Date.now() - store.lostAt) / 1000).toFixed(1)} s`);
    store.lostAt = null;
  } else store.note(before === 0 ? "Connected" : `Connected once more: ${event.connections} connections`);
}

function message(store, event) {
  if (event.subtype === "message_changed") return changedMessage(store, event);
  if (event.subtype === "message_deleted") return deletedMessage(store, event);
  if (!isTs(event.ts) || !event.channel) return undefined;
  const { channel, channel_type: kind, team, event_ts: when, ...shown } = event;
  store.put(channel, shown);
  if (isReply(shown)) count(store, channel, shown.thread_ts, 1);
  if (event.user === store.bot.id) store.typing.delete(channel);
  if (channel !== store.channel) store.unread.set(channel, (store.unread.get(channel) ?? 0) + 1);
  return undefined;
}

function changedMessage(store, event) {
  if (isTs(event.message.ts) && store.message(event.channel, event.message.ts)) store.put(event.channel, event.message);
}

function deletedMessage(store, event) {
  const gone = store.message(event.channel, event.deleted_ts);
  if (!gone) return;
  store.messages.get(event.channel).delete(event.deleted_ts);
  if (isReply(gone)) count(store, event.channel, gone.thread_ts, -1);
  if (store.channel === event.channel && store.thread === event.deleted_ts) store.thread = null;
}

function count(store, channel, ts, step) {
  const parent = store.message(channel, ts);
  if (parent) store.put(channel, { ...parent, thread_ts: ts, reply_count: (parent.reply_count ?? 0) + step });
}

function reaction(store, event, change) {
  const { channel, ts } = event.item;
  const known = store.message(channel, ts);
  if (!known || !isText(event.reaction)) return;
  const reactions = (known.reactions ?? []).map((one) => ({ ...one, users: [...one.users] }));
  let entry = reactions.find((one) => one.name === event.reaction);
  if (!entry) reactions.push((entry = { name: event.reaction, users: [] }));
  entry.users = change(entry.users.filter((user) => user !== event.user), event.user);
  store.put(channel, { ...known, reactions: reactions.filter((one) => one.users.length) });
}

function notice(store, channel, ts, text, user) {
  if (channel && isTs(ts)) store.put(channel, { ts, text, user, notice: true }, `notice ${ts}`);
}

function user(store, event) {
  const given = event.user;
  if (!isText(given.id) || !isText(given.name)) throw new Error("no user");
  const known = store.users.get(given.id);
  const direct = known?.direct ?? `D${given.id.slice(1)}`;
  const display = given.profile?.display_name || given.name;
  store.users.set(given.id, { ...given, display_name: display, direct: given.is_bot ? null : direct });
  store.epoch += 1;
}

function joined(store, event) {
  user(store, event);
  const general = [...store.channels.values()].find((channel) => channel.name === "general");
  if (!general) return;
  if (!general.members.includes(event.user.id)) general.members.push(event.user.id);
  notice(store, general.id, event.event_ts, "joined the team", event.user.id);
}

function entered(store, event) {
  const channel = store.channels.get(event.channel);
  if (!channel) return;
  if (!channel.members.includes(event.user)) channel.members = [...channel.members, event.user];
  notice(store, event.channel, event.event_ts, `joined #${channel.name}`, event.user);
}

function created(store, event, kind) {
  const given = event.channel;
  if (!isText(given.id) || !isText(given.name)) throw new Error("no channel");
  const members = [...store.users.keys()].filter((id) => kind === "group" || id !== store.bot.id);
  store.channels.set(given.id, { id: given.id, name: given.name, kind, archived: false, members });
}

function renamed(store, event) {
  const channel = store.channels.get(event.channel.id);
  if (channel && isText(event.channel.name)) channel.name = event.channel.name;
  store.epoch += 1;
}

function archived(store, event, now) {
  const channel = store.channels.get(event.channel);
  if (channel) channel.archived = now;
}

function opened(store, event) {
  const { id, user: partner } = event.channel;
  if (!isText(id)) throw new Error("no channel");
  store.channels.set(id, { id, name: partner, kind: "im", archived: false, members: [partner, store.bot.id] });
}

function whisper(store, event) {
  store.put(event.channel, event, `ephemeral ${event.ts}`);
  store.typing.delete(event.channel);
}

function unwhispered(store, event) {
  store.messages.get(event.channel)?.delete(`ephemeral ${event.ts}`);
}

const ACTS = {
  sandbox_snapshot: snapshot,
  sandbox_bot: bot,
  sandbox_connections: connections,
  sandbox_views: (store, event) => { store.views = event.views; },
  sandbox_ephemeral: whisper,
  sandbox_ephemeral_deleted: unwhispered,
  sandbox_teams: (store, event) => { store.teams = event.teams; store.teamCount = event.team_count; },
};

const HEARD = {
  message,
  reaction_added: (store, event) => reaction(store, event, (users, one) => [...users, one]),
  reaction_removed: (store, event) => reaction(store, event, (users) => users),
  team_join: joined,
  user_change: user,
  member_joined_channel: entered,
  channel_created: (store, event) => created(store, event, "channel"),
  group_joined: (store, event) => created(store, event, "group"),
  channel_rename: renamed,
  group_rename: renamed,
  channel_archive: (store, event) => archived(store, event, true),
  group_archive: (store, event) => archived(store, event, true),
  channel_unarchive: (store, event) => archived(store, event, false),
  group_unarchive: (store, event) => archived(store, event, false),
  im_created: opened,
  user_typing: (store, event) => store.typing.set(event.channel, Date.now() + TYPING),
};
