// Brings the page to life: one module for each concern, started once the server has told its name.

import * as actions from "./actions.js";
import * as clip from "./clip.js";
import * as conflict from "./conflict.js";
import { $ } from "./dom.js";
import * as filters from "./filters.js";
import * as history from "./history.js";
import * as keys from "./keys.js";
import * as lexicon from "./lexicon.js";
import * as list from "./list.js";
import * as menu from "./menu.js";
import { ask } from "./net.js";
import * as outbox from "./outbox.js";
import * as player from "./player.js";
import { emit, on, state } from "./state.js";
import * as status from "./status.js";
import * as sync from "./sync.js";
import * as text from "./text.js";
import * as waveform from "./waveform.js";

const AGAIN = 2000; // milliseconds

async function hello() {
  const { name, manifest, workspace, sources, instance, version, progress } = await ask("api/hello");
  Object.assign(state, { workspace, sources, instance, version, progress });
  $("subject").textContent = name;
  $("subject").title = `${manifest}.jsonl`;
  document.title = `${name} · Review · Understudy`;
  emit("progress");
}

async function begin() {
  try {
    await hello();
  } catch (error) {
    outbox.link(error);
    setTimeout(begin, AGAIN);
    return;
  }
  outbox.start();
  sync.start();
  await filters.search();
  const asked = decodeURIComponent(location.hash.slice(1));
  if (asked) clip.open(asked);
  else if (state.ids.length && matchMedia("(min-width: 900px)").matches) clip.open(state.ids[0]);
}

for (const module of [list, filters, status, lexicon, menu, player, waveform, text, conflict, clip, history, actions, keys]) module.start();
list.onChoice(clip.open);
on("reset", async () => {
  await hello();
  await filters.search();
});
begin();
