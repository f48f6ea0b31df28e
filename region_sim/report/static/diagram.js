// The diagram of messages: lanes stand side by side, time runs down.
const diagram = DATA.diagram;
const byId = (id) => document.getElementById(id);
const canvas = byId("messages-svg");
const UNITS = 10000; // tenths of a millisecond in a second
const FAINT = new Set(["Beacon", "Renew", "Leased"]);
const TOP = 34;
const GUTTER = 44; // for the times
let chosen = 0;
let centre = diagram.focus;

function shape(name, attributes, words) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (words !== undefined) made.textContent = words;
  return made;
}

function scaleOf(found, half, width) {
  const from = Math.max(found.from, centre - half);
  const to = Math.min(found.to, centre + half);
  const height = 860;
  const count = diagram.regions.length;
  const gap = (width - GUTTER) / count;
  return {
    from, to, height,
    y: (unit) => TOP + ((found.from + unit / UNITS - from) / (to - from)) * height,
    x: (region) => GUTTER + gap * (region + 0.5),
    stub: Math.min(34, gap * 0.16),
    room: gap * 0.5,
  };
}

function drawSpines(scale, width) {
  diagram.regions.forEach((name, region) => {
    const x = scale.x(region);
    canvas.append(shape("text", { x, y: 16, class: `region ink${region % 9}`, "text-anchor": "middle" }, name));
    canvas.append(shape("line", { x1: x, x2: x, y1: TOP - 8, y2: TOP + scale.height + 8, class: `spine line${region % 9}` }));
  });
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((s) => (scale.to - scale.from) / s <= 22) || 0.5;
  for (let n = Math.ceil(scale.from / step); n * step <= scale.to; n++) {
    const y = TOP + ((n * step - scale.from) / (scale.to - scale.from)) * scale.height;
    canvas.append(shape("line", { x1: 0, x2: width, y1: y, y2: y, class: "grid" }));
    canvas.append(shape("text", { x: 2, y: y - 2, class: "tick" }, `${(n * step).toFixed(step < 0.1 ? 2 : 1)} s`));
  }
  const y = TOP + ((centre - scale.from) / (scale.to - scale.from)) * scale.height;
  canvas.append(shape("line", { x1: 0, x2: width, y1: y, y2: y, class: "centre" }));
}

// What crosses the edge of the window is cut off there.
function clipped(group) {
  group.setAttribute("clip-path", "url(#clip)");
  canvas.append(group);
}

function pointed(group, path, lines) {
  const hit = shape("path", { d: path, class: "hit" });
  hit.lines = lines;
  group.append(hit);
}

function drawFrames(found, scale, hidden) {
  const group = shape("g", { class: "marks", tabindex: 0, role: "group", "aria-label": "messages; arrow keys go from one to the next" });
  let lost = 0, drawn = 0;
  for (const [sent, arrived, source, target, kind, bytes] of found.frames) {
    const name = diagram.kinds[kind];
    const y1 = scale.y(sent);
    const y2 = arrived === null ? y1 : scale.y(arrived);
    if (hidden.has(name) || y2 < TOP || y1 > TOP + scale.height) continue;
    if (arrived === null && y1 < TOP) continue;
    drawn++;
    const x1 = scale.x(source);
    const x2 = scale.x(target);
    const at = found.from + sent / UNITS;
    const lines = [`${name} ${diagram.regions[source]} → ${diagram.regions[target]}`];
    if (arrived === null) {
      lost++;
      const ex = x1 + (x2 - x1) * (Math.abs(target - source) > 1 ? 0.14 : 0.28), ey = y1 + 9;
      group.append(shape("line", { x1, y1, x2: ex, y2: ey, class: "msg-lost-line" }));
      group.append(shape("path", { d: `M${ex - 3} ${ey - 3}l6 6m0 -6l-6 6`, class: "msg-lost" }));
      pointed(group, `M${x1} ${y1}L${ex} ${ey}`, [...lines, `sent at ${at.toFixed(4)} s, never arrived; ${bytes} bytes`]);
      continue;
    }
    const slope = Math.atan2(y2 - y1, x2 - x1);
    const head = (turn) => `${(x2 - 6 * Math.cos(slope + turn)).toFixed(1)} ${(y2 - 6 * Math.sin(slope + turn)).toFixed(1)}`;
    const path = `M${x1} ${y1.toFixed(1)}L${x2} ${y2.toFixed(1)}`;
    group.append(shape("path", { d: `${path}M${head(0.4)}L${x2} ${y2.toFixed(1)}L${head(-0.4)}`, class: `msg line${source % 9}${FAINT.has(name) ? " faint" : ""}` }));
    pointed(group, path, [...lines, `sent at ${at.toFixed(4)} s, arrived after ${((arrived - sent) / 10).toFixed(1)} ms; ${bytes} bytes`]);
  }
  clipped(group);
  return [drawn, lost];
}

