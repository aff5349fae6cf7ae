// Gatehouse in the browser. Every page works without this file; it only makes things feel instant.
// Listeners stand on the document and ask what was meant, so that pieces swapped in later need no setting up.

const root = document.documentElement;
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const on = (type, handle, options) => document.addEventListener(type, handle, options);
const click = (selector, handle) => on("click", (event) => {
  const found = event.target.closest(selector);
  if (found) handle(found, event);
});

/* Toasts. The box is a live region; it lives in the dialog that is open, since what lies behind can be neither reached nor read. */
const toasts = one("#toasts");

// A toast goes after the time it takes to read it, longer if there is something to press. A refusal stays until it is closed.
function keep(toast) {
  if (toast.matches(".toast--refused")) return toast.append(make("button", { type: "button", className: "btn btn--quiet", textContent: "Close" }));
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
    for (const node of changes.flatMap((change) => [...change.addedNodes])) if (node.matches?.(".toast")) keep(node);
    for (const old of all(".toast", toasts).slice(0, -3)) old.remove();
  }).observe(toasts, { childList: true });
  click(".toast > button", (button) => button.parentElement.remove());
  // Undo done: its toast goes, and the focus moves on to what it changed, if the page still shows that.
  on("htmx:afterRequest", ({ target, detail }) => {
    const toast = detail.successful ? target.closest(".toast") : null;
    if (toast?.contains(document.activeElement)) (slotDialog() ? one(".close", slotDialog()) : one(`#member-${parseInt(one("[name=before]", toast)?.value)} select`) ?? one("main")).focus();
    toast?.remove();
  });
}

/* Dialogs. What is swapped into #dialog opens as a modal and has an address of its own; closing gives address and focus back.
   The same address, opened afresh, is a whole page: reloading it or sending it to somebody works. */
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
    for (const field of all("#emails", dialog)) field.value ||= draft; // Addresses that were typed before it was closed.
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
click(":is(#dialog, #anew) :is(.close, .close-text)", (link, event) => { event.preventDefault(); link.closest("dialog").close(); });
// The side panel holds nothing that could be lost, so a press beside it closes it.
on("pointerdown", (event) => event.target.matches("dialog.sheet--side:modal") && event.offsetX < 0 && event.target.close());
// Back closes the dialog; else it shows the page of the address. This runs before htmx's own listener and takes its place.
addEventListener("popstate", (event) => {
  event.stopImmediatePropagation();
  const closed = closing;
  closing = pushed = false;
  if (closed && here() !== shown) history.replaceState({}, "", shown); // A search was answered behind the dialog.
  else if (!closed && slotDialog()) slotDialog().close();
  else if (here() !== shown) location.reload();
});
// What is answered behind an open dialog leaves the address to it.
on("htmx:beforeHistoryUpdate", ({ detail: { history: update } }) => {
  if (!pushed) return;
  shown = update.path;
  Object.assign(update, { type: "replace", path: here() });
});
for (const kept of ["htmx:pushedIntoHistory", "htmx:replacedInHistory"]) on(kept, () => { if (!pushed) shown = here(); });
// A link that htmx would open here still opens in a new tab when that is what was meant.
on("click", (event) => event.target.closest?.("a[href]") && (event.ctrlKey || event.metaKey || event.shiftKey) && event.stopPropagation(), true);

/* The password asked for anew stands over whatever is open, and what was sent goes on from there: put away, it leaves all as it was. */
const anew = one("#anew");
let asked = null; // What asked: its element, how it is found again, and the id of what its answer takes the place of.
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
  focusOn(again, home && one(".copy input", home), home, one(".close", slotDialog() ?? anew), list(), one("main"));
}, true);

/* The focus is never lost: what can't take it, since it is gone or out of sight, leaves it to the next. */
const seen = (element) => element?.isConnected && element.checkVisibility?.() !== false && element.getClientRects().length > 0;
function focusOn(...candidates) {
  const next = candidates.find(seen);
  if (!next) return;
  // What isn't a control can take the focus only so, and nothing scrolls to it.
  const whole = next.tabIndex < 0;
  if (whole) next.tabIndex = -1;
  next.focus({ preventScroll: whole });
}

