// An entry per job, with what can be done about it, and the whole story of the one that is open.

import { show } from "./amounts.js";
import { button, element, put } from "./elements.js";
import { length, second, when } from "./instants.js";

const STATES = {
  IN_QUEUE: "In queue",
  RUNNING: "Running",
  SUSPENDED: "Suspended",
  SUCCESS: "Ended",
  EXPIRED: "Expired",
  FAILURE: "Failed",
};
const FINAL = new Set(["SUCCESS", "EXPIRED", "FAILURE"]);

export function isFinal(job) {
  return FINAL.has(job.status.state);
}

/** What people call a job. */
export function nameOf(job) {
  return job.specification.name || job.id;
}

function times({ hours, minutes, seconds }) {
  return length(((hours * 60 + minutes) * 60 + seconds) * 1000);
}

function lastOf(updates) {
  return updates.at(-1)?.timestamp ?? 0;
}

export class JobCard {
  #job = null;
  #cost = null;
  #category = null;
  #may = {};
  #updates = [];
  #follower = null;
  #isOpen = false;
  #name = element("span");
  #badge = element("span", { class: "badge" });
  #what = element("p", { class: "what" });
  #paid = element("p", { class: "paid" });
  #latest = element("p", { class: "latest" });

  /** `follow(id, hear)` follows a job and returns what ends that; `acts` has what the buttons do. */
  constructor(job, acts, say, follow) {
    const titleId = `job-${job.id}`;
    const storyId = `story-${job.id}`;
    Object.assign(this, { say, follow });
    this.story = element("ol", { class: "updates" });
    this.facts = element("dl");
    this.details = element("div", { class: "details", id: storyId }, this.story, this.facts);
    this.details.hidden = true;
    this.toggle = button("Details", () => this.#open(!this.#isOpen));
    this.toggle.setAttribute("aria-controls", storyId);
    this.toggle.setAttribute("aria-expanded", "false");
    this.stop = button("Stop", () => acts.stop(this.#job));
    this.suspend = button("Suspend", () => acts.suspend(this.#job));
    this.resume = button("Resume", () => acts.resume(this.#job));
    this.extend = button("Extend", () => acts.extend(this.#job));
    const buttons = [this.toggle, this.stop, this.suspend, this.resume, this.extend];
    for (const each of buttons) each.setAttribute("aria-describedby", titleId);
    this.node = element(
      "li",
      {},
      element("div", { class: "title" }, element("h3", { id: titleId }, this.#name), this.#badge),
      this.#what,
      this.#paid,
      this.#latest,
      element("div", { class: "actions" }, ...buttons),
      this.details,
    );
  }

  /** Show what the list says; the stream may have said something newer. */
  update({ job, cost, category, may }) {
    this.#cost = cost ?? this.#cost;
    this.#category = category;
    this.#may = may;
    this.#show(lastOf(job.updates) < lastOf(this.#updates) ? { ...job, status: this.#job.status } : job);
  }

  #show(job) {
    const { state } = job.status;
    const before = this.#job?.status.state ?? state;
    this.#job = job;
    this.#hear(job.updates);
    if (before !== state) this.say(`${nameOf(job)}: ${STATES[state]}. ${this.#updates.at(-1)?.status ?? ""}`);
    put(this.#name, nameOf(job));
    put(this.#badge, STATES[state]);
    this.#badge.className = `badge ${state.toLowerCase()}`;
    const allowed = this.#may.changeJobs && !isFinal(job);
    this.stop.hidden = !allowed;
    this.suspend.hidden = !allowed || state === "SUSPENDED";
    this.resume.hidden = !allowed || state !== "SUSPENDED";
    this.extend.hidden = !allowed || job.specification.timeAllocation === null;
    this.#describe();
    this.tick(Date.now());
  }

  /** Show it as of now. */
  tick(now) {
    const { specification, status, createdAt } = this.#job;
    const { application, product, replicas } = specification;
    const began = this.#updates.findLast((each) => each.state === "RUNNING")?.timestamp ?? status.startedAt;
    const since = status.state === "RUNNING" ? `running since ${when(began, now)}` : `created ${when(createdAt, now)}`;
    const count = replicas === 1 ? "" : ` × ${replicas}`;
    const until =
      status.state === "RUNNING" && status.expiresAt !== null ? `, ends at ${when(status.expiresAt, now)} at the latest` : "";
    put(this.#what, `${application.name} ${application.version} on ${product.id}${count}, ${since}${until}`);
    put(this.#paid, this.#price(now));
    const last = this.#updates.findLast((each) => each.status);
    put(this.#latest, last ? `${when(last.timestamp, now)} ${last.status}` : (this.#cost?.message ?? ""));
  }

  /** It is no longer listed. */
  gone() {
    this.#follower?.();
  }

  #price(now) {
    if (!this.#cost || !this.#category) return "";
    const rate = BigInt(this.#cost.ratePerMinute);
    const since = BigInt(Math.max(0, now - this.#cost.at));
    const used = BigInt(this.#cost.usage) + (isFinal(this.#job) ? 0n : (rate * since) / 60_000n);
    const pace = rate > 0n && !isFinal(this.#job) ? `, ${show(rate, this.#category)} per minute` : "";
    return `${show(used, this.#category)} used${pace}`;
  }

  #open(isOpen) {
    this.#isOpen = isOpen;
    this.details.hidden = !isOpen;
    this.toggle.setAttribute("aria-expanded", String(isOpen));
    this.#follower?.();
    this.#follower = isOpen && !isFinal(this.#job) ? this.follow(this.#job.id, (message) => this.#told(message)) : null;
  }

  /** Hear a message of the stream: the whole job at first, what is new after that. */
  #told({ updates, newStatus, initialJob }) {
    this.#hear(updates);
    if (initialJob) this.#show(initialJob);
    else this.#show(newStatus ? { ...this.#job, status: { ...this.#job.status, ...newStatus } } : this.#job);
  }

  /** Take in updates, each once: the list and the stream tell the same ones. */
  #hear(updates) {
    const known = new Set(this.#updates.map((each) => JSON.stringify(each)));
    const fresh = updates.filter((each) => {
      const key = JSON.stringify(each);
      return !known.has(key) && known.add(key);
    });
    if (fresh.length === 0) return;
    this.#updates = [...this.#updates, ...fresh].sort((one, other) => one.timestamp - other.timestamp);
    this.story.replaceChildren(
      ...this.#updates.map(({ timestamp, state, status }) => {
        const time = element("time", { datetime: new Date(timestamp).toISOString() }, second(timestamp));
        return element("li", {}, time, " ", status ?? STATES[state] ?? "");
      }),
    );
  }

  #describe() {
    const { id, owner, specification, createdAt } = this.#job;
    const { application, product, timeAllocation } = specification;
    const facts = [
      ["Id", id],
      ["By", owner.createdBy],
      ["Created", second(createdAt)],
      ["Application", `${application.name} ${application.version}`],
      ["Product", `${product.id} of ${product.provider}, paid by ${product.category}`],
      ["Time", timeAllocation ? times(timeAllocation) : "as long as there are credits"],
    ];
    if (this.#cost?.message && this.#cost.message !== this.#updates.at(-1)?.status) {
      facts.push(["Reason", this.#cost.message]);
    }
    const told = JSON.stringify(facts);
    if (this.facts.dataset.told === told) return;
    this.facts.dataset.told = told;
    this.facts.replaceChildren(...facts.flatMap(([term, fact]) => [element("dt", {}, term), element("dd", {}, fact)]));
  }
}
