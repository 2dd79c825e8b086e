import "./work.css";

interface Props {
  /** 0 to 1. */
  readonly fraction: number;
  readonly note: string;
}

/** How far a piece of work is, as its handler tells it. */
export function Progress({ fraction, note }: Props) {
  const percent = `${Math.round(fraction * 100)} %`;
  return (
    <div class="work-progress">
      <progress max={1} value={fraction} aria-label={`Progress: ${percent}`} />
      <span class="soft">
        {percent}
        {note !== "" && ` · ${note}`}
      </span>
    </div>
  );
}
