/** What a talk was worth, and why: docs/feedback.md says what the scores mean. */
import { plain, words } from "../../format.js";
import { html, nothing } from "../ui.js";

const SCORES = { communicationScore: "Communication", empathyScore: "Empathy", problemSolvingScore: "Problem solving" };
const REMARKS = { strengths: "Strengths", areasForImprovement: "To improve", keyInsights: "Insights" };
const OUTCOMES = { silent: "The visitor said nothing.", monologue: "Only the visitor spoke." };
// A remark ends with the lines that it rests on, which `citations` has as data too.
const CITED = /\s*\((?:line \d+: “[^”]*”(?:; )?)+\)$/;

/** Return the scores of a feedback with their reasons; `onLine(number)` goes to a line of the transcript. */
export function feedbackView({ score, analysis, analyzer }, onLine) {
  const told = isObject(analysis) ? analysis : {};
  return html`<div class="feedback">
    <p class="total"><strong>${Number.isFinite(score) ? score : "–"}</strong> of 100 <span class="by">${scoredBy(analyzer)}</span></p>
    ${OUTCOMES[told.outcome] ? html`<p class="note">${OUTCOMES[told.outcome]}</p>` : nothing}
    ${bars(told)} ${metrics(told, onLine)}
    ${Object.entries(REMARKS).map(([name, label]) => remarks(label, listOf(told[name]), listOf(told.citations?.[name]), onLine))}
    ${tone(told)} ${listOf(told.notes).map((note) => html`<p class="note">${plain(note)}</p>`)}
  </div>`;
}

/** Return the scores in one line. */
export function scoresLine(analysis) {
  const found = Object.entries(SCORES).filter(([name]) => Number.isFinite(analysis?.[name]));
  return found.map(([name, label]) => `${label} ${analysis[name]}`).join(" · ");
}

/** Return what was praised and what is to be done better, without the lines that it rests on. */
export function reasonsOf(analysis) {
  return ["strengths", "areasForImprovement"].flatMap((name) => listOf(analysis?.[name]).map((text) => plain(text).replace(CITED, "")));
}

/** Return who made the scores, in words. */
export function scoredBy(analyzer) {
  if (!analyzer) return "";
  return analyzer.startsWith("llm:") ? `scored by ${analyzer.slice(4)}` : `scored by ${analyzer}`;
}

const bars = (told) => html`<div class="bars">
  ${Object.entries(SCORES)
    .filter(([name]) => Number.isFinite(told[name]))
    .map(([name, label]) => bar(label, told[name]))}
</div>`;

const bar = (label, value, detail = nothing) => html`<div class="bar-line">
  <span>${label}${detail}</span><meter min="0" max="100" aria-label=${label} .value=${value}></meter><b>${value}</b>
</div>`;

// A scenario's own: what it looks for, how much it counts, and where that was found.
function metrics(told, onLine) {
  const details = listOf(told.metricDetails).filter(isObject);
  if (!details.length) return nothing;
  return html`<section><h3>This scenario</h3>
    <div class="bars">${details.map((metric) => metricView(metric, onLine))}</div>
  </section>`;
}

function metricView({ name, weight, score, found, lines }, onLine) {
  const label = plain(name);
  const share = weight === 1 || weight === undefined ? nothing : html` <small>×${plain(weight)}</small>`;
  const phrases = listOf(found).map(plain).join(", ");
  return html`${Number.isFinite(score) ? bar(label, score, share) : html`<p class="bar-line"><span>${label}</span><i>not scored</i></p>`}
    ${phrases ? html`<p class="found">Found: ${phrases} ${listOf(lines).map((line) => citation({ line }, onLine))}</p>` : nothing}`;
}

function remarks(label, texts, citations, onLine) {
  if (!texts.length) return nothing;
  return html`<section><h3>${label}</h3>
    <ul>${texts.map((text, index) => remark(plain(text), listOf(citations[index]).filter(isObject), onLine))}</ul>
  </section>`;
}

function remark(text, cited, onLine) {
  if (!cited.length) return html`<li>${text}</li>`;
  return html`<li>${text.replace(CITED, "")} ${cited.map((place) => citation(place, onLine))}</li>`;
}

function citation({ line, quote }, onLine) {
  const label = quote ? html`<q>${plain(quote)}</q>` : `line ${line}`;
  return html`<button type="button" class="cite" title="Go to line ${line}" @click=${() => onLine(line)}>${label}</button>`;
}

function tone({ sentiment, language }) {
  const label = isObject(sentiment) ? sentiment.label : sentiment;
  const told = [label && `Tone: ${words(label).toLowerCase()}`, language === "other" && "not in English"].filter(Boolean);
  return told.length ? html`<p class="note">${told.join(" · ")}</p>` : nothing;
}

function listOf(value) {
  return Array.isArray(value) ? value : [];
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
