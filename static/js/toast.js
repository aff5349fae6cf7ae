// Toasts. The box is a live region; it lives in the dialog that is open, since what lies behind can be
// neither reached nor read.

const toasts = one("#toasts");

// A toast goes after the time it takes to read it, longer if there is something to press. A refusal stays
// until it is closed.
function keep(toast) {
  if (toast.matches(".toast--refused")) {
    return toast.append(make("button", {
      type: "button",
      className: "btn btn--quiet",
      textContent: "Close",
    }));
  }
  const leave = () => {
    if (document.hidden || toast.matches(":hover, :focus-within")) return setTimeout(leave, 2000);
    toast.classList.add("leaving");
    return setTimeout(() => toast.remove(), 400);
  };
  // After a minute the server no longer undoes a change.
  setTimeout(() => one("form", toast)?.remove(), 60000);
  return setTimeout(leave, (one("form", toast) ? 10000 : 4000) + 70 * toast.textContent.length);
}

if (toasts) {
  all(".toast", toasts).forEach(keep);
  new MutationObserver((changes) => {
    for (const node of changes.flatMap((change) => [...change.addedNodes])) {
      if (node.matches?.(".toast")) keep(node);
    }
    for (const old of all(".toast", toasts).slice(0, -3)) old.remove();
  }).observe(toasts, { childList: true });

  click(".toast > button", (button) => button.parentElement.remove());

  // Undo done: its toast goes, and the focus moves on to what it changed, if the page still shows that.
  on("htmx:afterRequest", ({ target, detail }) => {
    const toast = detail.successful ? target.closest(".toast") : null;
    if (toast?.contains(document.activeElement)) {
      (slotDialog()
        ? one(".close", slotDialog())
        : one(`#member-${parseInt(one("[name=before]", toast)?.value)} select`) ?? one("main")
      ).focus();
    }
    toast?.remove();
  });
}
