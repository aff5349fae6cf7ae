// Tabs. Arrow keys move between them, as in every tab list.

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
  const next = {
    ArrowRight: tabs[(index + 1) % tabs.length],
    ArrowLeft: tabs.at(index - 1),
    Home: tabs[0],
    End: tabs.at(-1),
  }[event.key];
  if (next) {
    event.preventDefault();
    choose(next);
  }
});
