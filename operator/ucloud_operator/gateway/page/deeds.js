// What people do here: start, stop, suspend, resume and extend jobs; top up wallets and give from them.

import { read, show, unitOf } from "./amounts.js";
import { Dialog } from "./dialogs.js";
import { byId, element, put } from "./elements.js";
import { Written } from "./exact.js";
import { forField } from "./instants.js";
import { nameOf } from "./jobs.js";
import { categoryKey } from "./wallets.js";

const YEAR = 365 * 24 * 3_600_000;
const PERIODS = { PERIODIC_MINUTE: "minute", PERIODIC_HOUR: "hour", PERIODIC_DAY: "day" };
const ALL = "itemsPerPage=1000";

const whole = (id) => Number(byId(id).value || 0);

export class Deeds {
  #gateway;
  #done;
  #categories = new Map();
  #best = "";
  #products = [];
  #dialogs = Object.fromEntries(
    ["start", "stop", "extend", "grant"].map((name) => [name, new Dialog(`${name}-dialog`)]),
  );

  /** `done(sentence)` is called after each deed. */
  constructor(done) {
    this.#done = done;
    for (const each of ["start-category", "start-product", "start-replicas"]) {
      byId(each).addEventListener("input", () => this.#priceStart());
    }
    byId("start-category").addEventListener("input", () => this.#offerProducts());
  }

  /** Act as somebody, or as nobody any more. */
  act(gateway) {
    this.#gateway = gateway;
    this.#products = [];
    for (const each of Object.values(this.#dialogs)) each.close();
  }

  /** Know what the workspace's wallets pay for. */
  know(wallets) {
    this.#categories = new Map(wallets.map(({ paysFor }) => [categoryKey(paysFor), paysFor]));
    const best = wallets.find(({ maxUsable }) => BigInt(maxUsable) > 0n) ?? wallets[0];
    this.#best = best ? categoryKey(best.paysFor) : "";
  }

  async start() {
    this.#dialogs.start.open(() => this.#sendStart());
    const categories = [...this.#categories].map(([key, each]) => choice(key, `${each.name} of ${each.provider}`));
    byId("start-category").replaceChildren(...categories);
    byId("start-category").value = this.#best;
    try {
      const [applications, products] = await Promise.all([
        this.#gateway.get(`applications/browse?${ALL}`),
        this.#gateway.get(`products/v2/browse?${ALL}`).catch(() => ({ items: [] })), // then it is written by hand
      ]);
      byId("start-application").replaceChildren(
        ...applications.items.map(({ metadata: { name, version, title } }) =>
          choice(JSON.stringify({ name, version }), `${title} ${version}`),
        ),
      );
      this.#products = products.items;
    } catch (error) {
      this.#dialogs.start.trouble.hidden = false;
      put(this.#dialogs.start.trouble, error.message);
    }
    this.#offerProducts();
  }

  #offerProducts() {
    const category = byId("start-category").value;
    const offered = this.#products.filter((each) => categoryKey(each.category) === category);
    byId("start-products").replaceChildren(
      ...offered.map(({ name, description }) => element("option", { value: name }, description || name)),
    );
    if (offered.length > 0 && !offered.some(({ name }) => name === byId("start-product").value)) {
      byId("start-product").value = offered[0].name;
    }
    this.#priceStart();
  }

  #priceStart() {
    const category = this.#categories.get(byId("start-category").value);
    const product = this.#products.find(
      (each) => each.name === byId("start-product").value && categoryKey(each.category) === byId("start-category").value,
    );
    const replicas = whole("start-replicas");
    if (!product || !category || !Number.isInteger(replicas)) return put(byId("start-price"), "");
    const cost = show(BigInt(product.price) * BigInt(replicas), category);
    const sentence = `${cost} per ${PERIODS[category.accountingFrequency]}`;
    return put(byId("start-price"), product.description ? `${product.description}. ${sentence}` : sentence);
  }

  async #sendStart() {
    const { name: category, provider } = this.#categories.get(byId("start-category").value);
    const [hours, minutes] = [whole("start-hours"), whole("start-minutes")];
    const parameters = byId("start-parameters").value.trim();
    let written;
    try {
      written = parameters ? new Written(parameters) : undefined;
    } catch {
      throw new Error("The parameters aren't JSON.");
    }
    const name = byId("start-name").value.trim();
    const { responses } = await this.#gateway.post("jobs", {
      application: JSON.parse(byId("start-application").value),
      product: { id: byId("start-product").value.trim(), category, provider },
      replicas: whole("start-replicas"),
      name: name || undefined,
      timeAllocation: hours || minutes ? { hours, minutes, seconds: 0 } : undefined,
      parameters: written,
    });
    byId("start-name").value = "";
    this.#done(`${name || responses[0].id} is being started.`);
  }

  stop(job) {
    this.#dialogs.stop.name("name", nameOf(job));
    this.#dialogs.stop.open(async () => {
      await this.#gateway.post("jobs/terminate", { id: job.id });
      this.#done(`${nameOf(job)} is being stopped.`);
    });
  }

  async suspend(job) {
    await this.#gateway.post("jobs/suspend", { id: job.id });
    this.#done(`${nameOf(job)} is being suspended.`);
  }

  async resume(job) {
    await this.#gateway.post("jobs/unsuspend", { id: job.id });
    this.#done(`${nameOf(job)} is to go on.`);
  }

  extend(job) {
    this.#dialogs.extend.name("name", nameOf(job));
    this.#dialogs.extend.open(async () => {
      const requestedTime = { hours: whole("extend-hours"), minutes: whole("extend-minutes"), seconds: 0 };
      await this.#gateway.post("jobs/extend", { jobId: job.id, requestedTime });
      this.#done(`${nameOf(job)} has more time.`);
    });
  }

  topUp(category) {
    this.#grant("Top up", category, "rootAllocate", () => ({}));
  }

  give(category) {
    this.#grant("Give", category, "subAllocate", () => {
      const receiver = byId("grant-receiver").value.trim();
      const isUser = byId("grant-kind").value === "user";
      return { owner: isUser ? { type: "user", username: receiver } : { type: "project", projectId: receiver } };
    });
  }

  #grant(what, category, call, receiver) {
    const dialog = this.#dialogs.grant;
    const { name, provider } = category;
    dialog.name("what", what);
    dialog.name("name", name);
    dialog.name("unit", unitOf(category));
    dialog.form.querySelector("[data-receiver]").hidden = call === "rootAllocate";
    byId("grant-receiver").required = call !== "rootAllocate";
    byId("grant-amount").value = "";
    const now = Date.now();
    byId("grant-start").value = forField(now);
    byId("grant-end").value = forField(now + YEAR);
    dialog.open(async () => {
      const quota = read(byId("grant-amount").value, category);
      const [start, end] = ["grant-start", "grant-end"].map((id) => new Date(byId(id).value).getTime());
      if (end <= start) throw new Error("It must end after its start.");
      await this.#gateway.post(`accounting/v2/${call}`, {
        ...receiver(),
        category: { name, provider },
        quota,
        start,
        end,
      });
      this.#done(`${show(quota, category)} were ${call === "rootAllocate" ? "added" : "given"}.`);
    });
  }
}

function choice(value, label) {
  return element("option", { value }, label);
}
