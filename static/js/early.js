// Runs before the first paint, so that nothing jumps: the style sheet shows what needs a script, and hides
// what only needs doing without one.
document.documentElement.classList.add("js");
if (navigator.share) document.documentElement.classList.add("can-share");

// If our script can't be loaded, the page must not pretend: it becomes the page without JavaScript again.
addEventListener("error", (event) => {
  if (event.target instanceof HTMLScriptElement) document.documentElement.classList.remove("js");
}, true);

// secret.js takes a token out of the address bar and leaves it in this history entry. A page that is loaded
// again (phones drop pages from memory) needs it back, or the link somebody was sent would seem to be lost.
const kept = history.state?.kept;
if (kept && location.search !== kept) location.replace(location.pathname + kept);
