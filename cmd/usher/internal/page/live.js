// The streams, the filter and the theme.

const pools = new Map();
let order = [], head = null, heard = 0;

const openAll = 12; // so few virtual servers stand open by themselves

const manyPools = 50; // beyond it, rows off the screen are not laid out

function applyPatch(p) {
  heard = Date.now();
  head = p.status;
  if (p.order) {
    order = p.order;
    surfaced = "";
    arrange(order);
  }
  for (const v of p.virtual_servers) {
    let row = pools.get(v.name);
    if (!row) continue;
    row.show(v);
    if (!row.touched && !row.settled) {
      row.settled = true;
      if (order.length <= (narrow.matches ? 2 : openAll)) row.root.open = true;
    }
  }
  surface();
  head.virtual_servers = [];
  showHead(head);
  showWarnings(head);
  showDirectors(head);
  showInstances(head);
  showAnnouncements(head);
  filterPools();
  if (!first) first = performance.now();
}
let first = 0; // when the first status was on the page, in ms

// nearby tells the rows that are on the screen or soon will be: the figures and
// graphs of all others are left alone, so that a thousand cost no more than twenty.
const nearby = new IntersectionObserver(entries => {
  for (const e of entries) {
    const row = pools.get(e.target.getAttribute("data-vs"));
    if (row) row.come(e.isIntersecting);
  }
}, { rootMargin: "600px" });

// surface lets virtual servers in trouble stand first, those that are down before
// those with a server down, so that nobody has to look for them among a thousand.
// Nothing moves under the hands of who is at the keyboard in the list.
function surface() {
  const rank = name => {
    const row = pools.get(name), v = row && row.pool;
    return !v ? 2 : !v.up ? 0 : row.troubled ? 1 : 2;
  };
  const at = new Map(order.map((name, i) => [name, rank(name) * order.length + i]));
  const names = [...order].sort((a, b) => at.get(a) - at.get(b));
  const key = names.join("\n");
  if (key === surfaced || $("pools").contains(document.activeElement)) return;
  surfaced = key;
  arrange(names);
}
let surfaced = "";
const narrow = matchMedia("(max-width: 560px)");

// arrange makes the rows stand in this order, with as few moves as it takes.
function arrange(names) {
  const wanted = new Set(names);
  for (const [name, row] of pools) if (!wanted.has(name)) { nearby.unobserve(row.root); row.root.remove(); pools.delete(name); }
  let at = $("pools").firstChild;
  const fresh = document.createDocumentFragment();
  for (const name of names) {
    let row = pools.get(name);
    if (!row) {
      row = poolRow(name);
      pools.set(name, row);
      nearby.observe(row.root);
      if (at) $("pools").insertBefore(row.root, at); else fresh.append(row.root);
    } else if (row.root === at) at = at.nextSibling;
    else $("pools").insertBefore(row.root, at);
  }
  $("pools").append(fresh);
  dress($("pools"), names.length > manyPools ? "many" : "");
}

function filterPools() {
  const words = $("filter").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const troubled = $("troubled").checked;
  let shown = 0, up = 0, servers = 0, serversUp = 0;
  for (const name of order) {
    const row = pools.get(name), v = row.pool;
    if (!v) continue;
    if (v.up) up++;
    for (const r of v.real_servers) if (!r.sorry) { servers++; if (r.state === "up") serversUp++; }
    const text = () => [v.name, v.address, v.protocol, v.scheduler, v.forward_method, ...v.real_servers.map(r => r.address + " " + r.state)].join(" ").toLowerCase();
    const hit = (!troubled || row.troubled) && (!words.length || (t => words.every(w => t.includes(w)))(text()));
    if (row.root.hidden === hit) row.root.hidden = !hit;
    if (hit) shown++;
  }
  $("none").hidden = shown > 0 || !order.length;
  put($("counts"), order.length ? `${up} of ${order.length} up, ${serversUp} of ${servers} real servers up` + (shown < order.length ? `, ${shown} shown` : "") : "none configured");
}

const eventsShown = 200;
let lastEvent = 0;
function showEvent(e) {
  lastEvent = e.seq;
  const at = new Date(e.time);
  const subject = e.real_server ? `${e.virtual_server} ${e.real_server}` : e.virtual_server || e.instance || e.group || "";
  let text = e.kind.replaceAll("_", " ");
  if (e.from && e.to) text += ` ${e.from} → ${e.to}`; else if (e.to) text += " " + e.to;
  if (e.peer) text += " with " + e.peer;
  if (e.reason) text += ": " + e.reason;
  const today = at.toDateString() === new Date().toDateString();
  $("events").prepend(el("li", { class: e.severity + "-line", "data-seq": String(e.seq) },
    el("time", { datetime: e.time }, today ? at.toLocaleTimeString([], { hour12: false }) : at.toLocaleString([], { hour12: false })),
    el("b", { class: "severity" }, e.severity === "info" ? "" : e.severity),
    el("span", {}, subject ? el("b", {}, subject + " ") : "", text)));
  while ($("events").childElementCount > eventsShown) $("events").lastChild.remove();
}

function linkState(name, text) {
  dress(document.documentElement, name);
  put($("linktext"), text);
}

function listen() {
  const stream = new EventSource("/api/v1/stream");
  stream.addEventListener("status", e => { order = []; surfaced = ""; arrange([]); const all = JSON.parse(e.data); recall(all.histories); applyPatch(all); linkState("live", "live"); });
  stream.addEventListener("patch", e => { applyPatch(JSON.parse(e.data)); linkState("live", "live"); });
  stream.onerror = () => linkState("lost", "no answer, trying again");

  const events = new EventSource("/api/v1/events?limit=" + eventsShown);
  events.addEventListener("event", e => {
    const event = JSON.parse(e.data);
    if (event.seq <= lastEvent) { // a daemon started anew, after the clock was put back
      $("events").replaceChildren();
      lastEvent = 0;
    }
    showEvent(event);
  });
}

// What is shown is never silently old: a stream that hangs without an error shows, too.
setInterval(() => {
  if (heard && Date.now() - heard > 15000) linkState("lost", "no news for " + Math.round((Date.now() - heard) / 1000) + "s");
}, 1000);

const themes = ["auto", "light", "dark"];
function useTheme(name) {
  if (name === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", name);
  put($("themename"), name);
}
function storedTheme() {
  try { return themes.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto"; } catch { return "auto"; }
}
$("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf($("themename").textContent) + 1) % themes.length];
  useTheme(next);
  try { localStorage.setItem("theme", next); } catch { /* private window: not kept */ }
});
$("filter").addEventListener("input", filterPools);
$("troubled").addEventListener("change", filterPools);
document.addEventListener("keydown", e => {
  if (e.key === "/" && document.activeElement !== $("filter")) { e.preventDefault(); $("filter").focus(); }
  if (e.key === "Escape" && document.activeElement === $("filter")) { $("filter").value = ""; filterPools(); }
});
useTheme(storedTheme());
listen();
