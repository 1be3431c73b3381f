// Dialogs: a form, what is sent when it is, and a sentence where that is refused.

import { tell } from "./elements.js";

/** One of the page's dialogs. */
export class Dialog {
  #send = null;

  constructor(id) {
    this.node = document.getElementById(id);
    this.form = this.node.querySelector("form");
    this.trouble = this.form.querySelector(".trouble");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.form.querySelector("[value=cancel]").addEventListener("click", () => this.node.close());
  }

  /** Open it; `send` is called with the form when that is sent, and may throw an Error with a sentence. */
  open(send) {
    this.#send = send;
    tell(this.trouble, "");
    this.node.showModal();
  }

  /** Put a text where the form has a place for it. */
  name(place, text) {
    for (const each of this.form.querySelectorAll(`[data-${place}]`)) each.textContent = text;
  }

  close() {
    if (this.node.open) this.node.close();
  }

  async #submit() {
    const buttons = this.form.querySelectorAll("button.main");
    for (const each of buttons) each.disabled = true;
    tell(this.trouble, "");
    try {
      await this.#send(this.form);
      this.node.close();
    } catch (error) {
      tell(this.trouble, error.message);
    } finally {
      for (const each of buttons) each.disabled = false;
    }
  }
}
