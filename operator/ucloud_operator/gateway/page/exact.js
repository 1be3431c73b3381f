// JSON whose integers are exact. JSON.parse rounds what is beyond 2^53, and amounts can be: such numbers become text,
// which BigInt() takes as well as a number.

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LONG_INTEGER = /^-?\d{16,}$/;

/** Parse JSON; integers of 16 digits or more are text. */
export function parse(text) {
  return JSON.parse(text.replace(TOKENS, (token) => (LONG_INTEGER.test(token) ? `"${token}"` : token)));
}

/** JSON text that is sent as it was written. */
export class Written {
  constructor(text) {
    JSON.parse(text); // SyntaxError, if it is none
    this.text = text;
  }
}

/** Write JSON; a BigInt is a number, all its digits, and what is undefined is left out. */
export function write(value) {
  if (value instanceof Written) return value.text;
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields.map(([name, each]) => `${JSON.stringify(name)}:${write(each)}`).join(",")}}`;
}
