// Vercel's AI SDK: its OpenAI-compatible provider, and its OpenAI provider on chat completions and responses.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import * as ai from "ai";
import { z } from "zod";

import {
  ASK_WEATHER, EXTRACT, HELLO, KEY, OPENAI_URL, UNKNOWN, WEATHER,
  expect, isPerson, run, servedBy, thrown, toldByTool,
} from "./common.mjs";

const compatible = createOpenAICompatible({
  name: "router",
  baseURL: OPENAI_URL,
  apiKey: KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const openai = createOpenAI({ baseURL: OPENAI_URL, apiKey: KEY });
const schema = z.object({ name: z.string(), age: z.int() });

function checks(of) {
  return {
    chat: async (model) => {
      const answer = await ai.generateText({ model: of(model), prompt: HELLO, maxRetries: 0 });
      servedBy(model, answer.text);
      expect(answer.finishReason === "stop" && answer.usage.outputTokens > 0, answer.usage);
      expect(answer.warnings === undefined || answer.warnings.length === 0, answer.warnings);
      return `${answer.usage.totalTokens} tokens`;
    },
    stream: async (model) => {
      const answer = ai.streamText({ model: of(model), prompt: HELLO, maxRetries: 0 });
      const pieces = [];
      for await (const piece of answer.textStream) pieces.push(piece);
      servedBy(model, pieces.join(""));
      expect((await answer.finishReason) === "stop" && (await answer.usage).outputTokens > 0, await answer.usage);
      return `${pieces.length} pieces`;
    },
    "tool loop": async (model) => {
      for (const streamed of [false, true]) {
        const asked = [];
        const execute = async (given) => (asked.push(given), WEATHER);
        const inputSchema = z.object({ city: z.string() });
        const tools = { get_weather: ai.tool({ description: "The weather now", inputSchema, execute }) };
        const options = { model: of(model), prompt: ASK_WEATHER, tools, stopWhen: ai.isStepCount(4), maxRetries: 0 };
        const answer = streamed ? ai.streamText(options) : await ai.generateText(options);
        toldByTool(model, await answer.text);
        expect(asked.length === 1 && "city" in asked[0], asked);
      }
      return "whole and streamed";
    },
    "structured output": async (model) => {
      const output = ai.Output.object({ schema });
      const whole = await ai.generateText({ model: of(model), prompt: EXTRACT, output, maxRetries: 0 });
      const streamed = ai.streamText({ model: of(model), prompt: EXTRACT, output, maxRetries: 0 });
      isPerson(await streamed.output);
      return isPerson(whole.output);
    },
    error: async (model) => {
      const call = () => ai.generateText({ model: of(`${model}-${UNKNOWN}`), prompt: HELLO, maxRetries: 0 });
      const error = await thrown(call);
      expect(ai.APICallError.isInstance(error) && error.statusCode === 404, String(error));
      expect(JSON.parse(error.responseBody).error.code === "model_not_found", error.responseBody);
      return `${error.name}, model_not_found`;
    },
  };
}

await run("ai", "chat completions (openai-compatible provider)", checks(compatible));
await run("ai", "chat completions (openai provider)", checks(openai.chat));
await run("ai", "responses (openai provider)", checks(openai.responses));
