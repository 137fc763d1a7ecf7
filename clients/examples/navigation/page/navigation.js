// Speech from the microphone to Wavelane, its intents to the car, and what the car says to the page.
import { drawJourney, drawTown, mark, onClick } from "./map.js";

const at = (id) => document.getElementById(id);
const TUNNEL_SECONDS = 5;
/** Metres that the car drives at a time, and how often it does (ms): twelve times as fast as real. */
const STRIDE = 80;
const STRIDE_MS = 500;

let state;
let stream = null;
let stop = null; // ends what is heard, while the microphone is on
let names = "";
let obeyed = Promise.resolve();

const town = await (await fetch("town")).json();
// The client comes from the server, so that both are of the same release.
const { Microphone, Stream, WavelaneError, describeMicrophoneError } = await import(`${town.server}/client/index.js`);
drawTown(town);
onClick((position) => send("car", position));
show(await (await fetch("state")).json());
for (const id of ["talk", "drive", "tunnel"]) at(id).disabled = false;
status("Ready");

at("talk").onclick = () => {
  at("talk").disabled = true; // until it is done
  return stop ? stop() : talk();
};
at("tunnel").onclick = () => send("tunnel", TUNNEL_SECONDS);
at("drive").onclick = drive;

async function talk() {
  try {
    const options = await (await fetch("options")).json();
    const microphone = await Microphone.open();
    const connecting = { apiKey: town.apiKey ?? undefined, retries: Infinity };
    stream = new Stream(town.server, { ...options, sample_rate: microphone.sampleRate }, connecting);
    listen(stream);
    stop = () => microphone.close().finally(() => stream.end());
    await microphone.start(({ samples }) => stream.send(samples));
    at("talk").textContent = "Stop microphone";
    at("talk").disabled = false;
    await stream.done;
    status("Ready");
  } catch (error) {
    await stop?.().catch(() => {}); // it may be closed already
    const where = { secure: isSecureContext, host: location.host };
    status(error instanceof WavelaneError ? error.message : describeMicrophoneError(error, where));
  }
  stream = stop = null;
  at("talk").textContent = "Start microphone";
  at("talk").disabled = false;
}

function listen(stream) {
  stream.on("ready", () => status("Listening"));
  stream.on("interrupted", () => status("No network: what you say is kept, and heard later"));
  stream.on("error", ({ message }) => status(message));
  stream.on("partial", ({ text }) => {
    at("heard").textContent = text;
    at("heard").classList.add("tentative");
    mark("named", namedIn(text));
  });
  stream.on("final", ({ alternatives: [{ text }], intent }) => {
    at("heard").textContent = text;
    at("heard").classList.remove("tentative");
    mark("named", []);
    if (intent) obeyed = obeyed.then(() => send("command", intent)); // one after the other
    else if (text) at("answer").textContent = "That is no command.";
  });
}

/** The longest of the names around that a text ends with or holds. */
function namedIn(text) {
  const found = state.names.map((place) => place.spoken).filter((spoken) => ` ${text} `.includes(` ${spoken} `));
  return found.sort((a, b) => b.length - a.length).slice(0, 1);
}

/** Tell the car something, and show what it answers. */
async function send(what, body) {
  const answer = await fetch(what, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) return status(await answer.text());
  const news = await answer.json();
  if (news.say) {
    at("answer").textContent = news.say;
    const entry = document.createElement("li");
    entry.textContent = `${body.sentence}: ${news.say}`;
    entry.dataset.intent = body.name;
    at("log").prepend(entry);
  }
  if (news.car) show(news);
}

function show(news) {
  state = news;
  drawJourney(state);
  const { goals, route, avoid, temperature, devices } = state;
  const minutes = route && Math.max(1, Math.round(route.seconds / 60));
  at("goals").textContent = goals.map((goal) => goal.name).join(" → ") || "none";
  if (route) at("goals").append(`, ${(route.metres / 1000).toFixed(1)} km, ${minutes} min`);
  at("avoid").textContent = avoid.join(", ") || "nothing";
  const on = Object.keys(devices).filter((device) => devices[device]);
  at("climate").textContent = [`${temperature} °C`, ...on].join(", ");
  at("vocabulary").textContent = `${state.names.length} names around, from ${state.names[0].name} on`;
  learn();
}

/** When the car has come to other names, these may be said. */
async function learn() {
  const now = state.names.map((place) => place.spoken).join();
  if (now === names) return;
  names = now;
  stream?.reconfigure(await (await fetch("options")).json());
}

/** Go on along the route, to its end. */
async function drive() {
  await send("drive", STRIDE);
  at("drive").disabled = state.route !== null;
  if (state.route) setTimeout(drive, STRIDE_MS);
}

function status(text) {
  at("status").textContent = text;
}
