// Selection in a table: everyone, a range with Shift, and how many.

let last = null;
const boxes = (within) => all(".pick [name]", within);
const picked = (within) => boxes(within).filter((box) => box.checked).map((box) => box.value);

function count() {
  const [top, line, every] = [one("#select-all"), one("#bulk strong"), one("#all-found input")];
  const total = boxes().length;
  const ticked = every?.checked ? Number(every.value) : picked().length;
  if (line) {
    line.textContent = `${ticked} ${ticked === 1 ? line.dataset.single : line.dataset.plural} selected`;
  }
  if (top) {
    Object.assign(top, {
      checked: ticked > 0 && ticked >= total,
      indeterminate: ticked > 0 && ticked < total,
    });
  }
}

click(".pick [name]", (box, event) => {
  const every = boxes();
  const range = event.shiftKey && last?.isConnected
    ? [every.indexOf(last), every.indexOf(box)].sort((a, b) => a - b)
    : [0, -1];
  for (const each of every.slice(range[0], range[1] + 1)) each.checked = box.checked;
  last = box;
  if (!box.checked) for (const all of found()) all.checked = false;
  count();
});

// Everybody on the page; everybody in the list, on its other pages too.
const found = () => all("#all-found input");
click("#select-all", (top) => {
  for (const box of [...boxes(), ...(top.checked ? [] : found())]) box.checked = top.checked;
  count();
});
click("#all-found input", (top) => {
  if (top.checked) for (const box of boxes()) box.checked = true;
  count();
});
on("reset", () => setTimeout(count));
