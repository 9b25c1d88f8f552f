// Keeping up with what others do: other tabs, other servers, the next prepare.

import { ask, query } from "./net.js";
import * as outbox from "./outbox.js";
import { emit, heirs, state } from "./state.js";

const OFTEN = 1000; // milliseconds
const SELDOM = 6000; // where nobody looks

let away = false;
let timer = null;

/** Take in the changes that came with an answer. */
export function apply(told) {
  if (told.reset || (state.instance && told.instance !== state.instance)) {
    state.instance = told.instance;
    state.version = told.version;
    note(told.progress);
    emit("reset");
    return;
  }
  if (told.version < state.version) return; // overtaken by a later answer
  state.version = told.version;
  for (const row of told.rows ?? []) {
    state.rows.set(row.id, row);
    delete state.gone[row.id]; // an undo brings clips back
  }
  note(told.progress);
  replace(told.gone ?? {});
  if (told.rows?.length) emit("rows", new Set(told.rows.map((row) => row.id)));
}

function note(progress) {
  if (!progress) return;
  state.progress = progress;
  emit("progress");
}

/** In the list, what took a clip's place stands in its place. */
function replace(gone) {
  const ids = Object.keys(gone);
  if (!ids.length) return;
  Object.assign(state.gone, gone);
  state.ids = [...new Set(state.ids.flatMap(heirs))];
  for (const id of ids) state.rows.delete(id);
  for (const id of ids) emit("gone", id);
  emit("list");
}

async function look() {
  clearTimeout(timer);
  try {
    apply(await ask(`api/changes?${query({ instance: state.instance, version: state.version })}`));
    if (away) {
      away = false;
      outbox.back();
      emit("back");
    }
  } catch (error) {
    away = true;
    outbox.link(error);
  }
  timer = setTimeout(look, document.hidden ? SELDOM : OFTEN);
}

export function start() {
  outbox.onChanges(apply);
  addEventListener("visibilitychange", () => document.hidden || look());
  addEventListener("pageshow", (event) => event.persisted && look());
  timer = setTimeout(look, OFTEN);
}