/* Around a swap: what was ticked comes back, and the focus: to the same control, to the link that was asked for, else to the new piece. */
let before = null;
// Finds a control again after a swap, by its id, what it asks for, or its name.
function finder(control) {
  const key = ["id", "hx-post", "href", "name"].find((each) => control.hasAttribute(each));
  const like = (each) => each.matches(`[${key}="${CSS.escape(control.getAttribute(key))}"]`) && (each.matches("select") || each.value === control.value);
  return (within) => (control.isConnected ? control : [within, ...all("*", within)].find(like));
}
on("htmx:beforeRequest", ({ target, detail }) => { if (detail.target === slot && !slotDialog()) opener = finder(target); });
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
    return failed(elt, words.join(". ") || "Something went wrong on the server. Reload the page to see what was saved.");
  }
  const active = document.activeElement ?? document.body;
  before = { active, again: finder(active), top: looks(elt) && list()?.getBoundingClientRect().top, homes: [active.closest("[id]")?.id, target.id], picked: target.matches("tr, #panel") || target.closest("#progress") || detail.requestConfig.elt.closest(".toast") ? picked() : [] };
  if (target.contains(toasts)) document.body.append(toasts);
});
on("htmx:afterSwap", ({ target, detail }) => {
  for (const box of boxes()) if (before?.picked.includes(box.value)) box.checked = true;
  refresh();
  count();
  if (target === list()) for (const option of one("#sort")?.options ?? []) option.selected = option.defaultSelected = option.value === target.dataset.sort;
  if (detail.target === anew) askAnew();
  present(detail.target, detail.requestConfig?.verb === "get" && detail.target === slot ? detail.pathInfo.finalRequestPath : null);
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
  if (wrong) focusOn(wrong);
  else if (before && !seen(before.active) && !before.active.closest(".toast")) focusOn(home && before.again(home), home && one(".copy input", home), home, one("main"));
  // What came by itself moves nothing that somebody has under their hand or eyes.
  if (before?.top && (scrollY > 0 || list().matches(":hover, :focus-within"))) scrollBy({ top: list().getBoundingClientRect().top - before.top, behavior: "instant" });
  before = null;
  if (detail.requestConfig?.elt.matches("[data-closes]") && detail.xhr.status < 400) slotDialog()?.close();
});

/* When no good answer comes, drop-downs go back to what is true; what isn't saved yet (data-draft) stays. */
function back(element) {
  const within = element.closest("form") ?? element.parentElement;
  for (const option of all("select:has(option[selected]):not([data-draft]) option", within)) option.selected = option.defaultSelected;
}

/* While an answer is awaited, what will change says so; app.css shows it after a moment, and after a second it is read out.
   A page that only looks again by itself says nothing, neither that it waits nor that no answer came: it looks once more. */
const looks = (element) => element.matches('[hx-trigger*="every"]');
const list = () => one("#directory");
// It doesn't look while nobody sees it, nor while a list is open that it would close.
on("htmx:confirm", (event) => looks(event.target) && (document.hidden || one("details.menu[open]") || document.activeElement?.matches("select:open")) && event.preventDefault());
on("htmx:beforeSend", ({ detail: { elt, target, xhr } }) => {
  if (looks(elt)) return;
  const line = make("p", { className: "visually-hidden", textContent: "One moment…" });
  const slow = setTimeout(() => toasts?.append(line), 1000);
  target.ariaBusy = "true";
  // What is typed on takes the place of a request on its way; htmx would write that to the console as an error.
  const { onabort } = xhr;
  xhr.onabort = () => { const { error } = console; console.error = () => {}; try { onabort(); } finally { console.error = error; } };
  xhr.addEventListener("loadend", () => { clearTimeout(slow); line.remove(); target.ariaBusy = null; });
});

function failed(element, text) {
  back(element);
  const toast = make("div", { className: "toast toast--refused" });
  toast.append(make("p", { textContent: text }));
  if (!looks(element)) toasts?.append(toast);
}
for (const fault of ["htmx:sendError", "htmx:timeout"]) on(fault, ({ detail }) => failed(detail.elt, navigator.onLine ? "No connection to the server. Reload the page to see whether anything was saved." : "No connection: nothing was saved."));
// A second press while the first is on its way would only earn an error for what is already done. What is typed and chosen counts anew.
on("htmx:confirm", (event) => event.target.matches(":is(a, button, form:not(.filters)).htmx-request") && event.preventDefault());
on("submit", (event) => {
  const form = event.target;
  for (const button of all("[data-show]", form)) show(button, false);
  if (form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 5000);
});

