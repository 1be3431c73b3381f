// Amounts are BigInts of the category's smallest unit. People see them in the unit that the category says, as UCloud
// shows them: millionths where it is a currency, and hours where the unit is multiplied by time.

const HOURS = { PERIODIC_MINUTE: [1n, 60n], PERIODIC_HOUR: [1n, 1n], PERIODIC_DAY: [24n, 1n] };
const MOST_DECIMALS = 6n;
const grouped = new Intl.NumberFormat("en");

/** How many smallest units one shown unit is, as a fraction. */
function scale({ accountingUnit: unit, accountingFrequency }) {
  const [over, under] = unit.displayFrequencySuffix ? HOURS[accountingFrequency] : [1n, 1n];
  return { over, under: under * (unit.floatingPoint ? 1_000_000n : 1n) };
}

/** The unit's name, such as DKK or Core-hours. */
export function unitOf(category) {
  const unit = category.accountingUnit;
  return unit.displayFrequencySuffix ? `${unit.name}-hours` : unit.namePlural;
}

/** An amount as a number with its unit, such as "499.10 DKK"; what doesn't fit is cut off, not rounded up. */
export function show(amount, category) {
  return `${number(BigInt(amount), category)} ${unitOf(category)}`;
}

/** An amount as a number. Below one unit it has up to six decimals, else two. */
export function number(amount, category) {
  const { over, under } = scale(category);
  const whole = (amount * over) / under;
  const decimals = whole === 0n ? MOST_DECIMALS : 2n;
  const rest = (((amount * over) % under) * 10n ** decimals) / under;
  if (rest === 0n) return grouped.format(whole);
  const digits = rest.toString().padStart(Number(decimals), "0").replace(/0+$/, "").padEnd(2, "0");
  return `${grouped.format(whole)}.${digits}`;
}

/** The amount that somebody wrote, in smallest units; an Error with a sentence if it isn't one. */
export function read(text, category) {
  const [, whole, decimals = ""] = /^(\d+)(?:\.(\d+))?$/.exec(text.replaceAll(/[\s_']/g, "")) ?? [];
  if (whole === undefined) throw new Error("Write the amount in digits, with a dot before decimals, such as 1500.50.");
  const { over, under } = scale(category);
  const divisor = 10n ** BigInt(decimals.length) * over;
  const units = BigInt(whole + decimals) * under;
  if (units % divisor !== 0n) throw new Error("The amount has more decimals than there are units.");
  if (units === 0n) throw new Error("The amount must be more than zero.");
  return units / divisor;
}
