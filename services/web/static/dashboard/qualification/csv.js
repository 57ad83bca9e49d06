/** Tables as CSV: RFC 4180, with a mark by which spreadsheets know that it is UTF-8. */

const BYTE_ORDER_MARK = "\ufeff";
// https://owasp.org/www-community/attacks/CSV_Injection: a spreadsheet runs a cell that begins so, also after blanks;
// the wide signs are those of East Asian keyboards.
const FORMULA = /^[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|^\s*[\t\r\n]/u;

/** Return a whole file: a line of names, then the rows. Any value may be in a cell. */
export function toCsv(names, rows) {
  return BYTE_ORDER_MARK + [names, ...rows].map(line).join("");
}

/**
 * Return a value as the text of a cell: nothing for null, JSON for what is nested, and an apostrophe ahead of all that a
 * spreadsheet could take for a formula. That goes for numbers below zero too: in a file of texts -5 and "-5" are the same.
 */
function cellText(value) {
  const text = written(value);
  return FORMULA.test(text) ? `'${text}` : text;
}

// Every cell is in quotes, so no value can end one: not by a comma, nor by a line break, nor by a blank at its edge.
function line(values) {
  return `${values.map((value) => `"${cellText(value).replaceAll('"', '""')}"`).join(",")}\r\n`;
}

function written(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
