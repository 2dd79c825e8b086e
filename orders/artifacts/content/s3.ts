import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { RouseError } from "../../../sdk/errors.ts";
import { type Contents, Missing, uploadOf } from "./content.ts";
import type { ContentLocation } from "./location.ts";
import { checkRoom } from "./room.ts";

/** Bytes of a part of an upload; S3 takes 5 MiB at least, and 10,000 parts at most. */
const PART = { bytes: 16 * 2 ** 20, most: 9_000, atOnce: 3 } as const;
/** Parts that a process left that ended are charged for: they are given up after this time, ms. */
const LEFT_MS = 86_400_000;

/**
 * Contents as objects of an S3-compatible store, `<prefix>sha256/<digest>.<upload>`. Each request carries the SHA-256 of its bytes, so
 * that the store checks what arrives. Keys come from where Amazon's tools look for them: AWS_ACCESS_KEY_ID, profiles, roles.
 *
 * @param uploads Folder in which uploads are gathered, as a content's name is known only at its end.
 */
export function s3Contents(at: Extract<ContentLocation, { kind: "s3" }>, uploads: string): Contents {
  const { bucket: Bucket, prefix, endpoint, region } = at;
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    region: region ?? process.env.AWS_REGION ?? "us-east-1",
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 5_000, socketTimeout: 120_000 },
    // Checksums that not all stores know; the signature has one of the content already.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const title = `s3://${Bucket}/${prefix}`;
  const root = `${prefix}sha256/`;
  const keyOf = (place: string) => `${root}${place}`;
  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (thrown) {
      throw unreachable(title, thrown);
    }
  };

  async function keepInParts(file: string, Key: string, bytes: number): Promise<void> {
    const size = Math.max(PART.bytes, Math.ceil(bytes / PART.most));
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const upload = { Bucket, Key, UploadId };
    const handle = await open(file);
    try {
      const count = Math.ceil(bytes / size);
      const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
      let next = 0;
      const work = async () => {
        while (next < count) {
          const index = next++;
          const Body = Buffer.allocUnsafeSlow(Math.min(size, bytes - index * size));
          const { bytesRead } = await handle.read(Body, 0, Body.length, index * size);
          if (bytesRead !== Body.length) throw new Error(`${file} has become shorter`);
          const PartNumber = index + 1;
          const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
          Parts.push({ PartNumber, ETag });
        }
      };
      const workers = await Promise.allSettled(Array.from({ length: PART.atOnce }, work));
      for (const worker of workers) if (worker.status === "rejected") throw worker.reason;
      Parts.sort((a, b) => a.PartNumber - b.PartNumber);
      await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
    } catch (error) {
      await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
      throw error;
    } finally {
      await handle.close();
    }
  }

  return {
    title,
    uploads,
    keep: (file, place, bytes) =>
      ask(async () => {
        const Key = keyOf(place);
        if (bytes > PART.bytes) return keepInParts(file, Key, bytes);
        const handle = await open(file);
        try {
          await client.send(new PutObjectCommand({ Bucket, Key, Body: await handle.readFile() }));
        } finally {
          await handle.close();
        }
      }),
    async *read(place, offset, length, signal) {
      if (length === 0) return;
      const Range = `bytes=${offset}-${offset + length - 1}`;
      try {
        const { Body } = await client.send(
          new GetObjectCommand({ Bucket, Key: keyOf(place), Range }),
          signal === undefined ? {} : { abortSignal: signal },
        );
        if (!(Body instanceof Readable)) throw new Error("the answer has no body");
        let got = 0;
        for await (const chunk of Body as AsyncIterable<Buffer>) {
          got += chunk.length;
          yield chunk;
        }
        if (got < length) throw new Missing(`${title}${place} ends at ${offset + got}`);
      } catch (thrown) {
        if (thrown instanceof Missing || signal?.aborted) throw thrown;
        if (statusOf(thrown) === 404 || statusOf(thrown) === 416)
          throw new Missing(`${title}${place} is not there`);
        throw unreachable(title, thrown);
      }
    },
    size: (place) =>
      ask(async () => {
        try {
          const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket, Key: keyOf(place) }));
          return ContentLength;
        } catch (thrown) {
          if (statusOf(thrown) === 404) return undefined;
          throw thrown;
        }
      }),
    remove: (place) =>
      ask(async () => {
        await client.send(new DeleteObjectCommand({ Bucket, Key: keyOf(place) }));
      }),
    async *places() {
      for (let ContinuationToken: string | undefined; ; ) {
        const token = ContinuationToken === undefined ? {} : { ContinuationToken };
        const page = await ask(() =>
          client.send(new ListObjectsV2Command({ Bucket, Prefix: root, MaxKeys: 500, ...token })),
        );
        const names = (page.Contents ?? []).map(({ Key = "" }) => Key.slice(root.length));
        yield names.filter((name) => uploadOf(name) !== undefined);
        ContinuationToken = page.NextContinuationToken;
        if (ContinuationToken === undefined) return;
      }
    },
    claim: (id) =>
      ask(async () => {
        const Key = `${prefix}rouse-artifacts`;
        try {
          const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
          return (await Body?.transformToString())?.trim() ?? "";
        } catch (thrown) {
          if (statusOf(thrown) !== 404 || errorName(thrown) === "NoSuchBucket") throw thrown;
          await client.send(new PutObjectCommand({ Bucket, Key, Body: `${id}\n` }));
          return id;
        }
      }),
    // Of uploads; the store has its own bounds.
    checkRoom: (bytes) => checkRoom(uploads, bytes),
    async tidy(now) {
      const Prefix = root;
      const { Uploads = [] } = await ask(() =>
        client.send(new ListMultipartUploadsCommand({ Bucket, Prefix })).catch((thrown: unknown) => {
          // Some stores say so where there are none.
          if (errorName(thrown) === "NoSuchUpload") return { Uploads: [] };
          throw thrown;
        }),
      );
      for (const { Key, UploadId, Initiated } of Uploads) {
        if (Initiated === undefined || Initiated.getTime() + LEFT_MS > now) continue;
        await ask(() => client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })));
      }
    },
    close: () => client.destroy(),
  };
}

function statusOf(thrown: unknown): number | undefined {
  return thrown instanceof S3ServiceException ? thrown.$metadata.httpStatusCode : undefined;
}

function errorName(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : "";
}

function unreachable(title: string, thrown: unknown): unknown {
  if (thrown instanceof RouseError) return thrown;
  const said = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return new RouseError(
    "UNAVAILABLE",
    `The store of artifacts, ${title}, does not do what it should (${said}). Nothing is lost; try again when it is well. Its keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or wherever Amazon's tools look.`,
    { reason: "ARTIFACT_STORE_UNREACHABLE", cause: thrown },
  );
}
