/** Quote an identifier for SQL text. */
export function quote(name) {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A table's full name for SQL text. */
export function fullName(table) {
  return `${quote(table.schema)}.${quote(table.name)}`;
}
