const SCHEMES = ["http:", "https:"];

/** Return the address if a browser may open it, else null: http or https, and no user in it. */
export function webAddress(text) {
  const url = typeof text === "string" ? parse(text) : null;
  const isWeb = url && SCHEMES.includes(url.protocol) && !url.username && !url.password;
  return isWeb ? url.href : null;
}

function parse(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
