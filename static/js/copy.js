// Copy, and say truthfully what happened. Over plain http there is no clipboard to write to: then the field
// is selected, and only if the browser took the text (its copy event came, and it says so) is that called
// copied.

async function copied(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    let taken = false;
    field.focus();
    field.select();
    field.addEventListener("copy", () => {
      taken = true;
    }, { once: true });
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
click("[data-share]", ({ dataset }) =>
  navigator.share({
    title: dataset.title,
    url: document.getElementById(dataset.share).value,
  }).catch(() => {}));
