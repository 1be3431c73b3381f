// Instants are unix milliseconds; people see them in their own time zone.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365.25 * DAY;

const withSeconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** An instant, as exactly as matters from here: 14:05:10, 14:05, 3 Dec 14:05 or 3 Dec 2031. */
export function when(at, now = Date.now()) {
  const away = Math.abs(at - now);
  if (away < HOUR) return withSeconds.format(at);
  if (day.format(at) === day.format(now) && away < DAY) return clock.format(at);
  if (away < 300 * DAY) return `${day.format(at)} ${clock.format(at)}`;
  return date.format(at);
}

/** An instant to the second. */
export function second(at) {
  return `${day.format(at)} ${withSeconds.format(at)}`;
}

/** A length of time in its two largest units, such as 2 h 5 min. */
export function length(milliseconds) {
  if (milliseconds >= 2 * YEAR) return `${Math.floor(milliseconds / YEAR)} years`;
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** What a field for a local time takes. */
export function forField(at) {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
