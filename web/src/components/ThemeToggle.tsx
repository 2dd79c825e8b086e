import { useState } from "preact/hooks";

const themes = ["system", "light", "dark"] as const;
type Theme = (typeof themes)[number];

/** Light, dark, or as the system has it. The choice is kept; public/theme.js applies it before the first paint. */
export function ThemeToggle() {
  const [theme, setTheme] = useState<Theme>(current);
  const choose = (next: Theme) => {
    setTheme(next);
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === "system") localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
    } catch {
      // Storage is blocked: the choice holds until the page is left.
    }
  };
  return (
    <select
      class="theme"
      aria-label="Theme"
      value={theme}
      onChange={(event) => choose(event.currentTarget.value as Theme)}
    >
      {themes.map((name) => (
        <option key={name} value={name}>
          {name === "system" ? "System theme" : name === "light" ? "Light" : "Dark"}
        </option>
      ))}
    </select>
  );
}

function current(): Theme {
  return themes.find((name) => name === document.documentElement.dataset.theme) ?? "system";
}
