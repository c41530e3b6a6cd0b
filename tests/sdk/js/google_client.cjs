// Runs Google's SDK for JavaScript in a process of its own (`talking.cjs`).

"use strict";

const { find, serve } = require("./talking.cjs");
const { GoogleGenAI, ApiError } = find("@google/genai");

const make = ({ base_url, api_key = "sk-client", max_retries = 0, version = "v1beta" }) =>
  new GoogleGenAI({
    apiKey: api_key,
    apiVersion: version,
    httpOptions: {
      baseUrl: base_url,
      timeout: 30_000,
      ...(max_retries ? { retryOptions: { attempts: max_retries + 1 } } : {}),
    },
  });

async function chat(client, given) {
  const answer = await client.models.generateContent(given);
  return { text: answer.text ?? null, dump: answer, headers: answer.sdkHttpResponse?.headers ?? {} };
}

async function gathered(stream, said) {
  const chunks = [];
  let headers = {};
  for await (const chunk of stream) {
    chunks.push(chunk);
    said.push(chunk.text ?? "");
    headers = chunk.sdkHttpResponse?.headers ?? headers;
  }
  return { text: said.join(""), chunks, headers };
}

async function stream(client, given, said) {
  return gathered(await client.models.generateContentStream(given), said);
}

async function helper(client, { model, contents, config }, said) {
  const talk = client.chats.create({ model, config, history: contents.slice(0, -1) });
  const result = await gathered(await talk.sendMessageStream({ message: contents.at(-1).parts }), said);
  return { ...result, history: talk.getHistory() };
}

async function models(client) {
  const found = [];
  for await (const model of await client.models.list()) found.push(model);
  return { ids: found.map((model) => model.name), dump: found };
}

const operations = {
  chat,
  stream,
  helper,
  count: async (client, given) => ({ dump: await client.models.countTokens(given) }),
  embeddings: async (client, given) => ({ dump: await client.models.embedContent(given) }),
  models,
  model: async (client, given) => ({ dump: await client.models.get(given) }),
};

function told(error) {
  // the body, with words of the SDK before it where a stream fails
  const about = JSON.parse(error.message.slice(error.message.indexOf("{"))).error;
  return { message: about.message ?? error.message, code: about.status ?? null, type: about.status ?? null, status: error.status ?? null, details: about };
}

serve("@google/genai", make, operations, ApiError, told);
