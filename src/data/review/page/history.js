// Undo and redo. Nothing is rewritten: an undo is one more line that takes others back.

import { $ } from "./dom.js";
import * as outbox from "./outbox.js";
import { emit, on } from "./state.js";

const done = []; // {ids, clip, what, visit}
const undone = [];
let visit = 0; // texts of one visit to a clip are undone together

/** Send an edit that can be undone. */
export function act(edit, what) {
  if (edit.set?.text === undefined) outbox.commit();
  remember(outbox.send(edit), edit.clip, what);
}

function remember(id, clip, what, typed = false) {
  const last = done.at(-1);
  if (typed && last?.typed && last.clip === clip && last.visit === visit) last.ids.push(id);
  else done.push({ ids: [id], clip, what, visit, typed });
  undone.length = 0;
  show();
}

export const typed = (clip) => (id) => remember(id, clip, "text", true);

function turn(from, to) {
  outbox.commit();
  const last = from.pop();
  if (!last) return;
  visit++;
  const id = outbox.send({ clip: last.clip, undo: last.ids });
  to.push({ ...last, ids: [id], typed: false });
  show();
  emit("turned", last);
}

export const undo = () => turn(done, undone);
export const redo = () => turn(undone, done);

function show() {
  $("undo").disabled = !done.length;
  $("redo").disabled = !undone.length;
  $("undo").title = done.length ? `Undo: ${done.at(-1).what} (Z)` : "Undo (Z)";
  $("redo").title = undone.length ? `Redo: ${undone.at(-1).what} (Shift Z)` : "Redo (Shift Z)";
}

export function start() {
  $("undo").addEventListener("click", undo);
  $("redo").addEventListener("click", redo);
  on("open", () => visit++);
  on("refused", ({ edit }) => {
    for (const stack of [done, undone]) {
      for (const entry of [...stack]) {
        entry.ids = entry.ids.filter((id) => id !== edit.id);
        if (!entry.ids.length) stack.splice(stack.indexOf(entry), 1);
      }
    }
    show();
  });
}
