/** The stage: the video and the button that the agent's tools ask for. */
import { webAddress } from "./address.js";
import { announce, byId } from "./dom.js";
import { failure } from "./summary.js";

const SHOWS = { fetch_video: "video", display_cta: "cta" };

/** Return the stage; `show(rows, {isHistory})` gives it events, of which it shows the latest of each kind. */
export function createPlayer() {
  const shown = { video: -1, cta: -1, outcome: -1 };
  const parts = { stage: byId("stage"), video: byId("video"), title: byId("video-title"), cta: byId("cta"), outcome: byId("outcome") };
  parts.video.onerror = () => tell(parts, "This video cannot be played here.", { isFailure: true });
  clear(parts);

  function show(rows, { isHistory }) {
    const results = rows.filter((row) => row.event_type === "tool_call_result" && row.event_data);
    const latest = {};
    for (const row of results) for (const place of placesOf(row.event_data)) latest[place] = row;
    for (const [place, row] of Object.entries(latest)) {
      if (row.seq <= shown[place]) continue;
      shown[place] = row.seq;
      SHOW[place](parts, row.event_data, isHistory);
    }
  }

  return { show };
}

const SHOW = {
  video(parts, { result }, isHistory) {
    const address = webAddress(result?.video_url);
    if (!address) return;
    parts.stage.classList.add("has-video");
    parts.title.textContent = result.title ?? "Video";
    parts.video.hidden = false;
    // What was shown before this page was opened waits for a click.
    parts.video.autoplay = !isHistory;
    parts.video.src = address;
  },
  cta(parts, { result }) {
    const address = webAddress(result?.url);
    if (!address) return;
    parts.stage.classList.add("has-cta");
    parts.cta.textContent = result.text;
    parts.cta.href = address;
    parts.cta.hidden = false;
  },
  outcome(parts, data, isHistory) {
    const problem = problemOf(data);
    if (problem) tell(parts, problem, { isFailure: true, isHistory });
    else if (data.tool_name === "fetch_video") tell(parts, playing(data, isHistory), { isHistory });
    else if (parts.outcome.classList.contains("failed")) tell(parts, "", { isHistory });
  },
};

function placesOf(data) {
  const place = data.success ? SHOWS[data.tool_name] : null;
  return place && !problemOf(data) ? [place, "outcome"] : ["outcome"];
}

function problemOf({ tool_name: tool, success, error, result }) {
  if (!success) return failure({ tool_name: tool, error });
  if (tool === "fetch_video" && !webAddress(result?.video_url)) return "The video's address was refused.";
  if (tool === "display_cta" && !webAddress(result?.url)) return "The button's address was refused.";
  return null;
}

function playing({ result }, isHistory) {
  return `${isHistory ? "Shown before" : "Now playing"}: ${result.title ?? "Video"}`;
}

function tell(parts, text, { isFailure = false, isHistory = false }) {
  parts.outcome.textContent = text;
  parts.outcome.classList.toggle("failed", isFailure);
  parts.outcome.hidden = !text;
  if (text && !isHistory) announce(text);
}

function clear({ stage, video, title, cta, outcome }) {
  stage.classList.remove("has-video", "has-cta");
  for (const part of [video, cta, outcome]) part.hidden = true;
  title.textContent = outcome.textContent = "";
  video.removeAttribute("src");
  video.load();
  cta.removeAttribute("href");
}
