/** What the address says: `#c=<conversation>&artifact=<id>&n=<citation>`. */

/** Return what a hash names: `{conversation, artifact, n}`, null where it names nothing. */
export function readHash(hash) {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const n = Number.parseInt(params.get("n") ?? "", 10);
  return { conversation: params.get("c"), artifact: params.get("artifact"), n: Number.isNaN(n) ? null : n };
}

/** Return the hash that `readHash` reads back. */
export function writeHash({ conversation, artifact, n }) {
  const params = new URLSearchParams();
  if (conversation) params.set("c", conversation);
  if (artifact) params.set("artifact", artifact);
  if (artifact && n != null) params.set("n", String(n));
  const text = params.toString();
  return text ? `#${text}` : "";
}
