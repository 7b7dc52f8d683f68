// Buttons that do something at once: what goes wrong is told in one place beside them.

import { fill, h } from "./dom.js";
import { problem } from "./problem.js";

/** @returns {{attempt: (act: () => Promise<void>) => () => Promise<void>, outcome: HTMLElement}} */
export function acting() {
  const outcome = h("div", { class: "outcome", "aria-live": "polite" });
  const attempt = (/** @type {() => Promise<void>} */ act) => async () => {
    fill(outcome);
    try {
      await act();
    } catch (error) {
      fill(outcome, problem(/** @type {Error} */ (error)));
    }
  };
  return { attempt, outcome };
}
