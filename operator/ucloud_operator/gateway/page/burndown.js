// The burn-down: what was left since this page was opened, and from now on down to nothing at the forecast instant.
// What an allocation still has at its end is lost then, all at once.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 120;
const EDGE = 3;
const MOST_SAMPLES = 400;
const LEAST_SPAN = 10 * 60_000;

/** The picture of one wallet's credits. */
export class Burndown {
  #samples = [];
  #area = shape("path", "area");
  #past = shape("path", "past");
  #future = shape("path", "future");
  #now = shape("path", "now");

  constructor(captionId) {
    this.node = shape("svg", "burndown");
    this.node.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.node.setAttribute("preserveAspectRatio", "none");
    this.node.setAttribute("role", "img");
    this.node.setAttribute("aria-labelledby", captionId);
    const ground = shape("path", "ground");
    ground.setAttribute("d", `M0 ${HEIGHT - EDGE}H${WIDTH}`);
    this.node.append(ground, this.#area, this.#future, this.#past, this.#now);
  }

  /** Whether there has been nothing at all since the page was opened. */
  get isEmpty() {
    return this.#samples.every(({ left }) => left === 0);
  }

  /** Draw it as of now, and return the instants at its two ends; `exhaustsAt` may be null, `lost` is what ends with it. */
  draw(now, usable, exhaustsAt, lost) {
    this.#remember(now, Number(usable));
    const start = this.#samples[0].at;
    const end = exhaustsAt !== null && exhaustsAt > now ? exhaustsAt : Math.max(now, start + LEAST_SPAN);
    const most = Math.max(1, ...this.#samples.map((each) => each.left));
    const x = (at) => round(((at - start) / Math.max(1, end - start)) * WIDTH);
    const y = (left) => round(HEIGHT - EDGE - (left / most) * (HEIGHT - 2 * EDGE));

    const past = this.#samples.map((each) => `${x(each.at)} ${y(each.left)}`).join("L");
    const last = exhaustsAt === null ? usable : lost;
    const future = `${x(now)} ${y(Number(usable))}L${x(end)} ${y(Number(last))}${exhaustsAt === null ? "" : `V${y(0)}`}`;
    this.#past.setAttribute("d", `M${past}`);
    this.#future.setAttribute("d", `M${future}`);
    this.#area.setAttribute("d", `M${past}L${future}V${HEIGHT - EDGE}H0Z`);
    this.#now.setAttribute("d", `M${x(now)} ${HEIGHT - EDGE}V${y(Number(usable))}`);
    return [start, end];
  }

  #remember(at, left) {
    this.#samples.push({ at, left });
    if (this.#samples.length > MOST_SAMPLES) {
      this.#samples = this.#samples.filter((_, place) => place === 0 || place % 2 === 1);
    }
  }
}

function shape(name, kind) {
  const node = document.createElementNS(SVG, name);
  node.setAttribute("class", kind);
  return node;
}

function round(value) {
  return Math.round(value * 100) / 100;
}
