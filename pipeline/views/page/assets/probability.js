"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const LEVELS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99];
  const SPAN = Math.log(LEVELS[1] / LEVELS[0]); // the tails run through the two outer levels
  const STEPS = 1000; // of the slider
  const drawn = data.tickers.filter((ticker) => ticker.fan.length && ticker.last > 0);
  const state = { ticker: drawn[0], at: 0 };

  const price = (value) => (value >= 1 ? value.toFixed(2) : value.toFixed(4));
  const returnsOf = (ticker, at) => ticker.fan[at].slice(1, 12).map((q) => Math.log(q / ticker.last));

  const tail = (beyond, scale) => (scale > 0 ? LEVELS[0] * Math.exp(-beyond / scale) : 0);

  // The published quantile function, linear in the levels between them, exponential beyond.
  const below = (returns, value) => {
    const last = returns.length - 1;
    if (value < returns[0]) return tail(returns[0] - value, (returns[1] - returns[0]) / SPAN);
    if (value >= returns[last]) return 1 - tail(value - returns[last], (returns[last] - returns[last - 1]) / SPAN);
    const k = returns.findLastIndex((q) => q <= value);
    return LEVELS[k] + ((LEVELS[k + 1] - LEVELS[k]) * (value - returns[k])) / (returns[k + 1] - returns[k]);
  };

  const percent = (share) => {
    if (share > 0 && share < 0.001) return "less than 0.1 %";
    return share < 1 && share > 0.999 ? "more than 99.9 %" : `${(100 * share).toFixed(1)} %`;
  };

  // The slider goes by the return, from as far below as above the widest interval.
  const limitsOf = (returns) => {
    const [low, high] = [returns[0], returns.at(-1)], more = 0.35 * (high - low || 0.01);
    return [low - more, high + more];
  };

  const tell = () => {
    const { ticker, at } = state, returns = returnsOf(ticker, at), [low, high] = limitsOf(returns);
    const value = low + ((high - low) * Number(byId("likely-price").value)) / STEPS, share = below(returns, value);
    const text = price(ticker.last * Math.exp(value));
    byId("likely-price").setAttribute("aria-valuetext", text);
    byId("likely-value").textContent = text;
    byId("likely-said").textContent =
      `${ticker.t} below ${text} at the close of ${ticker.fan[at][0]}: ${percent(share)}; above: ${percent(1 - share)}.`;
  };

  // It begins at the last close.
  const reset = () => {
    const [low, high] = limitsOf(returnsOf(state.ticker, state.at));
    byId("likely-price").value = String(Math.round((STEPS * (0 - low)) / (high - low)));
    tell();
  };

  const fill = (select, values) => {
    for (const [value, text] of values) {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = text;
      select.append(option);
    }
  };

  const showDays = () => {
    byId("likely-day").replaceChildren();
    fill(byId("likely-day"), state.ticker.fan.map((row, k) => [String(k), row[0]]));
    state.at = Math.min(state.at, state.ticker.fan.length - 1);
    byId("likely-day").value = String(state.at);
  };

  if (!drawn.length) return;
  fill(byId("likely-ticker"), drawn.map((ticker, k) => [String(k), ticker.t]));
  byId("likely-price").max = String(STEPS);
  showDays();
  reset();
  byId("likely-ticker").addEventListener("change", (event) => { state.ticker = drawn[Number(event.target.value)]; showDays(); reset(); });
  byId("likely-day").addEventListener("change", (event) => { state.at = Number(event.target.value); reset(); });
  byId("likely-price").addEventListener("input", tell);
  byId("likely").hidden = false;
})();
