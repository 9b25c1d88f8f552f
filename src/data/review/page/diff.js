// What changed from one text to another, word by word.

import { make } from "./dom.js";

const key = (word) => word.toLowerCase();

/** [["same" | "gone" | "new", word], ...] along the longest common subsequence. */
export function diff(before, after) {
  const a = before.split(/\s+/).filter(Boolean);
  const b = after.split(/\s+/).filter(Boolean);
  const length = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      length[i][j] = key(a[i]) === key(b[j]) ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const parts = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && key(a[i]) === key(b[j])) {
      parts.push(["same", b[j++]]);
      i++;
    } else if (j === b.length || (i < a.length && length[i + 1][j] >= length[i][j + 1])) parts.push(["gone", a[i++]]);
    else parts.push(["new", b[j++]]);
  }
  return parts;
}

/** The same as elements with spaces between, or only some `kinds` of them. */
export function shown(before, after, kinds = ["same", "gone", "new"]) {
  const tags = { same: "span", gone: "del", new: "ins" };
  const parts = diff(before, after).filter(([kind]) => kinds.includes(kind));
  return parts.flatMap(([kind, word]) => [make(tags[kind], { text: word }), " "]);
}
