// The page: who is logged in, what is shown of their workspace, and how often that is asked for.

import { Deeds } from "./deeds.js";
import { byId, keep, put, tell } from "./elements.js";
import { Gateway, Refusal } from "./gateway.js";
import { JobCard } from "./jobs.js";
import { WalletCard, categoryKey } from "./wallets.js";

const KEPT = "ucloud-operator";
const PAUSE = 2000;
const LONGEST_PAUSE = 30_000;
const MORE_JOBS = 50;
const SAID_FOR = 8000;

let session = null;
let saidAt = 0;

function say(sentence) {
  put(byId("said"), sentence);
  const at = (saidAt = Date.now());
  setTimeout(() => at === saidAt && put(byId("said"), ""), SAID_FOR);
}

const deeds = new Deeds((sentence) => {
  say(sentence);
  session?.hurry();
});

/** Do something that may be refused, and show that where it isn't a dialog's. */
const attempt = (deed) => (about) =>
  deeds[deed](about)?.catch?.((error) => {
    tell(byId("trouble"), error.message);
  });

const ACTS = Object.fromEntries(
  ["stop", "suspend", "resume", "extend", "topUp", "give"].map((deed) => [deed, attempt(deed)]),
);

/** One stay: from logging in to logging out. */
class Session {
  #wallets = new Map();
  #jobs = new Map();
  #categories = new Map();
  #items = MORE_JOBS;
  #timer = null;
  #isAsking = false;
  #isOver = false;
  #failures = 0;
  #walletNumber = 0;

