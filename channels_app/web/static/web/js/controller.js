/** What a person can do on the page, and what the server's frames do to it. */

import { Api, post } from "./api.js";
import { chosenLanguage, language, setLanguage } from "./i18n.js";
import { readHash, writeHash } from "./location.js";
import { Session } from "./session.js";
import { ChatSocket } from "./socket.js";
import * as store from "./store.js";
import { Sync } from "./sync.js";
import { newId } from "./text.js";

const TITLE_LENGTH = 60;
const ABILITIES_MS = 60000;

/** Join the session, the HTTP calls, the socket and the store behind verbs. */
export class Controller {
  constructor() {
    this.session = new Session({ post, onSignedOut: () => this.#signedOut("expired") });
    this.api = new Api(this.session);
    this.store = store.createStore(this.#blank());
    this.creating = null;
    this.sync = new Sync({ store: this.store, api: this.api });
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new ChatSocket({
      url: `${scheme}//${location.host}/ws/chat/`,
      getToken: (options) => this.session.token(options),
      explainRefusal: () => this.#explainRefusal(),
      onReady: () => this.sync.reopen(),
      onFrame: (frame) => this.sync.receive(frame),
      onState: (connection) => this.#connectionChanged(connection),
    });
    this.sync.socket = this.socket;
    addEventListener("online", () => this.socket.wake());
    addEventListener("offline", () => this.socket.offline());
    addEventListener("hashchange", () => this.#followAddress());
    document.addEventListener("visibilitychange", () => document.hidden || this.socket.wake());
  }

  #blank() {
    return { user: this.session?.username ?? null, notice: null, connection: { phase: "idle" }, list: null, selected: null,
      conversations: {}, citation: null, documents: null, documentsOpen: false, abilitiesOpen: false, sought: null, problem: null, made: null, language: language() };
  }

  #set(change) {
    this.store.update((state) => ({ ...state, ...change }));
  }

  /** Begin: with tokens from an earlier load of this tab, go on where it was. */
  start() {
    this.#set({ user: this.session.username });
    if (this.session.username) this.#enter();
  }

  /** Sign in and connect; throws the problem for the form to show. */
  async signIn(username, password) {
    await this.session.signIn(username, password);
    this.#set({ user: this.session.username, notice: null });
    this.#enter();
  }

  /** Leave: the socket closes, the refresh token is revoked. */
  async signOut() {
    this.#signedOut(null);
    await this.session.signOut();
  }

  #signedOut(notice) {
    this.socket.stop(notice ?? "signed_out");
    this.sync.opening.clear();
    // Whoever was signed out against their will goes on where they were.
    if (!notice) history.replaceState(null, "", location.pathname);
    this.store.update(() => ({ ...this.#blank(), user: null, notice }));
  }

  #enter() {
    this.#followAddress();
    this.#agreeOnLanguage();
    this.refreshList();
  }

  /** Speak what was chosen here, else what the person has set elsewhere, else (both sides by themselves) what the browser prefers. */
  async #agreeOnLanguage() {
    const chosen = chosenLanguage();
    if (chosen) return this.speak(chosen);
    const set = await this.api.me().then((me) => me.language, () => null);
    if (set && set !== language()) {
      setLanguage(set, { keep: false });
      this.show(set);
    }
    return this.socket.connect();
  }

  /** Draw the page in another language. */
  show(name) {
    this.#set({ language: name });
  }

  /** Have the server speak `name`, too; a socket keeps the language it was opened in, so it is opened anew. */
  async speak(name) {
    this.show(name);
    if (!this.session.username) return;
    await this.api.setLanguage(name).catch(() => {});
    this.socket.connect();
  }

  /** Fetch the conversations; a failure leaves a list that is already there. */
  async refreshList() {
    try {
      this.#set({ list: await this.api.conversations() });
    } catch (problem) {
      this.store.update((state) => (state.list ? state : { ...state, list: [], problem }));
    }
  }

  #followAddress() {
    if (!this.store.get().user) return;
    const { conversation, artifact, n } = readHash(location.hash);
    this.#set({ citation: artifact ? { artifact, n } : null });
    if (conversation !== this.store.get().selected) this.#show(conversation);
  }

  #go(target, replace = false) {
    const { selected, citation } = this.store.get();
    const hash = writeHash({ conversation: selected, artifact: citation?.artifact, n: citation?.n, ...target });
    history[replace ? "replaceState" : "pushState"](null, "", hash || location.pathname);
    this.#followAddress();
  }

