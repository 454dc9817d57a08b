/** Who is signed in: tokens in this tab's sessionStorage, renewed once however many ask. */

const KEY = "switchyard.session";
const SKEW_MS = 15000;

/** Keep the tokens of one person; `post(path, body)` does the HTTP. */
export class Session {
  constructor({ post, onSignedOut, storage = globalThis.sessionStorage }) {
    Object.assign(this, { post, onSignedOut, storage });
    this.current = JSON.parse(storage.getItem(KEY) ?? "null");
    this.renewal = null;
  }

  get username() {
    return this.current?.username ?? null;
  }

  /** Exchange a name and a password for tokens; throws the API's problem when refused. */
  async signIn(username, password) {
    this.#keep(username, await this.post("/api/auth/token", { username, password }));
  }

  /** Forget the tokens, and tell the server that the refresh token is void. */
  async signOut() {
    const refresh = this.current?.refresh;
    this.#forget();
    if (refresh) await this.post("/api/auth/revoke", { refresh }).catch(() => undefined);
  }

  /**
   * Return an access token, or null when signed out.
   *
   * Rotation with reuse detection forbids two renewals with the same refresh
   * token, so those who ask meanwhile share one. Throws when the server can't be reached.
   */
  async token({ fresh = false } = {}) {
    if (!this.current) return null;
    if (!fresh && this.current.expiresAt - SKEW_MS > Date.now()) return this.current.access;
    this.renewal ??= this.#renew().finally(() => {
      this.renewal = null;
    });
    return this.renewal;
  }

  async #renew() {
    try {
      this.#keep(this.current.username, await this.post("/api/auth/refresh", { refresh: this.current.refresh }));
    } catch (problem) {
      if (!(problem.status >= 400 && problem.status < 500) || problem.status === 429) throw problem;
      this.#forget();
      this.onSignedOut();
      return null;
    }
    return this.current.access;
  }

  #keep(username, { access, refresh, expires_in }) {
    this.current = { username, access, refresh: refresh ?? this.current?.refresh, expiresAt: Date.now() + expires_in * 1000 };
    this.storage.setItem(KEY, JSON.stringify(this.current));
  }

  #forget() {
    this.current = null;
    this.storage.removeItem(KEY);
  }
}
