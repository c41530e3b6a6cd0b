// Runs Anthropic's SDK for JavaScript in a process of its own (`talking.cjs`).

"use strict";

const { find, headersOf, serve } = require("./talking.cjs");
const { Anthropic, APIError } = find("@anthropic-ai/sdk");

const make = ({ base_url, api_key = "sk-client", max_retries = 0, bearer = null }) =>
  new Anthropic({ baseURL: base_url, apiKey: api_key, authToken: bearer, maxRetries: max_retries, timeout: 30_000 });

const split = ({ extra_headers, extra_query, extra_body, ...body }) => [
  { ...body, ...extra_body },
  { headers: extra_headers, query: extra_query },
];

const textOf = (message) => message.content.map((block) => (block.type === "text" ? block.text : "")).join("");

async function chat(client, given) {
  const { data, response } = await client.messages.create(...split(given)).withResponse();
  return { text: textOf(data), dump: data, headers: headersOf(response.headers), extra: data };
}

async function stream(client, given, said) {
  const [body, options] = split(given);
  const { data, response } = await client.messages.create({ ...body, stream: true }, options).withResponse();
  const events = [];
  for await (const event of data) {
    events.push(event);
    if (event.type === "content_block_delta" && event.delta.type === "text_delta") said.push(event.delta.text);
  }
  return { text: said.join(""), events, headers: headersOf(response.headers) };
}

async function helper(client, given, said) {
  const streaming = client.messages.stream(...split(given));
  streaming.on("text", (delta) => said.push(delta));
  const final = await streaming.finalMessage();
  return { text: textOf(final), dump: final };
}

async function count(client, given) {
  const { data, response } = await client.messages.countTokens(...split(given)).withResponse();
  return { dump: data, headers: headersOf(response.headers) };
}

async function models(client) {
  const found = [];
  for await (const model of client.models.list()) found.push(model);
  return { ids: found.map((model) => model.id), dump: found };
}

const operations = {
  chat,
  stream,
  helper,
  count,
  models,
  model: async (client, given) => ({ dump: await client.models.retrieve(given.model_id) }),
};

function told(error) {
  const about = error.error?.error ?? {};
  return {
    message: about.message ?? error.message,
    code: about.details?.error_code ?? null,
    type: about.type ?? null,
    status: error.status ?? null,
    request_id: error.requestID ?? null,
    headers: headersOf(error.headers),
  };
}

serve("@anthropic-ai/sdk", make, operations, APIError, told);
