"use strict";
/** How figures are written, and what all charts have in common. */
const tokenfleet = (() => {
  const trimmed = (value) => String(Number(value.toPrecision(3)));
  const show = (value, unit) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (unit === "s") {
      if (size === 0) return "0 s";
      if (size < 1e-3) return `${trimmed(value * 1e6)} µs`;
      if (size < 1) return `${trimmed(value * 1e3)} ms`;
      if (size < 120) return `${trimmed(value)} s`;
      if (size < 7200) return `${trimmed(value / 60)} min`;
      return `${trimmed(value / 3600)} h`;
    }
    if (unit === "share") return `${trimmed(value * 100)} %`;
    const [factor, mark] = size >= 1e9 ? [1e-9, " B"] : size >= 1e6 ? [1e-6, " M"] : size >= 1e4 ? [1e-3, " k"] : [1, ""];
    const number = trimmed(value * factor) + mark;
    if (/^USD/.test(unit)) return size > 0 && size < 0.1 ? `${trimmed(value * 100)} ¢${unit.slice(3)}` : `$${number}${unit.slice(3)}`;
    return unit && unit !== "ratio" ? `${number} ${unit}` : number;
  };
  const words = (key) => key.replace(/_s$/, "").replace(/usd/g, "dollars").replace(/_/g, " ")
    .replace(/\b(ttft|tpot|itl|llm|kv|hbm)\b/g, (word) => word.toUpperCase());

  const dark = () => document.documentElement.dataset.theme === "dark";
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Okabe and Ito's colours, which remain apart for the colour-blind; lighter on dark paper.
  const palette = () => dark()
    ? ["#79b8ff", "#ffb454", "#56d3a5", "#f7a8d8", "#f0e68c", "#ff8a70", "#b9a6ff", "#c4ccd6"]
    : ["#0072b2", "#d55e00", "#007a5a", "#b5478c", "#8a6d00", "#5b4fb3", "#2f7fb8", "#57606a"];
  const base = () => ({
    animation: false,
    aria: { enabled: true },
    color: palette(),
    textStyle: { color: css("--ink"), fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 12, right: 24, top: 40, bottom: 12, containLabel: true },
    legend: { type: "scroll", top: 4, textStyle: { color: css("--ink") }, pageTextStyle: { color: css("--ink") } },
    tooltip: { confine: true, backgroundColor: css("--panel"), borderColor: css("--line"), textStyle: { color: css("--ink") } },
  });
  // The wheel scrolls the page, with the control key it zooms; so does a finger, two zoom.
  const zoom = { type: "inside", zoomOnMouseWheel: "ctrl", preventDefaultMouseMove: false };
  const axis = (unit, more = {}) => ({
    type: "value",
    scale: true,
    axisLabel: { color: css("--faint"), hideOverlap: true, formatter: (value) => show(value, unit) },
    axisLine: { lineStyle: { color: css("--line") } },
    splitLine: { lineStyle: { color: css("--line"), opacity: 0.6 } },
    nameTextStyle: { color: css("--faint") },
    ...more,
  });

  return { trimmed, show, words, dark, css, palette, base, axis, zoom };
})();
