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
// Colours are CSS variables, so a change of theme or printing needs no redrawing.
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
  // A legend has as many columns as fit. The width of the axis labels is known only after drawing: if the legend is
  // cut then, it is drawn again with one column less.
  for (let columns = Math.max(1, Math.floor((place.clientWidth - 60) / 120)); columns > 0; columns -= 1) {
    await vegaEmbed(place, plots[place.dataset.plot], {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: { ...CONFIG, legend: { ...CONFIG.legend, columns } }, defaultStyle: false,
      tooltip: { disableDefaultStyle: true }, // the page's policy lets in no style but its own: report.css has it
    });
    const end = Math.max(0, ...[...place.querySelectorAll(".role-legend")].map((legend) => legend.getBoundingClientRect().right));
    if (end <= place.getBoundingClientRect().right + 1) break;
  }
  // Screen readers have the text of the plot and its table; single marks would only be noise.
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

// Most of a record is in blocks of text that are read when needed, so the page opens as fast with ten thousand
// records as with ten.
const held = new Map();
function block(kind, at) {
  const name = `${kind}-${at}`;
  if (!held.has(name)) held.set(name, read(name));
  return held.get(name);
}
const whole = (record) => ({ ...record, ...block("records", Math.floor(record.at / data.size))[record.at % data.size] });
function find(kind, key) {
  const at = data.first[kind].findLastIndex((first) => first <= key);
  return at < 0 ? undefined : block(kind, at)[key];
}
data.records.forEach((record, at) => { record.at = at; });

// The words of all records are read on the first search.
function readWords() {
  for (let start = 0; start < data.records.length; start += data.size) {
    read(`records-${start / data.size}`).forEach(({ faults, page }, at) => {
      const record = data.records[start + at];
      record.words = [record.id, record.title, record.intervention, ...faults, ...Object.values(page).flat(2)].join(" ").toLowerCase();
    });
  }
}
for (const name of FILTERS) {
  const values = [...new Set(data.records.map((record) => record[name]))].sort();
  byId(`by-${name}`).append(...values.map((value) => make("option", { value }, value || "(none)")));
}

function filterRecords() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length && data.records[0]?.words === undefined) readWords();
  const wanted = FILTERS.map((name) => [name, byId(`by-${name}`).value]).filter((pair) => pair[1] !== "");
  matching = data.records.filter(
    (record) => wanted.every(([name, value]) => record[name] === value) && words.every((word) => record.words.includes(word)),
  );
  const held = data.total > data.records.length ? `; this page has the first ${data.records.length} of ${data.total}` : "";
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
    make("span", { class: "meta" }, [record.intervention, record.label, record.verdict, ...(record.copied ? [`copied ${percent(record.copied)}`] : [])].join(" · ")),
  ));
}

