import { Client, credentials, Metadata } from "@grpc/grpc-js";

/** Calls grpc.health.v1/Check and answers with the status number; 1 is SERVING. */
export function check(address: string): Promise<number> {
  const client = new Client(address, credentials.createInsecure());
  const bytes = (value: Buffer) => value;
  return new Promise<number>((resolve, reject) => {
    const path = "/grpc.health.v1.Health/Check";
    client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), new Metadata(), (error, answer) => {
      if (error !== null) reject(error);
      else resolve(answer?.[1] ?? 0);
    });
  }).finally(() => client.close());
}
