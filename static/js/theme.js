// The account's colours are shown as they are chosen; its zones are listed once somebody asks for them.

on("change", ({ target }) => {
  if (target.matches("select[name=theme]")) root.dataset.theme = target.value;
});
on("focusin", ({ target }) => {
  if (target.matches("[list=zones]")) {
    one("#zones:empty")?.append(...Intl.supportedValuesOf("timeZone").map((name) => new Option(name, name)));
  }
});
