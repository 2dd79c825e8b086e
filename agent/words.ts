/** "1 core", "0.5 cores". */
export function cores(count: number): string {
  const rounded = Math.round(count * 1000) / 1000;
  return `${rounded} ${rounded === 1 ? "core" : "cores"}`;
}

/** "256 MiB". */
export function mebibytes(bytes: number): string {
  return `${Math.round((bytes / 2 ** 20) * 10) / 10} MiB`;
}

/** Cuts a text, for bundled code puts whole modules on one line of a stack. */
export function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}
