import { readFile } from "node:fs/promises";
import { artifacts } from "../../sdk/client/index.ts";

/** A client process for the bench of memory: stores or reads one file, and prints what that was, and its most memory, as JSON. */

const [verb = "", target = "", http = "", what = "", file = "", sharesDisk = ""] = process.argv.slice(2);
const store = artifacts({ target, http, sharesDisk: sharesDisk === "true" });
let uri = what;
if (verb === "put") uri = (await store.put({ file })).uri;
else await store.download(uri, file);
store.close();
const status = await readFile("/proc/self/status", "utf8");
console.log(JSON.stringify({ uri, peakBytes: Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024 }));
