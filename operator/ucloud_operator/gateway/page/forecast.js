// What a wallet has at this moment. Its numbers are published about once a minute; between two publications they follow
// from when that was and from the rate.

/** What was spent since the numbers were published, if nobody but this workspace's jobs spends. */
function spentSince({ meteredAt, ratePerMinute }, now) {
  if (meteredAt === null) return 0n;
  return (BigInt(ratePerMinute) * BigInt(Math.max(0, now - meteredAt))) / 60_000n;
}

/** What can still be used by now. */
export function usableAt(forecast, now) {
  if (forecast.locked || isOver(forecast, now)) return 0n;
  const left = BigInt(forecast.maxUsable) - spentSince(forecast, now);
  return left > 0n ? left : 0n;
}

/** What was used by now, of all that was granted. */
export function usedAt(wallet, forecast, now) {
  const spent = BigInt(forecast.maxUsable) - usableAt(forecast, now);
  const least = spentSince(forecast, now);
  return BigInt(wallet.totalUsage) + (spent < least ? spent : least);
}

/** Whether the instant at which the credits end has passed. */
export function isOver({ exhaustsAt }, now) {
  return exhaustsAt !== null && exhaustsAt <= now;
}

/** Whether it is an allocation's end, and not the spending, that ends the credits. */
export function isExpiry(wallet, { exhaustsAt }) {
  const groups = wallet.allocationGroups.map(({ group }) => group);
  return groups.some(({ allocations }) => allocations.some(({ endDate }) => endDate === exhaustsAt));
}

/** What is lost at the end of the credits: what can be used now, less what is spent until then. */
export function lostAtEnd(wallet, forecast, now) {
  if (!isExpiry(wallet, forecast)) return 0n;
  const spent = (BigInt(forecast.ratePerMinute) * BigInt(Math.max(0, forecast.exhaustsAt - now))) / 60_000n;
  const left = usableAt(forecast, now) - spent;
  return left > 0n ? left : 0n;
}
