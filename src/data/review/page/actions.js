// What a person does with a clip, apart from writing.

import { $ } from "./dom.js";
import * as clip from "./clip.js";
import { act, redo, undo } from "./history.js";
import { choose } from "./menu.js";
import * as outbox from "./outbox.js";
import { on, state } from "./state.js";
import * as text from "./text.js";
import { toast } from "./toast.js";
import * as waveform from "./waveform.js";

const SHORTEST = 0.2;
const REASONS = ["noise", "another voice", "two voices at once", "cut off", "music", "nothing is said", "not understandable"];
const DONE = new Set(["confirmed", "dropped"]);

/** To the neighbour in the list; `undone` passes over what is done already. */
export function go(step, undone = false) {
  const { ids, rows, open } = state;
  const here = ids.indexOf(open);
  for (let place = here + step, n = 0; n < ids.length; place += step, n++) {
    const id = ids[undone ? (place + ids.length) % ids.length : place];
    if (id === undefined) return toast(step > 0 ? "This is the last clip of the list." : "This is the first clip of the list.");
    if (undone && (DONE.has(rows.get(id)?.status) || id === open)) continue;
    return clip.open(id);
  }
  return toast("Every clip of this list is looked at.");
}

/** These words are right: note that, and go on to the next. */
export function right() {
  const id = state.open;
  if (!id || $("right").disabled) return;
  outbox.commit();
  act({ clip: id, set: { reviewed: true }, was: { text: outbox.textOf(id) } }, "confirmed");
  go(1, true);
}

export function drop() {
  const id = state.open;
  if (!id || $("drop").hidden) return;
  choose($("drop"), "Why is it left out?", REASONS.map((reason) => [reason, reason]), "Another reason", (reason) => {
    act({ clip: id, drop: reason }, "dropped");
    toast(`Dropped: ${reason}`, "Undo", undo);
    go(1, true);
  });
}

const takeBack = () => act({ clip: state.open, drop: null }, "taken back");

function splitAt(at) {
  const { id, start, end } = state.detail;
  if (at - start < SHORTEST || end - at < SHORTEST) return toast("Put the playhead to where the clip is to be cut.");
  return act({ clip: id, split: at, was: { start, end } }, "split");
}

export const split = () => state.detail && splitAt(waveform.cut());

/** Between the words on either side of the text cursor. */
export function splitAtCursor() {
  const [before, all] = text.cursor();
  const words = state.detail?.words ?? [];
  if (words.length !== all) return toast("The words have no times yet: split at the playhead.");
  if (!before || before === all) return toast("Put the cursor between two words.");
  return splitAt((words[before - 1][1] + words[before][0]) / 2);
}

export function merge(side) {
  const { id, [side]: other, start, end } = state.detail ?? {};
  if (!other) return toast(side === "before" ? "No clip ends right before it." : "No clip begins right after it.");
  return act({ clip: id, merge: other, was: { start, end } }, "joined");
}

export function relabel() {
  const row = state.rows.get(state.open);
  if (!row) return;
  const labels = state.progress.speakers.map((name) => [name, name, name === row.speaker]);
  choose($("speaker"), "Who speaks?", labels, "Somebody else", (name) => {
    if (name !== row.speaker) act({ clip: row.id, set: { speaker: name }, was: { speaker: row.speaker } }, "speaker");
  });
}

function trim(change) {
  const { id, start, end } = state.detail;
  act({ clip: id, set: change, was: { start, end } }, "trimmed");
}

export function start() {
  waveform.onTrim(trim);
  for (const [id, deed] of Object.entries({
    right, drop, split, speaker: relabel, "take-back": takeBack,
    "merge-before": () => merge("before"), "merge-after": () => merge("after"),
    previous: () => go(-1), next: () => go(1), back: clip.close,
  })) $(id).addEventListener("click", deed);
  on("detail", ({ before, after, status }) => {
    $("merge-before").disabled = !before || status === "dropped";
    $("merge-after").disabled = !after || status === "dropped";
  });
  on("refused", ({ edit, kind, why }) => {
    if (kind !== "unchanged") toast(`Not done: ${why}.`);
    if (edit.clip === state.open) clip.load();
  });
  on("turned", ({ clip: id, what }) => {
    toast(`${what[0].toUpperCase()}${what.slice(1)}: taken back or done again.`);
    if (state.rows.has(id) && id !== state.open) clip.open(id);
  });
}

export { redo, undo };