/* A page is left without its edits only after a question. A form may say itself that it holds some (data-unsaved="yes"). */
let sending = false;
const differs = (field) => {
  if (field.matches("select")) return field.value !== (one("option[selected]", field) ?? field.options[0])?.value;
  return field.matches("[type=checkbox], [type=radio]") ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
};
const edited = (form) => form.dataset.unsaved || [...form.elements].some((field) => field.matches("input:not([type=hidden]), select, textarea") && differs(field));
addEventListener("beforeunload", (event) => { if (!sending && all("form[data-unsaved]").some(edited)) event.preventDefault(); });
function send(form) {
  if (!form?.matches("[data-unsaved]")) return;
  sending = true;
  setTimeout(() => { sending = false; }, 5000);
}
on("submit", (event) => event.defaultPrevented || send(event.target));
on("htmx:beforeOnLoad", ({ detail: { elt, xhr } }) => { if (xhr.getResponseHeader("HX-Redirect")) send((elt.closest("#anew") ? asked.elt : elt).closest("form")); });

/* Copy, and say truthfully what happened. Over plain http there is no clipboard to write to: then the field is selected, and only
   if the browser took the text (its copy event came, and it says so) is that called copied. */
async function copied(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    let taken = false;
    field.focus();
    field.select();
    field.addEventListener("copy", () => { taken = true; }, { once: true });
    return document.execCommand("copy") && taken;
  }
}
click("[data-copy]", async (button) => {
  const done = await copied(document.getElementById(button.dataset.copy));
  const keys = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘C" : "Ctrl+C";
  const line = one(".copy__said", button.parentElement);
  line.textContent = done ? "Copied" : `Press ${keys} to copy: the link is selected`;
  line.classList.toggle("copy__said--done", done);
});
// Who turns away in the device's own sheet has shared nothing, and knows it.
click("[data-share]", ({ dataset }) => navigator.share({ title: dataset.title, url: document.getElementById(dataset.share).value }).catch(() => {}));

/* Tabs. Arrow keys move between them, as in every tab list. */
function choose(tab) {
  for (const each of all("[role=tab]", tab.parentElement)) {
    each.ariaSelected = String(each === tab);
    each.tabIndex = each === tab ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls"))?.toggleAttribute("data-away", each !== tab);
  }
  tab.focus();
}
click("[role=tab]", choose);
on("keydown", (event) => {
  const tabs = event.target.matches?.("[role=tab]") ? all("[role=tab]", event.target.parentElement) : [];
  const index = tabs.indexOf(event.target);
  const next = { ArrowRight: tabs[(index + 1) % tabs.length], ArrowLeft: tabs.at(index - 1), Home: tabs[0], End: tabs.at(-1) }[event.key];
  if (next) event.preventDefault(), choose(next);
});

