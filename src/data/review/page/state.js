// What the page knows, and who wants to hear of changes.

export const state = {
  workspace: "",
  instance: "",
  version: 0,
  progress: null,
  ids: [], // what the list shows, in its order
  rows: new Map(), // by id; those that have been asked for
  open: null, // id
  detail: null, // of the clip that is open
  gone: {}, // what took the place of clips that are no more
};

/** The clip itself, or what has become of it. */
export const heirs = (id) => (state.gone[id] ? state.gone[id].flatMap(heirs) : [id]);

const listeners = new Map();

/** `names` are separated by spaces: list, rows, gone, open, detail, progress, time, waiting, conflicts... */
export function on(names, listener) {
  for (const name of names.split(" ")) listeners.set(name, [...(listeners.get(name) ?? []), listener]);
}

export function emit(name, value) {
  for (const listener of listeners.get(name) ?? []) listener(value);
}
