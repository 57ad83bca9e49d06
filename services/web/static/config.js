/** What the server tells the page: which conversation, and where its Supabase is. */
export function readConfig() {
  return JSON.parse(document.getElementById("config").textContent);
}