/* Times: the server writes them in UTC; here they become the reader's own, near ones in words, exact ones on hover. */
const lazily = (make) => { let made; return () => (made ??= make()); }; // The first Intl costs a browser as much as all else here.
const relative = lazily(() => new Intl.RelativeTimeFormat("en", { numeric: "auto" }));
const shape = { hourCycle: "h23", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
const within = (timeZone) => new Intl.DateTimeFormat("en-US", { ...shape, timeZone });
// A zone of the account may be one that this browser doesn't know: its own will do.
const clock = lazily(() => { try { return within(root.dataset.zone); } catch { return within(); } });
const parts = (date) => Object.fromEntries(clock().formatToParts(date).map(({ type, value }) => [type, value]));
const dayOf = ({ day, month, year }) => Date.parse(`${day} ${month} ${year} UTC`) / 86400000;
function ago(date, days) {
  const minutes = Math.trunc((date - Date.now()) / 60000);
  const units = [[60, minutes, "minute"], [24, minutes / 60, "hour"], [14, days, "day"], [9, days / 7, "week"], [24, days / 30.4, "month"], [Infinity, days / 365.25, "year"]];
  const [, amount, unit] = units.find(([below, value]) => Math.abs(value) < below);
  return minutes === 0 ? "just now" : relative().format(Math.trunc(amount), unit);
}
function refresh() {
  for (const zone of all("input[name=zone]")) zone.value ||= clock().resolvedOptions().timeZone;
  const today = lazily(() => dayOf(parts(Date.now())));
  for (const time of all("time[data-time]")) {
    const date = new Date(time.dateTime);
    const part = parts(date);
    const day = `${part.day} ${part.month} ${part.year}`;
    const minute = `${day}, ${part.hour}:${part.minute}`;
    const words = { ago: ago(date, dayOf(part) - today()), day, minute };
    Object.assign(time, { textContent: words[time.dataset.time], title: `${minute} ${part.timeZoneName}` });
  }
}

/* Selection in a table: everyone, a range with Shift, and how many. */
let last = null;
const boxes = (within) => all(".pick [name]", within);
const picked = (within) => boxes(within).filter((box) => box.checked).map((box) => box.value);
function count() {
  const [top, line, every] = [one("#select-all"), one("#bulk strong"), one("#all-found input")];
  const total = boxes().length;
  const ticked = every?.checked ? Number(every.value) : picked().length;
  if (line) line.textContent = `${ticked} ${ticked === 1 ? line.dataset.single : line.dataset.plural} selected`;
  if (top) Object.assign(top, { checked: ticked > 0 && ticked >= total, indeterminate: ticked > 0 && ticked < total });
}
click(".pick [name]", (box, event) => {
  const every = boxes();
  const range = event.shiftKey && last?.isConnected ? [every.indexOf(last), every.indexOf(box)].sort((a, b) => a - b) : [0, -1];
  for (const each of every.slice(range[0], range[1] + 1)) each.checked = box.checked;
  last = box;
  if (!box.checked) for (const all of found()) all.checked = false;
  count();
});
// Everybody on the page; everybody in the list, on its other pages too.
const found = () => all("#all-found input");
click("#select-all", (top) => { for (const box of [...boxes(), ...(top.checked ? [] : found())]) box.checked = top.checked; count(); });
click("#all-found input", (top) => { if (top.checked) for (const box of boxes()) box.checked = true; count(); });
on("reset", () => setTimeout(count));

/* Passwords: shown and hidden, and what of the rules is met so far. They are sent hidden, so that the browser can keep them. */
function show(button, visible) {
  document.getElementById(button.dataset.show).type = visible ? "text" : "password";
  button.ariaPressed = String(visible);
  one("[data-show-text]", button).textContent = visible ? "Hide" : "Show";
}
click("[data-show]", (button) => show(button, button.ariaPressed !== "true"));
on("input", ({ target }) => {
  for (const rule of all(`[data-rules="${CSS.escape(target.id)}"] [data-least]`)) rule.classList.toggle("met", [...target.value].length >= Number(rule.dataset.least));
  for (const note of target.form ? all("[data-known]", target.form) : []) {
    const typed = all("input:not([type=password], [type=hidden])", target.form).map((field) => field.value);
    const [password, [own, usual]] = [document.getElementById(note.dataset.of).value, all("p", note)];
    own.hidden = !madeOfKnown(password, [...typed, ...note.dataset.known.split("\n")]);
    usual.hidden = !own.hidden || !isUsual(password.normalize("NFKC"), note.dataset.usual.split(" "));
  }
});

/* Whether too little is left of a password without the words known of its owner. The server decides by the same steps, in
   db/known_words.py; the password leaves the browser only when it is sent. */
const signs = Object.fromEntries([..."0123456789@$!|+(€£"].map((sign, place) => [sign, "oizeasgtbgasiltcel"[place]]));
const plain = Object.fromEntries([..."ßøłđðıæœ"].map((sign, place) => [sign, "solddiao"[place]]));
const trimmings = /(?:19|20)\d\d|spring|summer|autumn|winter|fr(?:ü|ue)hling|fr(?:ü|ue)hjahr|sommer|herbst|january?|januar|february?|februar|march|m(?:ä|ae)rz|april|june|juni|july|juli|august|september|o[ck]tober|november|de[cz]ember/gi;
function fold(text, read = {}) {
  const [letters, spans] = [[], []];
  let last = "";
  for (const [place, sign] of text.entries()) for (const each of (plain[sign.toLowerCase()] ?? sign.toLowerCase()).normalize("NFKD")) {
    const letter = read[each] ?? each;
    if (!/\p{L}/u.test(letter)) continue;
    if (letter === last || (letter === "e" && /[aou]/.test(last))) spans.at(-1)[1] = place + 1;
    else letters.push(letter === "l" ? "i" : letter), spans.push([place, place + 1]), last = letter;
  }
  return { letters, spans };
}
function runsOf(about) {
  const runs = new Set();
  for (const text of about) {
    const words = (text.match(/[\p{L}\p{M}]+/gu) ?? []).map((word) => [...word]);
    const whole = words.some((word) => word.length < 3) ? [words.flat()] : [];
    const initials = /[@.]/.test(text) ? [] : [words.map(([initial]) => initial)];
    for (const { letters } of [...words, ...whole, ...initials].map((word) => fold(word))) {
      for (let at = 0; letters.length > 2 && at <= Math.max(letters.length - 5, 0); at++) runs.add(letters.slice(at, at + 5).join(""));
    }
  }
  return runs;
}
function madeOfKnown(password, about) {
  const [typed, runs, covered] = [[...password], runsOf(about), new Set()];
  const sizes = /\p{L}/u.test(password) ? [3, 4, 5] : [5]; // Three digits that could be read as a short name come up by chance.
  for (const backwards of [false, true]) for (const read of [signs, {}]) {
    const { letters, spans } = fold(backwards ? [...typed].reverse() : typed, read);
    for (const size of sizes) for (let at = 0; at + size <= letters.length; at++) if (runs.has(letters.slice(at, at + size).join(""))) {
      for (let place = spans[at][0]; place < spans[at + size - 1][1]; place++) covered.add(backwards ? typed.length - 1 - place : place);
    }
  }
  const left = typed.map((sign, place) => (covered.has(place) ? "\n" : sign)).join("").split("\n");
  const bare = left.map((piece) => piece.replace(trimmings, "").replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "")).join("");
  return covered.size > 0 && [...bare].length < 8;
}
/* Whether it is a usual word with the usual around it, or hardly more than years, seasons and months. The server knows more, in
   db/common_passwords.py, and says so when the password is sent. */
