import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { RouseError } from "rouse/errors";

/** The page on a loopback port. */
export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

const folder = new URL("./", import.meta.url);

/**
 * Bundles the page and serves it on 127.0.0.1.
 *
 * @param edge address of the mesh's edge, told to the page.
 * @param port 0: any free one.
 * @throws RouseError INVALID_ARGUMENT EDGE_INVALID, UNAVAILABLE PORT_IN_USE.
 */
export async function servePage({ edge, port }: { edge: string; port: number }): Promise<PageServer> {
  if (!/^https?:\/\//.test(edge) || !URL.canParse(edge))
    throw new RouseError(
      "INVALID_ARGUMENT",
      `--edge is "${edge}"; write an address such as http://127.0.0.1:8080.`,
      {
        reason: "EDGE_INVALID",
      },
    );
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RouseError("INVALID_ARGUMENT", `--port is ${port}; write a number from 0 to 65535.`, {
      reason: "PORT_INVALID",
    });
  const files = new Map([
    ["/", { type: "text/html", body: await readFile(new URL("index.html", folder)) }],
    ["/style.css", { type: "text/css", body: await readFile(new URL("style.css", folder)) }],
    ["/app.js", { type: "text/javascript", body: await bundle() }],
    ["/config.json", { type: "application/json", body: Buffer.from(JSON.stringify({ edge })) }],
  ]);
  const server = createServer((request, response) => {
    const file = files.get(new URL(request.url ?? "/", "http://page").pathname);
    if (file === undefined) response.writeHead(404).end("There is no such file.\n");
    else response.writeHead(200, { "content-type": `${file.type}; charset=utf-8` }).end(file.body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new RouseError(
          "UNAVAILABLE",
          `Cannot listen on 127.0.0.1:${port} (${cause.message}); choose another --port.`,
          {
            reason: "PORT_IN_USE",
            cause,
          },
        ),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bundle(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("src/app.ts", folder))],
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    write: false,
    logLevel: "silent",
  });
  const [file] = outputFiles;
  if (file === undefined) throw new RouseError("INTERNAL", "esbuild wrote no bundle of the page.");
  return file.contents;
}
