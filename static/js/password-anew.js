// The password asked for anew stands over whatever is open, and what was sent goes on from there: put away,
// it leaves all as it was.

const anew = one("#anew");
let asked = null; // What asked: its element, how it is found again, and the id of what its answer replaces.

function askAnew() {
  const dialog = one("dialog", anew);
  dialog.removeAttribute("open");
  dialog.showModal();
  dialog.append(toasts);
}

on("htmx:afterRequest", ({ detail: { xhr, target, elt } }) => {
  if (!asked || target === anew || !elt.closest("#anew") || xhr.status < 200 || xhr.status >= 500) return;
  if (asked.elt.matches("[data-closes]") && xhr.status < 400) slotDialog()?.close();
  one("dialog", anew).close();
});

on("close", ({ target }) => {
  if (target.parentElement !== anew) return;
  (slotDialog() ?? document.body).append(toasts);
  const [again, home] = [asked?.again(root), document.getElementById(asked?.home)];
  asked = null;
  anew.replaceChildren();
  focusOn(
    again,
    home && one(".copy input", home),
    home,
    one(".close", slotDialog() ?? anew),
    list(),
    one("main"),
  );
}, true);
