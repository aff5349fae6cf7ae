// While an answer is awaited, and when no good one comes.

// Drop-downs go back to what is true; what isn't saved yet (data-draft) stays.
function back(element) {
  const within = element.closest("form") ?? element.parentElement;
  for (const option of all("select:has(option[selected]):not([data-draft]) option", within)) {
    option.selected = option.defaultSelected;
  }
}

// What will change says so; utilities.css shows it after a moment, and after a second it is read out. A page
// that only looks again by itself says nothing, neither that it waits nor that no answer came: it looks once
// more.
const looks = (element) => element.matches('[hx-trigger*="every"]');
const list = () => one("#directory");

// It doesn't look while nobody sees it, nor while a list is open that it would close.
on("htmx:confirm", (event) =>
  looks(event.target)
  && (document.hidden || one("details.menu[open]") || document.activeElement?.matches("select:open"))
  && event.preventDefault());

on("htmx:beforeSend", ({ detail: { elt, target, xhr } }) => {
  if (looks(elt)) return;
  const line = make("p", { className: "visually-hidden", textContent: "One moment…" });
  const slow = setTimeout(() => toasts?.append(line), 1000);
  target.ariaBusy = "true";
  // What is typed on takes the place of a request on its way; htmx would write that to the console as an
  // error.
  const { onabort } = xhr;
  xhr.onabort = () => {
    const { error } = console;
    console.error = () => {};
    try {
      onabort();
    } finally {
      console.error = error;
    }
  };
  xhr.addEventListener("loadend", () => {
    clearTimeout(slow);
    line.remove();
    target.ariaBusy = null;
  });
});

function failed(element, text) {
  back(element);
  const toast = make("div", { className: "toast toast--refused" });
  toast.append(make("p", { textContent: text }));
  if (!looks(element)) toasts?.append(toast);
}

for (const fault of ["htmx:sendError", "htmx:timeout"]) {
  on(fault, ({ detail }) => failed(
    detail.elt,
    navigator.onLine
      ? "No connection to the server. Reload the page to see whether anything was saved."
      : "No connection: nothing was saved.",
  ));
}

// A second press while the first is on its way would only earn an error for what is already done. What is
// typed and chosen counts anew.
on("htmx:confirm", (event) =>
  event.target.matches(":is(a, button, form:not(.filters)).htmx-request") && event.preventDefault());

on("submit", (event) => {
  const form = event.target;
  for (const button of all("[data-show]", form)) show(button, false);
  if (form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 5000);
});
