import { useState } from "preact/hooks";
import { RouseError, wantsKey, withKey } from "../api.ts";
import { runs } from "../clients/runs.ts";
import { KeyField } from "../components/KeyField.tsx";
import { ErrorNote, Note } from "../components/Note.tsx";

interface Props {
  readonly run: string;
  readonly name: string;
  readonly onGiven: () => void;
}

/** Gives the value that a run waits for. */
export function AnswerForm({ run, name, onGiven }: Props) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState("");
  const [error, setError] = useState<RouseError>();
  const give = async (event: Event) => {
    event.preventDefault();
    setError(undefined);
    setWrong("");
    try {
      JSON.parse(text);
    } catch {
      setWrong('The answer is no JSON: write a text with quotes, such as "yes".');
      return;
    }
    try {
      await runs.answerRun({ id: run, name, value: new TextEncoder().encode(text) }, withKey());
      onGiven();
    } catch (thrown) {
      setError(RouseError.from(thrown));
    }
  };
  return (
    <form class="row" onSubmit={(event) => void give(event)}>
      <label>
        {`Answer to ${name}, as JSON `}
        <input type="text" value={text} onInput={({ currentTarget }) => setText(currentTarget.value)} />
      </label>
      <button type="submit">Answer</button>
      {wantsKey(error) && <KeyField />}
      {wrong !== "" && <Note kind="error">{wrong}</Note>}
      {error !== undefined && <ErrorNote error={error} what="the answer" />}
    </form>
  );
}