  #show(id) {
    this.store.update((state) => ({
      ...state, selected: id, problem: null,
      conversations: !id || id in state.conversations ? state.conversations
        : { ...state.conversations, [id]: store.newConversation(id) },
    }));
    if (id && this.store.get().conversations[id].sync === "stale") this.sync.load(id);
    else if (id) this.sync.open(id);
  }

  /** Show a conversation, or with null the empty page that starts a new one. */
  select(id) {
    this.#set({ made: null });
    this.#go({ conversation: id, artifact: null });
  }

  /** Bring a turn of the shown conversation into view, as soon as it is there. */
  lookAt(turn) {
    this.#set({ sought: turn });
  }

  /** The sought turn has been shown. */
  seen() {
    this.#set({ sought: null });
  }

  /** Show the passage behind a citation; its address can be shared. */
  openCitation(artifact, n) {
    this.#go({ artifact, n });
  }

  /** Put the source away; its address goes too. */
  closeCitation() {
    this.#go({ artifact: null });
  }

  /** Ask `text` in the selected conversation, or in a new one; `route` skips the classifier. */
  async ask(text, { route } = {}) {
    // Two questions sent at once from the empty page belong into one new conversation.
    const id = this.store.get().selected ?? await (this.creating ??= this.#create());
    this.#title(id, text);
    const question = { id: newId(), text, route };
    this.sync.change(id, (conversation) => store.addPending(conversation, question));
    this.socket.send("chat.send", { text, route }, { conversation: id, id: question.id, keep: true });
  }

  /** Ask the question of `turn` once more, with `text` in other words; the earlier answer stays beside the new one. */
  regenerate(conversation, turn, text) {
    const question = { id: newId(), text: text ?? turn.text, parent: turn.id, edited: text !== undefined };
    this.sync.change(conversation, (known) => store.addPending(known, question));
    this.socket.send("chat.regenerate", { turn: turn.id, text }, { conversation, id: question.id, keep: true });
  }

  /** Send a refused question again, as a new one. */
  askAgain(conversation, question) {
    this.drop(conversation, question);
    const parent = this.store.get().conversations[conversation]?.turns[question.parent];
    if (parent) return this.regenerate(conversation, parent, question.edited ? question.text : undefined);
    return this.ask(question.text, { route: question.route });
  }

  /** Say what the person thinks of an answer: `{rating, reason, comment}`, or null to take it back. */
  async rate(conversation, turn, feedback) {
    await this.api.rate(turn, feedback);
    this.sync.change(conversation, (known) => store.applyFeedback(known, turn, feedback));
  }

  async #create() {
    try {
      const created = await this.api.createConversation();
      const fresh = { ...store.newConversation(created.id, created.title ?? ""), sync: "live" };
      this.store.update((state) => ({ ...state, made: created.id, conversations: { ...state.conversations, [created.id]: fresh },
        list: [created, ...(state.list ?? []).filter((item) => item.id !== created.id)] }));
      this.#go({ conversation: created.id }, true);
      return created.id;
    } finally {
      this.creating = null;
    }
  }

  /** Take back a question that was refused. */
  drop(conversation, question) {
    this.sync.change(conversation, (known) => store.dropPending(known, question.id));
  }

  /** Connect now instead of when the next attempt is due. */
  reconnect() {
    this.socket.connect();
  }

  /** Ask the server to stop a turn; its ending comes as an event. */
  stop(conversation, turn) {
    this.socket.send("chat.cancel", { turn }, { conversation, keep: true });
  }

  /** Give a conversation another title. */
  async rename(id, title) {
    await this.api.renameConversation(id, title);
    this.#entitle(id, title);
  }

  #entitle(id, title) {
    this.store.update((state) => ({ ...state, list: state.list.map((item) => (item.id === id ? { ...item, title } : item)) }));
  }

  /** Delete a conversation and, if it is shown, leave it. */
  async remove(id) {
    await this.api.deleteConversation(id);
    this.store.update((state) => {
      const { [id]: gone, ...conversations } = state.conversations;
      return { ...state, conversations, list: state.list.filter((item) => item.id !== id) };
    });
    if (this.store.get().selected === id) this.select(null);
  }

  #title(id, text) {
    const item = this.store.get().list?.find((other) => other.id === id);
    if (!item || item.title) return;
    const line = text.trim().split("\n")[0];
    const words = line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1)}…` : line;
    // At once: a second question, sent before the server has answered, must not give its own.
    this.#entitle(id, words);
    this.rename(id, words).catch(() => undefined);
  }

  #connectionChanged(connection) {
    this.#set({ connection });
    if (connection.phase !== "stopped") return;
    if (["unauthenticated", "close_4401"].includes(connection.reason) && this.session.username) {
      this.session.signOut();
      this.#signedOut("expired");
    }
  }

  async #explainRefusal() {
    try {
      await this.api.ticket();
    } catch (problem) {
      if (problem.status === 401) return "unauthenticated";
      if (problem.status === 403) return "forbidden";
    }
    return null;
  }

  /** Show or hide the documents. */
  toggleDocuments(open) {
    if (open && this.store.get().citation) this.closeCitation();
    this.#set({ documentsOpen: open, abilitiesOpen: false });
  }

  /** Show or hide what can be asked. */
  toggleAbilities(open) {
    if (open && this.store.get().citation) this.closeCitation();
    this.#set({ abilitiesOpen: open, documentsOpen: false });
  }

  /** Return what can be asked in `language`; asked once in a while, as it changes with the documents. */
  abilities(language) {
    const key = `${language} ${this.session.username}`;
    if (this.known?.key !== key || Date.now() > this.known.until) {
      const answer = this.api.abilities(language);
      this.known = { key, until: Date.now() + ABILITIES_MS, answer };
      answer.catch(() => { this.known = null; });
    }
    return this.known.answer;
  }

  /** Fetch the documents anew. */
  async refreshDocuments() {
    this.#set({ documents: await this.api.documents() });
  }
}
