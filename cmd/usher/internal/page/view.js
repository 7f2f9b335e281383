// The parts of the page, each made once and then kept in step with the status.

function showHead(s) {
  put($("router"), s.router_id || "usher");
  const active = s.instances.filter(i => i.state === "active").map(i => i.name);
  const backup = s.instances.filter(i => i.state === "backup").map(i => i.name);
  let role = "";
  if (active.length) role = "active for " + list(active);
  else if (backup.length) role = "backup for " + list(backup);
  else if (s.instances.length) role = "active for nothing";
  if (s.maintenance) role = "in maintenance";
  put($("role"), role);
  put($("facts"), `usher ${s.version}, up ${ago(s.started)}`);
  document.title = (s.warnings.length ? `(${s.warnings.length}) ` : "") + `${s.router_id}: ${role || "usher"}`;
  const colour = s.verdict.level === "error" ? "#d93025" : s.verdict.level === "warning" ? "#e5a50a" : active.length ? "#1a7f45" : "#2b62b0";
  mark($("icon"), "href", "data:image/svg+xml," + encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${colour}"/></svg>`));
}

function list(names) {
  return names.length <= 3 ? names.join(", ") : names.slice(0, 3).join(", ") + ` and ${names.length - 3} more`;
}

const shownWarnings = 30;
let warningsKey = "";
function showWarnings(s) {
  const key = JSON.stringify([s.verdict, s.warnings.map(w => [w.severity, w.kind, w.subject, w.text])]);
  if (key === warningsKey) return;
  warningsKey = key;
  dress($("verdict"), { ok: "good", warning: "warn" }[s.verdict.level] || "bad");
  put($("verdict"), s.verdict.text);
  const rows = s.warnings.slice(0, shownWarnings).map(warningRow);
  if (s.warnings.length > shownWarnings) rows.push(el("p", { class: "quiet" }, `and ${s.warnings.length - shownWarnings} more: usher status`));
  $("warnings").replaceChildren(...rows);
}

function warningRow(w) {
  const where = w.subject || w.kind;
  const pool = pools.get(w.subject) || pools.get(w.subject.split(" ")[0]);
  const name = pool ? el("a", { href: "#servers", title: "Show it" }, where) : el("b", {}, where);
  if (pool) name.addEventListener("click", e => { e.preventDefault(); pool.reveal(); });
  return el("div", { class: "warning " + w.severity, "data-kind": w.kind, "data-subject": w.subject },
    el("span", { class: "word" }, w.severity), name, el("span", { class: "text" }, w.text), clock(w.since, "for "));
}

const instances = new Map();
function showInstances(s) {
  $("instancesection").hidden = !s.instances.length;
  const seen = new Set();
  for (const i of s.instances) {
    seen.add(i.name);
    let card = instances.get(i.name);
    if (!card) {
      card = instanceCard(i.name);
      instances.set(i.name, card);
      $("instances").append(card.root);
    }
    card.show(i, s.maintenance);
  }
  for (const [name, card] of instances) if (!seen.has(name)) { card.root.remove(); instances.delete(name); }
}

function instanceCard(name) {
  const state = el("span", {}), why = el("p", { class: "why quiet" }), addresses = el("p", { class: "addresses mono" });
  const facts = el("dl", {}), since = clock("", "");
  const root = el("article", { class: "card", "data-instance": name, "aria-label": "Instance " + name },
    el("h3", {}, name, state), why, addresses, facts);
  const reason = el("span", {});
  why.append(since, reason);
  const rows = {};
  const fact = (label, text) => {
    if (!rows[label]) {
      rows[label] = [el("dt", {}, label), el("dd", {})];
      facts.append(...rows[label]);
    }
    rows[label][0].hidden = rows[label][1].hidden = !text;
    put(rows[label][1], text);
  };
  return { root, show(i, maintenance) {
    pill(state, maintenance && i.state === "initialize" ? "maintenance" : i.state);
    mark(root, "data-state", i.state);
    dress(root, i.state === "fault" || i.split_brain ? "card bad" : "card");
    reset(since, i.since);
    put(reason, i.reason ? ": " + i.reason : "");
    put(addresses, i.addresses.join("  "));
    fact("Active router", i.active_router ? i.active_router + (i.state === "active" ? ", this director" : "") : "nobody known");
    fact("Active, too", i.split_brain ? `${i.split_brain.address}, ${i.split_brain.priority ? `priority ${i.split_brain.priority}` : "which gave way"}` : "");
    fact("Priority", i.effective_priority === i.priority ? String(i.priority) : `${i.effective_priority}, configured ${i.priority}`);
    fact("Router ID", `${i.virtual_router_id} on ${i.interface}, version ${i.version}`);
    fact("Sync group", i.group || "");
    fact("Tracking", (i.tracks || []).filter(t => t.fault || t.weight).map(t => t.reason || t.name).join("; "));
    fact("Adverts", `${amount(i.statistics.adverts_sent)} sent, ${amount(i.statistics.adverts_received)} received`);
    fact("HMAC", i.hmac ? [`${i.hmac.mode}, key ${i.hmac.active_key}`, ...(i.peers || []).map(p => `${p.address} ${p.key ? `signs with key ${p.key}` : "does not sign"}`)].join("; ") : "");
    fact("Discarded", Object.entries(i.statistics.discarded || {}).map(([r, n]) => `${n} ${r}`).join(", "));
    fact("Transitions", String(i.transitions));
  } };
}

// What is announced by BGP, and the sessions by which it is: cards as those of instances.
const announced = new Map();
function showAnnouncements(s) {
  const all = [
    ...(s.announcements || []).map(a => ({ key: "announce " + a.name, name: a.name, state: announcementState(a), lines: a.addresses.map(p => `${p.prefix} ${p.state}: ${p.text}`),
      facts: [["Virtual servers", list(a.virtual_servers)], ["Withdrawals", String(a.withdrawals)], ["By an operator", a.withdrawn ? "withdrawn" : ""]] })),
    ...(s.bgp_sessions || []).map(p => ({ key: "peer " + p.peer, name: p.peer, state: p.state, lines: [p.reason, p.bfd_reason && "BFD: " + p.bfd_reason].filter(Boolean),
      facts: [["ASN", String(p.asn)], ["Hold time", p.hold_time_seconds ? p.hold_time_seconds + " s" : ""], ["Families", p.families.join(", ")], ["BFD", p.bfd || ""], ["Flaps", String(p.flaps)]] }))];
  $("announcementsection").hidden = !all.length;
  const seen = new Set();
  for (const c of all) {
    seen.add(c.key);
    let card = announced.get(c.key);
    if (!card) {
      card = announcementCard(c);
      announced.set(c.key, card);
      $("announcements").append(card.root);
    }
    card.show(c);
  }
  for (const [key, card] of announced) if (!seen.has(key)) { card.root.remove(); announced.delete(key); }
}

// announcementState is the worst of its addresses.
function announcementState(a) {
  for (const state of ["withdrawn", "draining"]) if (a.addresses.some(p => p.state === state)) return state;
  return "announced";
}

function announcementCard(c) {
  const state = el("span", {}), lines = el("p", { class: "why quiet" }), facts = el("dl", {});
  const root = el("article", { class: "card", "data-announcement": c.key, "aria-label": c.key }, el("h3", {}, c.name, state), lines, facts);
  const rows = {};
  return { root, show(c) {
    pill(state, c.state);
    mark(root, "data-state", c.state);
    dress(root, c.state === "announced" || c.state === "established" || c.state === "draining" ? "card" : "card bad");
    put(lines, c.lines.join("; "));
    for (const [label, text] of c.facts) {
      if (!rows[label]) {
        rows[label] = [el("dt", {}, label), el("dd", {})];
        facts.append(...rows[label]);
      }
      rows[label][0].hidden = rows[label][1].hidden = !text;
      put(rows[label][1], text);
    }
  } };
}

const squaresShown = 40;
function poolRow(name) {
  const state = el("span", {}), address = el("span", { class: "mono" }), method = el("span", { class: "method" });
  const squares = el("span", { class: "squares" }), tally = el("span", {});
  const servers = el("span", { class: "servers" }, squares);
  const rate = el("span", {}), conns = el("span", {}), trend = spark();
  const inside = el("div", { class: "inside" });
  const root = el("details", { class: "pool", "data-vs": name },
    el("summary", {}, el("span", {}, state), el("span", { class: "name" }, el("b", {}, name), address), method, servers,
      el("span", { class: "figure" }, conns, el("small", {}, "connections")),
      el("span", { class: "figure bytes" }, rate, el("small", {}, "new / s")), el("span", { class: "trend" }, trend)), inside);
  let pool = null, table = null, near = false;
  const boxes = [];
  const row = { root, touched: false, show(v) {
    pool = v;
    pill(state, v.up ? "up" : "down");
    dress(root, v.up ? "pool" : "pool down");
    mark(root, "data-state", v.up ? "up" : "down");
    put(address, `${v.protocol} ${v.address}`);
    if (near) row.draw();
    if (root.open) row.fill();
  }, come(is) {
    near = is;
    if (near && pool) row.draw();
  }, draw() {
    const v = pool;
    put(method, `${v.scheduler}, ${v.forward_method}`);
    const own = v.real_servers.filter(r => !r.sorry);
    const up = own.filter(r => r.state === "up").length;
    own.slice(0, squaresShown).forEach((r, i) => {
      if (!boxes[i]) { boxes[i] = el("i", {}); squares.append(boxes[i]); }
      dress(boxes[i], tone(r.state));
      mark(boxes[i], "title", `${r.address} ${r.state}`);
    });
    while (boxes.length > Math.min(own.length, squaresShown)) boxes.pop().remove();
    put(tally, `${up} of ${own.length} up` + (v.sorry ? ", sorry server answers" : ""));
    squares.append(tally);
    put(conns, amount(v.real_servers.reduce((n, r) => n + r.active_connections + r.inactive_connections, 0)));
    put(rate, amount(v.counters.connections_per_second));
    trend.draw(v.history || [], "New connections a second, last ten minutes");
  }, fill() {
    if (!table) { table = serverTable(inside, name); }
    table.show(pool);
  }, reveal() {
    $("filter").value = "";
    $("troubled").checked = false;
    filterPools();
    row.touched = root.open = true;
    root.scrollIntoView({ block: "center" });
    root.querySelector("summary").focus({ preventScroll: true });
  }, get pool() { return pool; }, get troubled() { return !pool.up || pool.real_servers.some(r => !r.sorry && r.state !== "up"); } };
  root.addEventListener("toggle", () => { if (root.open && pool) row.fill(); });
  root.querySelector("summary").addEventListener("click", () => { row.touched = true; });
  return row;
}

function serverTable(inside, name) {
  const line = el("p", { class: "quiet" });
  const heads = [["Real server"], ["State"], ["Weight", "n"], ["Active", "n"], ["Inactive", "n"], ["New / s", "n"], ["In / s", "n"], ["Out / s", "n"], ["Trend"], ["Checks"], ["Since"]];
  const table = el("table", {}, el("caption", { class: "hidden" }, "Real servers of " + name),
    el("thead", {}, el("tr", {}, ...heads.map(([h, c]) => el("th", { scope: "col", class: c || "" }, h)))));
  const found = el("p", { class: "quiet" });
  inside.append(line, found, table);
  const rows = new Map();
  return { show(v) {
    put(line, `Quorum ${v.quorum}; ${amount(v.counters.connections)} connections, ${bytes(v.counters.bytes_in)} in, ${bytes(v.counters.bytes_out)} out` + (v.reason ? `. ${v.reason}` : ""));
    const sources = v.discover || [];
    const away = (v.absent || []).map(a => `${a.address} is not in the pool; when it comes back: ${a.text}`);
    put(found, [...sources.map(sourceText), ...away].join(". "));
    found.hidden = !sources.length && !away.length;
    dress(found, sources.some(s => s.error || s.held || s.left_out) ? "warn" : "quiet");
    const seen = new Set();
    for (const r of v.real_servers) {
      const key = r.address + (r.sorry ? " sorry" : "");
      seen.add(key);
      if (!rows.has(key)) {
        rows.set(key, serverRow(heads, name, r));
        table.append(rows.get(key).root);
      }
      rows.get(key).show(r);
    }
    for (const [key, row] of rows) if (!seen.has(key)) { row.root.remove(); rows.delete(key); }
  } };
}

// sourceText is what a source of real servers says at present.
function sourceText(s) {
  let text = `Discovered by ${s.name}: ${s.servers === 1 ? "1 server" : s.servers + " servers"}`;
  if (s.age_seconds !== undefined) text += `, ${Math.round(s.age_seconds)} s ago`;
  if (s.error) text += `; ${s.error}`;
  if (s.held) text += `; ${s.held} stay until the next answer (max_leave)`;
  if (s.left_out) text += "; " + s.left_out.slice(0, 3).map(l => `${l.entry} is left out: ${l.why}`).join("; ") + (s.left_out.length > 3 ? `; ${s.left_out.length - 3} more` : "");
  return text;
}

// past is the active connections of each real server: what the server remembers of
// them, and a value more every ten seconds.
const past = new Map();
const trendLength = 60, trendStep = 10000;
const pastOf = (pool, r) => pool + " " + r.address;
function recall(histories) {
  past.clear();
  for (const [pool, servers] of Object.entries(histories || {}))
    for (const [address, values] of Object.entries(servers)) past.set(pastOf(pool, { address }), values);
}
setInterval(() => {
  for (const [name, row] of pools) {
    for (const r of row.pool ? row.pool.real_servers : []) {
      const values = past.get(pastOf(name, r));
      if (!values && !r.active_connections) continue;
      if (!values) past.set(pastOf(name, r), [0, r.active_connections]);
      else if (values.push(r.active_connections) > trendLength) values.shift();
    }
  }
}, trendStep);

function serverRow(heads, name, r) {
  const cells = heads.map(([h, c]) => el("td", { "data-label": h, class: c || "" }));
  const [address, state, weight, active, inactive, fresh, bytesIn, bytesOut, trend, checks, age] = cells;
  const word = el("span", {}), graph = spark(), since = clock(r.since, ""), reason = el("td", { colspan: String(heads.length) });
  address.className = "mono address";
  state.append(word);
  trend.append(graph);
  age.append(since);
  // The answer to "why" has the whole width, under its row.
  const why = el("tr", { class: "why" }, reason);
  const root = el("tbody", { "data-rs": r.address }, el("tr", {}, ...cells), why);
  return { root, show(r) {
    put(address, r.address + (r.sorry ? " (sorry)" : r.source ? ` (${r.source.split(" ")[0]})` : ""));
    address.title = r.source || "";
    pill(word, r.state);
    mark(root, "data-state", r.state);
    dress(root, r.state === "down" ? "bad" : "");
    put(weight, r.effective_weight === r.weight ? String(r.weight) : `${r.effective_weight} (${r.weight} configured)`);
    put(active, amount(r.active_connections));
    put(inactive, amount(r.inactive_connections));
    put(fresh, amount(r.counters.connections_per_second));
    put(bytesIn, bytes(r.counters.bytes_in_per_second));
    put(bytesOut, bytes(r.counters.bytes_out_per_second));
    graph.draw([...(past.get(pastOf(name, r)) || [0]), r.active_connections], "Active connections, last ten minutes");
    put(checks, r.checks.map(c => c.state === "up" ? `${c.type} ${c.latency_ms.toFixed(1)} ms` : `${c.type} ${c.state}`).join(", "));
    checks.title = r.checks.map(c => c.last_error).filter(Boolean).join("; ");
    reset(since, r.since);
    const text = r.reason || r.checks.map(c => c.last_error).filter(Boolean).join("; ");
    put(reason, text);
    why.hidden = !text;
  } };
}
