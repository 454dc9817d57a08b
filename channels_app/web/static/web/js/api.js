/** The HTTP half of the contract: JSON in, JSON out, problems as exceptions. */

const MOST_PER_PAGE = "200";

/** What the server, or the network (`code` `unreachable`), answered instead of a result. */
export class Problem extends Error {
  constructor({ status = 0, code = "unreachable", detail = "", retry_after_ms = null }) {
    super(detail || code);
    Object.assign(this, { status, code, detail, retryAfterMs: retry_after_ms });
  }
}

async function call(path, { method = "GET", token = null, json, form, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method, headers, body: form ?? (json === undefined ? undefined : JSON.stringify(json)), credentials: "omit",
    });
  } catch {
    throw new Problem({});
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Problem({ code: "internal", ...body, status: response.status });
}

/** Send JSON without a token: signing in, renewing, revoking. */
export async function post(path, body) {
  const response = await call(path, { method: "POST", json: body });
  return response.status === 204 ? {} : response.json();
}

/** Return the address of another page: `next` is one itself, or the value of the query's `name`. */
function nextAddress(first, name, next) {
  if (/^(\/|https?:)/.test(next)) return next;
  const [path, query] = first.split("?");
  const params = new URLSearchParams(query);
  params.set(name, next);
  return `${path}?${params}`;
}

/** The calls of a signed-in person. */
export class Api {
  constructor(session) {
    this.session = session;
  }

  async #call(path, options) {
    const token = await this.session.token();
    try {
      return await call(path, { ...options, token });
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      return call(path, { ...options, token: await this.session.token({ fresh: true }) });
    }
  }

  async #json(path, options) {
    const response = await this.#call(path, options);
    return response.status === 204 ? {} : response.json();
  }

  /** Return the conversations of this person, those used last first. */
  async conversations() {
    const list = await this.#json(`/api/conversations?limit=${MOST_PER_PAGE}`);
    return list.items;
  }

  me() {
    return this.#json("/api/me");
  }

  setLanguage(language) {
    return this.#json("/api/me", { method: "PATCH", json: { language } });
  }

  createConversation() {
    return this.#json("/api/conversations", { method: "POST", json: {} });
  }

  renameConversation(id, title) {
    return this.#json(`/api/conversations/${encodeURIComponent(id)}`, { method: "PATCH", json: { title } });
  }

  deleteConversation(id) {
    return this.#json(`/api/conversations/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /**
   * Return a conversation with all its turns, the oldest first.
   *
   * The first page holds the latest turns, and its epoch and top count: earlier
   * turns have ended, so what happens while they are read comes as events.
   */
  async snapshot(id, url = null) {
    const first = nextAddress(url ?? `/api/conversations/${encodeURIComponent(id)}/snapshot`, "limit", MOST_PER_PAGE);
    const snapshot = await this.#json(first);
    for (let { next } = snapshot; next; ) {
      const earlier = await this.#json(nextAddress(first, "before", next));
      snapshot.turns = [...earlier.turns, ...snapshot.turns];
      ({ next } = earlier);
    }
    return snapshot;
  }

  /** Return a page of an artifact; `next` is what an earlier page gave. */
  artifact(id, next = null) {
    const first = `/api/artifacts/${encodeURIComponent(id)}?format=json`;
    return this.#json(next ? nextAddress(first, "after", next) : first);
  }

  /** Return a whole table as a CSV blob: a plain link could not carry the token. */
  async artifactCsv(id) {
    const response = await this.#call(`/api/artifacts/${encodeURIComponent(id)}?format=csv`, { accept: "text/csv" });
    return response.blob();
  }

  /** Keep what the person thinks of an answer; null takes it back. */
  rate(turn, feedback) {
    const path = `/api/turns/${encodeURIComponent(turn)}/feedback`;
    return feedback ? this.#json(path, { method: "POST", json: feedback }) : this.#json(path, { method: "DELETE" });
  }

  /** Return what can be asked, in `language`. */
  abilities(language) {
    return this.#json(`/api/abilities?language=${encodeURIComponent(language)}`);
  }

  /** Return own questions and answers that hold all of `words`, the latest first. */
  async search(words) {
    const found = await this.#json(`/api/search?q=${encodeURIComponent(words)}&limit=30`);
    return found.items;
  }

  async documents() {
    const list = await this.#json(`/api/documents?limit=${MOST_PER_PAGE}`);
    return list.items;
  }

  uploadDocument(file) {
    const form = new FormData();
    form.append("file", file, file.name);
    return this.#json("/api/documents", { method: "POST", form });
  }

  deleteDocument(id) {
    return this.#json(`/api/documents/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /** Ask why the socket was refused: resolves when it would be let in now, throws the reason if not. */
  ticket() {
    return this.#json("/api/auth/ticket", { method: "POST", json: {} });
  }
}
