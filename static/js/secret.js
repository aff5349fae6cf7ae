// A token stays in the form, not in the address bar; early.js brings it back if the page is loaded again.

if (document.body.dataset.secret) {
  const address = new URL(location.href);
  // Also what a program made of its name: amp;token, token%3D.
  const secret = new RegExp(`^(amp;)*(${document.body.dataset.secret.replaceAll(" ", "|")})(=|$)`);
  for (const name of [...address.searchParams.keys()].filter((each) => secret.test(each))) {
    address.searchParams.delete(name);
  }
  if (address.search !== location.search) {
    history.replaceState({ kept: location.search }, "", address.pathname + address.search);
  }
  shown = here();
}
