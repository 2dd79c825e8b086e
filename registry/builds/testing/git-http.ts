import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** Serves repositories over HTTP by git's own CGI program. */
export interface GitHttp {
  /** "http://127.0.0.1:port". */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * @param root folder of the repositories.
 * @param password what all requests below /private need as basic authentication.
 */
export async function serveGit(root: string, password: string): Promise<GitHttp> {
  const backend = join(execFileSync("git", ["--exec-path"]).toString().trim(), "git-http-backend");
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const asked = `Basic ${Buffer.from(`user:${password}`).toString("base64")}`;
    if (url.pathname.startsWith("/private") && request.headers.authorization !== asked) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    const child = spawn(backend, {
      env: {
        ...process.env,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
        PATH_INFO: url.pathname.replace(/^\/private/, ""),
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method ?? "GET",
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: String(request.headers["content-encoding"] ?? ""),
        HTTP_GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    request.pipe(child.stdin);
    let head = Buffer.alloc(0);
    child.stdout.on("data", (chunk: Buffer) => {
      if (response.headersSent) {
        response.write(chunk);
        return;
      }
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const lines = head.subarray(0, end).toString().split("\r\n");
      const headers = lines.map((line) => line.split(/:\s*(.*)/, 2) as [string, string]);
      const status = headers.find(([name]) => name === "Status")?.[1] ?? "200";
      response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers));
      response.write(head.subarray(end + 4));
    });
    child.on("close", () => response.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
