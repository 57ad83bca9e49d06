/** What a completed objective found out, as columns that are the same for every conversation. */

/** The variables that have a column of their own. */
export const NAMED = ["first_name", "last_name", "email", "position"];

const COLUMN_OF = { firstname: "first_name", lastname: "last_name", email: "email", emailaddress: "email", position: "position" };

/** Return the names of the variables that occur in rows of `qualification_data`: those with a column, then the others by name. */
export function variablesOf(rows) {
  const found = new Set(rows.flatMap((row) => Object.keys(valuesOf(row))));
  const others = [...found].filter((name) => !NAMED.includes(name)).sort((a, b) => a.localeCompare(b));
  return [...NAMED.filter((name) => found.has(name)), ...others];
}

/** Return the values of a row by variable; what is empty is left out. */
export function valuesOf(row) {
  const told = isObject(row.output_variables) ? Object.entries(row.output_variables) : [];
  const named = NAMED.map((name) => [name, row[name]]);
  // A name may be "constructor" or "__proto__": it came from outside.
  const values = Object.create(null);
  for (const [name, value] of [...told.filter(([name, value]) => !isInColumn(row, name, value)), ...named]) {
    if (!isEmpty(value)) values[name] = value;
  }
  return values;
}

/** Return a person's name, as far as it is known. */
export function fullName(row) {
  return [row.first_name, row.last_name].filter(Boolean).join(" ");
}

// "firstName" and "First Name" are the column first_name under another name, unless they say something else.
function isInColumn(row, name, value) {
  const plain = name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const column = Object.hasOwn(COLUMN_OF, plain) ? COLUMN_OF[plain] : null;
  return column !== null && (name === column || row[column] === value) && !isEmpty(row[column]);
}

function isEmpty(value) {
  return value === null || value === undefined || value === "";
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
