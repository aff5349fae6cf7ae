// Gatehouse in the browser. Every page works without these scripts; they only make things feel instant.
// The files are joined in the order that handlers/http/static.py states, and share one scope.
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
