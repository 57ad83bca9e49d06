/** Return a client that keeps its session in this browser and renews it. */
export function createClient({ supabaseUrl, supabaseKey }) {
  return window.supabase.createClient(supabaseUrl, supabaseKey, {
    auth: { detectSessionInUrl: false },
  });
}

/** Call `onPerson` with who is signed in, or null: at first, and whenever it is someone else. */
export function watchPerson(client, onPerson) {
  let current;
  client.auth.onAuthStateChange((_event, session) => {
    const id = session?.user.id ?? null;
    if (id === current) return;
    current = id;
    // The client holds a lock while it calls this: whoever reads by it has to wait till it is done.
    setTimeout(() => onPerson(id && personOf(session.user)));
  });
}

/** Sign in with e-mail and password; returns a sentence when that fails. */
export async function signIn(client, email, password) {
  const { error } = await client.auth.signInWithPassword({ email, password });
  return error ? explain(error) : null;
}

/** Make an anonymous account and sign in with it; returns a sentence when that fails. */
export async function continueAsGuest(client) {
  const { error } = await client.auth.signInAnonymously();
  return error ? explain(error) : null;
}

/** Sign out in this browser only. */
export async function signOut(client) {
  await client.auth.signOut({ scope: "local" });
}

function personOf(user) {
  return { id: user.id, name: user.is_anonymous ? "Guest" : user.email || "Signed in" };
}

function explain(error) {
  // A 400 has many reasons, such as an address that is not confirmed; services of before have no codes.
  if (error.code === "invalid_credentials" || (error.status === 400 && !error.code)) return "E-mail or password is wrong.";
  if (error.code === "anonymous_provider_disabled") return "Guests are not let in here.";
  if (!error.status) return "The sign-in cannot be reached. Check your connection.";
  return error.message || "The sign-in failed.";
}
