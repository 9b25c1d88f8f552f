// Small helpers for the document.

export const $ = (id) => document.getElementById(id);

/** An element with properties (`text`, `class`, `on…`, attributes) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** 1:02.4 */
export function clock(seconds, digits = 1) {
  const whole = Math.max(seconds, 0);
  const minutes = Math.floor(whole / 60);
  return `${minutes}:${(whole - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}%`;
export const thousands = (number) => number.toLocaleString("en");
export const plural = (number, one, many = `${one}s`) => `${thousands(number)} ${number === 1 ? one : many}`;

/** How a text is stored: one line, single spaces. */
export const tidy = (text) => (text ?? "").trim().split(/\s+/).join(" ");

export function store(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch (error) {
    console.warn("the browser keeps nothing:", error); // full, or storage is switched off
  }
}

export function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}
