// Runs OpenAI's SDK for JavaScript in a process of its own (`talking.cjs`).

"use strict";

const { find, headersOf, serve } = require("./talking.cjs");
const { OpenAI, AzureOpenAI, APIError, toFile } = find("openai");

function make({ base_url, api_key = "sk-client", max_retries = 0, azure = null }) {
  const common = { apiKey: api_key, maxRetries: max_retries, timeout: 30_000 };
  if (azure !== null) return new AzureOpenAI({ endpoint: base_url, apiVersion: azure, ...common });
  return new OpenAI({ baseURL: base_url, ...common });
}

const split = ({ extra_headers, extra_query, extra_body, ...body }) => [
  { ...body, ...extra_body },
  { headers: extra_headers, query: extra_query },
];

async function chat(client, given) {
  const { data, response } = await client.chat.completions.create(...split(given)).withResponse();
  return { text: data.choices[0].message.content, dump: data, headers: headersOf(response.headers), extra: data };
}

async function stream(client, given, said) {
  const [body, options] = split(given);
  const { data, response } = await client.chat.completions.create({ ...body, stream: true }, options).withResponse();
  const chunks = [];
  for await (const chunk of data) {
    chunks.push(chunk);
    said.push(...chunk.choices.map((choice) => choice.delta.content ?? ""));
  }
  return { text: said.join(""), chunks, headers: headersOf(response.headers) };
}

async function helper(client, given, said) {
  const streaming = client.chat.completions.stream(...split(given));
  streaming.on("content", (delta) => said.push(delta));
  const final = await streaming.finalChatCompletion();
  return { text: final.choices[0].message.content, dump: final };
}

async function responses(client, given) {
  const { data, response } = await client.responses.create(...split(given)).withResponse();
  return { text: data.output_text, dump: data, headers: headersOf(response.headers), extra: data };
}

async function responsesStream(client, given, said) {
  const [body, options] = split(given);
  const { data, response } = await client.responses.create({ ...body, stream: true }, options).withResponse();
  const events = [];
  for await (const event of data) {
    events.push(event);
    if (event.type === "response.output_text.delta") said.push(event.delta);
  }
  return { text: said.join(""), events, headers: headersOf(response.headers) };
}

async function responsesHelper(client, given, said) {
  const streaming = client.responses.stream(...split(given));
  streaming.on("response.output_text.delta", (event) => said.push(event.delta));
  const final = await streaming.finalResponse();
  return { text: final.output_text, dump: final };
}

async function listed(client) {
  const models = [];
  for await (const model of client.models.list()) models.push(model);
  return { ids: models.map((model) => model.id), dump: models };
}

const bytesOf = async (answer) => Buffer.from(await answer.arrayBuffer()).toString("base64");

async function speech(client, given) {
  const answer = await client.audio.speech.create(...split(given));
  const headers = headersOf(answer.headers);
  if (!answer.headers.get("content-type").startsWith("text/event-stream")) return { sound: await bytesOf(answer), headers };
  const events = (await answer.text()).split("\n\n").filter((each) => each.startsWith("data: "));
  return { events: events.map((each) => JSON.parse(each.slice(6))), headers };
}

// `file` is a name and its bytes in base64: sent as a form, as a page sends a file that somebody chose.
const written = (kind) => async (client, { file, ...given }) => {
  const [name, data] = file;
  const [body, options] = split(given);
  const form = { ...body, file: await toFile(Buffer.from(data, "base64"), name) };
  const answer = await client.audio[kind].create(form, options);
  if (!body.stream) return { text: answer.text ?? answer, dump: answer };
  const events = [];
  for await (const event of answer) events.push(event);
  return { text: events.at(-1).text, events };
};

const operations = {
  chat,
  speech,
  transcription: written("transcriptions"),
  translation: written("translations"),
  stream,
  helper,
  responses,
  responses_stream: responsesStream,
  responses_helper: responsesHelper,
  responses_count: async (client, given) => ({ dump: await client.responses.inputTokens.count(...split(given)) }),
  embeddings: async (client, given) => ({ dump: await client.embeddings.create(...split(given)) }),
  models: listed,
  model: async (client, given) => ({ dump: await client.models.retrieve(given.model) }),
};

const told = (error) => ({
  message: error.error?.message ?? error.message,
  code: error.code ?? null,
  type: error.type ?? null,
  status: error.status ?? null,
  request_id: error.requestID ?? null,
  headers: headersOf(error.headers),
});

serve("openai", make, operations, APIError, told);
