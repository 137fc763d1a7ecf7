// The map as SVG, in metres around its middle.

const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);

let middle = [0, 0];
let dots = new Map(); // by spoken name
let streets = new Map();

/** Degrees to metres on the picture. */
function project([latitude, longitude]) {
  const east = (longitude - middle[1]) * 111_320 * Math.cos((middle[0] * Math.PI) / 180);
  return [east, -(latitude - middle[0]) * 111_320];
}

function unproject(x, y) {
  const latitude = middle[0] - y / 111_320;
  return [latitude, middle[1] + x / (111_320 * Math.cos((middle[0] * Math.PI) / 180))];
}

const line = (points) => points.map((point) => project(point).map(Math.round).join()).join(" ");

function add(parent, name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return parent.appendChild(element);
}

/** Draw a town once. */
export function drawTown({ shapes, places }) {
  const points = shapes.flatMap((shape) => shape.points);
  const [latitudes, longitudes] = [0, 1].map((axis) => points.map((point) => point[axis]).sort((a, b) => a - b));
  middle = [latitudes, longitudes].map((values) => (values[0] + values.at(-1)) / 2);
  const [right, top] = project([latitudes.at(-1), longitudes.at(-1)]);
  at("map").setAttribute("viewBox", [-right - 60, top - 60, 2 * right + 120, -2 * top + 120].join(" "));
  for (const shape of shapes) {
    const area = shape.class === "water" || shape.class === "park";
    const drawn = add(at(area || shape.class === "river" ? "areas" : "streets"), area ? "polygon" : "polyline", {
      class: shape.class,
      points: line(shape.points),
    });
    const named = streets.get(shape.name.toLowerCase()) ?? [];
    streets.set(shape.name.toLowerCase(), [...named, drawn]);
    if (shape.class !== "park") label(shape, area); // a park is a place, and those have their names
  }
  for (const place of places) {
    const [x, y] = project(place.position);
    const group = add(at("places"), "g", { class: "place", transform: `translate(${x} ${y})` });
    add(group, "circle", { r: 11 });
    add(group, "text", { x: 17, y: 8 }, place.name);
    dots.set(place.spoken, group);
  }
}

/** A street's name in its middle, along it. */
function label({ name, points, class: kind }, area) {
  if (!name) return;
  const half = area ? 0 : Math.floor((points.length - 1) / 2);
  const [[x1, y1], [x2, y2]] = [points[half], points[half + 1]].map(project);
  const [x, y] = area ? middleOf(points.map(project)) : [(x1 + x2) / 2, (y1 + y2) / 2];
  const turn = area ? 0 : (Math.atan((y2 - y1) / (x2 - x1 || 1e-9)) * 180) / Math.PI;
  const attributes = { transform: `translate(${x} ${y}) rotate(${turn})`, y: area ? 0 : 6, class: kind };
  add(at("names"), "text", attributes, name);
}

const middleOf = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);

/** Show the car, where it goes, and its way. */
export function drawJourney({ car, goals, route }) {
  at("route").setAttribute("points", route ? line([car, ...route.points]) : "");
  const ahead = route?.points.find((point) => project(point).join() !== project(car).join());
  const [x, y] = project(car);
  const [toX, toY] = ahead ? project(ahead) : [x, y - 1];
  const heading = (Math.atan2(toX - x, y - toY) * 180) / Math.PI;
  at("car").setAttribute("transform", `translate(${x} ${y}) rotate(${heading})`);
  mark("goal", goals.map((goal) => goal.spoken));
}

/** Give places and streets a class, and take it from all others. */
export function mark(name, spoken) {
  for (const element of document.querySelectorAll(`#map .${name}`)) element.classList.remove(name);
  for (const one of spoken) {
    for (const element of [dots.get(one), ...(streets.get(one) ?? [])]) element?.classList.add(name);
  }
}

/** Call back with the position of every click on the map. */
export function onClick(callback) {
  at("map").addEventListener("click", (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(at("map").getScreenCTM().inverse());
    callback(unproject(point.x, point.y));
  });
}
