// Edits on their way to the server. Until it has them they are kept in the browser's storage, where
// the next page finds them if this one dies.

import { stored, store, tidy } from "./dom.js";
import { Away, ask, query } from "./net.js";
import { emit, state } from "./state.js";

const TYPING = 500; // milliseconds without a key before a text is sent
const AGAIN = 3000;
const DEAD = 20000; // a page that has not been heard of for so long is gone

const session = [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(36)).join("");
const pending = []; // {id, clip, set | drop | split | merge | undo, was}, oldest first
const drafts = new Map(); // clip -> {text, was}: typed and not yet an edit
export const conflicts = new Map(); // clip -> {mine, why}
let numbered = 0;
let sending = 0; // how many of `pending` are under way
let timer = null;
let problem = null; // what went wrong last, until it goes well
let apply = () => {}; // what to do with the changes in an answer

const prefix = () => `understudy:${state.workspace}:`;

export const onChanges = (listener) => (apply = listener);
export const waitsFor = (clip) => drafts.has(clip) || pending.some((edit) => edit.clip === clip);
export const count = () => pending.length + drafts.size;
export const draftOf = (clip) => drafts.get(clip)?.text;

function keep() {
  const left = pending.length || drafts.size || conflicts.size;
  const entry = { alive: Date.now(), pending, drafts: [...drafts], conflicts: [...conflicts] };
  store(prefix() + session, left ? entry : null);
  emit("waiting");
  link();
}

/** Queue an edit; returns its id. */
export function send(edit) {
  const id = `${session}-${++numbered}`;
  pending.push({ id, ...edit });
  keep();
  flush();
  return id;
}

/** A text as it is being typed; it becomes an edit when the typing pauses. */
export function draft(clip, text, was, written) {
  if (tidy(text) === tidy(was) && !drafts.has(clip)) return;
  drafts.set(clip, { text, was: drafts.get(clip)?.was ?? was, written: written ?? drafts.get(clip)?.written });
  keep();
  clearTimeout(timer);
  timer = setTimeout(commit, TYPING);
}

/** Make edits of all drafts. */
export function commit() {
  clearTimeout(timer);
  for (const [clip, { text, was, written }] of drafts) {
    drafts.delete(clip);
    const late = pending.findLast((edit) => edit.clip === clip && edit.set?.text !== undefined);
    const seen = late ? late.set.text : was; // nothing else is known to stand there
    if (tidy(text) === tidy(seen)) continue;
    const id = send({ clip, set: { text: tidy(text) }, was: { text: seen } });
    written?.(id);
  }
  keep();
}

/** Send what waits, in its order, one batch at a time. */
export async function flush() {
  if (sending || !pending.length) return;
  const batch = pending.slice(0, 100);
  sending = batch.length;
  try {
    const answer = await ask(`api/edits?${query({ instance: state.instance, version: state.version })}`, { edits: batch });
    pending.splice(0, sending);
    sending = 0;
    problem = null;
    settle(batch, answer.answers);
    keep();
    apply(answer);
    flush();
  } catch (error) {
    sending = 0;
    setTimeout(flush, AGAIN);
    link(error);
  }
}

function settle(batch, answers) {
  for (const [place, { kind, why }] of answers.entries()) {
    const edit = batch[place];
    if (["written", "unchanged"].includes(kind) && edit.set?.text !== undefined && drafts.has(edit.clip)) {
      drafts.get(edit.clip).was = edit.set.text; // what is typed since then is typed over this
    }
    if (kind === "written") continue;
    if (edit.set?.text !== undefined && kind !== "unchanged") oppose(edit.clip, edit.set.text, kind, why);
    else emit("refused", { edit, kind, why });
  }
}

/** Two texts for one clip: keep mine, whatever else of it is on its way, and let the person choose. */
export function oppose(clip, text, kind, why) {
  let mine = text;
  for (let place = pending.length - 1; place >= sending; place--) {
    if (pending[place].clip === clip && pending[place].set?.text !== undefined) mine = pending.splice(place, 1)[0].set.text;
  }
  mine = drafts.get(clip)?.text ?? mine;
  drafts.delete(clip);
  conflicts.set(clip, { mine, kind, why });
  keep();
  emit("conflicts", clip);
}

/** What stands in a clip once the server has all that is on its way to it. */
export function textOf(clip) {
  return pending.findLast((edit) => edit.clip === clip && edit.set?.text !== undefined)?.set.text ?? state.rows.get(clip)?.text ?? null;
}

/** Is `text` one that this page has seen or sent? */
export function knows(clip, text) {
  const sent = pending.filter((edit) => edit.clip === clip && edit.set?.text !== undefined).map((edit) => edit.set.text);
  const { was, text: typed } = drafts.get(clip) ?? {};
  return [...sent, was, typed].some((one) => tidy(one) === tidy(text));
}

export function resolve(clip) {
  conflicts.delete(clip);
  keep();
  emit("conflicts", clip);
}

/** Tell how it stands with the server; `error` is what went wrong just now, null that all is well. */
export function link(error = problem) {
  problem = error;
  const waiting = count();
  if (problem instanceof Away) emit("link", { state: "away", waiting });
  else if (problem) emit("link", { state: "trouble", waiting, why: problem.message });
  else emit("link", { state: waiting ? "saving" : "saved", waiting });
}

/** The server is there again. */
export function back() {
  if (problem instanceof Away) link(null);
  flush();
}

/** Take over what pages that are gone have left behind. */
function adopt() {
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(prefix()) || key === prefix() + session) continue;
    if (navigator.locks) navigator.locks.request(key, { ifAvailable: true }, (free) => free && take(key));
    else if (Date.now() - (stored(key)?.alive ?? 0) > DEAD) take(key);
  }
}

function take(key) {
  const left = stored(key);
  store(key, null);
  pending.push(...(left?.pending ?? []));
  for (const [clip, conflict] of left?.conflicts ?? []) conflicts.set(clip, conflict);
  for (const [clip, { text, was }] of left?.drafts ?? []) {
    pending.push({ id: `${session}-${++numbered}`, clip, set: { text: tidy(text) }, was: { text: was } });
  }
  keep();
  emit("conflicts", null);
  flush();
}

function leave() {
  commit();
  if (!pending.length && !conflicts.size) return;
  navigator.sendBeacon("api/edits", new Blob([JSON.stringify({ edits: pending.slice(0, 300) })], { type: "application/json" }));
  store(prefix() + session, { alive: 0, pending, drafts: [], conflicts: [...conflicts] });
}

/** Begin, once the workspace is known. */
export function start() {
  // held for as long as this page lives; where there are no locks, time has to tell
  navigator.locks?.request(prefix() + session, () => new Promise(() => {}));
  adopt();
  setInterval(() => (keep(), adopt()), DEAD / 4);
  addEventListener("pagehide", leave);
  addEventListener("visibilitychange", () => document.hidden && commit());
}
