import { parseArgs } from "node:util";
import { RouseError } from "rouse/errors";
import { readMesh } from "../../cli/connect.ts";
import { servePage } from "./page-server.ts";

try {
  const { values } = parseArgs({
    options: { edge: { type: "string" }, port: { type: "string", default: "8090" } },
  });
  const edge = values.edge ?? `http://${readMesh().edge}`;
  const page = await servePage({ edge, port: Number(values.port) });
  console.log(`The genome browser is at ${page.url} and calls the mesh's edge at ${edge}. Ctrl-C stops it.`);
} catch (error) {
  console.error(RouseError.from(error).message);
  process.exitCode = 1;
}
