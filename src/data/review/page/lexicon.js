// Words that no list has, in texts that a person has seen: they may be put into the lexicon.

import { $, make } from "./dom.js";
import { beside } from "./menu.js";
import { ask } from "./net.js";
import { emit, on, state } from "./state.js";
import { toast } from "./toast.js";

function offers() {
  const { offers: words } = state.progress;
  $("words").hidden = !words.length;
  $("word-count").textContent = words.length;
  if (!$("tray").matches(":popover-open")) return;
  if (!words.length) return $("tray").hidePopover();
  const shown = new Set([...$("tray").querySelectorAll("li")].map((line) => line.dataset.word));
  if (words.some(([word]) => !shown.has(word))) fill();
}

function fill() {
  $("tray").replaceChildren(
    make("h2", { text: "New words" }),
    make("p", { text: "No word list has these. In the lexicon they help the recogniser and the voice; say how a word is spoken if it is not as it is written." }),
    make("ul", {}, ...state.progress.offers.map(([word, count]) => line(word, count))),
  );
}

function line(word, count) {
  const spoken = make("input", { type: "text", placeholder: "spoken as…", "aria-label": `How ${word} is spoken`, maxlength: 120 });
  const element = make("li", { "data-word": word },
    make("b", { text: word }), make("span", { class: "times", text: count > 1 ? `${count}×` : "" }), spoken,
    make("button", { type: "button", class: "main", text: "Add", "aria-label": `Add ${word} to the lexicon`, onclick: () => settle(element, word, true, spoken.value) }),
    make("button", { type: "button", class: "quiet", text: "No", "aria-label": `Leave ${word} out of the lexicon`, onclick: () => settle(element, word, false, "") }));
  spoken.addEventListener("keydown", (event) => event.key === "Enter" && settle(element, word, true, spoken.value));
  return element;
}

async function settle(element, word, accept, spoken) {
  try {
    const told = await ask("api/lexicon", { word, spoken, accept });
    element.remove();
    state.progress = told.progress;
    emit("progress");
    emit("lexicon");
  } catch (error) {
    toast(`“${word}” was not noted: ${error.message}`);
  }
}

export function start() {
  $("words").addEventListener("click", () => {
    fill();
    beside($("tray"), $("words"));
    $("tray").querySelector("input")?.focus();
  });
  on("progress", offers);
}
