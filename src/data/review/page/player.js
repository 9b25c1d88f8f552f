// Sound, and pictures that follow it. All times are the recording's own, in seconds.

import { $, clock, store, stored } from "./dom.js";
import { query } from "./net.js";
import { emit, on, state } from "./state.js";

const APART = 0.12; // seconds between picture and sound, from which on the picture is put right

const UNHURRIED = 150; // milliseconds on a clip before its pictures are made; who skims needs none

let timer = null;
let from = 0; // the time at which the sound that is loaded begins
let until = Infinity;

const audio = () => $("audio");
const video = () => $("video");

const pressed = (id) => $(id).getAttribute("aria-pressed") === "true";
const press = (id, down) => $(id).setAttribute("aria-pressed", String(down));

export const now = () => from + audio().currentTime;
export const playing = () => !audio().paused;

export function seek(time) {
  const { window } = state.detail ?? { window: [time, time] };
  const at = Math.max(window[0], Math.min(time, window[1])) - from;
  audio().currentTime = at;
  video().currentTime = at;
  show();
}

/** From `time`, or from the playhead, to the end of the clip; from beyond it, to the end of the sound. */
export function play(time) {
  const clip = state.detail;
  if (!clip) return;
  if (time === undefined) time = now() < clip.start - 0.02 || now() > clip.end - 0.06 ? clip.start : now();
  until = time < clip.end - 0.02 ? clip.end : clip.window[1];
  seek(time);
  audio().play().catch((error) => error.name === "AbortError" || console.warn(error.message));
}

export const pause = () => audio().pause();
export const toggle = () => (playing() ? pause() : play());

function follow() {
  if (!playing()) return;
  if (now() >= until - 0.01) {
    if (pressed("loop")) play(state.detail.start);
    else {
      pause();
      seek(until);
    }
  }
  if (!$("screen").hidden && Math.abs(video().currentTime - audio().currentTime) > APART) {
    video().currentTime = audio().currentTime;
  }
  show();
  requestAnimationFrame(follow);
}

function show() {
  const clip = state.detail;
  $("clock").textContent = clip ? `${clock(now(), 2)} / ${clock(clip.end, 2)}` : "";
  emit("time", now());
}

/** The stretch that is loaded: the clip and what is around it. */
function load(clip) {
  const stretch = query({ id: clip.id, start: clip.window[0], end: clip.window[1] });
  const key = `${clip.source} ${clip.window}`;
  if (audio().dataset.key !== key) {
    audio().dataset.key = key;
    from = clip.window[0];
    audio().src = `media/sound.wav?${stretch}`;
    setPictures(clip, stretch);
    seek(clip.start);
    if (pressed("autoplay")) play(clip.start);
  } else show();
}

function setPictures(clip, stretch) {
  $("screen").hidden = !clip.video;
  $("screen-note").textContent = "Cutting out the pictures…";
  video().removeAttribute("src");
  clearTimeout(timer);
  if (clip.video) timer = setTimeout(() => (video().src = `media/pictures.mp4?${stretch}`), UNHURRIED);
}

export function start() {
  $("speed").addEventListener("change", () => {
    const speed = parseFloat($("speed").value);
    for (const media of [audio(), video()]) media.playbackRate = media.defaultPlaybackRate = speed;
  });
  $("play").addEventListener("click", toggle);
  $("loop").addEventListener("click", () => press("loop", !pressed("loop")));
  $("autoplay").addEventListener("click", () => {
    press("autoplay", !pressed("autoplay"));
    store("understudy:autoplay", pressed("autoplay"));
  });
  press("autoplay", stored("understudy:autoplay") === true);
  audio().addEventListener("play", () => {
    $("play").setAttribute("aria-label", "Pause");
    video().play().catch(() => {}); // pictures may be missing; the sound plays on
    requestAnimationFrame(follow);
  });
  audio().addEventListener("pause", () => {
    $("play").setAttribute("aria-label", "Play");
    video().pause();
  });
  audio().addEventListener("loadedmetadata", () => state.detail && seek(state.detail.start));
  video().addEventListener("loadeddata", () => {
    $("screen-note").textContent = "";
    video().currentTime = audio().currentTime;
  });
  video().addEventListener("error", () => {
    if (video().getAttribute("src")) $("screen-note").textContent = "These pictures cannot be shown.";
  });
  on("open", () => pause());
  on("detail", load);
}
