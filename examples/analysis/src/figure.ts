import type { Frame, Region } from "../gen/analysis/v1/analysis.ts";
import type { WindowRow } from "./windows.ts";

const WIDTH = 960;
const LEFT = 64;
const RIGHT = 16;
const plot = WIDTH - LEFT - RIGHT;
const tracks = {
  gc: { top: 56, height: 130 },
  skew: { top: 216, height: 90 },
  frames: { top: 336, height: 96 },
};
const HEIGHT = 484;

/**
 * Draws GC content, GC skew and the reading frames along a region, one above the other, as an SVG document of its own: colours that
 * people with any kind of colour vision tell apart (Okabe and Ito, 2008), and nothing from elsewhere.
 */
export function drawReport(
  region: Region,
  rows: readonly WindowRow[],
  frames: readonly Frame[],
  gc: number,
): string {
  const { reference, start, end } = region;
  const x = (position: number) => LEFT + (plot * (position - start)) / Math.max(1, end - start);
  const genes = frames.filter(({ annotated }) => annotated.length > 0).length;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">`,
    `<title>${escaped(reference)}, ${start} to ${end}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="26" font-size="17" font-weight="bold">${escaped(reference)}: ${start.toLocaleString("en")} to ${end.toLocaleString("en")}</text>`,
    ...gcTrack(rows, gc, x),
    ...skewTrack(rows, x),
    `<text x="${LEFT}" y="${tracks.frames.top - 8}">Reading frames: ${frames.length}, of which ${genes} with an annotated gene (orange)</text>`,
    ...frames.map((frame) => arrow(frame, x)),
    ...scale(start, end, x),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

type X = (position: number) => number;

function gcTrack(rows: readonly WindowRow[], gc: number, x: X): string[] {
  const { top, height } = tracks.gc;
  const known = rows.flatMap((row) => (row.gc === undefined ? [] : [row.gc]));
  // Room for the curve and the mean, in whole tenths.
  const low = Math.floor(10 * Math.min(gc, ...known)) / 10;
  const high = Math.max(low + 0.1, Math.ceil(10 * Math.max(gc, ...known)) / 10);
  const y = (value: number) => top + height * (1 - (value - low) / (high - low));
  const points = rows.flatMap((row) =>
    row.gc === undefined ? [] : [`${round(x(middle(row)))},${round(y(row.gc))}`],
  );
  return [
    `<text x="${LEFT}" y="${top - 8}">GC content; the line is the mean, ${(100 * gc).toFixed(2)} %</text>`,
    frame(top, height),
    ...[low, high].map((value) => tick(y(value), `${Math.round(100 * value)} %`)),
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(gc))}" y2="${round(y(gc))}" stroke="#999" stroke-dasharray="4 3"/>`,
    `<polyline fill="none" stroke="#0072b2" stroke-width="1.5" points="${points.join(" ")}"/>`,
  ];
}

function skewTrack(rows: readonly WindowRow[], x: X): string[] {
  const { top, height } = tracks.skew;
  const most = Math.max(0.1, ...rows.map(({ skew = 0 }) => Math.abs(skew)));
  const zero = top + height / 2;
  const bars = rows.map(({ start, end, skew = 0 }) => {
    const size = (Math.abs(skew) / most) * (height / 2);
    const from = skew > 0 ? zero - size : zero;
    const colour = skew > 0 ? "#009e73" : "#cc79a7";
    return `<rect x="${round(x(start))}" y="${round(from)}" width="${round(Math.max(0.5, x(end) - x(start)))}" height="${round(size)}" fill="${colour}"/>`;
  });
  return [
    `<text x="${LEFT}" y="${top - 8}">GC skew, (G − C) / (G + C): where more G (green), where more C</text>`,
    frame(top, height),
    tick(top, most.toFixed(2)),
    tick(top + height, (-most).toFixed(2)),
    ...bars,
  ];
}

/** Forward frames above the middle line, reverse ones below. */
function arrow({ start, end, reverse, annotated }: Frame, x: X): string {
  const { top, height } = tracks.frames;
  const y = reverse ? top + height / 2 + 6 : top + 6;
  const bottom = y + height / 2 - 12;
  const [from, to] = [x(start), Math.max(x(end), x(start) + 1)];
  const head = Math.min(7, (to - from) / 2);
  const shape = reverse
    ? [
        [to, y],
        [from + head, y],
        [from, (y + bottom) / 2],
        [from + head, bottom],
        [to, bottom],
      ]
    : [
        [from, y],
        [to - head, y],
        [to, (y + bottom) / 2],
        [to - head, bottom],
        [from, bottom],
      ];
  const points = shape.map((pair) => pair.map(round).join(",")).join(" ");
  const names = annotated.length === 0 ? "no annotated gene" : annotated.join(", ");
  return `<polygon points="${points}" fill="${annotated.length > 0 ? "#e69f00" : "#bbb"}" stroke="#fff" stroke-width="0.5"><title>${start}–${end} ${reverse ? "−" : "+"}: ${escaped(names)}</title></polygon>`;
}

function scale(start: number, end: number, x: X): string[] {
  const y = tracks.frames.top + tracks.frames.height + 14;
  const step = niceStep((end - start) / 6);
  const marks: string[] = [];
  for (let at = Math.ceil(start / step) * step; at <= end; at += step)
    marks.push(
      `<line x1="${round(x(at))}" x2="${round(x(at))}" y1="${y}" y2="${y + 5}" stroke="#666"/>`,
      `<text x="${round(x(at))}" y="${y + 18}" text-anchor="middle" fill="#555">${at.toLocaleString("en")}</text>`,
    );
  return [`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}" stroke="#666"/>`, ...marks];
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5].map((times) => times * power).find((step) => step >= least) ?? 10 * power;
}

function frame(top: number, height: number): string {
  return `<rect x="${LEFT}" y="${top}" width="${plot}" height="${height}" fill="none" stroke="#ccc"/>`;
}

function tick(y: number, text: string): string {
  return `<text x="${LEFT - 6}" y="${round(y + 4)}" text-anchor="end" fill="#555">${text}</text>`;
}

function middle({ start, end }: WindowRow): number {
  return (start + end) / 2;
}

function round(value: number): number {
  return Number(value.toFixed(1));
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