  constructor(gateway, may) {
    this.gateway = gateway;
    this.may = may;
    this.ticking = setInterval(() => document.hidden || this.#tick(), 1000);
  }

  end() {
    this.#isOver = true;
    clearInterval(this.ticking);
    clearTimeout(this.#timer);
    for (const each of this.#jobs.values()) each.gone();
    byId("wallets").replaceChildren();
    byId("jobs").replaceChildren();
  }

  showMore() {
    this.#items += MORE_JOBS;
    this.hurry();
  }

  /** Ask now and not after the pause. */
  hurry() {
    clearTimeout(this.#timer);
    this.#ask();
  }

  async #ask() {
    if (this.#isAsking || this.#isOver || document.hidden) return;
    this.#isAsking = true;
    try {
      await this.#look();
      this.#failures = 0;
      tell(byId("trouble"), "");
    } catch (error) {
      if (this.#isOver) return;
      if (error.isAboutToken) return logOut(error.message);
      this.#failures += 1;
      tell(byId("trouble"), error.message);
    } finally {
      this.#isAsking = false;
    }
    if (!this.#isOver) {
      const pause = Math.min(PAUSE * 2 ** this.#failures, LONGEST_PAUSE);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ask(), pause);
    }
  }

  async #look() {
    const [wallets, forecasts, jobs, costs] = await Promise.all([
      this.gateway.get("accounting/v2/browseWallets?itemsPerPage=1000"),
      this.gateway.get("accounting/v2/browseForecasts?itemsPerPage=1000"),
      this.gateway.get(`jobs/browse?includeUpdates=true&itemsPerPage=${this.#items}`),
      this.gateway.get(`jobs/browseCosts?itemsPerPage=${this.#items}`),
    ]);
    if (this.#isOver) return;
    this.#showWallets(wallets.items, forecasts.items);
    this.#showJobs(jobs.items, costs.items);
    byId("older").hidden = jobs.next === null || this.#items >= 1000;
  }

  #showWallets(wallets, forecasts) {
    deeds.know(wallets);
    this.#categories = new Map(wallets.map(({ paysFor }) => [categoryKey(paysFor), paysFor]));
    const found = wallets
      .map((wallet, place) => ({ wallet, forecast: forecasts[place], may: this.may }))
      .filter(({ wallet, forecast }) => forecast && categoryKey(wallet.paysFor) === categoryKey(forecast.paysFor));
    keep(
      byId("wallets"),
      this.#wallets,
      found,
      ({ wallet, forecast }) => `${forecast.name} ${categoryKey(wallet.paysFor)}`,
      ({ wallet }) => new WalletCard(wallet, (this.#walletNumber += 1), ACTS, say),
    );
    byId("no-wallets").hidden = wallets.length > 0;
    byId("start").hidden = !this.may.createJobs || wallets.length === 0;
  }

  #showJobs(jobs, costs) {
    const costOf = new Map(costs.map((cost) => [cost.id, cost]));
    const found = jobs.map((job) => {
      const { category: name, provider } = job.specification.product;
      const category = this.#categories.get(categoryKey({ name, provider }));
      return { job, cost: costOf.get(job.id), category, may: this.may };
    });
    keep(
      byId("jobs"),
      this.#jobs,
      found,
      ({ job }) => job.id,
      ({ job }) => new JobCard(job, ACTS, say, (id, hear) => this.#follow(id, hear)),
    );
    byId("no-jobs").hidden = jobs.length > 0;
  }

  #tick() {
    const now = Date.now();
    for (const each of [...this.#wallets.values(), ...this.#jobs.values()]) each.tick(now);
  }

  /** Follow a job for as long as somebody looks, and return what ends that. Without a stream the list tells the same. */
  #follow(id, hear) {
    const end = new AbortController();
    const go = async () => {
      for (;;) {
        const isOver = await this.gateway.follow(id, hear, end.signal).catch((error) => error instanceof Refusal);
        if (isOver || end.signal.aborted) return;
        await new Promise((resolve) => setTimeout(resolve, PAUSE)); // the connection broke
      }
    };
    go();
    return () => end.abort();
  }
}

async function logIn(token, project) {
  const gateway = new Gateway(token, project);
  const { username, workspace, may } = await gateway.get("workspace");
  sessionStorage.setItem(KEPT, JSON.stringify({ token, project }));
  session?.end();
  session = new Session(gateway, may);
  deeds.act(gateway);
  tell(byId("trouble"), "");
  put(byId("workspace-name"), workspace);
  put(byId("username"), username === workspace ? "" : username);
  for (const [id, isShown] of [["caller", true], ["workspace", true], ["log-in", false]]) byId(id).hidden = !isShown;
  document.title = `${workspace}: wallets and jobs`;
  session.hurry();
}

function logOut(why = "") {
  session?.end();
  session = null;
  deeds.act(null);
  sessionStorage.removeItem(KEPT);
  for (const [id, isShown] of [["caller", false], ["workspace", false], ["log-in", true]]) byId(id).hidden = !isShown;
  document.title = "Wallets and jobs";
  byId("token").value = "";
  tell(byId("trouble"), "");
  tell(byId("log-in").querySelector(".trouble"), why);
  byId("token").focus();
}

byId("log-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const trouble = byId("log-in").querySelector(".trouble");
  const submit = byId("log-in").querySelector("button");
  tell(trouble, "");
  submit.disabled = true;
  try {
    await logIn(byId("token").value.trim(), byId("project").value.trim());
    byId("token").value = "";
    byId("log-out").focus();
  } catch (error) {
    tell(trouble, error.message);
  } finally {
    submit.disabled = false;
  }
});
byId("log-out").addEventListener("click", () => logOut());
byId("start").addEventListener("click", () => deeds.start());
byId("older").addEventListener("click", () => session?.showMore());
document.addEventListener("visibilitychange", () => document.hidden || session?.hurry());

/** Go to the workspace that the address names, with the token that the tab keeps. */
function arrive() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  const project = new URLSearchParams(location.hash.slice(1)).get("project") ?? kept?.project ?? "";
  byId("project").value = project;
  if (!kept) return logOut();
  return logIn(kept.token, project).catch((error) => {
    if (error.isAnswer) return logOut(error.message);
    tell(byId("trouble"), error.message);
    return setTimeout(arrive, PAUSE);
  });
}

addEventListener("hashchange", arrive);
arrive();
