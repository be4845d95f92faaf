// Before the first paint, so that a dark page does not flash white.
"use strict";
try {
  const kept = localStorage.getItem("docs-theme");
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
} catch {
  // Storage is forbidden here: the system's choice holds.
}
