// What happens in a team, live. A connection that is lost is opened again, and begins with a snapshot.
import { isUnknown } from "./api.js";

const AGAIN = 700; // milliseconds

export class Stream {
  #source = null;
  #timer = null;

  /** `onevent` takes events, `online` whether the sandbox is there. */
  constructor(onevent, online) {
    this.onevent = onevent;
    this.onlive = online;
  }

  /** Watch a team, by id, name or domain; the first where it is null. */
  watch(team) {
    clearTimeout(this.#timer);
    this.#source?.close();
    const query = team === null ? "" : `?team=${encodeURIComponent(team)}`;
    const source = new EventSource(`/sandbox/stream${query}`);
    this.#source = source;
    source.onopen = () => this.onlive(true);
    source.onmessage = (message) => this.onevent(JSON.parse(message.data));
    source.onerror = () => {
      this.onlive(false);
      source.close();
      this.#timer = setTimeout(() => this.#comeBack(team), AGAIN);
    };
  }

  async #comeBack(team) {
    const gone = team !== null && (await isUnknown(team));
    this.watch(gone ? null : team);
  }
}
