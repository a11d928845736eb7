// Colours of code, by a worker: its patterns take very long for some inputs, and then it is ended and the code stays
// plain. Loaded with the first block of code.

const PATIENCE_MS = 1_500;

const ALIASES = {
  sh: "bash", shell: "bash", zsh: "bash", console: "bash", "c++": "c", cpp: "c", h: "c", cs: "java", csharp: "java", kotlin: "java",
  scss: "css", dockerfile: "docker", golang: "go", htm: "html", vue: "html", svelte: "html", svg: "xml", javascript: "js", jsx: "js",
  mjs: "js", node: "js", jsonc: "json", json5: "json", makefile: "make", perl: "pl", python: "py", py3: "py", python3: "py", rust: "rs",
  postgres: "sql", postgresql: "sql", mysql: "sql", sqlite: "sql", typescript: "ts", tsx: "ts", yml: "yaml", patch: "diff", conf: "ini",
};
const KNOWN = new Set([...Object.values(ALIASES), "lua", "toml", "ini"]);

/** The worker's name of a language; null where it has none. */
export function knownLanguage(name) {
  const lower = name.toLowerCase();
  const known = ALIASES[lower] ?? lower;
  return KNOWN.has(known) ? known : null;
}

let worker = null;
let jobs = 0;
let last = Promise.resolve();

/** The code in parts, each with the kind of what it is, as `[text, kind]`; null where it stays plain. */
export function highlight(code, language) {
  const known = knownLanguage(language);
  if (!known) return Promise.resolve(null);
  // One after the other, so that the time of each is its own.
  const result = last.then(() => ask(code, known));
  last = result;
  return result;
}

function ask(code, language) {
  return new Promise((resolve) => {
    try {
      worker ??= new Worker(new URL("./highlight_worker.js", import.meta.url), { type: "module" });
    } catch {
      return resolve(null);
    }
    const job = ++jobs;
    const done = (parts) => {
      clearTimeout(timer);
      resolve(parts);
    };
    const giveUp = () => {
      worker?.terminate();
      worker = null;
      done(null);
    };
    const timer = setTimeout(giveUp, PATIENCE_MS);
    worker.onerror = giveUp;
    worker.onmessage = ({ data }) => data.job === job && done(data.parts);
    return worker.postMessage({ job, code, language });
  });
}
