/** The rendering library behind one name; htm compiles templates without `eval`, as the policy demands. */

import htm from "../vendor/htm.js";
import { h } from "../vendor/preact.js";

export { render } from "../vendor/preact.js";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact-hooks.js";

/** Tagged template that returns a tree of elements. */
export const html = htm.bind(h);

/** As `onToggle` of a `details`: bring the whole of what was unfolded into view. */
export function intoView(event) {
  if (event.currentTarget.open) event.currentTarget.scrollIntoView({ block: "nearest" });
}
