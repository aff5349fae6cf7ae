// A page is left without its edits only after a question. A form may say itself that it holds some
// (data-unsaved="yes").

let sending = false;

const differs = (field) => {
  if (field.matches("select")) {
    return field.value !== (one("option[selected]", field) ?? field.options[0])?.value;
  }
  return field.matches("[type=checkbox], [type=radio]")
    ? field.checked !== field.defaultChecked
    : field.value !== field.defaultValue;
};
const edited = (form) =>
  form.dataset.unsaved
  || [...form.elements].some((field) =>
    field.matches("input:not([type=hidden]), select, textarea") && differs(field));

addEventListener("beforeunload", (event) => {
  if (!sending && all("form[data-unsaved]").some(edited)) event.preventDefault();
});

function send(form) {
  if (!form?.matches("[data-unsaved]")) return;
  sending = true;
  setTimeout(() => {
    sending = false;
  }, 5000);
}

on("submit", (event) => event.defaultPrevented || send(event.target));
on("htmx:beforeOnLoad", ({ detail: { elt, xhr } }) => {
  if (xhr.getResponseHeader("HX-Redirect")) send((elt.closest("#anew") ? asked.elt : elt).closest("form"));
});
