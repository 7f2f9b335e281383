// The status page's text as lines, for browser.Same. Figures that differ at every
// look are left out: times, bytes and latencies.
(() => {
  const text = (e, selector) => e.querySelector(selector)?.textContent ?? `no ${selector}`;
  const fact = (e, label) => [...e.querySelectorAll("dt")].find(d => d.textContent === label)?.nextSibling.textContent ?? "";
  const cell = (e, label) => text(e, `td[data-label="${label}"]`);
  const reason = s => s.replace(/^: /, "");
  const instance = e => `instance ${e.dataset.instance} ${text(e, ".pill")}: ${reason(text(e, ".why span"))}; ` +
    `${text(e, ".addresses").replaceAll("  ", " ")}; active router ${fact(e, "Active router").replace(", this director", "").replace("nobody known", "")}; ` +
    `${fact(e, "Router ID").replace(/, version .*/, "")}; ${fact(e, "Transitions")} transitions`;
  const pool = e => `virtual server ${e.dataset.vs} ${text(e, ".pill")}: ${text(e, ".name span")}, ${text(e, ".method")}; ` +
    `${text(e, ".servers > span:last-child")}; ${text(e, ".figure:not(.bytes) span")} connections; ${text(e, ".bytes span")} new / s; ` +
    text(e, ".inside p").replace(/Quorum (\d+); (\d+) connections.*/, "quorum $1; $2 in all");
  const server = e => `real server ${e.dataset.rs} ${text(e, ".pill")}: weight ${cell(e, "Weight")}; ` +
    `${cell(e, "Active")} active, ${cell(e, "Inactive")} inactive; ${cell(e, "New / s")} new / s; ` +
    `${cell(e, "Checks").replace(/ [\d.]+ ms/g, " up")}: ${text(e, ".why td")}`;
  return [
    `director ${text(document, "#router")}, ${text(document, "#facts").replace(/, up [^,]*$/, "")}`,
    ...[...document.querySelectorAll("[data-instance]")].map(instance),
    ...[...document.querySelectorAll("[data-vs]")].flatMap(e => [pool(e), ...[...e.querySelectorAll("[data-rs]")].map(server)]),
  ].join("\n");
})()
