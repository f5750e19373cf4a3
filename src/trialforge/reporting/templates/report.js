const read = (id) => JSON.parse(document.getElementById(id).textContent);
const byId = (id) => document.getElementById(id);

// Text enters the page only by textContent: nothing in a trial can become markup.
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

// --- colours -----------------------------------------------------------------------------------
const THEMES = ["auto", "light", "dark"];
let theme = 0;
byId("theme").addEventListener("click", () => {
  theme = (theme + 1) % THEMES.length;
  byId("theme").textContent = `Colours: ${THEMES[theme]}`;
  if (theme) document.documentElement.dataset.theme = THEMES[theme];
  else delete document.documentElement.dataset.theme;
});

// --- plots ---------------------------------------------------------------------------------------
// Colours are CSS variables, so that a change of theme or printing needs no second drawing.
const ink = { labelColor: "var(--ink-2)", titleColor: "var(--ink-2)" };
const CONFIG = {
  background: null,
  font: "system-ui, -apple-system, Segoe UI, Roboto, Liberation Sans, sans-serif",
  axis: { ...ink, gridColor: "var(--line)", domainColor: "var(--line)", tickColor: "var(--line)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, labelLimit: 240, tickCount: 6 },
  legend: { ...ink, labelFontSize: 12, titleFontSize: 12, orient: "top", title: null, symbolType: "circle" },
  header: { ...ink, labelFontSize: 12 },
  view: { stroke: null },
  range: { category: ["var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)", "var(--c7)", "var(--c8)"] },
  mark: { color: "var(--c1)" },
  rule: { color: "var(--c1)" },
  text: { color: "var(--ink)" },
};
const plots = read("plot-data");
const waiting = [...document.querySelectorAll("[data-plot]")];
async function drawNext() {
  const place = waiting.shift();
  if (!place) {
    document.documentElement.dataset.plots = "drawn";
    return;
  }
  // Names of a legend stand in as many columns as the plot has room for. How much the names of its axis take is
  // known when it is drawn: a legend that is cut then is drawn again with a column less.
  for (let columns = Math.max(1, Math.floor((place.clientWidth - 60) / 120)); columns > 0; columns -= 1) {
    await vegaEmbed(place, plots[place.dataset.plot], {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: { ...CONFIG, legend: { ...CONFIG.legend, columns } }, defaultStyle: false,
      tooltip: { disableDefaultStyle: true }, // the page's policy lets in no style but its own: report.css has it
    });
    const end = Math.max(0, ...[...place.querySelectorAll(".role-legend")].map((legend) => legend.getBoundingClientRect().right));
    if (end <= place.getBoundingClientRect().right + 1) break;
  }
  // A screen reader has the picture's sentence and its table; marks one by one would only be noise.
  place.querySelector("svg").setAttribute("aria-hidden", "true");
  setTimeout(drawNext, 0);
}
setTimeout(drawNext, 0);

// --- records -------------------------------------------------------------------------------------
const data = read("record-data");
const PAGE = 40;
const FILTERS = ["intervention", "label", "verdict", "arm"];
const TONES = { accepted: "good", rejected: "bad", "given up": "warn" };
let matching = [];
let shown = 0;
let chosen = null;

for (const record of data.records) {
  record.words = [record.id, record.title, record.intervention, ...record.why, ...record.fields.map((field) => field[1])].join(" ").toLowerCase();
}
for (const name of FILTERS) {
  const values = [...new Set(data.records.map((record) => record[name]))].sort();
  byId(`by-${name}`).append(...values.map((value) => make("option", { value }, value || "(none)")));
}

function filterRecords() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = FILTERS.map((name) => [name, byId(`by-${name}`).value]).filter((pair) => pair[1] !== "");
  matching = data.records.filter(
    (record) => wanted.every(([name, value]) => record[name] === value) && words.every((word) => record.words.includes(word)),
  );
  const held = data.total > data.records.length ? `; the page holds the first ${data.records.length} of ${data.total}` : "";
  byId("count").textContent = `${matching.length} of ${data.records.length} records${held}`;
  byId("list").replaceChildren();
  shown = 0;
  showMore();
  if (!matching.includes(chosen)) choose(matching[0] ?? null, false);
}

function showMore() {
  const next = matching.slice(shown, shown + PAGE);
  byId("list").append(...next.map(listItem));
  shown += next.length;
  byId("more").hidden = shown >= matching.length;
  markChosen();
}

function listItem(record) {
  return make("li", {}, make(
    "button", { type: "button", "data-id": record.id, onclick: () => choose(record, true) },
    make("span", { class: "name" }, record.title),
    make("span", { class: "meta" }, `${record.intervention} · ${record.label} · ${record.verdict}`),
  ));
}

