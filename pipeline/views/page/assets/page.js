"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const LEVELS = ["1 %", "2.5 %", "5 %", "10 %", "25 %", "Median", "75 %", "90 %", "95 %", "97.5 %", "99 %"];
  const BANDS = [[95, 1, 9], [80, 3, 7], [50, 4, 6]]; // coverage and the places of its limits
  const RANGES = [20, 60, 250];
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const FEW = 12;

  // As the record's format_price: in the smallest coin there are no decimals, of hundredths one.
  const COINS = new Map([..."JPY KRW VND CLP ISK PYG UGX XAF XOF".split(" ").map((name) => [name, 0]),
    ..."GBp GBX ZAc ILA".split(" ").map((name) => [name, 1])]);
  const group = (text) => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));
  const formatPrice = (value, currency) => {
    const size = Number(Math.abs(value).toExponential(3).split("e")[1]), wanted = value === 0 ? 0 : 3 - size;
    const decimals = Math.max(COINS.get(currency) ?? 2, size >= 0 ? Math.min(wanted, 2) : wanted);
    return group(value.toFixed(decimals));
  };
  const price = (value) => formatPrice(value, state.ticker.currency);
  const interval = (low, high) => `${price(low)} to ${price(high)}`;
  const minute = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
  const shortDay = (iso) => `${Number(iso.slice(8))} ${MONTHS[Number(iso.slice(5, 7)) - 1]}`;
  const monthOf = (iso) => `${MONTHS[Number(iso.slice(5, 7)) - 1]} ${iso.slice(0, 4)}`;

  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  // What is drawn of a ticker: sessions from the oldest to the last of the fan.

  const pastPoint = (ticker, k) => {
    const past = ticker.past;
    const point = { day: data.days[past.d[k]], close: past.c[k], low: past.l[k], high: past.u[k] };
    if (point.low === null) return { ...point, low: undefined, high: undefined };
    const place = point.close > point.high ? "above" : point.close < point.low ? "below" : "inside";
    const mode = data.modes[past.m[k]] + (past.s[k] ? "; in sample" : "");
    return { ...point, place, surprise: past.x.includes(k), issued: minute(data.times[past.i[k]]), mode };
  };

  const fanPoint = (ticker, row, ahead) =>
    ({ day: row[0], ahead, quantiles: row.slice(1, 12), issued: minute(ticker.issued), mode: data.mode });

  const pointsOf = (ticker, range) => {
    const all = ticker.past.d.map((_, k) => pastPoint(ticker, k));
    return [...all.slice(-range), ...ticker.fan.map((row, k) => fanPoint(ticker, row, k + 1))];
  };

  const columnsOf = (points, last) => {
    const pick = (place) => points.map((p, k) =>
      p.quantiles ? p.quantiles[place] : k === last && points[k + 1] ? p.close : null);
    const close = points.map((p) => (p.quantiles ? null : p.close));
    return [points.map((_, k) => k), close, ...BANDS.flatMap(([, low, high]) => [pick(low), pick(high)]), pick(5)];
  };

  const describe = (point) => {
    if (point.quantiles) {
      return [["Session", point.day], ["Median", price(point.quantiles[5])],
        ...BANDS.map(([coverage, low, high]) => [`${coverage} %`, interval(point.quantiles[low], point.quantiles[high])]),
        ["Issued", point.issued], ["Mode", point.mode]];
    }
    const close = [["Session", point.day], ["Close", price(point.close)]];
    if (point.place === undefined) return [...close, ["95 %", "no forecast of it on record"]];
    const verdict = point.place === "inside" ? "held" : `missed, closed ${point.place}${point.surprise ? ": a surprise, outside 98 % too" : ""}`;
    return [...close, ["95 %", interval(point.low, point.high)], ["Verdict", verdict],
      ["Issued", point.issued], ["Mode", point.mode]];
  };

  // The chart.

  const drawable = data.tickers.find((ticker) => ticker.fan.length || ticker.past.d.length);
  const state = { ticker: drawable ?? data.tickers[0], range: 60, points: [], last: -1, at: null };
  let chart = null;

  const colours = () => {
    const probe = document.body.appendChild(make("span"));
    const read = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
    const names = ["ink", "faint", "line", "grid", "blue", "held", "missed", "orange", "fan95", "fan80", "fan50", "ground"];
    const found = Object.fromEntries(names.map((name) => [name, read(name)]));
    probe.remove();
    return found;
  };

  const drawIntervals = (u, c) => {
    const step = u.valToPos(1, "x", true) - u.valToPos(0, "x", true);
    const width = Math.max(1, step * (step > 6 ? 0.62 : 0.9));
    state.points.forEach((p, k) => {
      if (p.place === undefined) return;
      const top = u.valToPos(p.high, "y", true), bottom = u.valToPos(p.low, "y", true);
      u.ctx.fillStyle = p.place === "inside" ? c.held : c.missed;
      u.ctx.fillRect(u.valToPos(k, "x", true) - width / 2, top, width, bottom - top);
    });
  };

  const drawMark = (ctx, x, y, size, place) => {
    ctx.beginPath();
    if (place === "inside") ctx.arc(x, y, size * 0.5, 0, 2 * Math.PI);
    else {
      const tip = place === "above" ? -size : size;
      ctx.moveTo(x, y + tip);
      ctx.lineTo(x - size, y - tip * 0.7);
      ctx.lineTo(x + size, y - tip * 0.7);
      ctx.closePath();
    }
    ctx.fill();
  };

  const drawRing = (ctx, x, y, radius, colour) => {
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1.6 * uPlot.pxRatio;
    ctx.stroke();
  };

  const drawMarks = (u, c) => {
    const ratio = uPlot.pxRatio, step = u.valToPos(1, "x", true) - u.valToPos(0, "x", true);
    state.points.forEach((p, k) => {
      if (p.place === undefined || (p.place === "inside" && step < 9 * ratio)) return;
      u.ctx.fillStyle = p.place === "inside" ? c.ink : c.orange;
      const size = (p.place === "inside" ? 4.5 : Math.min(6, Math.max(4, step / ratio / 2))) * ratio;
      const x = u.valToPos(k, "x", true), y = u.valToPos(p.close, "y", true);
      drawMark(u.ctx, x, y, size, p.place);
      if (p.surprise) drawRing(u.ctx, x, y, size * 1.9, c.orange);
    });
  };

  const nameBands = (u, c) => {
    const end = state.points.at(-1);
    if (!end || !end.quantiles) return;
    const ratio = uPlot.pxRatio, x = u.valToPos(state.points.length - 1, "x", true) + 6 * ratio;
    const font = axisFont();
    u.ctx.font = font.of(ratio);
    u.ctx.textAlign = "left";
    u.ctx.textBaseline = "middle";
    u.ctx.fillStyle = c.faint;
    const apart = font.size * 1.1 * ratio;
    let below = Infinity; // names are written from the lowest upper limit up, never over each other
    for (const [coverage, , high] of [...BANDS].reverse()) {
      const y = Math.min(u.valToPos(end.quantiles[high], "y", true), below - apart);
      u.ctx.fillText(`${coverage} %`, x, y);
      below = y;
    }
  };

  const drawOrigin = (u, c) => {
    if (state.last < 0 || state.last === state.points.length - 1) return;
    const x = Math.round(u.valToPos(state.last, "x", true)), { top, height } = u.bbox;
    u.ctx.strokeStyle = c.faint;
    u.ctx.lineWidth = uPlot.pxRatio;
    u.ctx.setLineDash([3 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
    u.ctx.beginPath();
    u.ctx.moveTo(x, top);
    u.ctx.lineTo(x, top + height);
    u.ctx.stroke();
    u.ctx.setLineDash([]);
  };

  const daySplits = (u) => {
    const n = state.points.length, room = Math.max(2, Math.floor(u.bbox.width / uPlot.pxRatio / 86));
    if (n > 100) {
      const starts = state.points.flatMap((p, k) =>
        (k && p.day.slice(0, 7) !== state.points[k - 1].day.slice(0, 7) ? [k] : []));
      const every = Math.ceil(starts.length / room);
      return starts.filter((_, k) => k % every === 0);
    }
    const every = Math.max(1, Math.ceil(n / room)), splits = [];
    for (let k = Math.max(state.last, 0); k >= 0; k -= every) splits.unshift(k);
    for (let k = Math.max(state.last, 0) + every; k < n; k += every) splits.push(k);
    return splits;
  };

  const dayNames = (u, splits) => splits.map((k) =>
    (state.points.length > 100 ? monthOf(state.points[k].day) : shortDay(state.points[k].day)));

  // As many decimals as tell neighbours apart.
  const priceNames = (u, splits) => {
    const step = splits.length > 1 ? splits[1] - splits[0] : 1, decimals = step >= 1 && splits.every(Number.isInteger) ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 1 - Math.floor(Math.log10(step));
    return splits.map((split) => group(split.toFixed(decimals)));
  };

  const axisFont = () => {
    const size = Math.max(12, Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.8));
    return { size, of: (ratio) => `${size * ratio}px system-ui, sans-serif` };
  };

  const priceRange = (u, low, high) => {
    const limits = state.points.flatMap((p) =>
      (p.quantiles ? [p.quantiles[1], p.quantiles[9]] : p.place ? [p.low, p.high, p.close] : [p.close]));
    const least = Math.min(...limits), most = Math.max(...limits), pad = (most - least || most || 1) * 0.05;
    return limits.length ? [least - pad, most + pad] : [low, high];
  };

  const optionsOf = (box, c) => {
    const hidden = { points: { show: false }, spanGaps: false };
    const font = axisFont();
    const axis = { stroke: c.faint, font: font.of(1), grid: { stroke: c.grid, width: 1 }, ticks: { stroke: c.line, width: 1, size: 5 } };
    const edge = (coverage) => ({ ...hidden, stroke: c[`fan${coverage}`], width: 0 });
    return {
      width: box.clientWidth,
      height: box.clientHeight,
      padding: [10, state.ticker.fan.length ? axisFont().size * 3.4 : 10, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        move: (u, left, top) => [left < 0 ? left : u.valToPos(u.posToIdx(left), "x"), top],
        // On the close and the median alone: the limits are read above.
        points: { size: (u, k) => (k === 1 || k === u.series.length - 1 ? 9 : 0), fill: c.ground, stroke: c.ink, width: (u, k, size) => (size ? 2 : 0) },
      },
      scales: { x: { time: false, range: () => [-0.7, state.points.length - 0.6] }, y: { range: priceRange } },
      axes: [
        { ...axis, splits: daySplits, values: dayNames, grid: { show: false }, size: 34 },
        { ...axis, values: priceNames, size: (u, names) => 18 + font.size * 0.64 * Math.max(3, ...(names ?? []).map((name) => name.length)) },
      ],
      series: [{}, { ...hidden, stroke: c.ink, width: 1.6 }, ...BANDS.flatMap(([coverage]) => [edge(coverage), edge(coverage)]),
        { ...hidden, stroke: c.blue, width: 1.6, dash: [5, 4] }],
      bands: BANDS.map(([coverage], k) => ({ series: [3 + 2 * k, 2 + 2 * k], fill: c[`fan${coverage}`] })),
      hooks: {
        drawAxes: [(u) => drawIntervals(u, c)],
        draw: [(u) => { drawOrigin(u, c); drawMarks(u, c); nameBands(u, c); }],
        setCursor: [(u) => { if (u.cursor.idx !== null && u.cursor.left >= 0) read(u.cursor.idx, false); }],
      },
    };
  };

  const read = (at, aloud) => {
    const point = state.points[at];
    if (!point) return;
    state.at = at;
    const facts = describe(point);
    byId("readout").replaceChildren(...facts.map(([name, value]) => {
      const pair = make("div", undefined, value.startsWith("missed") ? { class: "missed" } : {});
      pair.append(make("dt", name), make("dd", value));
      return pair;
    }));
    if (aloud) byId("spoken").textContent = facts.map(([name, value]) => `${name} ${value}`).join(", ");
  };

  const moveTo = (at) => {
    const k = Math.min(Math.max(at, 0), state.points.length - 1), point = state.points[k];
    if (!point || !chart) return;
    const value = point.quantiles ? point.quantiles[5] : point.close;
    chart.setCursor({ left: chart.valToPos(k, "x"), top: chart.valToPos(value, "y") }, false);
    read(k, true);
  };

  const onKey = (event) => {
    const at = state.at ?? state.last;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 5, PageDown: at + 5, Home: 0, End: state.points.length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moveTo(to);
  };

  const onTouch = (event) => {
    const box = chart.over.getBoundingClientRect(), finger = event.touches[0];
    moveTo(chart.posToIdx(finger.clientX - box.left));
  };

  const draw = () => {
    const box = byId("chart");
    state.points = pointsOf(state.ticker, state.range);
    state.last = state.points.findLastIndex((p) => !p.quantiles);
    if (chart) chart.destroy();
    chart = null;
    box.replaceChildren();
    if (!state.points.length) { box.append(make("p", "Nothing to draw yet.", { class: "faint" })); byId("readout").replaceChildren(); return; }
    chart = new uPlot(optionsOf(box, colours()), columnsOf(state.points, state.last), box);
    chart.over.addEventListener("touchstart", onTouch, { passive: true });
    chart.over.addEventListener("touchmove", onTouch, { passive: true });
    read(state.last < 0 ? 0 : state.last, false);
  };

  // What is beside it.

  const showLevels = () => {
    const heads = ["Target", ...LEVELS, "Sigma"], head = make("thead"), body = make("tbody");
    head.append(make("tr"));
    head.firstChild.append(...heads.map((name) => make("th", name, { scope: "col" })));
    for (const row of state.ticker.fan) {
      const line = body.appendChild(make("tr"));
      line.append(make("th", row[0], { scope: "row" }), ...row.slice(1, 12).map((value, k) =>
        make("td", price(value), k === 5 ? { class: "mid" } : {})), make("td", `${(100 * row[12]).toFixed(2)} %`));
    }
    if (!state.ticker.fan.length) {
      body.append(make("tr"));
      body.firstChild.append(make("td", `Withheld: ${state.ticker.withheld}`, { colspan: heads.length, class: "text" }));
    }
    byId("levels").replaceChildren(head, body);
    byId("levels-of").textContent = state.ticker.t;
  };

  const show = () => {
    byId("h-chart").textContent = state.ticker.t;
    showLevels();
    draw();
    for (const button of document.querySelectorAll(".picker button")) {
      button.setAttribute("aria-pressed", String(button.value === state.ticker.t || button.value === String(state.range)));
    }
  };

  const addButton = (box, value, text, act) => {
    const button = box.appendChild(make("button", text, { type: "button", value }));
    button.addEventListener("click", act);
  };

  const addTickers = () => {
    const box = byId("tickers");
    if (data.tickers.length <= FEW) {
      for (const ticker of data.tickers) addButton(box, ticker.t, ticker.t, () => { state.ticker = ticker; show(); });
      return;
    }
    const label = box.appendChild(make("label", "Ticker ")), list = make("datalist", undefined, { id: "names" });
    const input = make("input", undefined, { list: "names", size: 9, autocomplete: "off", spellcheck: "false" });
    list.append(...data.tickers.map((ticker) => make("option", undefined, { value: ticker.t })));
    label.append(input, list);
    input.value = state.ticker.t;
    input.addEventListener("input", () => {
      const chosen = data.tickers.find((ticker) => ticker.t === input.value.trim().toUpperCase());
      if (chosen) { state.ticker = chosen; show(); }
    });
    input.addEventListener("focus", () => input.select());
  };

  const addRanges = () => {
    const most = Math.max(0, ...data.tickers.map((ticker) => ticker.past.d.length));
    const useful = RANGES.filter((range, k) => k === 0 || most > RANGES[k - 1]);
    state.range = useful.includes(60) ? 60 : useful.at(-1);
    byId("ranges").append(make("span", "Sessions", { class: "faint", "aria-hidden": "true" }));
    for (const range of useful) addButton(byId("ranges"), String(range), String(range), () => { state.range = range; show(); });
  };

  // A spreadsheet takes text that begins so for a formula.
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  const save = (name, rows) => {
    const text = rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    const link = document.body.appendChild(make("a", undefined, { href: address, download: name }));
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };

  const saveLevels = () => {
    const coverages = data.coverages;
    const heads = ["ticker", "origin_date", "target_date", "last_close", ...coverages.map((c) => `lower_${c}`), "prediction",
      ...[...coverages].reverse().map((c) => `upper_${c}`), "sigma", "model_version", "issued_at"];
    const rows = data.tickers.flatMap((t) => t.fan.map((row) => [t.t, data.session, row[0], t.last, ...row.slice(1), t.model, t.issued]));
    save(`forecasts-${data.session}.csv`, [heads, ...rows]);
  };

  const savePast = () => {
    const heads = ["ticker", "session", "close", "lower_95", "upper_95", "issued_at", "mode", "in_sample", "surprise"];
    const rows = data.tickers.flatMap((t) => t.past.d.map((d, k) => [t.t, data.days[d], t.past.c[k], t.past.l[k], t.past.u[k],
      data.times[t.past.i[k]], data.modes[t.past.m[k]], ...(t.past.s[k] === null ? [null, null] : [Boolean(t.past.s[k]), t.past.x.includes(k)])]));
    save(`past-${data.session}.csv`, [heads, ...rows]);
  };

  // A session is over at 3:00 UTC after its day: by then its run is due on every exchange.
  const tellAge = () => {
    const now = Date.now(), behind = data.next.filter((day) => Date.parse(`${day}T00:00:00Z`) + 27 * 36e5 <= now).length;
    const times = data.tickers.map((t) => Date.parse(t.issued)).filter((time) => time <= now);
    if (times.length) {
      const hours = Math.floor((now - Math.max(...times)) / 36e5);
      byId("age").textContent = hours < 1 ? " (within the last hour)" : hours < 48 ? ` (${hours} h ago)` : ` (${Math.floor(hours / 24)} days ago)`;
    }
    if (!behind || document.querySelector(".unreal")) return;
    const many = behind === data.next.length ? `${behind} or more sessions are` : behind === 1 ? "1 session is" : `${behind} sessions are`;
    byId("stale").textContent = `Old: ${many} over since. No newer forecast is published here.`;
    byId("stale").hidden = false;
  };

  const THEMES = ["system", "light", "dark"];
  const setTheme = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    byId("theme").textContent = `Theme: ${theme}`;
    byId("theme").value = theme;
    if (chart) draw();
  };

  const remember = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* a file may not */ } };
  const recall = () => { try { return localStorage.getItem("theme"); } catch { return null; } };

  const start = () => {
    tellAge();
    byId("theme").hidden = false;
    setTheme(THEMES.includes(recall()) ? recall() : "system");
    byId("theme").addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(byId("theme").value) + 1) % THEMES.length];
      setTheme(next);
      remember(next);
    });
    if (!data.tickers.length) return;
    byId("explorer").hidden = false;
    addTickers();
    addRanges();
    show();
    byId("chart").addEventListener("keydown", onKey);
    byId("csv-levels").addEventListener("click", saveLevels);
    byId("csv-past").addEventListener("click", savePast);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    let width = byId("chart").clientWidth;
    new ResizeObserver(() => {
      if (byId("chart").clientWidth === width || !chart) return;
      width = byId("chart").clientWidth;
      chart.setSize({ width, height: byId("chart").clientHeight });
    }).observe(byId("chart"));
  };

  start();
})();
