// The clip that is open: loads it, keeps it current, and shows all but its sound and text.

import { $, clock, make, percent } from "./dom.js";
import { Away, ask, query } from "./net.js";
import * as outbox from "./outbox.js";
import { emit, heirs, on, state } from "./state.js";

const STATUSES = { todo: "Not looked at", edited: "Text changed", doubted: "Confirmed, but doubted", confirmed: "Confirmed", dropped: "Dropped" };
const NAMES = { language: "Language", transcriber: "Transcriber", snr: "Signal to noise, dB", dnsmos: "DNSMOS",
  loudness: "Loudness, LUFS", gain: "Gain applied, dB" };

export function open(id) {
  outbox.commit();
  if (id !== state.open) state.detail = null;
  state.open = id;
  history.replaceState(null, "", `${location.search}#${encodeURIComponent(id)}`);
  document.body.classList.add("reading");
  $("clip").hidden = false;
  $("nothing").hidden = true;
  const row = state.rows.get(id);
  if (row) head(row);
  emit("open", id);
  return load();
}

export function close() {
  outbox.commit();
  document.body.classList.remove("reading");
  emit("closed");
}

/** Everything about the open clip, as it stands now. */
export async function load() {
  const id = state.open;
  if (!id) return;
  try {
    const detail = await ask(`api/clip?${query({ id })}`);
    if (state.open !== id) return;
    state.detail = detail;
    state.rows.set(id, { ...state.rows.get(id), ...detail });
    head(detail);
    signs(detail);
    about(detail);
    emit("detail", detail);
  } catch (error) {
    if (state.open === id && !state.detail) emit("silent", error instanceof Away ? "the server is away" : error.message);
  }
}

function head(row) {
  $("place").replaceChildren(make("span", { class: "source", text: row.source }),
    make("span", { class: "times", text: ` ${clock(row.start, 2)} – ${clock(row.end, 2)}` }));
  const waits = outbox.waitsFor(row.id);
  $("status").textContent = row.status === "dropped" ? `Dropped: ${row.reason}` : STATUSES[row.status];
  $("status").dataset.status = row.status;
  $("status").classList.toggle("waits", waits);
  $("speaker").replaceChildren(make("i", { class: "face" }), row.speaker ?? "Speaker unknown");
  $("drop").hidden = row.status === "dropped";
  $("take-back").hidden = row.status !== "dropped";
  $("right").disabled = row.status === "dropped" || outbox.conflicts.has(row.id);
  $("right").classList.toggle("done", row.status === "confirmed");
}

function signs(clip) {
  $("suspicion").textContent = percent(clip.suspicion);
  const known = clip.signs.filter((sign) => sign.score !== null).sort((a, b) => b.weight - a.weight);
  const unknown = clip.signs.filter((sign) => sign.score === null).map((sign) => sign.label);
  const rest = ["confirmed", "doubted"].includes(clip.status)
    ? "A person has confirmed it: what the transcriber made of it no longer counts."
    : unknown.length && `Not known: ${unknown.join(", ")}.`;
  $("signs").replaceChildren(
    ...known.map((sign) => {
      const bar = make("i");
      bar.style.width = percent(sign.weight);
      bar.dataset.heat = sign.weight < 0.15 ? "low" : sign.weight < 0.45 ? "some" : "high";
      return make("div", { class: "sign" }, make("span", { class: "label", text: sign.label }),
        make("span", { class: "bar", title: `adds ${percent(sign.weight)}` }, bar), make("span", { class: "said", text: sign.words }));
    }),
    rest ? make("p", { class: "unknown", text: rest }) : "",
  );
}

function about(clip) {
  const facts = Object.entries(clip.numbers).map(([name, value]) => [NAMES[name], typeof value === "number" ? value.toFixed(1) : value]);
  $("numbers").replaceChildren(...[["Clip", clip.id], ["Length", `${(clip.end - clip.start).toFixed(2)} s`], ...facts]
    .flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]));
  $("story").replaceChildren(...clip.history.map((edit) => make("li", {},
    make("time", { text: edit.at ? new Date(edit.at).toLocaleString() : "" }), ` ${told(edit)}`)));
}

function told({ action, value }) {
  if (action === "set") return Object.entries(value).map(([name, content]) => `${name}: ${content ?? "taken away"}`).join(", ");
  if (action === "drop") return value === null ? "taken back in" : `dropped: ${value}`;
  if (action === "split") return `split at ${clock(value, 2)}`;
  if (action === "merge") return `joined with ${value}`;
  return "undone";
}

export function start() {
  on("rows", (ids) => {
    if (!ids.has(state.open)) return;
    const row = state.rows.get(state.open);
    if (row) head(row);
    load();
  });
  on("back", load);
  on("reset", () => state.open && load());
  on("waiting", () => state.rows.has(state.open) && head(state.rows.get(state.open)));
  on("gone", (id) => id === state.open && open(heirs(id)[0]));
}
