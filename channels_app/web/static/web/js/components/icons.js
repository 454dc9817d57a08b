/** The page's few drawings, all of one line weight. */

import { html } from "../ui.js";

const PATHS = {
  send: "M12 19V5M5.5 11.5 12 5l6.5 6.5",
  stop: "M8 8h8v8H8z",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  menu: "M4 7h16M4 12h16M4 17h10",
  pencil: "M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4",
  bin: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  leave: "M14 4H6v16h8M11 12h10M17.5 8.5 21 12l-3.5 3.5",
  down: "M12 5v14M5.5 12.5 12 19l6.5-6.5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12.5l4.5 4.5L19 7.5",
  again: "M19.5 12a7.5 7.5 0 1 1-2.2-5.3M19.5 3.5v4h-4",
  up: "M4 11h3.5v9H4zM7.5 11 11 3.5c1.6 0 2.6 1.2 2.3 2.8L12.7 10H18a2 2 0 0 1 2 2.4l-1.2 6a2 2 0 0 1-2 1.6H7.5",
  thumb_down: "M20 13h-3.5V4H20zM16.5 13 13 20.5c-1.6 0-2.6-1.2-2.3-2.8l.6-3.7H6a2 2 0 0 1-2-2.4l1.2-6A2 2 0 0 1 7.2 4h9.3",
  back: "M14.5 6 8.5 12l6 6",
  forward: "M9.5 6l6 6-6 6",
  help: "M9 9.2a3 3 0 1 1 4.4 2.7c-.9.5-1.4 1-1.4 2M12 17.3v.2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20",
  chart: "M4 4v16h16M8 16v-4M12 16V8M16 16v-6",
  table: "M4 5h16v14H4zM4 10h16M10 10v9",
  sort_up: "M12 18V6M7.5 10.5 12 6l4.5 4.5",
  sort_down: "M12 6v12M7.5 13.5 12 18l4.5-4.5",
  upload: "M12 16V5M7 9.5 12 4.5l5 5M5 19.5h14",
};

/** Draw the icon `name`; it is decoration, so the control around it carries the words. */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

/** Draw the product's sign: one track that becomes two. */
export function Logo() {
  return html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="8" /><path d="M6 21h20M6 21c9 0 9-10 20-10" /><circle cx="7" cy="21" r="3.2" /></svg>`;
}
