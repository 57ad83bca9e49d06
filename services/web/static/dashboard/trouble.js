/** Whether what a page shows can be read just now, and of when it is. */
import { dateAndTime } from "../format.js";

const PATIENCE_MS = 12_000;
const DAY_MS = 86_400_000;

/** Return `read`, which now tells the shell how each read went; one that takes too long has failed. */
export const told = ({ signal, showRead }, read) => async (...asked) => {
  try {
    const answer = await inTime(read(...asked));
    showRead(null);
    return answer;
  } catch (error) {
    // A refusal is an answer too.
    if (!signal.aborted && error.name !== "AbortError") showRead(isAway(error) ? error : null);
    throw error;
  }
};

/** Return whether an error says that nobody answered, so that another try may go well. */
export const isAway = ({ status }) => !status || status >= 500 || status === 429;

/** Return {note(error or null), sentence(), forget()}: since when reads fail, and of when what is shown is. */
export function createTrouble(now = () => new Date()) {
  let [since, at] = [null, null];
  return {
    note(error) {
      if (error) since ??= now();
      else [since, at] = [null, now()];
    },
    sentence() {
      if (!since) return "";
      const shown = at ? `, shown as of ${hour(at)}` : "";
      return `This page cannot be read since ${hour(since)}${shown}. It is tried again by itself.`;
    },
    forget() {
      [since, at] = [null, null];
    },
  };
}

function inTime(reading) {
  let timer = null;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(noAnswer()), PATIENCE_MS);
  });
  return Promise.race([reading, late]).finally(() => clearTimeout(timer));
}

const noAnswer = () =>
  Object.assign(new Error("No answer has come for a while."), { status: 0, title: "The service cannot be reached" });

const hour = (at) =>
  Date.now() - at < DAY_MS ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }) : dateAndTime(at);
