// What every Node driver shares: the models, the questions, and one JSON line on stdout for each check.

import { readFileSync } from "node:fs";

export const URL = process.env.ROUTER_URL; // of the running proxy, without /v1
export const OPENAI_URL = `${URL}/v1`;
export const KEY = "unused";

// name in the catalogue -> id at the provider, which the simulated provider says in its answers
export const MODELS = {
  "gpt-5.5": "gpt-5.5",
  "claude-opus-4.7": "claude-opus-4-7",
  "gemini-3.1-pro": "gemini-3.1-pro-preview",
};
export const UNKNOWN = "no-such-model";
export const CHECKS = ["chat", "stream", "tool loop", "structured output", "error"];

export const HELLO = "Hello there";
export const ASK_WEATHER = "What is the weather in Paris?"; // has a word of get_weather in it, so that it is called
export const WEATHER = "18 degrees and sunny";
export const EXTRACT = "Extract the person: Ada Lovelace, 36 years old.";

/** Run each check against each model; `name` is the package whose version is reported. */
export async function run(name, surface, checks) {
  const { version } = JSON.parse(readFileSync(new globalThis.URL(`node_modules/${name}/package.json`, import.meta.url)));
  for (const model of Object.keys(MODELS)) {
    for (const check of CHECKS) {
      const line = { client: "", version, surface, model, check };
      try {
        Object.assign(line, { ok: true, detail: await checks[check](model) });
      } catch (error) {
        console.error(error);
        Object.assign(line, { ok: false, detail: `${error?.name}: ${error?.message}`.slice(0, 1500) });
      }
      console.log(JSON.stringify(line));
    }
  }
}

export function expect(claim, seen) {
  if (!claim) throw new Error(`unexpected: ${JSON.stringify(seen)}`.slice(0, 1500));
}

/** The text is the whole answer of this model's own provider. */
export function servedBy(model, text) {
  expect(text?.includes(`in the name of ${MODELS[model]};`), text);
}

export function toldByTool(model, text) {
  servedBy(model, text);
  expect(text.includes(WEATHER), text);
}

export function isPerson(person) {
  expect(typeof person?.name === "string" && person.name !== "" && Number.isInteger(person.age), person);
  return `${person.name}, ${person.age}`;
}

/** What `call` throws, which must be one. */
export async function thrown(call) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    return error;
  }
  throw new Error(`no exception: ${JSON.stringify(answer)}`.slice(0, 1500));
}
