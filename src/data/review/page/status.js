// The line at the top: how far the review has come, what is likely left, and whether all is saved.

import { $, make, percent, plural, thousands } from "./dom.js";
import { beside } from "./menu.js";
import { on, state } from "./state.js";

function progress() {
  const { total, confirmed, edited, doubted, dropped } = state.progress;
  const done = confirmed + dropped;
  for (const [name, count] of Object.entries({ confirmed, edited, dropped })) {
    $("meter").querySelector(`.${name}`).style.width = percent(total ? count / total : 0, 2);
  }
  $("meter").setAttribute("aria-valuemax", total);
  $("meter").setAttribute("aria-valuenow", done);
  $("figures").replaceChildren(make("b", { text: thousands(done) }), ` of ${plural(total, "clip")}`,
    edited ? ` · ${thousands(edited)} begun` : "", doubted ? ` · ${thousands(doubted)} doubted` : "", dropped ? ` · ${thousands(dropped)} dropped` : "");
  estimate();
}

function estimate() {
  const { rate, low, high, missing } = state.progress.estimate;
  if (rate !== null) $("estimate").textContent = `about ${percent(rate, 1)} of the words left are wrong (${percent(low, 1)} to ${percent(high, 1)})`;
  else $("estimate").textContent = missing ? `${missing} more to know how good the rest is` : "";
}

function explain() {
  const { rate, low, high, missing, borrowed } = state.progress.estimate;
  const lines = rate === null
    ? [`How many words are wrong in the clips nobody has looked at is judged by those that were corrected. ${missing} more are needed for that.`]
    : [
      `Judged by what was corrected, ${percent(rate, 1)} of the words in the clips that are left are wrong; with 95% confidence between ${percent(low, 1)} and ${percent(high, 1)}.`,
      "Clips are compared with corrected ones that were about as suspicious.",
      borrowed > 0.25 ? `For ${percent(borrowed)} of these words only more suspicious clips are corrected, so the truth is likely better. Correct some of “A random sample” to know.` : "",
    ];
  $("about-estimate").replaceChildren(make("h2", { text: "What is left" }), ...lines.filter(Boolean).map((text) => make("p", { text })));
  beside($("about-estimate"), $("estimate"));
}

function link({ state: name, waiting, why }) {
  const kept = waiting ? ` · ${plural(waiting, "edit")} kept in this browser` : "";
  $("link").dataset.state = name;
  $("link").textContent = { saved: "Saved", saving: "Saving…", away: `Server away${kept}`, trouble: `Not saved: ${why}${kept}` }[name];
}

export function start() {
  $("estimate").addEventListener("click", explain);
  on("progress", progress);
  on("link", link);
}
