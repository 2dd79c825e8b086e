/** Numbers for people. 64-bit integers arrive as bigint. */
type Count = number | bigint;

/** "1,204". */
export function count(value: Count): string {
  return value.toLocaleString("en");
}

/** "0.4 ms", "12 ms", "3.2 s", "5 min". */
export function duration(ms: Count): string {
  const value = Number(ms);
  if (value < 10) return `${Number(value.toFixed(1))} ms`;
  if (value < 1_000) return `${Math.round(value)} ms`;
  if (value < 60_000) return `${Number((value / 1_000).toFixed(1))} s`;
  if (value < 3_600_000) return `${Number((value / 60_000).toFixed(1))} min`;
  return `${Number((value / 3_600_000).toFixed(1))} h`;
}

/** "512 MiB". */
export function bytes(value: Count): string {
  let size = Number(value);
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (size < 1024) return `${Number(size.toFixed(1))} ${unit}`;
    size /= 1024;
  }
  return `${Number(size.toFixed(1))} TiB`;
}

/** "2 min ago", "in 3 h". */
export function ago(ms: Count, now = Date.now()): string {
  const seconds = (Number(ms) - now) / 1_000;
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  const units = [
    ["year", 31_536_000],
    ["month", 2_592_000],
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ] as const;
  for (const [unit, length] of units)
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  return Math.abs(seconds) < 5 ? "just now" : format.format(Math.trunc(seconds), "second");
}

/** "1 version", "3 versions". */
export function plural(value: Count, one: string, many = `${one}s`): string {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}
