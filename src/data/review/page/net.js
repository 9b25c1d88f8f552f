// Talking to the server, and knowing whether it is there.

/** The server cannot be reached. What was to be sent is kept and sent again. */
export class Away extends Error {}

/** The server answered that it cannot do this. */
export class Refused extends Error {}

const PATIENCE = 15000; // milliseconds

export async function ask(path, body) {
  const options = { signal: AbortSignal.timeout(PATIENCE) };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    throw new Away(error.message);
  }
  const text = await answer.text().catch(() => "");
  const told = parsed(text);
  if (answer.ok && told) return told;
  throw new Refused(told?.error ?? (text.slice(0, 200) || `the server answers ${answer.status}`));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export const query = (fields) => new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== ""));
