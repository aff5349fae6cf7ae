// Times: the server writes them in UTC; here they become the reader's own, near ones in words, exact ones on
// hover.

// The first Intl costs a browser as much as all else here.
const lazily = (make) => {
  let made;
  return () => (made ??= make());
};
const relative = lazily(() => new Intl.RelativeTimeFormat("en", { numeric: "auto" }));
const shape = {
  hourCycle: "h23",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
};
const within = (timeZone) => new Intl.DateTimeFormat("en-US", { ...shape, timeZone });
// A zone of the account may be one that this browser doesn't know: its own will do.
const clock = lazily(() => {
  try {
    return within(root.dataset.zone);
  } catch {
    return within();
  }
});
const parts = (date) =>
  Object.fromEntries(clock().formatToParts(date).map(({ type, value }) => [type, value]));
const dayOf = ({ day, month, year }) => Date.parse(`${day} ${month} ${year} UTC`) / 86400000;

function ago(date, days) {
  const minutes = Math.trunc((date - Date.now()) / 60000);
  const units = [
    [60, minutes, "minute"],
    [24, minutes / 60, "hour"],
    [14, days, "day"],
    [9, days / 7, "week"],
    [24, days / 30.4, "month"],
    [Infinity, days / 365.25, "year"],
  ];
  const [, amount, unit] = units.find(([below, value]) => Math.abs(value) < below);
  return minutes === 0 ? "just now" : relative().format(Math.trunc(amount), unit);
}

function refresh() {
  for (const zone of all("input[name=zone]")) zone.value ||= clock().resolvedOptions().timeZone;
  const today = lazily(() => dayOf(parts(Date.now())));
  for (const time of all("time[data-time]")) {
    const date = new Date(time.dateTime);
    const part = parts(date);
    const day = `${part.day} ${part.month} ${part.year}`;
    const minute = `${day}, ${part.hour}:${part.minute}`;
    const words = { ago: ago(date, dayOf(part) - today()), day, minute };
    Object.assign(time, { textContent: words[time.dataset.time], title: `${minute} ${part.timeZoneName}` });
  }
}
