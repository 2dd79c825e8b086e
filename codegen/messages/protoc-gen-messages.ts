/*
 * Plugin for buf and protoc: messages by ts-proto, with the names that TypeScript cannot have changed before it runs
 * and what ts-proto 2.18 gets wrong put right after it.
 */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { buffer } from "node:stream/consumers";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema } from "@bufbuild/protobuf/wkt";
import { mend } from "./mend.ts";
import { renameTypes } from "./rename.ts";

const tsProto = createRequire(import.meta.url).resolve("ts-proto/protoc-gen-ts_proto");

const request = fromBinary(CodeGeneratorRequestSchema, await buffer(process.stdin));
renameTypes(request.protoFile);
const run = spawnSync(process.execPath, [tsProto], {
  input: toBinary(CodeGeneratorRequestSchema, request),
  maxBuffer: 2 ** 30,
});
if (run.error !== undefined || run.status !== 0) {
  process.stderr.write(`ts-proto failed: ${run.error?.message ?? run.stderr.toString()}\n`);
  process.exit(1);
}
const response = fromBinary(CodeGeneratorResponseSchema, run.stdout);
for (const file of response.file) file.content = mend(file.content ?? "");
process.stdout.write(toBinary(CodeGeneratorResponseSchema, response));
