// A job by somebody who has neither the SDK nor protobuf: plain HTTP on the socket, as curl would do it. It also tries what a
// program without powers must not be able to.
import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { request } from "node:http";

const socketPath = process.env.ROUSE_JOB.replace(/^unix:/, "");

function ask(method, path, body, type = "application/json") {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers: { "content-type": type } }, async (answer) => {
      let text = "";
      for await (const chunk of answer) text += chunk;
      if (answer.statusCode < 400) resolve(text);
      else reject(new Error(`${answer.statusCode} ${text}`));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function attempt(...command) {
  const { status, stdout, stderr, error } = spawnSync(command[0], command.slice(1), { encoding: "utf8" });
  return error === undefined ? `${status} ${stdout}${stderr}`.trim() : error.code;
}

/** ptrace(PTRACE_ATTACH) and kill(0), as numbers of errno; 0: it could be done. */
const touch = `my $ptrace = shift; for my $pid (@ARGV) {
  my $attached = syscall($ptrace + 0, 16, $pid + 0, 0, 0) == -1 ? $! + 0 : 0;
  my $signalled = kill(0, $pid) ? 0 : $! + 0;
  print "$pid $attached $signalled\n";
}`;

/** Writes to a folder until it is full. @returns its mount. */
function fill(folder) {
  try {
    for (let count = 0; count < 64; count++) appendFileSync(`${folder}/file`, Buffer.alloc(2 ** 20, 1));
    return "never full";
  } catch (error) {
    const mount = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .find((line) => line.split(" ")[1] === folder);
    return `${error.code} ${mount}`;
  }
}

const job = JSON.parse(await ask("GET", "/v1/job"));
await ask("POST", "/v1/progress", JSON.stringify({ fraction: 0.5, note: "half" }));
await ask("POST", "/v1/metadata", JSON.stringify({ language: "any" }));
const result = {
  said: job.request,
  // The file is root's and has the setuid bit.
  identity: attempt("/bin/id", "-u"),
  user: attempt("/bin/unshare", "--user", "--map-root-user", "/bin/id", "-u"),
  mounts: attempt("/bin/unshare", "--mount", "/bin/id", "-u"),
  network: attempt("/bin/unshare", "--net", "/bin/id", "-u"),
  mount: attempt("/bin/mount", "-t", "tmpfs", "none", "/app"),
  touched: attempt("/bin/perl", "-e", touch, process.arch === "arm64" ? "117" : "101", ...job.request.pids),
  volume: fill("/data"),
  shared: fill("/dev/shm"),
};
await ask("POST", "/v1/result", JSON.stringify(result));
