// The text, as it is being corrected: doubtful and unknown words are marked under what is typed.

import { $, make, tidy } from "./dom.js";
import { shown } from "./diff.js";
import * as history from "./history.js";
import { ask } from "./net.js";
import * as outbox from "./outbox.js";
import { on, state } from "./state.js";

const UNSURE = 0.6;
const WORD = /[\p{L}]+(?:['’-][\p{L}]+)*/gu;

let unknown = new Set();
let timer = null;

const field = () => $("text");

/** Show a text, unless the person is in the middle of writing another. */
export function show(id, text) {
  const typed = outbox.draftOf(id);
  const wanted = typed ?? text ?? "";
  if (field().dataset.clip !== id || tidy(field().value) !== tidy(wanted)) {
    field().value = wanted;
    field().dataset.clip = id;
  }
  field().placeholder = text === null ? "Not transcribed yet: write what is said" : "Nothing is said, or write what is";
  mark();
}

/** The same text behind the field, with marks. */
function mark() {
  const text = field().value;
  const spoken = state.detail && state.detail.id === field().dataset.clip ? state.detail.words : [];
  const same = tidy(text) === spoken.map((word) => word[2]).join(" ");
  let count = 0;
  const pieces = text.split(/(\s+)/).map((piece) => {
    if (!piece.trim()) return piece;
    const confidence = same ? spoken[count++]?.[3] : undefined;
    if ((piece.match(WORD) ?? []).some((word) => unknown.has(word))) return make("mark", { class: "unknown", text: piece });
    if (confidence < UNSURE) return make("mark", { class: "unsure", text: piece });
    return piece;
  });
  $("behind").replaceChildren(...pieces, "\u200b");
  field().style.height = "auto";
  field().style.height = `${field().scrollHeight}px`;
}

function typed() {
  const id = state.open;
  outbox.draft(id, field().value, state.rows.get(id)?.text ?? null, history.typed(id));
  mark();
  clearTimeout(timer);
  timer = setTimeout(() => check(id), 350);
}

async function check(id) {
  const text = field().value;
  try {
    const told = await ask("api/unknown", { id, text });
    if (state.open !== id || field().value !== text) return;
    unknown = new Set(told.unknown);
    mark();
  } catch (error) {
    console.warn(error.message); // the marks wait until the server is back
  }
}

function heard(clip) {
  const differs = clip.heard !== null && tidy(clip.heard) !== tidy(clip.text);
  $("heard").hidden = !differs;
  if (!differs) return;
  $("heard").replaceChildren(
    make("span", { class: "label", text: "Transcribed as" }), " ", ...shown(clip.heard, clip.text ?? "", ["same", "gone"]),
    make("button", { type: "button", class: "quiet", text: "Put it back", onclick: () => write(clip.heard) }),
  );
}

/** Put a text in as if it had been typed. */
export function write(text) {
  field().value = text;
  typed();
  outbox.commit();
}

/** How many words stand before the cursor, and how many there are. */
export function cursor() {
  const before = tidy(field().value.slice(0, field().selectionStart));
  const all = tidy(field().value);
  return [before, all].map((text) => (text ? text.split(" ").length : 0));
}

export function start() {
  field().addEventListener("input", typed);
  field().addEventListener("blur", outbox.commit);
  field().addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  new ResizeObserver(mark).observe($("behind"));
  on("open", (id) => {
    unknown = new Set();
    show(id, state.rows.get(id)?.text ?? null);
    $("heard").hidden = true;
  });
  on("detail", (clip) => {
    unknown = new Set(clip.unknown);
    show(clip.id, clip.text);
    heard(clip);
  });
}
