// Dialogs. What is swapped into #dialog opens as a modal and has an address of its own; closing gives address
// and focus back. The same address, opened afresh, is a whole page: reloading it or sending it to somebody
// works.

const slot = one("#dialog");
const here = () => location.pathname + location.search;
const slotDialog = () => slot && one(":scope > dialog", slot);
let [shown, pushed, closing, opener, draft] = [here(), false, false, null, ""];

function present(swapped, path) {
  const dialog = slotDialog();
  if (dialog && !dialog.matches(":modal")) {
    dialog.removeAttribute("open");
    dialog.showModal();
    dialog.append(toasts);
    for (const field of all("#emails", dialog)) {
      field.value ||= draft; // Addresses that were typed before it was closed.
    }
  }
  if (!dialog && swapped === slot) left();
  if (!dialog || !path) return;
  history[pushed ? "replaceState" : "pushState"]({}, "", path);
  pushed = true;
}

function left() {
  document.body.append(toasts);
  draft = one("#emails", slot)?.value ?? draft;
  slot.replaceChildren();
  if (pushed) history.back();
  [closing, pushed] = [pushed, false];
  focusOn(opener?.(root), list(), one("main"));
  opener = null;
}

on("close", (event) => event.target === slotDialog() && left(), true);
click(":is(#dialog, #anew) :is(.close, .close-text)", (link, event) => {
  event.preventDefault();
  link.closest("dialog").close();
});

// The side panel holds nothing that could be lost, so a press beside it closes it.
on("pointerdown", (event) =>
  event.target.matches("dialog.sheet--side:modal") && event.offsetX < 0 && event.target.close());

// Back closes the dialog; else it shows the page of the address. This runs before htmx's own listener and
// takes its place.
addEventListener("popstate", (event) => {
  event.stopImmediatePropagation();
  const closed = closing;
  closing = pushed = false;
  if (closed && here() !== shown) {
    history.replaceState({}, "", shown); // A search was answered behind the dialog.
  } else if (!closed && slotDialog()) {
    slotDialog().close();
  } else if (here() !== shown) {
    location.reload();
  }
});

// What is answered behind an open dialog leaves the address to it.
on("htmx:beforeHistoryUpdate", ({ detail: { history: update } }) => {
  if (!pushed) return;
  shown = update.path;
  Object.assign(update, { type: "replace", path: here() });
});
for (const kept of ["htmx:pushedIntoHistory", "htmx:replacedInHistory"]) {
  on(kept, () => {
    if (!pushed) shown = here();
  });
}

// A link that htmx would open here still opens in a new tab when that is what was meant.
on("click", (event) =>
  event.target.closest?.("a[href]")
  && (event.ctrlKey || event.metaKey || event.shiftKey)
  && event.stopPropagation(), true);
