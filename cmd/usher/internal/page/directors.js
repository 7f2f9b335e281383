// Every director of the group, as this one sees it.

const directorCards = new Map();
function showDirectors(s) {
  const all = s.directors ? s.directors.directors : [];
  $("directorsection").hidden = !all.length;
  const twice = s.directors ? s.directors.both_active : [];
  const key = JSON.stringify(twice);
  if ($("bothactive").getAttribute("data-key") !== key) {
    mark($("bothactive"), "data-key", key);
    $("bothactive").replaceChildren(...twice.map(b => el("div", { class: "warning error", "data-instance-twice": b.instance },
      el("span", { class: "word" }, "error"), el("b", {}, b.instance), el("span", { class: "text" }, `active on ${b.directors.length} directors at the same time: ${list(b.directors)}`))));
  }
  const seen = new Set();
  for (const d of all) {
    const name = d.name || d.address;
    seen.add(name);
    let card = directorCards.get(name);
    if (!card) {
      card = directorCard(name);
      directorCards.set(name, card);
    }
    if (card.root.parentElement !== $("directors")) $("directors").append(card.root);
    card.show(d, twice.filter(b => b.directors.includes(name)).map(b => b.instance));
  }
  for (const [name, card] of directorCards) if (!seen.has(name)) { card.root.remove(); directorCards.delete(name); }
}

function directorCard(name) {
  const state = el("span", {}), why = el("p", { class: "why quiet" }), roles = el("ul", { class: "roles" }), facts = el("dl", {});
  const age = clock("", ""), reason = el("span", {});
  why.append(age, reason);
  const root = el("article", { class: "card", "data-director": name, "aria-label": "Director " + name }, el("h3", {}, name, state), why, roles, facts);
  const rows = {};
  const fact = (label, text) => {
    if (!rows[label]) {
      rows[label] = [el("dt", {}, label), el("dd", {})];
      facts.append(...rows[label]);
    }
    rows[label][0].hidden = rows[label][1].hidden = !text;
    put(rows[label][1], text);
  };
  let rolesKey = "";
  return { root, show(d, twice) {
    const word = !d.up ? "absent" : d.maintenance ? "maintenance" : "up";
    pill(state, word);
    mark(root, "data-state", word);
    dress(root, !d.up || twice.length ? "card bad" : "card");
    if (d.self) put(reason, "this director");
    else if (!d.up) put(reason, (d.heard ? " since it was heard; what is shown is as old. " : "") + (d.why || ""));
    else put(reason, d.why || "heard");
    age.hidden = d.self || d.up || !d.heard;
    if (d.heard && !d.up) reset(age, d.heard);
    const key = JSON.stringify([d.up, d.maintenance, twice, d.instances.map(i => [i.name, i.state, i.effective_priority])]);
    if (key !== rolesKey) {
      rolesKey = key;
      roles.replaceChildren(...d.instances.slice(0, 20).map(i => {
        const p = el("span", {});
        pill(p, twice.includes(i.name) && i.state === "active" ? "active twice" : d.maintenance && i.state === "initialize" ? "maintenance" : i.state);
        return el("li", { "data-instance-of": i.name }, d.up ? "" : "was ", p, ` ${i.name} `, el("span", { class: "quiet" }, `priority ${i.effective_priority}`));
      }), ...(d.instances.length > 20 ? [el("li", { class: "quiet" }, `and ${d.instances.length - 20} more`)] : []));
    }
    fact("Real servers", d.real_servers ? `${d.real_servers_up} of ${d.real_servers} up` : "");
    const down = d.down.filter(r => r.state === "down"), more = Math.max(0, down.length - 3) + (d.down_more || 0);
    fact("Down", down.slice(0, 3).map(r => `${r.virtual_server} ${r.real_server}`).join(", ") + (more ? ` and ${more} more` : ""));
    fact("Differs", d.differs.slice(0, 5).join(", ") + (d.differs.length > 5 ? ` and ${d.differs.length - 5} more` : ""));
    fact("Not compared", d.not_compared || "");
    fact("Version", d.version || "");
    fact("Address", d.address);
  } };
}
