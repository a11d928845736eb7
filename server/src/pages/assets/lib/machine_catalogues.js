// Catalogues in languages that nobody has written the pages in: translated by machine on the server, as far as they are.

const PAUSE_MS = 2_000;
/** Then the next page asks again. */
const MAX_LOOKS = 300;

/**
 * Resolves with the texts that there are, and calls `more` with all of them whenever more are translated. `isWanted`
 * tells whether they are still to be followed.
 */
export async function followCatalogue(code, name, isWanted, more) {
  const first = await read(code, name);
  if (first.pending) follow(code, name, isWanted, first.translated, more);
  return first.texts;
}

async function follow(code, name, isWanted, translated, more) {
  for (let look = 0; look < MAX_LOOKS && isWanted(); look += 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const next = await read(code, name).catch(() => null);
    if (!next) continue;
    if (next.translated > translated) {
      translated = next.translated;
      more(next.texts);
    }
    if (!next.pending) return;
  }
}

async function read(code, name) {
  const query = new URLSearchParams({ name, language: code });
  const response = await fetch(`/api/v1/translation/catalogue?${query}`, { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`no catalogue ${name} in ${code}`);
  return response.json();
}
