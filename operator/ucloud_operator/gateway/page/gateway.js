// The calls, as whoever logged in. The token is in this object and in the tab's session storage, and goes out in a header
// to where the page came from; nowhere else.

import { parse, write } from "./exact.js";

const NO_ANSWER = "The server gives no usable answer; trying again.";

/** An answer that is no; its message is a sentence for people. */
export class Refusal extends Error {
  constructor(status, why) {
    super(why);
    this.status = status;
  }

  /** Whether somebody said no, and not the way there failed. */
  get isAnswer() {
    return this.status > 0 && this.status < 500;
  }

  /** Whether it is the token that is refused, and not what was asked. */
  get isAboutToken() {
    return this.status === 403 && /^(Bad token supplied|Forbidden$)/.test(this.message);
  }
}

export class Gateway {
  #headers;

  constructor(token, project) {
    this.#headers = { Authorization: `Bearer ${token}`, ...(project ? { Project: project } : {}) };
  }

  get(path) {
    return this.#ask(path, {});
  }

  post(path, ...items) {
    return this.#ask(path, { method: "POST", body: write({ items }) });
  }

  /** Follow a job, message by message; return whether it was followed to its end. Without a stream a Refusal is thrown. */
  async follow(id, hear, signal) {
    const response = await fetch(`api/jobs/follow?id=${encodeURIComponent(id)}`, {
      headers: this.#headers,
      cache: "no-store",
      signal,
    });
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) throw new Refusal(response.status, NO_ANSWER);
    for await (const { event, data } of events(response.body)) {
      if (event === "end") return true;
      const message = parse(data);
      if (event === "error") throw new Refusal(message.statusCode, message.why);
      hear(message);
    }
    return false;
  }

  async #ask(path, options) {
    let response, text;
    try {
      response = await fetch(`api/${path}`, { ...options, headers: this.#headers, cache: "no-store" });
      text = await response.text();
    } catch {
      throw new Refusal(0, NO_ANSWER);
    }
    let body;
    try {
      body = parse(text);
    } catch {
      throw new Refusal(response.status, NO_ANSWER);
    }
    if (!response.ok) throw new Refusal(response.status, body.why ?? NO_ANSWER);
    return body;
  }
}

/** The server-sent events of a body. EventSource would read them, too, but can't send a token. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const whole = (rest + value).split("\n\n");
    rest = whole.pop();
    for (const each of whole) {
      const fields = each.split("\n").map((line) => /^(event|data): ?(.*)$/.exec(line) ?? []);
      const valueOf = (name) => fields.filter(([, field]) => field === name).map(([, , text]) => text).join("\n");
      if (valueOf("data")) yield { event: valueOf("event"), data: valueOf("data") };
    }
  }
}
