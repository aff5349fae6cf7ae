// Passwords: shown and hidden, and what of the rules is met so far. They are sent hidden, so that the browser
// can keep them.

function show(button, visible) {
  document.getElementById(button.dataset.show).type = visible ? "text" : "password";
  button.ariaPressed = String(visible);
  one("[data-show-text]", button).textContent = visible ? "Hide" : "Show";
}

click("[data-show]", (button) => show(button, button.ariaPressed !== "true"));

on("input", ({ target }) => {
  for (const rule of all(`[data-rules="${CSS.escape(target.id)}"] [data-least]`)) {
    rule.classList.toggle("met", [...target.value].length >= Number(rule.dataset.least));
  }
  for (const note of target.form ? all("[data-known]", target.form) : []) {
    const typed = all("input:not([type=password], [type=hidden])", target.form).map((field) => field.value);
    const [password, [own, usual]] = [document.getElementById(note.dataset.of).value, all("p", note)];
    own.hidden = !madeOfKnown(password, [...typed, ...note.dataset.known.split("\n")]);
    usual.hidden = !own.hidden || !isUsual(password.normalize("NFKC"), note.dataset.usual.split(" "));
  }
});
