/** Which module shows which address, and what the navigation offers. */

const FOR_ADMINS = true;

/** Patterns of addresses below /dashboard; `:name` stands for one part. The first that fits counts. */
export const ROUTES = [
  ["", "overview"],
  ["events", "events"],
  ["events/:id", "event"],
  ["dead-letters", "dead-letters", FOR_ADMINS],
  ["conversations", "conversations"],
  ["conversations/:id", "conversation"],
  ["qualification", "qualification"],
  ["endpoints", "endpoints"],
  ["endpoints/:id", "endpoint"],
  ["deliveries/:id", "delivery"],
  ["senders", "senders", FOR_ADMINS],
  ["operations", "operations", FOR_ADMINS],
];

export const NAV = [
  { path: "/dashboard", label: "Overview", icon: "chart" },
  { path: "/dashboard/events", label: "Events", icon: "pulse" },
  { path: "/dashboard/conversations", label: "Conversations", icon: "speech" },
  { path: "/dashboard/qualification", label: "Qualification", icon: "check" },
  { path: "/dashboard/endpoints", label: "Endpoints", icon: "send" },
  { path: "/dashboard/dead-letters", label: "Dead letters", icon: "stop", adminOnly: true },
  { path: "/dashboard/senders", label: "Senders", icon: "inbox", adminOnly: true },
  { path: "/dashboard/operations", label: "Operations", icon: "gear", adminOnly: true },
];

/** Return {name, params, isForAdmins} of the page that a path means, or null. */
export function pageOf(pathname) {
  const parts = pathname.split("/").filter(Boolean).slice(1);
  for (const [pattern, name, isForAdmins = false] of ROUTES) {
    const params = fit(pattern.split("/").filter(Boolean), parts);
    if (params) return { name, params, isForAdmins };
  }
  return null;
}

/** Return the module of a page. */
export const load = async (name) => (await import(`./pages/${name}.js`)).page;

function fit(pattern, parts) {
  if (pattern.length !== parts.length) return null;
  const params = {};
  for (const [index, word] of pattern.entries()) {
    const part = decoded(parts[index]);
    if (word.startsWith(":")) params[word.slice(1)] = part;
    else if (word !== part) return null;
  }
  return params;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
