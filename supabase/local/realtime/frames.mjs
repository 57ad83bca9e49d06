/** Phoenix frames: version 1.0.0 is a JSON object, version 2.0.0 a JSON array. */

/** The codec of a protocol version: encode(message) → text, decode(text) → message or null. */
export function codec(version) {
  return version === "2.0.0"
    ? { encode: encodeArray, decode: decodeArray }
    : { encode: encodeObject, decode: decodeObject };
}

function encodeArray({ joinRef = null, ref = null, topic, event, payload }) {
  return JSON.stringify([joinRef, ref, topic, event, payload]);
}

function decodeArray(text) {
  const value = parse(text);
  if (!Array.isArray(value)) return null;
  const [joinRef, ref, topic, event, payload] = value;
  return checked({ joinRef, ref, topic, event, payload });
}

// realtime-py's model wants the key `ref`, even null.
function encodeObject({ joinRef, ref = null, topic, event, payload }) {
  return JSON.stringify({ topic, event, payload, ref, ...(joinRef ? { join_ref: joinRef } : {}) });
}

function decodeObject(text) {
  const value = parse(text);
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  return checked({ ...value, joinRef: value.join_ref ?? value.ref });
}

function checked({ joinRef = null, ref = null, topic, event, payload }) {
  if (typeof topic !== "string" || typeof event !== "string") return null;
  const isObject = payload !== null && typeof payload === "object";
  return { joinRef, ref, topic, event, payload: isObject ? payload : {} };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
