// The keyboard, for those who want it; every key has a button too.

import { $, make } from "./dom.js";
import * as actions from "./actions.js";
import * as player from "./player.js";
import { state } from "./state.js";

const STEP = 0.5; // seconds

const KEYS = [
  ["Space", "Play or pause (while writing: Ctrl Space)", player.toggle],
  ["←", "Half a second back", () => player.seek(player.now() - STEP)],
  ["→", "Half a second on", () => player.seek(player.now() + STEP)],
  ["L", "Loop", () => $("loop").click()],
  ["Enter", "Write in the text (Esc leaves it)", () => $("text").focus()],
  ["J", "Next clip", () => actions.go(1)],
  ["K", "Previous clip", () => actions.go(-1)],
  ["S", "Split at the playhead", actions.split],
  ["M", "Join with the next clip", () => actions.merge("after")],
  ["Shift M", "Join with the previous clip", () => actions.merge("before")],
  ["D", "Drop", actions.drop],
  ["P", "Who speaks", actions.relabel],
  ["Z", "Undo", actions.undo],
  ["Shift Z", "Redo", actions.redo],
  ["/", "Search", () => $("filters").elements.text.focus()],
  ["?", "This help", () => help()],
];
const WRITING = [
  ["Ctrl Enter", "This is right: confirm and go on to the next", actions.right],
  ["Ctrl Space", "Play or pause", player.toggle],
  ["Alt Enter", "Split where the text cursor stands", actions.splitAtCursor],
];

const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→" };

function name(event) {
  const key = NAMES[event.key] ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key);
  const held = [event.ctrlKey || event.metaKey ? "Ctrl" : "", event.altKey ? "Alt" : "", event.shiftKey && /^[A-Z]$/.test(key) ? "Shift" : ""];
  return [...held, key].filter(Boolean).join(" ");
}

function pressed(event) {
  const pane = event.target.closest?.("dialog, [popover]");
  if (pane || event.isComposing) return;
  const writing = event.target.closest("input, textarea, select");
  const pressing = event.target.closest("button, summary, [role=slider]") && ["Enter", " "].includes(event.key) && !event.ctrlKey;
  if (event.key === "Escape" && writing) return writing.blur();
  const [, , deed] = WRITING.find(([key]) => key === name(event)) ?? (writing || pressing ? [] : KEYS.find(([key]) => key === name(event))) ?? [];
  if (!deed || (!state.open && !["/", "?", "J", "Z"].includes(name(event)))) return;
  event.preventDefault();
  deed();
}

function table(keys) {
  return make("dl", {}, ...keys.flatMap(([key, what]) => [
    make("dt", {}, ...key.split(" ").map((part) => make("kbd", { text: part }))), make("dd", { text: what })]));
}

function help() {
  $("keys").replaceChildren(
    make("h2", { text: "Reviewing", tabindex: -1, autofocus: true }),
    make("p", { text: "Listen, correct the text, and confirm. Everything is saved by itself; nothing is overwritten, and every step can be undone. Drag the ends of the waveform to trim, press a word to hear it. Words underlined in red are in no word list, those dotted in amber are ones the transcriber was unsure of." }),
    make("h3", { text: "Anywhere" }), table(WRITING), make("h3", { text: "Outside the text" }), table(KEYS),
    make("form", { method: "dialog" }, make("button", { class: "main", text: "Close" })),
  );
  $("keys").showModal();
}

export function start() {
  addEventListener("keydown", pressed);
  $("help").addEventListener("click", help);
  $("keys").addEventListener("click", (event) => event.target === $("keys") && $("keys").close());
}