function isUsual(password, words) {
  const letters = (text) => fold([...text], signs).letters.join("");
  const [rest, usual] = [password.replace(trimmings, ""), new Set(words.map(letters))];
  const cores = [rest, rest.replace(/^[^\p{L}]+/u, "")].flatMap((core) => [core, core.replace(/[^\p{L}]+$/u, "")]);
  return (rest !== password && [...rest].length < 8) || cores.some((core) => usual.has(letters(core)));
}

/* Keys, menus, colours, zones. */
const instant = "select[hx-post], #filters select";
on("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  const plain = !ctrlKey && !metaKey && !altKey;
  const menu = key === "Escape" && target.closest?.("details.menu[open]");
  const search = key === "/" && plain && !target.closest("input, select, textarea, dialog") && one("#filters [type=search]");
  // A choice counts at once, and the keys of a closed drop-down would choose whatever they pass, Administrator too: they open its
  // list instead. A letter does nothing: the list would open without having heard it, and find somebody else by the next.
  const shut = plain && target.matches?.(instant) && target.showPicker;
  const list = shut && /^(Arrow|Home|End|Page|Enter)/.test(key);
  // Undo stands far from whoever works by keyboard.
  const undo = key === "z" && (ctrlKey || metaKey) && !event.shiftKey && !target.closest("input:not([type=checkbox]), textarea") && all(".toast form button").at(-1);
  if (menu) menu.open = false;
  if (undo) undo.click();
  if (list) target.showPicker();
  if (search || undo || list || (shut && /^\S$/.test(key))) event.preventDefault();
  (search || (menu && one("summary", menu)))?.focus?.();
});
on("click", ({ target }) => { for (const menu of all("details.menu[open]")) if (!menu.contains(target)) menu.open = false; });
on("change", ({ target }) => { if (target.matches("select[name=theme]")) root.dataset.theme = target.value; });
on("focusin", ({ target }) => { if (target.matches("[list=zones]")) one("#zones:empty")?.append(...Intl.supportedValuesOf("timeZone").map((name) => new Option(name, name))); });

/* A token stays in the form, not in the address bar; early.js brings it back if the page is loaded again. */
if (document.body.dataset.secret) {
  const address = new URL(location.href);
  // Also what a program made of its name: amp;token, token%3D.
  const secret = new RegExp(`^(amp;)*(${document.body.dataset.secret.replaceAll(" ", "|")})(=|$)`);
  for (const name of [...address.searchParams.keys()].filter((each) => secret.test(each))) address.searchParams.delete(name);
  if (address.search !== location.search) history.replaceState({ kept: location.search }, "", address.pathname + address.search);
  shown = here();
}
// What was chosen while the scripts were still on their way counts as well; htmx is ready before this is called.
on("DOMContentLoaded", () => {
  const early = ({ options }) => [...options].some((option) => option.selected !== option.defaultSelected);
  for (const select of all(instant).filter(early)) select.dispatchEvent(new Event("change", { bubbles: true }));
});

// A page that tells what has just been done goes on where its content begins.
if (toasts && one(".toast", toasts) && document.activeElement === document.body && !one("[autofocus]")) focusOn(one("main"));

setTimeout(refresh); // Not at once: what is there already may be painted first.
count();
setInterval(refresh, 60000);
