// Asks the server. Addresses are relative, so that any path of a proxy will do.

const TIME_LIMIT_MS = 25_000;

/** The server answered, with an error. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Would the same be answered later? */
  get passes() {
    return this.status === 429 || this.status >= 500;
  }
}

/** The JSON under a path with these parameters; those without a value are left out. */
export async function get(path, parameters = {}, signal = undefined) {
  return (await answer(path, parameters, signal)).json();
}

/** The same, with the levels of history that it was told from. */
export async function getHistory(parameters, signal) {
  const response = await answer("history", parameters, signal);
  return { rows: await response.json(), levels: response.headers.get("tidegauge-levels") ?? "" };
}

async function answer(path, parameters, signal) {
  const limit = AbortSignal.timeout(TIME_LIMIT_MS);
  const response = await fetch(address(path, parameters), {
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
    headers: { accept: "application/json" },
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

export function address(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  const query = new URLSearchParams(given).toString();
  return `api/v1/${path}${query ? `?${query}` : ""}`;
}

async function refusal(response) {
  const body = await response.json().catch(() => null);
  const message = body?.error?.message ?? `the server answers with ${response.status}`;
  return new Refusal(response.status, message);
}

/** Was it given up by ourselves, since something else is asked for? */
export const isAborted = (cause) => cause?.name === "AbortError";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** Pauses between tries that grow, and differ from page to page. */
export class Backoff {
  #tries = 0;

  next() {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#tries, LONGEST_PAUSE_MS);
    this.#tries += 1;
    return pause * (0.75 + Math.random() / 2);
  }

  reset() {
    this.#tries = 0;
  }
}