function markChosen() {
  for (const button of byId("list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(chosen !== null && button.dataset.id === chosen.id));
  }
}

function choose(record, move) {
  chosen = record;
  markChosen();
  const place = byId("record");
  if (record === null) {
    place.replaceChildren(make("p", {}, "No record matches. Clear a filter to see more."));
    return;
  }
  place.replaceChildren(...[
    make("ul", { class: "chips", "aria-label": "What this record is" },
      make("li", { class: "chip" }, "synthetic"),
      make("li", { class: `chip ${TONES[record.verdict]}` }, record.verdict),
      make("li", { class: "chip" }, `asked label: ${record.label}`),
      make("li", { class: "chip" }, record.intervention),
      make("li", { class: "chip" }, record.arm)),
    make("h3", {}, record.title),
    make("p", { class: "meta" }, record.id),
    record.why.length ? make("div", {}, make("strong", {}, "Why it was not accepted"), make("ul", {}, ...record.why.map((why) => make("li", {}, why)))) : null,
    compare(record, 0),
    reasons(record),
    lineage(record),
  ].filter(Boolean));
  if (move) {
    place.focus({ preventScroll: true });
    place.scrollIntoView({ block: "nearest" });
    try { history.replaceState(null, "", `#${encodeURIComponent(record.id)}`); } catch { /* not from a file */ }
  }
}

const RUN = 6;
const splitWords = (text) => text.match(/\S+\s*/g) ?? [];
const plain = (word) => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

// Runs of RUN words or more that the exemplar has as well are marked, so that copying is seen.
function marked(text, other) {
  const words = splitWords(text);
  const there = splitWords(other).map(plain);
  const runs = new Set(there.slice(0, Math.max(0, there.length - RUN + 1)).map((_, at) => there.slice(at, at + RUN).join(" ")));
  const keys = words.map(plain);
  const shared = new Array(words.length).fill(false);
  keys.forEach((_, at) => {
    if (at + RUN <= keys.length && runs.has(keys.slice(at, at + RUN).join(" "))) shared.fill(true, at, at + RUN);
  });
  const parts = [];
  words.forEach((word, at) => {
    if (at && shared[at] === shared[at - 1]) parts.at(-1).text += word;
    else parts.push({ shared: shared[at], text: word });
  });
  return parts.map((part) => (part.shared ? make("mark", {}, part.text) : part.text));
}

function compare(record, at) {
  const ids = record.exemplars.filter((id) => data.exemplars[id]);
  const exemplar = data.exemplars[ids[at]];
  const own = new Map(record.fields);
  const others = new Map(exemplar ? exemplar.fields : []);
  const everything = [...others.values()].join(" \n ");
  const headings = [...new Set([...own.keys(), ...others.keys()])];
  const box = make("div", {});
  const from = exemplar ? `${ids[at]} (${exemplar.source}, ${exemplar.label})` : "";
  if (ids.length) {
    box.append(make("div", { class: "switch", role: "group", "aria-label": "Exemplar to compare with" }, "Beside exemplar ",
      ...ids.map((id, position) => make("button", {
        type: "button", "aria-pressed": String(position === at),
        onclick: () => { const next = compare(record, position); box.replaceWith(next); next.querySelectorAll(".switch button")[position].focus(); },
      }, id)), "shared runs of 6 words are marked"));
  }
  const cell = (nodes, name) => (nodes.length ? make("td", { "data-from": name }, ...nodes) : make("td", { "data-from": name, class: "none" }, "not given"));
  box.append(make("table", { class: "compare" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Field"), make("th", { scope: "col" }, "Synthetic trial"),
      exemplar ? make("th", { scope: "col" }, from) : null)),
    make("tbody", {}, ...headings.map((heading) => make("tr", {},
      make("th", { scope: "row" }, heading),
      cell(own.has(heading) ? marked(own.get(heading), everything) : [], "Synthetic"),
      exemplar ? cell(others.has(heading) ? [others.get(heading)] : [], from) : null)))));
  return box;
}

function reasons(record) {
  const list = data.reasons[record.reasons];
  if (!list || !list.length) return null;
  return make("div", {}, make("h3", {}, `Reasons the model gave for ${record.label}`), make("ol", {}, ...list.map((reason) =>
    make("li", {}, reason.text, reason.cites.length ? make("span", { class: "cites" }, `cites ${reason.cites.join("; ")}`) : null))));
}

function lineage(record) {
  return make("details", {}, make("summary", {}, "Lineage: how this record was made"),
    make("dl", { class: "lineage" }, ...record.lineage.flatMap(([name, value]) => [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, value)])));
}

byId("find").addEventListener("input", filterRecords);
for (const name of FILTERS) byId(`by-${name}`).addEventListener("change", filterRecords);
document.querySelector(".filters").addEventListener("reset", () => setTimeout(filterRecords, 0));
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", showMore);

function chooseByAddress() {
  let wanted;
  try { wanted = decodeURIComponent(location.hash.slice(1)); } catch { return; } // `#%` names nothing
  const record = data.records.find((candidate) => candidate.id === wanted);
  if (record) { choose(record, true); byId("records").scrollIntoView(); }
}
addEventListener("hashchange", chooseByAddress);
filterRecords();
chooseByAddress();
document.documentElement.dataset.ready = "true";
