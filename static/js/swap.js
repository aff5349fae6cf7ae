// Around a swap: what was ticked comes back, and the focus: to the same control, to the link that was asked
// for, else to the new piece.

let before = null;

// Finds a control again after a swap, by its id, what it asks for, or its name.
function finder(control) {
  const key = ["id", "hx-post", "href", "name"].find((each) => control.hasAttribute(each));
  const like = (each) =>
    each.matches(`[${key}="${CSS.escape(control.getAttribute(key))}"]`)
    && (each.matches("select") || each.value === control.value);
  return (within) => (control.isConnected ? control : [within, ...all("*", within)].find(like));
}

on("htmx:beforeRequest", ({ target, detail }) => {
  if (detail.target === slot && !slotDialog()) opener = finder(target);
});

on("htmx:beforeSwap", ({ detail }) => {
  const { xhr, target, elt } = detail;
  const page = /^\s*<!doctype/i.test(xhr.responseText);
  if (target === slot && !slotDialog()) opener ??= finder(document.activeElement);
  const { elt: asker, target: home } = detail.requestConfig;
  if (target === anew) asked ??= { elt: asker, again: finder(document.activeElement), home: home?.id };
  if (xhr.status >= 400) back(target === anew ? asker : elt);
  if (xhr.status >= 500 || (xhr.status >= 400 && page)) {
    detail.shouldSwap = false;
    const answer = new DOMParser().parseFromString(page ? xhr.responseText : "", "text/html");
    const words = ["h1", "h1 + p"].map((part) => one(part, answer)?.textContent.trim()).filter(Boolean);
    return failed(
      elt,
      words.join(". ") || "Something went wrong on the server. Reload the page to see what was saved.",
    );
  }
  const active = document.activeElement ?? document.body;
  before = {
    active,
    again: finder(active),
    top: looks(elt) && list()?.getBoundingClientRect().top,
    homes: [active.closest("[id]")?.id, target.id],
    picked:
      target.matches("tr, #panel")
      || target.closest("#progress")
      || detail.requestConfig.elt.closest(".toast")
        ? picked()
        : [],
  };
  if (target.contains(toasts)) document.body.append(toasts);
});

on("htmx:afterSwap", ({ target, detail }) => {
  for (const box of boxes()) if (before?.picked.includes(box.value)) box.checked = true;
  refresh();
  count();
  if (target === list()) {
    for (const option of one("#sort")?.options ?? []) {
      option.selected = option.defaultSelected = option.value === target.dataset.sort;
    }
  }
  if (detail.target === anew) askAnew();
  present(
    detail.target,
    detail.requestConfig?.verb === "get" && detail.target === slot ? detail.pathInfo.finalRequestPath : null,
  );
  // A link that was asked for in order to copy it.
  one("[data-copies]:modal [data-copy]", slot ?? root)?.click();
  one("[data-copies]", slot ?? root)?.removeAttribute("data-copies");
  // What was wrong before is told anew by the preview.
  if (target.id === "preview") {
    one("#emails-error")?.remove();
    one("#emails")?.removeAttribute("aria-invalid");
  }
  const wrong = one('[aria-invalid="true"]', target);
  const home = before?.homes.map((id) => document.getElementById(id)).find(seen);
  if (wrong) {
    focusOn(wrong);
  } else if (before && !seen(before.active) && !before.active.closest(".toast")) {
    focusOn(home && before.again(home), home && one(".copy input", home), home, one("main"));
  }
  // What came by itself moves nothing that somebody has under their hand or eyes.
  if (before?.top && (scrollY > 0 || list().matches(":hover, :focus-within"))) {
    scrollBy({ top: list().getBoundingClientRect().top - before.top, behavior: "instant" });
  }
  before = null;
  if (detail.requestConfig?.elt.matches("[data-closes]") && detail.xhr.status < 400) slotDialog()?.close();
});
