// What is done once, when the page is there. This file is the last: it calls those before it.

// What was chosen while the scripts were still on their way counts as well; htmx is ready before this is
// called.
on("DOMContentLoaded", () => {
  const early = ({ options }) => [...options].some((option) => option.selected !== option.defaultSelected);
  for (const select of all(instant).filter(early)) {
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }
});

// A page that tells what has just been done goes on where its content begins.
if (toasts && one(".toast", toasts) && document.activeElement === document.body && !one("[autofocus]")) {
  focusOn(one("main"));
}

setTimeout(refresh); // Not at once: what is there already may be painted first.
count();
setInterval(refresh, 60000);