function drawCalls(found, scale, who) {
  const group = shape("g", { class: "marks", tabindex: 0, role: "group", "aria-label": "calls of devices; arrow keys go from one to the next" });
  const calls = found.calls.filter((call) => !who || call[5] === who);
  calls.sort((a, b) => b[7] - a[7] || a[1] - b[1]);
  const taken = diagram.regions.map(() => []);
  let drawn = 0;
  for (const [number, sent, answered, region, short, account, status, blamed, text] of calls) {
    const y1 = scale.y(sent);
    const y2 = answered === null ? TOP + scale.height : scale.y(answered);
    if (y2 < TOP || y1 > TOP + scale.height) continue;
    drawn++;
    const x = scale.x(region), from = x - scale.stub, middle = (y1 + Math.min(y2, y1 + 40)) / 2;
    const kind = `call${blamed ? " blamed" : ""}${status === 409 || status === 410 ? " refused" : ""}`;
    let path = `M${from} ${y1.toFixed(1)}L${x} ${middle.toFixed(1)}`;
    if (answered !== null && status) path += `M${x} ${y2.toFixed(1)}L${from} ${(y2 + 2).toFixed(1)}m5 -3l-5 3l5 3`;
    else path += `M${from - 3} ${y1 + 5}l6 6m0 -6l-6 6`;
    group.append(shape("path", { d: path, class: kind }));
    pointed(group, `M${from} ${y1}L${x} ${middle}M${x} ${y2}L${from} ${y2}`, [`call ${number} of ${account}`, `sent at ${(found.from + sent / UNITS).toFixed(4)} s`, text]);
    const isFree = taken[region].every((y) => Math.abs(y - y1) >= 11);
    const shown = short.length * 4.9 < scale.room - scale.stub ? short : short.split(" ")[0] + " " + short.split(": ")[1];
    if (y1 >= TOP && isFree && shown.length * 4.9 < scale.room) {
      taken[region].push(y1);
      group.append(shape("text", { x: from - 4, y: y1 + 3, "text-anchor": "end", class: `call-text${blamed ? " blamed" : ""}` }, shown));
    }
  }
  clipped(group);
  return drawn;
}

// Ends as a region spoke them, on its lane; faults and findings as lines across.
function drawEnds(found, scale, who) {
  const group = shape("g", { class: "marks", tabindex: 0, role: "group", "aria-label": "ends; arrow keys go from one to the next" });
  for (const [at, region, reason, account, detail] of found.ends) {
    if (who && account !== who) continue;
    group.append(shape("circle", { cx: scale.x(region), cy: scale.y(at), r: 4, class: `m end-mark end-${reason}`, "data-d": detail }));
  }
  clipped(group);
}

function drawEvents(found, scale, width) {
  let freeFrom = -99;
  const events = shape("g", {});
  for (const [at, words] of [...found.events].sort((a, b) => a[0] - b[0])) {
    const y = scale.y(at);
    events.append(shape("line", { x1: 0, x2: width, y1: y, y2: y, class: "event" }));
    const textY = Math.max(y - 3, freeFrom);
    freeFrom = textY + 11;
    events.append(shape("text", { x: width - 4, y: textY, class: "event-text", "text-anchor": "end" }, words));
  }
  clipped(events);
}

