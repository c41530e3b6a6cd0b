// The page that talks: a session of voice (OpenAI's Realtime API, as any client of the service has it) over one WebSocket.
(() => {
  const RATE = 24000;
  const PIECE = 960; // samples: 40 ms
  const TRAIL = 1000; // ms of silence after what was said, so that its end is heard
  const MOST_EVENTS = 300;
  const REMEMBERED = 8; // times that the record is looked for, until it is there

  const place = (name) => document.getElementById(name);
  const form = place("with");
  if (!form) return;
  const ui = Object.fromEntries(
    ["start", "end", "mic", "file", "interrupt", "text", "say", "state", "model", "first", "cost", "record",
      "said", "responses", "events", "taken", "played"].map((name) => [name, place(name)]),
  );
  let talk = null;

  // ---- what is seen

  const made = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  const sign = (kind, mark, words) => {
    const mark_ = made("span", mark);
    mark_.setAttribute("aria-hidden", "true");
    const whole = made("span", undefined, `sign ${kind}`);
    whole.append(mark_, ` ${words}`);
    return whole;
  };
  const say = (kind, mark, words) => ui.state.replaceChildren(sign(kind, mark, words));
  const took = (ms) => (ms === null ? "–" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);
  const level = (meter, samples) => {
    let most = 0;
    for (const each of samples) most = Math.max(most, Math.abs(each));
    meter.value = most / 32768;
  };

  function enable(isOn) {
    for (const each of [ui.end, ui.mic, ui.file, ui.interrupt, ui.text, ui.say]) each.disabled = !isOn;
    ui.start.disabled = isOn;
    for (const each of form.querySelectorAll("select, input, textarea")) each.disabled = isOn;
    if (!isOn) ui.mic.setAttribute("aria-pressed", "false");
  }

  function line(who, key) {
    let found = talk.lines.get(key);
    if (!found) {
      const item = made("li", undefined, who === "you" ? "mine" : "theirs");
      item.append(made("span", who === "you" ? "You" : talk.model, "who"), " ", made("span"));
      found = item.lastChild;
      talk.lines.set(key, found);
      ui.said.append(item);
      place("log").scrollTop = place("log").scrollHeight;
    }
    return found;
  }

  function event(way, message) {
    // pieces of sound and words come by the hundred: those between two other events are one line each
    const name = `${way} ${message.type}`;
    const isPiece = /delta$|append$/.test(message.type);
    const before = isPiece ? talk.pieces.get(name) : undefined;
    if (before) {
      before.times += 1;
      before.element.textContent = ` × ${before.times}`;
      return;
    }
    if (!isPiece) talk.pieces.clear();
    const times = made("span", "", "times quiet");
    if (isPiece) talk.pieces.set(name, { times: 1, element: times });
    const item = made("li");
    const seconds = ((performance.now() - talk.began) / 1000).toFixed(2);
    const details = made("details");
    const summary = made("summary");
    summary.append(made("span", `${seconds} s ${way === "sent" ? "→" : "←"}`, "quiet"), ` ${message.type}`, times);
    const short = (key, value) => (typeof value === "string" && value.length > 400 ? `${value.slice(0, 80)}… (${value.length} characters)` : value);
    const whole = made("pre", JSON.stringify(message, short, 1));
    details.append(summary, whole);
    item.append(details);
    ui.events.prepend(item);
    while (ui.events.childElementCount > MOST_EVENTS) ui.events.lastElementChild.remove();
  }

  // ---- sound

  const written = (samples) => {
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  };
  const read = (text) => {
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
  };
  const append = (samples) => send({ type: "input_audio_buffer.append", audio: written(samples) });
  const trail = () => append(new Int16Array((RATE * TRAIL) / 1000));

  async function speaker() {
    const context = new AudioContext({ sampleRate: RATE });
    await context.audioWorklet.addModule(form.dataset.sound);
    const player = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    player.port.onmessage = ({ data }) => {
      if (data.what === "stopped" && data.item) takeBack(data.item, data.ms);
      ui.played.value = 0;
    };
    player.connect(context.destination);
    return { context, player };
  }

  function hush() {
    talk?.speaker?.player.port.postMessage({ stop: true });
    talk.hushed = talk.latest;
  }

  // What was not heard of an answer is taken back, so that the model does not believe that it was.
  function takeBack(item, ms) {
    if (!talk?.cuts || ms >= (talk.lengths.get(item) ?? 0)) return;
    send({ type: "conversation.item.truncate", item_id: item, content_index: 0, audio_end_ms: ms });
  }

  async function listen() {
    if (!navigator.mediaDevices) {
      throw new Error("a browser gives its microphone only to pages over HTTPS or on localhost; send a file, or text");
    }
    const wanted = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    const context = new AudioContext();
    await context.audioWorklet.addModule(form.dataset.sound);
    const taker = new AudioWorkletNode(context, "taker", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    taker.port.onmessage = ({ data }) => {
      if (!talk?.mic) return;
      level(ui.taken, data);
      append(data);
    };
    context.createMediaStreamSource(stream).connect(taker);
    return { stream, context };
  }

  async function microphone(isOn) {
    const mic = talk?.mic;
    ui.mic.setAttribute("aria-pressed", String(isOn));
    if (isOn && !mic) {
      const begun = talk;
      const found = await listen();
      if (talk !== begun) close(found);
      else talk.mic = found;
    } else if (!isOn && mic) {
      talk.mic = null;
      close(mic);
      trail();
      ui.taken.value = 0;
    }
  }

  const close = ({ stream, context }) => {
    stream?.getTracks().forEach((track) => track.stop());
    context.close();
  };

  // A file is said as fast as somebody would say it: what listens goes by the time between words.
  async function recite(file) {
    const mine = talk;
    await microphone(false);
    const found = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
    const samples = new Int16Array(found.length);
    for (let n = 0; n < found.numberOfChannels; n++) {
      const channel = found.getChannelData(n);
      for (let at = 0; at < samples.length; at++) samples[at] += Math.round((channel[at] * 32767) / found.numberOfChannels);
    }
    const began = performance.now();
    for (let at = 0; at < samples.length; ) {
      if (talk !== mine) return;
      const due = Math.min(samples.length, Math.ceil(((performance.now() - began) * RATE) / 1000) + PIECE);
      for (; at < due; at += PIECE) {
        const piece = samples.slice(at, Math.min(at + PIECE, samples.length));
        level(ui.taken, piece);
        append(piece);
      }
      await new Promise((wake) => setTimeout(wake, 40));
    }
    trail();
    ui.taken.value = 0;
  }

  // ---- the session

  function send(message) {
    if (talk?.socket.readyState !== WebSocket.OPEN) return;
    event("sent", message);
    talk.socket.send(JSON.stringify(message));
  }

  function settings() {
    const chosen = form.elements.model.selectedOptions[0];
    const input = { format: { type: "audio/pcm", rate: RATE }, turn_detection: { type: "server_vad" } };
    if (chosen.dataset.writes) input.transcription = { model: chosen.dataset.writes };
    const output = { format: { type: "audio/pcm", rate: RATE } };
    const voice = form.elements.voice.value.trim();
    if (voice) output.voice = voice;
    const instructions = form.elements.instructions.value.trim();
    return { type: "realtime", output_modalities: ["audio"], audio: { input, output }, ...(instructions ? { instructions } : {}) };
  }

  async function begin() {
    const chosen = form.elements.model.selectedOptions[0];
    const query = new URLSearchParams({ model: chosen.value });
    if (form.elements.client) query.set("client", form.elements.client.value);
    const settled = settings();
    enable(true);
    for (const each of [ui.said, ui.events, ui.responses]) each.replaceChildren();
    ui.record.textContent = ui.first.textContent = ui.cost.textContent = "–";
    say("running", "…", "asking for a session");
    const mine = {
      model: chosen.value, cuts: "cuts" in chosen.dataset, began: performance.now(), asked: null, latest: null, hushed: null,
      lines: new Map(), rows: new Map(), lengths: new Map(), decision: null, told: false, mic: null, speaker: null,
      running: null, pieces: new Map(),
    };
    talk = mine;
    try {
      mine.speaker = await speaker();
    } catch (error) {
      say("bad", "✕", `this browser cannot play sound: ${error.message}`);
      talk = null;
      return enable(false);
    }
    const address = new URL(`session?${query}`, new URL(form.dataset.session, location.href));
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    mine.socket = new WebSocket(address);
    mine.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      event("came", message);
      (HEARD[message.type] ?? (() => {}))(message, settled);
    };
    mine.socket.onclose = () => over(mine);
  }

  function over(mine) {
    if (talk !== mine) return;
    if (mine.mic) close(mine.mic);
    close(mine.speaker);
    if (!mine.told) {
      if (mine.decision) say("quiet", "◼", "ended");
      else say("bad", "✕", "the console did not let the page talk; load it again");
    }
    if (mine.running) mine.rows.get(mine.running).cells.status.replaceChildren(sign("quiet", "◌", "cut off"));
    if (mine.decision) settle(mine);
    ui.taken.value = ui.played.value = 0;
    talk = null;
    enable(false);
    ui.start.focus();
  }

  // What was booked takes the place of what was reckoned meanwhile.
  async function settle(mine) {
    for (let n = 0; n < REMEMBERED; n++) {
      const answer = await fetch(`${form.dataset.decisions}/${encodeURIComponent(mine.decision)}.json`);
      const record = answer.ok ? await answer.json() : null;
      const ended = record?.ended ?? record?.lines?.find((each) => each.event === "ended");
      if (ended) {
        ui.cost.textContent = `$${(ended.cost / 1e9).toPrecision(3)}`;
        ui.cost.title = "as it was booked";
        return;
      }
      await new Promise((wake) => setTimeout(wake, 250 * (n + 1)));
    }
  }

  function row(id) {
    let found = talk.rows.get(id);
    if (!found) {
      const cells = Object.fromEntries(["number", "status", "first", "length", "tokens", "cost"].map((name) => [name, made("td", "")]));
      const whole = made("tr");
      whole.append(...Object.values(cells));
      for (const name of ["first", "length", "tokens", "cost"]) cells[name].className = "number";
      cells.number.textContent = talk.rows.size + 1;
      cells.status.append(sign("running", "…", "answering"));
      ui.responses.append(whole);
      found = { cells, asked: talk.asked ?? performance.now(), sounded: false, ms: 0 };
      talk.asked = null;
      talk.rows.set(id, found);
    }
    return found;
  }

  function sounds({ response_id: id, item_id: item, delta }) {
    if (talk.hushed === id) return; // it was interrupted: what is still under way is not played
    const samples = read(delta);
    const found = row(id);
    talk.latest = id;
    if (!found.sounded) {
      found.sounded = true;
      found.cells.first.textContent = ui.first.textContent = took(performance.now() - found.asked);
    }
    found.ms += (samples.length / RATE) * 1000;
    found.cells.length.textContent = took(found.ms);
    talk.lengths.set(item, (talk.lengths.get(item) ?? 0) + (samples.length / RATE) * 1000);
    level(ui.played, samples);
    talk.speaker.player.port.postMessage({ sound: samples, item }, [samples.buffer]);
  }

  function finished({ response }) {
    const { cells } = row(response.id);
    const isWhole = response.status === "completed";
    cells.status.replaceChildren(sign(isWhole ? "good" : response.status === "failed" ? "bad" : "held", isWhole ? "✓" : "⊘", response.status));
    if (response.usage) cells.tokens.textContent = `${response.usage.input_tokens} + ${response.usage.output_tokens}`;
    talk.running = null;
  }

  function spent({ response, cost, unpriced, estimated }) {
    const { cells } = row(response);
    cells.cost.textContent = cost === null ? "–" : cost;
    if (unpriced.length) cells.cost.append(" ", made("span", `without ${unpriced.join(", ")}`, "quiet"));
    if (estimated) cells.cost.append(" ", made("span", "estimated", "quiet"));
  }

  const HEARD = {
    "routebook.refused": ({ status, code, message }) => {
      talk.told = true;
      say("held", "⊘", `refused: ${message}`);
      ui.record.textContent = `${status} ${code}`;
    },
    "routebook.began": ({ decision, model }) => {
      talk.decision = decision;
      ui.model.textContent = talk.model = model || talk.model;
      const link = made("a", decision, "mono");
      link.href = `${form.dataset.decisions}/${encodeURIComponent(decision)}`;
      ui.record.replaceChildren(link);
    },
    "routebook.response": spent,
    "routebook.ended": ({ code, reason }) => {
      talk.told = true;
      const isWell = code === 1000 || code === 1001;
      say(isWell ? "quiet" : "bad", isWell ? "◼" : "✕", `ended${isWell ? "" : ` with ${code}`}${reason ? `: ${reason}` : ""}`);
    },
    "session.created": (_, settled) => {
      say("good", "●", "talking");
      send({ type: "session.update", session: settled });
    },
    "input_audio_buffer.speech_started": hush,
    "input_audio_buffer.speech_stopped": () => (talk.asked = performance.now()),
    "conversation.item.input_audio_transcription.delta": ({ item_id: item, delta }) => (line("you", item).textContent += delta),
    "conversation.item.input_audio_transcription.completed": ({ item_id: item, transcript }) => (line("you", item).textContent = transcript),
    "response.created": ({ response }) => {
      row(response.id);
      talk.running = response.id;
    },
    "response.output_audio.delta": sounds,
    "response.output_audio_transcript.delta": ({ item_id: item, delta }) => (line("them", item).textContent += delta),
    "response.output_text.delta": ({ item_id: item, delta }) => (line("them", item).textContent += delta),
    "response.done": finished,
    error: ({ error }) => {
      line("them", `error ${performance.now()}`).append(sign("bad", "✕", error?.message ?? "an error without words"));
    },
  };

  function interrupt() {
    if (!talk) return;
    const isRunning = talk.running;
    hush();
    if (isRunning) {
      talk.hushed = isRunning;
      send({ type: "response.cancel" });
    }
  }

  function ask(text) {
    interrupt();
    line("you", `text ${performance.now()}`).textContent = text;
    send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text }] } });
    talk.asked = performance.now();
    send({ type: "response.create" });
  }

  // ---- what is pressed

  form.addEventListener("submit", (pressed) => {
    pressed.preventDefault();
    if (!talk) begin();
  });
  ui.end.addEventListener("click", () => talk?.socket?.close(1000));
  ui.mic.addEventListener("click", () => {
    const isOn = ui.mic.getAttribute("aria-pressed") !== "true";
    microphone(isOn).catch((error) => {
      ui.mic.setAttribute("aria-pressed", "false");
      say("bad", "✕", `no microphone: ${error.message}`);
    });
  });
  ui.file.addEventListener("change", () => {
    const [file] = ui.file.files;
    ui.file.value = "";
    if (file && talk) recite(file).catch((error) => say("bad", "✕", `${file.name} cannot be read as sound: ${error.message}`));
  });
  place("speak").addEventListener("submit", (pressed) => {
    pressed.preventDefault();
    const text = ui.text.value.trim();
    if (!text || !talk) return;
    ui.text.value = "";
    ask(text);
  });
  ui.interrupt.addEventListener("click", interrupt);
  document.addEventListener("keydown", (pressed) => {
    if (pressed.key === "Escape") interrupt();
  });
  if ("open" in form.dataset) ui.start.disabled = false;
})();
