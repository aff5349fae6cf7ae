(() => {
  // What a careful eye finds on a page, one line each; asked by test_everywhere.py.
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const name = (element) => element.outerHTML.replace(/\s+/g, " ").slice(0, 110);
  const seen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });

  function markup() {
    const ids = all("[id]").map((element) => element.id);
    const twice = ids
      .filter((id, index) => ids.indexOf(id) !== index)
      .map((id) => `id ${id} stands there twice`);
    const pointers = [
      "aria-describedby", "aria-labelledby", "aria-controls", "for", "form", "list", "popovertarget",
    ];
    const lost = pointers.flatMap((pointer) => all(`[${pointer}]`).flatMap((element) =>
      element.getAttribute(pointer).split(" ").filter((id) => !document.getElementById(id))
        .map((id) => `${pointer}=${id} leads nowhere: ${name(element)}`)));
    const controls = all("input:not([type=hidden], [aria-hidden]), select, textarea");
    const labelled = ({ ariaLabel, labels }) =>
      ariaLabel || [...labels].some((label) => label.textContent.trim());
    const unnamed = controls
      .filter((control) => !labelled(control))
      .concat(all("a[href], button").filter((element) => !element.textContent.trim()));
    const h1 = all("h1").length;
    const tables = all("table")
      .filter((table) => !table.caption?.textContent.trim())
      .map((table) => `without a caption: ${name(table)}`);
    const heads = all("table th")
      .filter((cell) => cell.scope !== (cell.closest("thead") ? "col" : "row"))
      .map((cell) => `without its scope: ${name(cell)}`);
    return [
      ...twice,
      ...lost,
      ...unnamed.map((control) => `without a name: ${name(control)}`),
      ...tables,
      ...heads,
      ...(document.title.trim() ? [] : ["no title"]),
      ...(h1 > 1 ? [`${h1} main headings`] : []),
    ];
  }

  // Nothing scrolls sideways, neither the page nor a part of it, and no cell of a table runs into the next.
  function sideways() {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const scrolls = (element) =>
      element.matches(".table td, .table th")
      || /auto|scroll|hidden/.test(getComputedStyle(element).overflowX);
    const parts = all("body *").filter((element) =>
      element.scrollWidth > element.clientWidth + 1
      && seen(element)
      && !element.matches("input, select, .visually-hidden, .skip, .table thead *, .table thead")
      && scrolls(element));
    return [
      ...(wide > 0 ? [`the page is ${wide} px too wide: ${culprit()}`] : []),
      ...parts.map((part) => `too wide: ${name(part)}`),
    ];
  }

  function culprit() {
    const edge = document.documentElement.clientWidth;
    return all("body *")
      .filter((element) => seen(element) && element.getBoundingClientRect().right > edge + 0.5)
      .map(name)
      .at(-1);
  }

  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const linear = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

  function behind(element) {
    for (let each = element; each; each = each.parentElement) {
      const [r, g, b, alpha = 1] = channels(getComputedStyle(each).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  }

  function ratio(color, element) {
    const [light, dark] = [luminance(channels(color)), luminance(behind(element))].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }

  function faint() {
    const written = all("body *").filter((element) =>
      seen(element) && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    const pairs = written.map((element) => [element, getComputedStyle(element).color])
      .concat(all("[placeholder]").map((field) => [field, getComputedStyle(field, "::placeholder").color]));
    return pairs.map(([element, color]) => [ratio(color, element), element]).filter(([value]) => value < 4.5)
      .map(([value, element]) => `contrast ${value.toFixed(2)}: ${name(element)}`);
  }

  function small() {
    const fields = "input:not([type=checkbox], [type=radio], [type=hidden], [aria-hidden])";
    const touched = all(`.btn, button, select, ${fields}, summary, .check, .letterhead a`);
    return touched
      .filter((element) =>
        seen(element)
        && getComputedStyle(element).clipPath === "none"
        && element.getBoundingClientRect().height < 43.5)
      .map((element) => `only ${element.getBoundingClientRect().height} px high: ${name(element)}`);
  }

  const large = () =>
    getComputedStyle(document.documentElement).fontSize === "32px" ? [] : ["the text isn't large"];

  return { markup, sideways, faint, small, large };
})()
