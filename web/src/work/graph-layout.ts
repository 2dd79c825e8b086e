/** A task of a graph, and the names of the tasks that it needs. */
export interface GraphNode {
  readonly name: string;
  readonly needs: readonly string[];
}

export interface Placed<T extends GraphNode> {
  readonly node: T;
  /** Upper left corner. */
  readonly x: number;
  readonly y: number;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  /** Ends of the line: right side of the one, left side of the other. */
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

export interface Layout<T extends GraphNode> {
  readonly nodes: readonly Placed<T>[];
  readonly edges: readonly Edge[];
  readonly width: number;
  readonly height: number;
}

export interface Sizes {
  readonly width: number;
  readonly height: number;
  /** Between columns. */
  readonly gapX: number;
  readonly gapY: number;
}

/** How often the order within columns is mended, there and back. */
const SWEEPS = 4;

/**
 * Lays a workflow out from left to right: each task stands in a column after all that it needs and just before what needs it, and
 * within the column near to those (barycentres, Sugiyama, Tagawa, Toda, IEEE Trans. SMC 11 (1981) 109–125). No line is drawn where
 * others lead the same way, and what is needed and not there is left out.
 */
export function layOut<T extends GraphNode>(tasks: readonly T[], sizes: Sizes): Layout<T> {
  const depths = depthsOf(tasks);
  const direct = directNeeds(tasks, depths);
  const columns = inColumns(tasks, depths, direct);
  order(columns, direct);
  const { width, height, gapX, gapY } = sizes;
  const tallest = Math.max(0, ...columns.map((column) => column.length));
  const whole = Math.max(0, tallest * (height + gapY) - gapY);
  const placed = new Map<string, Placed<T>>();
  for (const [x, column] of columns.entries()) {
    const top = (whole - (column.length * (height + gapY) - gapY)) / 2;
    for (const [y, node] of column.entries())
      placed.set(node.name, { node, x: x * (width + gapX), y: top + y * (height + gapY) });
  }
  const edges: Edge[] = [];
  for (const to of placed.values())
    for (const need of direct.get(to.node.name) ?? []) {
      const from = placed.get(need);
      if (from === undefined) continue;
      edges.push({
        from: need,
        to: to.node.name,
        x1: from.x + width,
        y1: from.y + height / 2,
        x2: to.x,
        y2: to.y + height / 2,
      });
    }
  return {
    nodes: [...placed.values()],
    edges,
    width: Math.max(0, columns.length * (width + gapX) - gapX),
    height: whole,
  };
}

/** How many tasks, one after the other, have to end before each. */
function depthsOf(tasks: readonly GraphNode[]): Map<string, number> {
  const byName = new Map(tasks.map((task) => [task.name, task]));
  const depths = new Map<string, number>();
  // By hand rather than by recursion: a chain may have a thousand tasks.
  for (const { name } of tasks) {
    const stack = [name];
    const open = new Set<string>();
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const needs = (byName.get(top)?.needs ?? []).filter((need) => byName.has(need) && !open.has(need));
      const missing = needs.filter((need) => need !== top && !depths.has(need));
      if (depths.has(top) || missing.length === 0) {
        if (!depths.has(top))
          depths.set(top, Math.max(-1, ...needs.map((need) => depths.get(need) ?? -1)) + 1);
        open.delete(top);
        stack.pop();
      } else {
        open.add(top);
        stack.push(...missing);
      }
    }
  }
  return depths;
}

type Needs = ReadonlyMap<string, readonly string[]>;

/** What each task needs, but for what its other needs need themselves. Of a cycle, which orders refuses, a part is left out. */
function directNeeds(tasks: readonly GraphNode[], depths: ReadonlyMap<string, number>): Needs {
  const depth = (name: string) => depths.get(name) ?? -1;
  const before = new Map<string, Set<string>>();
  const direct = new Map<string, string[]>();
  for (const { name, needs } of tasks.toSorted((a, b) => depth(a.name) - depth(b.name))) {
    const all = new Set<string>();
    const kept: string[] = [];
    const earlier = [...new Set(needs)].filter((need) => depths.has(need) && depth(need) < depth(name));
    // The latest first: only they can need the others.
    for (const need of earlier.sort((a, b) => depth(b) - depth(a))) {
      if (!all.has(need)) kept.push(need);
      all.add(need);
      for (const one of before.get(need) ?? []) all.add(one);
    }
    before.set(name, all);
    direct.set(name, kept);
  }
  return direct;
}

/** The column of each: its depth, or as far to the right as what needs it allows. */
function inColumns<T extends GraphNode>(
  tasks: readonly T[],
  depths: ReadonlyMap<string, number>,
  direct: Needs,
): T[][] {
  const byName = new Map(tasks.map((task) => [task.name, task]));
  const columns = new Map(depths);
  const latest = [...byName.keys()].sort((a, b) => (depths.get(b) ?? 0) - (depths.get(a) ?? 0));
  const limits = new Map<string, number>();
  for (const name of latest) {
    const column = limits.get(name) ?? depths.get(name) ?? 0;
    columns.set(name, column);
    for (const need of direct.get(name) ?? [])
      limits.set(need, Math.min(limits.get(need) ?? Number.POSITIVE_INFINITY, column - 1));
  }
  const out: T[][] = [];
  for (const task of byName.values()) {
    const column = columns.get(task.name) ?? 0;
    while (out.length <= column) out.push([]);
    out[column]?.push(task);
  }
  return out;
}

/** Sorts each column by the mean place of what its tasks are joined with. */
function order<T extends GraphNode>(columns: T[][], direct: Needs): void {
  const users = new Map<string, string[]>();
  for (const [name, needs] of direct)
    for (const need of needs) users.set(need, [...(users.get(need) ?? []), name]);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forwards = sweep % 2 === 0;
    const places = new Map<string, number>();
    for (const column of columns)
      for (const [place, { name }] of column.entries()) places.set(name, place - (column.length - 1) / 2);
    for (const column of forwards ? columns : [...columns].reverse()) {
      const wish = ({ name }: T) => {
        const known = ((forwards ? direct : users).get(name) ?? [])
          .map((other) => places.get(other))
          .filter((place) => place !== undefined);
        if (known.length === 0) return places.get(name) ?? 0;
        return known.reduce((sum, place) => sum + place, 0) / known.length;
      };
      const wishes = new Map(column.map((node) => [node.name, wish(node)]));
      column.sort((a, b) => (wishes.get(a.name) ?? 0) - (wishes.get(b.name) ?? 0));
      for (const [place, { name }] of column.entries()) places.set(name, place - (column.length - 1) / 2);
    }
  }
}
