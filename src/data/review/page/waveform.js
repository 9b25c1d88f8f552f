// The waveform, the words over it, the playhead, and the ends of the clip that can be moved.

import { $, clock, make, percent } from "./dom.js";
import { ask, query } from "./net.js";
import * as player from "./player.js";
import { on, state } from "./state.js";

const FRAME = 0.04; // seconds; clips begin and end with a picture
const SHORTEST = 0.2;

let peaks = null;
let moving = null; // {grip, start, end} while an end is dragged
let trim = () => {};

export const onTrim = (listener) => (trim = listener);

const span = () => state.detail.window[1] - state.detail.window[0];
const share = (time) => (time - state.detail.window[0]) / span();
const ends = () => moving ?? state.detail;
const onFrame = (time) => Math.round(Math.round(time / FRAME) * FRAME * 1000) / 1000;

async function load(clip) {
  const key = `${clip.source} ${clip.window}`;
  if (peaks?.key === key) return lay();
  peaks = null;
  $("wave-note").hidden = true;
  lay();
  try {
    const found = await ask(`media/peaks?${query({ id: clip.id, start: clip.window[0], end: clip.window[1] })}`);
    if (state.detail?.id !== clip.id) return;
    peaks = { ...found, key };
    lay();
  } catch (error) {
    silent(error.message);
  }
}

function silent(why) {
  $("wave-note").textContent = `No sound: ${why}`;
  $("wave-note").hidden = false;
}

/** Put everything where the clip's times say. */
function lay() {
  const { start, end } = ends();
  const edges = { left: Math.max(share(start), 0), right: Math.min(share(end), 1) };
  $("outside-left").style.width = percent(edges.left, 3);
  $("outside-right").style.width = percent(1 - edges.right, 3);
  for (const [name, at, time] of [["start", edges.left, start], ["end", edges.right, end]]) {
    const grip = $(`grip-${name}`);
    grip.style.left = percent(at, 3);
    grip.setAttribute("aria-valuemin", state.detail.window[0]);
    grip.setAttribute("aria-valuemax", state.detail.window[1]);
    grip.setAttribute("aria-valuenow", time);
    grip.setAttribute("aria-valuetext", clock(time, 2));
    grip.dataset.time = clock(time, 2);
  }
  paint();
}

function paint() {
  const canvas = $("canvas");
  const { width, height } = canvas.getBoundingClientRect();
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  if (!peaks || !canvas.width) return;
  const draw = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const loudest = Math.max(24, ...peaks.high, ...peaks.low.map((v) => -v));
  const middle = canvas.height / 2;
  const bar = 3 * scale;
  const colours = [style.getPropertyValue("--wave"), style.getPropertyValue("--wave-outside")];
  for (let x = 0; x < canvas.width; x += bar) {
    const [first, last] = [x, x + bar].map((at) => (at / canvas.width) * (span() / peaks.step));
    const columns = [Math.floor(first), Math.max(Math.ceil(last), Math.floor(first) + 1)];
    const high = Math.max(0, ...peaks.high.slice(...columns)) / loudest;
    const low = Math.min(0, ...peaks.low.slice(...columns)) / loudest;
    const time = state.detail.window[0] + ((x + bar / 2) / canvas.width) * span();
    draw.fillStyle = colours[time >= ends().start && time <= ends().end ? 0 : 1];
    const top = middle - Math.max(high * middle * 0.94, scale * 0.75);
    const bottom = middle + Math.max(-low * middle * 0.94, scale * 0.75);
    draw.beginPath();
    draw.roundRect(x, top, bar - scale, bottom - top, scale);
    draw.fill();
  }
}

function words(clip) {
  const spoken = clip.words.filter(([start, end]) => end > clip.window[0] && start < clip.window[1]);
  $("spoken").replaceChildren(...spoken.map(([start, end, word, confidence]) => {
    const button = make("button", { type: "button", text: word, onclick: () => player.play(start),
      title: `${word}, ${clock(start, 2)}${confidence === undefined || confidence === null ? "" : `, ${percent(confidence)} sure`}` });
    button.dataset.start = start;
    button.dataset.end = end;
    button.classList.toggle("unsure", confidence < 0.6);
    button.style.left = percent(share(start), 3);
    button.style.width = percent((end - start) / span(), 3);
    return button;
  }));
}

function point(time) {
  $("playhead").style.left = percent(Math.max(0, Math.min(share(time), 1)), 3);
  for (const button of $("spoken").children) {
    button.classList.toggle("now", time >= +button.dataset.start && time < +button.dataset.end);
  }
}

/** Where to cut: between two words, if the playhead is close to there. */
export function cut() {
  const at = player.now();
  const gaps = state.detail.words.slice(1).map(([start], k) => (state.detail.words[k][1] + start) / 2);
  const near = gaps.filter((gap) => Math.abs(gap - at) < 0.15).sort((a, b) => Math.abs(a - at) - Math.abs(b - at));
  return onFrame(near[0] ?? at);
}

const timeAt = (event) => {
  const { left, width } = $("wave").getBoundingClientRect();
  return state.detail.window[0] + ((event.clientX - left) / width) * span();
};

function moved(name, time) {
  const { start, end } = ends();
  const [first, last] = state.detail.window;
  const to = onFrame(name === "start" ? Math.max(first, Math.min(time, end - SHORTEST)) : Math.min(last, Math.max(time, start + SHORTEST)));
  moving = { start, end, [name]: to };
  lay();
}

function settle() {
  const change = {};
  for (const name of ["start", "end"]) if (moving && moving[name] !== state.detail[name]) change[name] = moving[name];
  if (Object.keys(change).length) trim(change);
  moving = null;
}

function drag(grip, name) {
  grip.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    event.stopPropagation();
    grip.setPointerCapture(event.pointerId);
    grip.focus();
    moving = { start: state.detail.start, end: state.detail.end };
  });
  grip.addEventListener("pointermove", (event) => moving && moved(name, timeAt(event)));
  grip.addEventListener("pointerup", settle);
  grip.addEventListener("pointercancel", () => ((moving = null), lay()));
  grip.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -FRAME, ArrowRight: FRAME }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    moved(name, state.detail[name] + step * (event.shiftKey ? 5 : 1));
    settle();
  });
}

export function start() {
  drag($("grip-start"), "start");
  drag($("grip-end"), "end");
  let scrubbing = false;
  $("wave").addEventListener("pointerdown", (event) => {
    if (!state.detail || event.target.closest("button")) return;
    scrubbing = true;
    $("wave").setPointerCapture(event.pointerId);
    player.seek(timeAt(event));
  });
  $("wave").addEventListener("pointermove", (event) => scrubbing && player.seek(timeAt(event)));
  for (const name of ["pointerup", "pointercancel"]) $("wave").addEventListener(name, () => (scrubbing = false));
  new ResizeObserver(() => state.detail && paint()).observe($("canvas"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.detail && paint());
  on("silent", silent);
  on("open", (id) => {
    if (state.detail?.id === id) return;
    $("spoken").replaceChildren();
    $("canvas").width = 0;
  });
  on("detail", (clip) => {
    moving = null;
    load(clip);
    words(clip);
    point(player.now());
  });
  on("time", (time) => state.detail && point(time));
}
