/** The one place that names the copy of lit-html. */
export * from "../vendor/lit-html-3.3.3.js";
