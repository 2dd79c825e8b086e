import { useEffect, useRef, useState } from "preact/hooks";
import type { Artifact } from "../../gen/rouse/orders/v1/artifacts.ts";
import { isCancelled, RouseError } from "../api.ts";
import { ErrorNote } from "../components/Note.tsx";
import { bytes } from "../format.ts";
import { saveBlob } from "../work/DownloadButton.tsx";
import { readBlob } from "./read.ts";

/** Saves an artifact as a file; its checksum has been compared block by block on the way. */
export function Download({ artifact, name }: { readonly artifact: Artifact; readonly name: string }) {
  const [read, setRead] = useState<number>();
  const [error, setError] = useState<RouseError>();
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const start = async () => {
    const controller = new AbortController();
    running.current = controller;
    setError(undefined);
    setRead(0);
    try {
      const { uri, mediaType } = artifact;
      saveBlob(await readBlob(uri, mediaType, controller.signal, setRead), name);
    } catch (thrown) {
      if (!isCancelled(thrown)) setError(RouseError.from(thrown));
    }
    setRead(undefined);
  };
  if (read !== undefined)
    return (
      <>
        <progress max={Number(artifact.bytes) || 1} value={read} aria-label="Download" />
        {bytes(read)}
        <button type="button" onClick={() => running.current?.abort()}>
          Stop
        </button>
      </>
    );
  return (
    <>
      <button type="button" class="primary" onClick={() => void start()}>
        {`Download (${bytes(artifact.bytes)})`}
      </button>
      {error !== undefined && <ErrorNote error={error} what="the download" />}
    </>
  );
}
