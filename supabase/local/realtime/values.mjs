/** Text of a Postgres value → the JSON that `to_jsonb` would make of it. */
import { isoTimestamp } from "../lite.mjs";

const SAFE_DIGITS = 15;

const CONVERTERS = {
  bool: (text) => text === "t",
  int2: number,
  int4: number,
  int8: number,
  oid: number,
  float4: number,
  float8: number,
  numeric: number,
  json: JSON.parse,
  jsonb: JSON.parse,
  timestamp: (text) => text.replace(" ", "T"),
  timestamptz: isoTimestamp,
};

/** Convert `text` of the type named `type`; null stays null. */
export function toJson(type, text) {
  if (text === null) return null;
  if (type.startsWith("_")) return arrayToJson(type.slice(1), text);
  return Object.hasOwn(CONVERTERS, type) ? CONVERTERS[type](text) : text;
}

// NaN and the infinities have no JSON number; more digits than a double holds are kept as they are.
function number(text) {
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  return text.replace(/\D/g, "").length <= SAFE_DIGITS ? value : JSON.rawJSON(text);
}

function arrayToJson(type, text) {
  const literal = text.slice(text.indexOf("{"));
  const tokens = literal.match(/[{},]|"(?:[^"\\]|\\.)*"|[^{},"]+/gs);
  let at = 0;
  const parse = () => {
    const items = [];
    for (at++; tokens[at] !== "}"; at++) {
      if (tokens[at] === "{") items.push(parse());
      else if (tokens[at] !== ",") items.push(item(type, tokens[at]));
    }
    return items;
  };
  return parse();
}

function item(type, token) {
  if (token === "NULL") return null;
  const text = token.startsWith('"') ? token.slice(1, -1).replace(/\\(.)/gs, "$1") : token;
  return toJson(type, text);
}
