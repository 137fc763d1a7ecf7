// What is said goes into the search field while it is said, and what the field holds is searched.
const at = (id) => document.getElementById(id);
const { server, apiKey, options } = await (await fetch("setup")).json();
// The client comes from the server, so that both are of the same release.
const { Microphone, Stream, WavelaneError, describeMicrophoneError } = await import(`${server}/client/index.js`);

let stop = null; // ends what is heard, while the microphone is on
let searches = 0;

at("talk").disabled = false;
at("talk").onclick = () => {
  at("talk").disabled = true; // until it is done
  return stop ? stop() : talk();
};
at("query").oninput = search;
document.querySelector("form").onsubmit = (event) => event.preventDefault();
status("");
search();

async function talk() {
  try {
    const microphone = await Microphone.open();
    const session = { ...options, sample_rate: microphone.sampleRate };
    const stream = new Stream(server, session, { apiKey: apiKey ?? undefined });
    stream.on("ready", () => status("Listening"));
    stream.on("interrupted", ({ error }) => status(`${error.message} What you say is kept.`));
    stream.on("partial", ({ text }) => text && hear(text, true));
    stream.on("final", ({ alternatives: [{ text }] }) => text && hear(text, false));
    stop = () => microphone.close().finally(() => stream.end());
    await microphone.start(({ samples }) => stream.send(samples));
    at("talk").textContent = "Stop";
    at("talk").disabled = false;
    await stream.done;
    status("");
  } catch (error) {
    await stop?.().catch(() => {}); // it may be closed already
    const where = { secure: isSecureContext, host: location.host };
    status(error instanceof WavelaneError ? error.message : describeMicrophoneError(error, where));
  }
  stop = null;
  at("talk").textContent = "Speak";
  at("talk").disabled = false;
}

function hear(text, tentative) {
  at("query").value = text;
  at("query").classList.toggle("tentative", tentative);
  search();
}

/** Show what the field asks for; an answer that a later one overtook is dropped. */
async function search() {
  searches += 1;
  const number = searches;
  const answer = await fetch(`search?q=${encodeURIComponent(at("query").value)}`);
  const products = await answer.json();
  if (number === searches) at("products").replaceChildren(...products.map(card));
}

function card({ name, brand, category, colour, material, price }) {
  const item = document.createElement("li");
  const picture = document.createElement("div");
  picture.className = "picture";
  picture.style.backgroundColor = colour;
  item.append(picture, text("strong", name), text("span", `${brand} · ${category} · ${colour} ${material}`));
  item.append(text("em", `$${price}`));
  return item;
}

function text(tag, content) {
  const element = document.createElement(tag);
  element.textContent = content;
  return element;
}

function status(message) {
  at("status").textContent = message;
}
