// Keys, and the menus that Escape closes.

const instant = "select[hx-post], #filters select";

on("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  const plain = !ctrlKey && !metaKey && !altKey;
  const menu = key === "Escape" && target.closest?.("details.menu[open]");
  const search = key === "/" && plain
    && !target.closest("input, select, textarea, dialog")
    && one("#filters [type=search]");
  // A choice counts at once, and the keys of a closed drop-down would choose whatever they pass,
  // Administrator too: they open its list instead. A letter does nothing: the list would open without having
  // heard it, and find somebody else by the next.
  const shut = plain && target.matches?.(instant) && target.showPicker;
  const list = shut && /^(Arrow|Home|End|Page|Enter)/.test(key);
  // Undo stands far from whoever works by keyboard.
  const undo = key === "z" && (ctrlKey || metaKey) && !event.shiftKey
    && !target.closest("input:not([type=checkbox]), textarea")
    && all(".toast form button").at(-1);
  if (menu) menu.open = false;
  if (undo) undo.click();
  if (list) target.showPicker();
  if (search || undo || list || (shut && /^\S$/.test(key))) event.preventDefault();
  (search || (menu && one("summary", menu)))?.focus?.();
});

on("click", ({ target }) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
});
