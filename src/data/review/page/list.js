// The list of clips: of thousands only the ones in sight are in the document.

import { $, make, percent, thousands } from "./dom.js";
import { ask } from "./net.js";
import * as outbox from "./outbox.js";
import { emit, on, state } from "./state.js";

const HEIGHT = 78; // pixels of a row, as in list.css
const AROUND = 6; // rows beyond what is in sight
const AT_ONCE = 60;
const LABELS = { todo: "", edited: "text changed", doubted: "confirmed, but doubted", confirmed: "confirmed", dropped: "dropped" };

const drawn = new Map(); // id -> element
const asked = new Set();
let choose = () => {};

export const onChoice = (listener) => (choose = listener);

function draw() {
  const list = $("list");
  const first = Math.max(Math.floor(list.scrollTop / HEIGHT) - AROUND, 0);
  const after = Math.min(Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + AROUND, state.ids.length);
  const wanted = new Set(state.ids.slice(first, after));
  for (const [id, element] of drawn) {
    if (wanted.has(id)) continue;
    element.remove();
    drawn.delete(id);
  }
  const missing = [];
  for (let place = first; place < after; place++) {
    const id = state.ids[place];
    if (!drawn.has(id)) {
      drawn.set(id, item(id));
      $("runway").append(drawn.get(id));
      if (!state.rows.has(id) && !asked.has(id)) missing.push(id);
    }
    const element = drawn.get(id);
    element.style.top = `${place * HEIGHT}px`;
    element.setAttribute("aria-posinset", place + 1);
    element.setAttribute("aria-setsize", state.ids.length);
  }
  if (missing.length) fetchRows(missing);
}

async function fetchRows(ids) {
  for (const id of ids) asked.add(id);
  try {
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const { rows } = await ask("api/rows", { ids: ids.slice(at, at + AT_ONCE) });
      for (const row of rows) state.rows.set(row.id, row);
    }
    emit("rows", new Set(ids));
  } catch (error) {
    setTimeout(draw, 3000);
    console.warn(error.message);
  } finally {
    for (const id of ids) asked.delete(id);
  }
}

function item(id) {
  const element = make("div", { class: "item", role: "option", id: `clip:${id}`, onclick: () => choose(id) });
  fill(element, id);
  return element;
}

function fill(element, id) {
  const row = state.rows.get(id);
  element.setAttribute("aria-selected", String(id === state.open));
  if (!row) return element.replaceChildren(make("span", { class: "words", text: "…" }));
  element.dataset.status = row.status;
  element.dataset.heat = row.suspicion < 0.25 ? "low" : row.suspicion < 0.55 ? "some" : "high";
  const own = [
    outbox.conflicts.has(id) ? ["conflict", "two versions"] : null,
    outbox.waitsFor(id) ? ["waiting", "not sent yet"] : null,
    row.status === "dropped" ? ["reason", row.reason] : null,
  ].filter(Boolean);
  const text = outbox.draftOf(id) ?? row.text;
  element.replaceChildren(
    make("span", { class: "heat", title: `suspicion ${percent(row.suspicion)}` }, make("i", { class: "level" })),
    make("span", { class: "words", text: text === null ? "not transcribed" : text || "no text" }),
    make("span", { class: "tags" },
      ...[...own, ...row.tags].slice(0, 2).map(([name, brief]) => make("b", { class: `tag ${name}`, text: brief }))),
    make("span", { class: "facts", text: [`${(row.end - row.start).toFixed(1)} s`, row.speaker].filter(Boolean).join(" · ") }),
    make("span", { class: "mark", role: "img", "aria-label": LABELS[row.status] || "not looked at" }),
  );
  element.querySelector(".level").style.height = percent(Math.max(row.suspicion, 0.04));
}

function redraw(ids) {
  for (const [id, element] of drawn) if (!ids || ids.has(id)) fill(element, id);
}

function relist() {
  $("runway").style.height = `${state.ids.length * HEIGHT}px`;
  $("count").textContent = `${thousands(state.ids.length)} ${state.ids.length === 1 ? "clip" : "clips"}`;
  $("list").hidden = !state.ids.length;
  draw();
}

/** Bring a clip's row into sight. */
export function reveal(id) {
  const place = state.ids.indexOf(id);
  const list = $("list");
  if (place < 0) return;
  if (place * HEIGHT < list.scrollTop) list.scrollTop = place * HEIGHT;
  else if ((place + 1) * HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = (place + 1) * HEIGHT - list.clientHeight;
  draw();
  $("list").setAttribute("aria-activedescendant", `clip:${id}`);
}

export function start() {
  $("list").addEventListener("scroll", draw, { passive: true });
  $("list").addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const id = state.ids[state.ids.indexOf(state.open) + step];
    if (id) choose(id);
  });
  addEventListener("resize", draw);
  on("list", relist);
  on("rows", redraw);
  on("waiting", () => redraw());
  on("conflicts", () => redraw());
  on("open", (id) => {
    redraw();
    reveal(id);
  });
}
