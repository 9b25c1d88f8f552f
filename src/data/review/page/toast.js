// A line at the bottom of the page that goes away by itself.

import { $, make } from "./dom.js";

export function toast(text, button, pressed) {
  const line = make("div", { class: "toast" }, make("span", { text }));
  const gone = () => line.remove();
  if (button) line.append(make("button", { type: "button", text: button, onclick: () => (gone(), pressed()) }));
  $("toasts").replaceChildren(line);
  setTimeout(gone, 6000);
}
