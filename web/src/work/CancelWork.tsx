import { useState } from "preact/hooks";
import { RouseError, wantsKey } from "../api.ts";
import { KeyField } from "../components/KeyField.tsx";
import { ErrorNote } from "../components/Note.tsx";

interface Props {
  /** Such as "operation". */
  readonly what: string;
  readonly cancel: (reason: string) => Promise<unknown>;
}

/** Ends a piece of work, with a reason for those who wait. A key is asked for where one is wanted. */
export function CancelWork({ what, cancel }: Props) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState<RouseError>();
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(undefined);
    try {
      await cancel(reason);
    } catch (thrown) {
      setError(RouseError.from(thrown));
    }
  };
  return (
    <details>
      <summary>{`Cancel this ${what}`}</summary>
      <form class="form" onSubmit={(event) => void submit(event)}>
        <label>
          Reason, for those who wait
          <input
            type="text"
            maxLength={500}
            value={reason}
            onInput={({ currentTarget }) => setReason(currentTarget.value)}
          />
        </label>
        {wantsKey(error) && <KeyField />}
        <div>
          <button type="submit">{`Cancel the ${what}`}</button>
        </div>
        {error !== undefined && <ErrorNote error={error} what="cancelling" />}
      </form>
    </details>
  );
}
