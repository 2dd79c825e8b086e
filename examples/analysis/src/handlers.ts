import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { RouseError } from "rouse/errors";
import type { AnalysisServiceHandlers } from "../gen/analysis/v1/analysis.server.ts";
import { drawReport } from "./figure.ts";
import { framesCsv, sumUpFrames } from "./frames.ts";
import { readWindowsCsv, sumUp, windowRows, windowsCsv } from "./windows.ts";
import { countWords, standingOut, wordsCsv } from "./words.ts";

const csv = { mediaType: "text/csv" };

/** analysis.v1.AnalysisService. Each is a job: it reads its inputs, and leaves what it has found, by name. */
export const handlers: AnalysisServiceHandlers = {
  async windows(request, { job }) {
    const rows = windowRows(request);
    console.log(`${rows.length} windows of ${request.residues.length} bases`);
    await job.output("windows.csv", windowsCsv(rows), csv);
    await job.note("reference", request.region?.reference ?? "");
    return sumUp(rows, request.residues);
  },

  async words({ residues, length }, { job }) {
    const words = countWords(residues, length || 4);
    const counted = words.reduce((sum, { count }) => sum + count, 0n);
    console.log(`${counted} words on both strands of ${residues.length} bases`);
    await job.output("words.csv", wordsCsv(words), csv);
    return { counted, ...standingOut(words) };
  },

  async report({ region, frames }, { job }) {
    if (region === undefined)
      throw new RouseError("INVALID_ARGUMENT", "The report has no region: give the genome service's.", {
        reason: "REGION_INVALID",
      });
    const rows = readWindowsCsv(await text(await job.input("windows")));
    job.progress(0.3, "read the windows");
    const words = await wordsOf(await job.input("words"));
    const gc = meanGc(rows);
    const found = { ...sumUpFrames(frames, region), gc };
    await job.output("report.svg", drawReport(region, rows, frames, gc), { mediaType: "image/svg+xml" });
    job.progress(0.7, "drew the figure");
    await job.output("frames.csv", framesCsv(frames), csv);
    const summary = { region, ...found, ...words };
    await job.output("report.json", `${JSON.stringify(summary, null, 2)}\n`, {
      mediaType: "application/json",
    });
    await job.note("reference", region.reference);
    console.log(`${found.annotated} of ${found.frames} reading frames have an annotated gene`);
    return found;
  },
};

/** The rarest and commonest words of the job Words' table, for the report. */
async function wordsOf(input: Readable) {
  const rows = (await text(input)).trimEnd().split("\n").slice(1);
  const words = rows.map((row) => {
    const [word = "", count = "0", expected = "", ratio = ""] = row.split(",");
    return { word, count: BigInt(count), expected: Number(expected), ratio: Number(ratio) };
  });
  const { rarest, commonest } = standingOut(words, 3);
  const short = ({ word, count, ratio }: { word: string; count: bigint; ratio: number }) => ({
    word,
    count: Number(count),
    ratio,
  });
  return { rarest: rarest.map(short), commonest: commonest.map(short) };
}

/** Over the windows, by their length. */
function meanGc(rows: readonly { start: number; end: number; gc: number | undefined }[]): number {
  let [sum, bases] = [0, 0];
  for (const { start, end, gc } of rows) {
    if (gc === undefined) continue;
    sum += gc * (end - start + 1);
    bases += end - start + 1;
  }
  return bases === 0 ? 0 : sum / bases;
}
