import { parseArgs } from "node:util";
import { servePage } from "./page-server.ts";

const { values } = parseArgs({
  options: {
    edge: { type: "string", default: "http://127.0.0.1:8080" },
    port: { type: "string", default: "8090" },
  },
});

const page = await servePage({ edge: values.edge, port: Number(values.port) });
console.log(`The genome browser is at ${page.url} and calls the mesh's edge at ${values.edge}.`);
