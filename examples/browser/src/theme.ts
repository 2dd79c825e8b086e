/** Colours that the canvas shares with the page's style sheet. */
export interface Theme {
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly track: string;
  readonly accent: string;
}

let theme: Theme | undefined;

/** Colours of the light or dark theme, as style.css has them. */
export function currentTheme(): Theme {
  if (theme !== undefined) return theme;
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
  theme = {
    ink: read("ink"),
    soft: read("soft"),
    line: read("line"),
    track: read("track"),
    accent: read("accent"),
  };
  return theme;
}

/** Calls back when the system goes from light to dark or back. */
export function onThemeChange(redraw: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    theme = undefined;
    redraw();
  });
}