function drawDiagram() {
  const found = diagram.windows[chosen];
  canvas.replaceChildren();
  if (!found) {
    byId("note").textContent = "There is no moment to show: no fault and no finding.";
    return;
  }
  const half = Number(byId("half").value);
  const width = Math.max(340, canvas.parentElement.clientWidth);
  const scale = scaleOf(found, half, width);
  canvas.setAttribute("width", width);
  canvas.setAttribute("height", scale.height + TOP + 14);
  canvas.setAttribute("viewBox", `0 0 ${width} ${scale.height + TOP + 14}`);
  const hidden = new Set([...document.querySelectorAll("#kinds input:not(:checked)")].map((box) => box.value));
  const clip = shape("clipPath", { id: "clip" });
  clip.append(shape("rect", { x: 0, y: TOP - 8, width, height: scale.height + 16 }));
  canvas.append(clip);
  drawSpines(scale, width);
  const [frames, lost] = drawFrames(found, scale, hidden);
  const calls = drawCalls(found, scale, byId("who").value);
  drawEnds(found, scale, byId("who").value);
  drawEvents(found, scale, width);
  byId("at").value = centre.toFixed(3);
  byId("windows").value = chosen;
  byId("note").className = found.note ? "note warn" : "note";
  const parts = [`${frames} messages, ${lost} of them lost, and ${calls} calls.`, found.note];
  if (diagram.left_out) parts.push(`${diagram.left_out} more moments are not kept in this page.`);
  byId("note").textContent = parts.filter(Boolean).join(" ");
}

function offerAccounts() {
  const found = diagram.windows[chosen];
  const who = byId("who");
  const names = found ? [...new Set(found.calls.map((call) => call[5]))].sort() : [];
  const blamed = found ? new Set(found.calls.filter((call) => call[7]).map((call) => call[5])) : new Set();
  who.replaceChildren(new Option("all accounts", ""), ...names.map((name) => new Option(name + (blamed.has(name) ? " (broken promise)" : ""), name)));
}

// Show a moment, in seconds, if it was kept.
function goTo(at) {
  const order = diagram.windows.map((found, index) => [Math.abs(found.at - at), index]).sort((a, b) => a[0] - b[0]);
  const inside = order.find(([, index]) => at >= diagram.windows[index].from && at <= diagram.windows[index].to);
  if (!inside) {
    byId("note").className = "note warn";
    byId("note").textContent = `${at} s was not kept: run report again with --around ${at}.`;
    return;
  }
  if (inside[1] !== chosen) { chosen = inside[1]; offerAccounts(); }
  centre = at;
  drawDiagram();
}

function beginDiagram() {
  diagram.windows.sort((a, b) => a.at - b.at);
  byId("windows").append(...diagram.windows.map((found, index) => new Option(found.label, index)));
  for (const name of diagram.kinds) {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: true });
    label.append(box, " ", name);
    byId("kinds").append(label);
  }
  byId("moment").addEventListener("submit", (event) => event.preventDefault());
  byId("moment").addEventListener("change", (event) => {
    if (event.target.id === "windows") goTo(diagram.windows[Number(event.target.value)].at);
    else if (event.target.id === "at") goTo(Number(event.target.value));
    else drawDiagram();
  });
  document.querySelectorAll("[data-go]").forEach((button) => button.addEventListener("click", () => {
    const next = chosen + Number(button.dataset.go);
    if (diagram.windows[next]) goTo(diagram.windows[next].at);
  }));
  const first = diagram.windows.findIndex((found) => Math.abs(found.at - diagram.focus) < 1e-6);
  chosen = Math.max(0, first);
  offerAccounts();
  drawDiagram();
  window.addEventListener("resize", drawDiagram);
}
beginDiagram();
