// Two people, or two tabs, wrote different texts for one clip: both are shown, the person decides.

import { $, make, tidy } from "./dom.js";
import { shown } from "./diff.js";
import * as clip from "./clip.js";
import { act } from "./history.js";
import * as outbox from "./outbox.js";
import { heirs, on, state } from "./state.js";
import * as text from "./text.js";

const TITLES = {
  conflict: "This text was changed elsewhere while you were writing",
  gone: "The clip was split or joined elsewhere while you were writing",
};

function show() {
  const count = outbox.conflicts.size;
  $("conflicts").hidden = !count;
  $("conflicts").textContent = `${count === 1 ? "One text has" : `${count} texts have`} two versions`;
  const conflict = outbox.conflicts.get(state.open);
  $("conflict").hidden = !conflict;
  $("text").readOnly = Boolean(conflict);
  $("right").disabled = Boolean(conflict) || state.rows.get(state.open)?.status === "dropped";
  if (!conflict || !state.rows.has(state.open)) return;
  const theirs = state.rows.get(state.open).text ?? "";
  if (tidy(theirs) === tidy(conflict.mine)) {
    outbox.resolve(state.open);
    return;
  }
  const version = (title, words, label, chosen) => make("div", { class: "version" },
    make("h3", { text: title }), make("p", {}, ...words), make("button", { type: "button", text: label, onclick: chosen }));
  $("conflict").replaceChildren(
    make("h2", { text: TITLES[conflict.kind] ?? `This text could not be saved: ${conflict.why}` }),
    make("div", { class: "versions" },
      version("Yours", shown(theirs, conflict.mine), "Keep mine", () => keep(conflict.mine, theirs)),
      version("The other", [theirs || "no text"], "Keep the other", () => outbox.resolve(state.open)),
    ),
  );
}

function keep(mine, theirs) {
  const id = state.open;
  outbox.resolve(id);
  act({ clip: id, set: { text: tidy(mine) }, was: { text: theirs } }, "text");
  text.show(id, mine);
}

/** A clip that is gone hands its text on to what has become of it. */
function inherit(id) {
  const mine = outbox.conflicts.get(id)?.mine ?? outbox.draftOf(id);
  const [heir] = heirs(id);
  if (mine === undefined || heir === id) return;
  outbox.resolve(id);
  outbox.oppose(heir, mine, "gone");
}

function next() {
  const [id] = outbox.conflicts.keys();
  if (id) clip.open(heirs(id)[0]);
}

/** The other's text arrives while this one is still being typed: no need to wait for the server's no. */
function arrive(ids) {
  for (const id of ids) {
    const typed = outbox.draftOf(id);
    const row = state.rows.get(id);
    if (typed !== undefined && row && !outbox.knows(id, row.text ?? "")) outbox.oppose(id, typed, "conflict");
  }
}

export function start() {
  $("conflicts").addEventListener("click", next);
  on("conflicts detail open", () => {
    for (const id of [...outbox.conflicts.keys()]) inherit(id);
    show();
  });
  on("rows", arrive);
  on("gone", inherit);
}
