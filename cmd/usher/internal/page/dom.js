"use strict";
// Small helpers: elements, texts that are written only when they change, numbers
// and times for people.

const $ = id => document.getElementById(id);

function el(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (k === "class") e.className = v;
    else e.setAttribute(k, v);
  }
  e.append(...children);
  return e;
}

function put(e, text) { if (e.textContent !== text) e.textContent = text; }
function mark(e, name, value) { if (e.getAttribute(name) !== value) e.setAttribute(name, value); }
function dress(e, name) { if (e.className !== name) e.className = name; }

// tone is what a word of state means.
function tone(state) {
  if (["up", "active", "announced", "established"].includes(state)) return "good";
  if (state === "backup") return "note";
  if (["down", "fault", "absent", "active twice", "withdrawn", "idle"].includes(state)) return "bad";
  return "warn";
}

function pill(e, state) { dress(e, "pill " + tone(state)); put(e, state); }

function amount(n) {
  if (n < 10000) return String(Math.round(n));
  const units = ["k", "M", "G", "T", "P"];
  let i = -1;
  do { n /= 1000; i++; } while (n >= 1000 && i < units.length - 1);
  return (n >= 100 ? n.toFixed(0) : n.toPrecision(3)) + units[i];
}

// bytes writes an amount of them, or of them in a second, with a unit.
function bytes(n) {
  if (n < 1000) return Math.round(n) + " B";
  return n < 10000 ? (n / 1000).toFixed(2) + " kB" : amount(n).replace(/(\D)$/, " $1B");
}

function ago(since) {
  const t = Date.parse(since);
  if (!(t > 0)) return "";
  const s = Math.max(0, Math.floor((Date.now() - t) / 1000));
  const two = n => String(n).padStart(2, "0");
  if (s < 60) return s + "s";
  if (s < 3600) return Math.floor(s / 60) + "m" + two(s % 60) + "s";
  if (s < 86400) return Math.floor(s / 3600) + "h" + two(Math.floor(s / 60) % 60) + "m";
  return Math.floor(s / 86400) + "d" + two(Math.floor(s / 3600) % 24) + "h";
}

// clock makes an element that says how long ago a time was, and goes on saying it.
function clock(since, before) {
  const e = el("time", { datetime: since, "data-before": before || "" });
  tick(e);
  return e;
}
function tick(e) {
  const a = ago(e.getAttribute("datetime"));
  put(e, a && e.getAttribute("data-before") + a);
  if (!e.title) e.title = new Date(e.getAttribute("datetime")).toLocaleString();
}
function reset(e, since) {
  if (e.getAttribute("datetime") === since) return;
  e.setAttribute("datetime", since);
  e.title = "";
  tick(e);
}
setInterval(() => {
  for (const e of document.querySelectorAll("#warnings time, #instances time, #directors time, details[open] time")) tick(e);
}, 1000);

// spark is a small graph of values; it is redrawn only when they change.
function spark() {
  const NS = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "no values yet");
  const area = document.createElementNS(NS, "path");
  area.setAttribute("class", "area");
  const line = document.createElementNS(NS, "path");
  svg.append(area, line);
  let drawn = "";
  svg.draw = (values, what) => {
    const key = values.join();
    if (key === drawn) return;
    drawn = key;
    const max = Math.max(1, ...values);
    mark(svg, "aria-label", values.length
      ? `${what}: now ${values[values.length - 1]}, at most ${Math.max(...values)}`
      : `${what}: no values yet`);
    if (values.length < 2) { line.setAttribute("d", ""); area.setAttribute("d", ""); return; }
    const x = i => (i * 100 / (values.length - 1)).toFixed(1);
    const d = values.map((v, i) => (i ? "L" : "M") + x(i) + " " + (28 - v * 26 / max).toFixed(1)).join("");
    line.setAttribute("d", d);
    area.setAttribute("d", d + "L100 30L0 30Z");
  };
  return svg;
}
