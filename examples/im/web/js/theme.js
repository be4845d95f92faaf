// Runs before the first paint, hence no module: the page never flashes in the wrong colours.
"use strict";
{
  const choice = (() => {
    try {
      return localStorage.getItem("halyard.theme");
    } catch {
      return null; // storage may be forbidden; then the system decides
    }
  })();
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
}
