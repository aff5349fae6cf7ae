// The focus is never lost: what can't take it, since it is gone or out of sight, leaves it to the next.

const seen = (element) =>
  element?.isConnected && element.checkVisibility?.() !== false && element.getClientRects().length > 0;

function focusOn(...candidates) {
  const next = candidates.find(seen);
  if (!next) return;
  // What isn't a control can take the focus only so, and nothing scrolls to it.
  const whole = next.tabIndex < 0;
  if (whole) next.tabIndex = -1;
  next.focus({ preventScroll: whole });
}
