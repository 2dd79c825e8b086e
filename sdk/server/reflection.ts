import type { Server, ServerDuplexStream } from "@grpc/grpc-js";
import type { ReflectionIndex } from "./reflection-index.ts";
import type { ServeOptions } from "./types.ts";

/*
 * grpc.reflection.v1 and its older twin v1alpha. @grpc/reflection reads its .proto files from disk when it is set up,
 * which costs every wake 30 ms and does not work in a bundle; and it re-encodes the files, which loses custom options.
 */

/** Answers reflection requests. The descriptors are decoded when the first client asks. */
export function addReflection(
  server: Server,
  service: string,
  descriptorSet: NonNullable<ServeOptions["descriptorSet"]>,
): void {
  let loading: Promise<ReflectionIndex> | undefined;
  const load = async () => {
    const source = typeof descriptorSet === "string" ? descriptorSet : await descriptorSet();
    const { ReflectionIndex } = await import("./reflection-index.ts");
    return new ReflectionIndex(Buffer.from(source, "base64"), [service]);
  };
  const handle = async (stream: ServerDuplexStream<Buffer, Uint8Array>) => {
    try {
      loading ??= load();
      const index = await loading;
      for await (const request of stream.iterator({ destroyOnReturn: false })) {
        if (!stream.write(index.answer(request)) && !stream.destroyed) {
          await new Promise<void>((resolve) => {
            stream.once("drain", resolve).once("close", resolve);
          });
        }
      }
      stream.end();
    } catch (thrown) {
      if (!stream.cancelled) stream.emit("error", thrown);
    }
  };
  for (const version of ["v1", "v1alpha"]) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    server.register(path, handle, Buffer.from, (bytes: Buffer) => bytes, "bidi");
  }
}
