import { byId, setText } from "./dom.ts";

/** The light or dark theme: that of the machine, until the user chooses the other one. */

type Theme = "light" | "dark";
const KEY = "theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

const chosen = (): Theme | undefined => {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : undefined;
};
const other = (): Theme =>
  (chosen() ?? (prefersDark.matches ? "dark" : "light")) === "dark" ? "light" : "dark";

export function setUpTheme(): void {
  const kept = localStorage.getItem(KEY);
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  labelButton();
  prefersDark.addEventListener("change", labelButton);
  byId("theme").addEventListener("click", () => {
    const theme = other();
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(KEY, theme);
    labelButton();
  });
}

/** The button names the theme that it switches to. */
function labelButton(): void {
  setText(byId("theme-text"), other() === "dark" ? "Dark theme" : "Light theme");
}
