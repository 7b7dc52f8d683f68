// JSON as it was typed: numbers keep their digits on the way out (40000.0 is not 40000 to a hash), and whole numbers
// that are too large for this language keep theirs on the way in.

/** A piece of JSON text that is sent as it is. */
export class Raw {
  /** @param {string} text valid JSON */
  constructor(text) {
    this.text = text;
  }
}

/** What somebody typed, checked to be JSON and kept as typed. @param {string} text @param {string} what */
export function raw(text, what) {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`${what} is not JSON: ${/** @type {Error} */ (error).message}`);
  }
  return new Raw(text);
}

/** @param {any} value may hold `Raw` pieces anywhere @param {number} [indent] */
export function encode(value, indent) {
  const mark = crypto.getRandomValues(new Uint32Array(4)).join("-");
  /** @type {string[]} */
  const pieces = [];
  const text = JSON.stringify(
    value,
    (_, each) => (each instanceof Raw ? `${mark}/${pieces.push(each.text) - 1}` : each),
    indent,
  );
  return text.replace(new RegExp(`"${mark}/(\\d+)"`, "g"), (_, index) => pieces[Number(index)]);
}

/** Whole numbers beyond 2^53 become their digits, as text, where the browser tells them. @param {string} text */
export function decode(text) {
  return JSON.parse(
    text,
    /** @type {any} */ (
      (/** @type {string} */ _, /** @type {any} */ value, /** @type {any} */ told) =>
        typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && told?.source
          ? told.source
          : value
    ),
  );
}
