// The control endpoints, as docs/sandbox.md lists them.

/** Tell the sandbox something; throws an Error with its reason where it refuses. */
export async function post(path, fields = {}) {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
  let response;
  try {
    response = await fetch(`/sandbox/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(given),
    });
  } catch {
    throw new Error("The sandbox can't be reached. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok || !answer.ok) throw new Error(answer.error ?? `The sandbox answered ${response.status}.`);
  return answer;
}

/** Whether the sandbox is there, but has no such team. */
export async function isUnknown(team) {
  try {
    return (await fetch(`/sandbox/counts?team=${encodeURIComponent(team)}`)).status === 404;
  } catch {
    return false;
  }
}
