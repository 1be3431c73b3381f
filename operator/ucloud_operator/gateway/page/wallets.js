// A card per wallet: what is left, and until when.

import { show, unitOf } from "./amounts.js";
import { Burndown } from "./burndown.js";
import { button, element, put } from "./elements.js";
import { isExpiry, isOver, lostAtEnd, usableAt, usedAt } from "./forecast.js";
import { length, when } from "./instants.js";

/** What identifies a category. */
export function categoryKey({ name, provider }) {
  return JSON.stringify([name, provider]);
}

/** The sentence under the picture: it says the same to those who can't see that. */
export function outlook(wallet, forecast, now) {
  const category = wallet.paysFor;
  const left = usableAt(forecast, now);
  if (category.freeToUse) return "Free to use: jobs are counted and never stopped for lack of credits.";
  if (forecast.blocked) return `Can't be used: ${forecast.blocked}`;
  if (forecast.locked) return `Nothing left: ${forecast.message ?? "the wallet is locked"}.`;
  if (isOver(forecast, now)) return "Nothing left: the credits have just run out.";
  const rate = BigInt(forecast.ratePerMinute);
  const end = forecast.exhaustsAt;
  const how = end !== null && isExpiry(wallet, forecast) ? "when its allocation ends" : `in ${length(end - now)}`;
  const until = end === null ? "no end in sight" : `lasts until ${when(end, now)}, ${how}`;
  if (rate > 0n) return `${show(left, category)} left at ${show(rate, category)} per minute: ${until}.`;
  if (end === null) return `${show(left, category)} left, and nothing is being spent.`;
  return `${show(left, category)} left, and wallets that share it are spending: ${until}.`;
}

export class WalletCard {
  #wallet = null;
  #forecast = null;
  #wasLocked = null;
  #badge = element("span", { class: "badge" }, "Locked");
  #left = element("b");
  #of = element("p", { class: "of" });
  #ends = element("p", { class: "ends", "aria-hidden": "true" });
  #from = element("span");
  #to = element("span");

  /** `acts` has what the buttons do, `say` tells people what changed. */
  constructor({ paysFor }, number, acts, say) {
    const titleId = `wallet-${number}-title`;
    const captionId = `wallet-${number}-outlook`;
    this.say = say;
    this.burndown = new Burndown(captionId);
    this.caption = element("figcaption", { id: captionId });
    this.topUp = button("Top up", () => acts.topUp(this.#wallet.paysFor));
    this.give = button("Give to another workspace", () => acts.give(this.#wallet.paysFor));
    this.#ends.append(this.#from, this.#to);
    this.picture = element("div", {}, this.burndown.node, this.#ends);
    this.node = element(
      "article",
      { "aria-labelledby": titleId },
      element(
        "div",
        { class: "title" },
        element("h3", { id: titleId }, paysFor.name, element("small", {}, ` ${paysFor.provider}`)),
        this.#badge,
      ),
      element("p", { class: "left" }, this.#left, ` ${unitOf(paysFor)} left`),
      this.#of,
      element("figure", {}, this.picture, this.caption),
      element("div", { class: "actions" }, this.topUp, this.give),
    );
    this.unit = unitOf(paysFor);
  }

  update({ wallet, forecast, may }) {
    this.#wallet = wallet;
    this.#forecast = forecast;
    this.topUp.hidden = !(may.changeWallets && may.mint);
    this.give.hidden = !(may.fund && wallet.paysFor.allowSubAllocations);
    if (this.#wasLocked !== null && this.#wasLocked !== forecast.locked) {
      const name = wallet.paysFor.name;
      this.say(forecast.locked ? `${name}: the credits are used up.` : `${name}: there are credits again.`);
    }
    this.#wasLocked = forecast.locked;
    this.tick(Date.now());
  }

  /** Show it as of now. */
  tick(now) {
    const [wallet, forecast] = [this.#wallet, this.#forecast];
    const category = wallet.paysFor;
    const left = usableAt(forecast, now);
    const name = ` ${this.unit}`;
    put(this.#left, show(left, category).slice(0, -name.length));
    put(this.#of, `${show(usedAt(wallet, forecast, now), category)} used of ${show(wallet.quota, category)}`);
    put(this.caption, outlook(wallet, forecast, now));
    this.#badge.hidden = !forecast.locked;
    this.node.classList.toggle("locked", forecast.locked);
    const [start, end] = this.burndown.draw(
      now,
      left,
      left > 0n ? forecast.exhaustsAt : null,
      lostAtEnd(wallet, forecast, now),
    );
    this.picture.hidden = this.burndown.isEmpty;
    put(this.#from, when(start, now));
    put(this.#to, forecast.exhaustsAt === null ? "" : when(end, now));
  }
}
