// Search, filters and order; they stand in the address, so that a reload keeps them.

import { $, make, plural } from "./dom.js";
import { Away, ask, query } from "./net.js";
import { emit, on, state } from "./state.js";
import { toast } from "./toast.js";

const MANY = 300; // recordings, from which on they are searched for by name
const DONE = ["confirmed", "dropped"];
const DEFAULTS = { status: "todo,edited,doubted", order: "suspicion" };

let timer = null;

const form = () => $("filters");
export const wanted = () => Object.fromEntries(new FormData(form()));

/** Ask for the list anew. */
export async function search() {
  clearTimeout(timer);
  const fields = wanted();
  remember(fields);
  try {
    const told = await ask(`api/clips?${query(fields)}`);
    state.ids = told.ids;
    for (const row of told.rows) state.rows.set(row.id, row);
    emit("list");
    emit("rows", new Set(told.rows.map((row) => row.id)));
  } catch (error) {
    toast(error instanceof Away ? "The server is away; the list is as it was." : error.message);
  }
}

function remember(fields) {
  const address = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(fields)) {
    if (value === (DEFAULTS[name] ?? "")) address.delete(name);
    else address.set(name, value);
  }
  history.replaceState(null, "", `?${address}${location.hash}`);
}

function offer(name, values, first) {
  const select = form().elements[name];
  const before = select.value || new URLSearchParams(location.search).get(name) || "";
  const all = before && !values.includes(before) ? [before, ...values] : values;
  select.replaceChildren(make("option", { value: "", text: first }), ...all.map((v) => make("option", { value: v, text: v })));
  select.value = before;
  select.hidden = !all.length;
}

function offerAll() {
  offer("speaker", state.progress.speakers, "Any speaker");
  offer("flag", state.progress.flags, "Any flag or none");
  offer("source", state.sources?.length > 1 && state.sources.length <= MANY ? state.sources : [], "All recordings");
}

/** Clips that are done stay where they are until they are cleared away: a list that jumps is no help. */
function untidy() {
  const statuses = wanted().status.split(",");
  const done = state.ids.filter((id) => {
    const status = state.rows.get(id)?.status;
    return wanted().status && status && !statuses.includes(status);
  });
  $("tidy").hidden = !done.length;
  $("tidy").textContent = `Clear away ${done.length}`;
  const empty = !state.ids.length;
  $("empty").hidden = !empty;
  const finished = state.progress && DONE.reduce((n, s) => n + state.progress[s], 0) === state.progress.total;
  $("empty").textContent = finished
    ? `All ${plural(state.progress.total, "clip")} are looked at. Run prepare again to make use of it.`
    : "No clip fits.";
}

export function start() {
  const address = new URLSearchParams(location.search);
  for (const element of form().elements) {
    if (element.name && address.has(element.name)) element.value = address.get(element.name);
  }
  form().addEventListener("submit", (event) => (event.preventDefault(), search()));
  form().addEventListener("change", search);
  form().elements.text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 250);
  });
  $("tidy").addEventListener("click", search);
  on("progress filters", offerAll);
  on("list rows progress", untidy);
}