function markChosen() {
  for (const button of byId("list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(chosen !== null && button.dataset.id === chosen.id));
  }
}

function choose(listed, move) {
  chosen = listed;
  markChosen();
  const place = byId("record");
  if (listed === null) {
    place.replaceChildren(make("p", {}, "No matching records. Clear a filter to see more."));
    return;
  }
  const record = whole(listed);
  place.replaceChildren(...[
    make("ul", { class: "chips", "aria-label": "Properties of this record" },
      make("li", { class: "chip" }, "synthetic"),
      make("li", { class: `chip ${TONES[record.verdict]}` }, record.verdict),
      make("li", { class: "chip" }, `requested label: ${record.label}`),
      make("li", { class: "chip" }, record.intervention),
      make("li", { class: "chip" }, record.arm)),
    verdict(record),
    compare(record, 0),
    reasons(record),
    sources(record),
    lineage(record),
  ].filter(Boolean));
  if (move) {
    place.focus({ preventScroll: true });
    place.scrollIntoView({ block: "nearest" });
    try { history.replaceState(null, "", `#${encodeURIComponent(record.id)}`); } catch { /* not from a file */ }
  }
}

const percent = ([shared, all]) => (shared && shared < all / 100 ? "under 1%" : `${Math.round((100 * shared) / Math.max(all, 1))}%`);

// Copies are counted as in trial/copies.py: text by text, in words without case and marks. A text of fewer than n
// words is one n-gram, shared only by a text with exactly these words.
const splitWords = (text) => [...text.matchAll(/[\p{L}\p{N}]+/gu)];
const keysOf = (words) => {
  const plain = words.map((word) => word[0].toLowerCase());
  if (plain.length < data.ngram) return plain.length ? [plain.join(" ")] : [];
  return plain.slice(data.ngram - 1).map((_, at) => plain.slice(at, at + data.ngram).join(" "));
};
function freeTexts(page) {
  return data.layout.filter((layout) => page[layout.heading]).flatMap(({ heading, kind, free }) => {
    if (kind === "facts") return [];
    return kind === "table" ? page[heading].flatMap((row) => free.map((at) => row[at])) : [page[heading]].flat();
  });
}
const ngramsOf = (pages) => new Set(pages.flatMap(freeTexts).flatMap((text) => keysOf(splitWords(text))));

// The text, with the n-grams in `known` marked.
function marked(text, known) {
  const words = splitWords(text);
  const parts = [];
  let done = 0;
  let from = null;
  let end = 0;
  const close = () => {
    if (from === null) return;
    parts.push(text.slice(done, from), make("mark", {}, text.slice(from, end)));
    done = end;
    from = null;
  };
  keysOf(words).forEach((key, at) => {
    if (!known.has(key)) return;
    const last = words[Math.min(at + data.ngram, words.length) - 1];
    if (from === null || words[at].index > end) { close(); from = words[at].index; }
    end = last.index + last[0].length;
  });
  close();
  return [...parts, text.slice(done)];
}

const SHOW = {
  text: (content, layout, known) => make("p", { class: "text" }, ...marked(content, known)),
  items: (content, layout, known) => make("ul", { class: layout.heading === "Keywords" ? "inline" : "items" }, ...content.map((item) => make("li", {}, ...marked(item, known)))),
  facts: showFacts,
  table: showTable,
};

// A fact that only the other side has gets a line here too, so both sides stay aligned.
function showFacts(facts, { heading, columns }, _known, sides) {
  const own = new Map(facts);
  const told = new Set(sides.flatMap((side) => (side.page[heading] ?? []).map(([name]) => name)));
  return make("dl", { class: "facts" }, ...columns.filter((name) => told.has(name)).flatMap((name) => [
    make("dt", {}, name), own.has(name) ? make("dd", {}, own.get(name)) : make("dd", { class: "none" }, "not given"),
  ]));
}

// The last column is a description: it goes below its row, where there is room for prose.
function showTable(rows, { heading, columns, free }, known) {
  const filled = columns.slice(0, -1).map((name, at) => [name, at]).filter(([, at]) => rows.some((row) => row[at]));
  const show = (text, at) => (free.includes(at) ? marked(text, known) : [text]);
  return make("table", { class: "inner", "aria-label": heading },
    make("thead", {}, make("tr", {}, ...filled.map(([name]) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.flatMap((row) => [
      make("tr", {}, ...filled.map(([, at]) => make("td", {}, ...show(row[at], at)))),
      ...(row.at(-1) ? [make("tr", { class: "told" }, make("td", { colspan: filled.length }, ...show(row.at(-1), columns.length - 1)))] : []),
    ])));
}

// The record as a registry page next to one of its exemplars, heading by heading.
function compare(record, at) {
  const ids = record.exemplars.filter((id) => find("exemplars", id));
  const exemplar = ids.length ? find("exemplars", ids[at]) : undefined;
  const from = exemplar ? `${ids[at]} (${exemplar.source}, ${exemplar.label})` : "";
  const sides = [{ name: "Synthetic trial", page: record.page, known: ngramsOf(ids.map((id) => find("exemplars", id).page)) }];
  if (exemplar) sides.push({ name: from, page: exemplar.page, known: ngramsOf([record.page]) });
  const box = make("div", {});
  if (ids.length) {
    const counted = record.copied ? `${percent(record.copied)} of its ${data.ngram}-grams occur in its exemplars: ` : "";
    box.append(make("div", { class: "switch", role: "group", "aria-label": "Exemplar to compare with" }, "Next to exemplar ",
      ...ids.map((id, position) => make("button", {
        type: "button", "aria-pressed": String(position === at),
        onclick: () => { const next = compare(record, position); box.replaceWith(next); next.querySelectorAll(".switch button")[position].focus(); },
      }, id)), make("span", {}, counted, make("mark", {}, "marked"))));
  }
  const grid = make("div", { class: exemplar ? "compare two" : "compare" });
  const heads = [[record.id, data.status], [ids[at], exemplar && `Exemplar shown to the model: ${exemplar.source}, ${exemplar.label}`]];
  sides.forEach((side, which) => grid.append(make("header", {},
    make("p", { class: "meta" }, side.name),
    make("h3", {}, ...marked(side.page.Title ?? (which ? "(no title)" : record.title), side.known)),
    make("p", { class: which ? "status" : "status warn" }, heads[which][1]),
    which ? null : make("p", { class: "meta" }, heads[which][0]))));
  for (const layout of data.layout) {
    if (layout.heading === "Title" || !sides.some((side) => side.page[layout.heading])) continue;
    grid.append(make("h4", {}, layout.heading));
    for (const side of sides) {
      const content = side.page[layout.heading];
      grid.append(make("div", { class: "cell", role: "group", "aria-label": `${layout.heading}, ${side.name}`, "data-from": exemplar ? side.name : "" },
        content ? SHOW[layout.kind](content, layout, side.known, sides) : make("p", { class: "none" }, "not given")));
    }
  }
  box.append(grid);
  return box;
}

function verdict(record) {
  const box = make("div", {}, make("p", {}, make("strong", {}, `Verdict: ${record.verdict}`)));
  if (record.faults.length) box.append(make("ul", {}, ...record.faults.map((words) => make("li", {}, words))));
  if (record.verdict === "given up") {
    box.append(make("p", { class: "aside" }, "The model's last attempt failed for this reason, so there is no record to check."));
    return box;
  }
  if (!data.checks.length) return box; // nothing has been validated
  // Only records without another fault are checked for near-copies.
  const isLate = (reason) => data.late_checks.includes(reason);
  const faulty = record.why.some((reason) => !isLate(reason));
  const verdicts = data.checks.map(([reason]) => {
    if (record.why.includes(reason)) return "failed";
    return faulty && isLate(reason) ? "not checked" : "passed";
  });
  const count = (wanted) => verdicts.filter((one) => one === wanted).length;
  const tones = { passed: "good", failed: "bad", "not checked": "none" };
  box.append(make("details", {}, make("summary", {}, `All ${verdicts.length} checks: ${count("passed")} passed, ${count("failed")} failed`),
    make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "All checks" }, make("table", {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Fault"), make("th", { scope: "col" }, "Check"), make("th", { scope: "col" }, "Verdict"))),
      make("tbody", {}, ...data.checks.map(([reason, words], at) => make("tr", {},
        make("th", { scope: "row" }, words), make("td", {}, reason), make("td", { class: tones[verdicts[at]] }, verdicts[at]))))))));
  return box;
}

function sources(record) {
  if (!record.sources.length) return null;
  return make("details", {}, make("summary", {}, "Sources: the real trials that its structured fields come from"),
    make("table", {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Fields"), make("th", { scope: "col" }, "From"))),
      make("tbody", {}, ...record.sources.map((id, at) => make("tr", {},
        make("th", { scope: "row" }, data.blocks[at][1]), make("td", {}, make("span", { class: "meta" }, id), ` ${find("titles", id) ?? ""}`))))));
}

function reasons(record) {
  const list = find("reasons", record.reasons);
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
