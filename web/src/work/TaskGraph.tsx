import { useMemo } from "preact/hooks";
import { navigate } from "../router.tsx";
import { type Edge, layOut } from "./graph-layout.ts";
import "./graph.css";

/** What is drawn of a task. */
export interface GraphTask {
  readonly name: string;
  readonly needs: readonly string[];
  /** In a word. */
  readonly state: string;
  /** 0 to 1. */
  readonly progress: number | undefined;
}

interface Props {
  readonly tasks: readonly GraphTask[];
  readonly selected: string;
  /** Address at which a task is selected. */
  readonly href: (task: string) => string;
}

const sizes = { width: 148, height: 46, gapX: 44, gapY: 14 };
const MARGIN = 4;
/** Characters that fit into a box. */
const FITS = 18;

/** A workflow, from left to right: each task is a link to more of it. Its state is a word; the colour only repeats it. */
export function TaskGraph({ tasks, selected, href }: Props) {
  // What changes most, the states, does not move anything.
  const shape = JSON.stringify(tasks.map(({ name, needs }) => [name, needs]));
  const { nodes, edges, width, height } = useMemo(() => layOut(tasks, sizes), [shape]);
  const byName = new Map(tasks.map((task) => [task.name, task]));
  const [w, h] = [width + 2 * MARGIN, height + 2 * MARGIN];
  return (
    <div class="scroll">
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be a drawing. */}
      <svg
        class="graph"
        viewBox={`${-MARGIN} ${-MARGIN} ${w} ${h}`}
        width={w}
        height={h}
        role="group"
        aria-label="Workflow, from left to right"
      >
        {edges.map((edge) => (
          <path
            key={`${edge.from} ${edge.to}`}
            d={curve(edge)}
            class={byName.get(edge.from)?.state === "succeeded" ? "edge done" : "edge"}
          />
        ))}
        {nodes.map(({ node: { name }, x, y }) => (
          <Box
            key={name}
            task={byName.get(name)}
            x={x}
            y={y}
            selected={name === selected}
            href={href(name)}
          />
        ))}
      </svg>
    </div>
  );
}

interface BoxProps {
  readonly task: GraphTask | undefined;
  readonly x: number;
  readonly y: number;
  readonly selected: boolean;
  readonly href: string;
}

function Box({ task, x, y, selected, href }: BoxProps) {
  if (task === undefined) return null;
  const { name, state, progress, needs } = task;
  const percent = progress === undefined ? "" : ` ${Math.round(progress * 100)} %`;
  const after = needs.length === 0 ? "" : `, after ${needs.join(", ")}`;
  const onClick = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
  };
  return (
    <a
      href={href}
      onClick={onClick}
      class={`node ${state}${selected ? " selected" : ""}`}
      aria-current={selected ? "true" : undefined}
    >
      <title>{`${name} ${state}${percent}${after}`}</title>
      <rect x={x} y={y} width={sizes.width} height={sizes.height} rx={6} />
      {progress !== undefined && (
        <rect
          class="bar"
          x={x + 1}
          y={y + sizes.height - 5}
          width={(sizes.width - 2) * Math.min(1, Math.max(0, progress))}
          height={4}
          rx={2}
        />
      )}
      <text x={x + 10} y={y + 19}>
        {name.length > FITS ? `${name.slice(0, FITS - 1)}…` : name}
      </text>
      <text class="state" x={x + 10} y={y + 35}>
        {state + percent}
      </text>
    </a>
  );
}

function curve({ x1, y1, x2, y2 }: Edge): string {
  const half = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + half} ${y1} ${x2 - half} ${y2} ${x2} ${y2}`;
}
