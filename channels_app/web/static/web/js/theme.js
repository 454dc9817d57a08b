/** Light, dark, or as the system says; a classic script before the first paint, so that nothing flashes. */

"use strict";

(() => {
  const KEY = "switchyard.theme";
  const THEMES = ["system", "light", "dark"];

  const read = () => {
    const chosen = localStorage.getItem(KEY);
    return THEMES.includes(chosen) ? chosen : "system";
  };
  const show = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };
  globalThis.switchyardTheme = {
    themes: THEMES,
    read,
    choose(theme) {
      localStorage.setItem(KEY, theme);
      show(theme);
    },
  };
  show(read());
})();
