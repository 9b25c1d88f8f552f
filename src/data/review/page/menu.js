// A small panel beside a button: choices, and room for one's own.

import { $, make } from "./dom.js";

/** Show `panel` below (or above) `anchor`, within the window. */
export function beside(panel, anchor) {
  panel.showPopover();
  const button = anchor.getBoundingClientRect();
  const { width, height } = panel.getBoundingClientRect();
  const below = button.bottom + 6 + height <= innerHeight;
  panel.style.left = `${Math.max(8, Math.min(button.left, innerWidth - width - 8))}px`;
  panel.style.top = `${below ? button.bottom + 6 : Math.max(8, button.top - height - 6)}px`;
}

/** Offer `choices` ([value, label, marked]); `free` is what to ask for where none of them fits. */
export function choose(anchor, title, choices, free, chosen) {
  const menu = $("menu");
  const pick = (value) => {
    menu.hidePopover();
    if (value) chosen(value);
  };
  const own = make("input", { type: "text", placeholder: free, "aria-label": free, maxlength: 80 });
  menu.replaceChildren(
    make("h2", { text: title }),
    ...choices.map(([value, label, marked]) =>
      make("button", { type: "button", text: label, "aria-pressed": marked ? "true" : null, onclick: () => pick(value) })),
    make("form", { onsubmit: (event) => (event.preventDefault(), pick(own.value.trim())) }, own),
  );
  beside(menu, anchor);
  (menu.querySelector("button") ?? own).focus();
}

/** Arrow keys walk through the choices. */
export function start() {
  $("menu").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const items = [...$("menu").querySelectorAll("button, input")];
    items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  });
}
