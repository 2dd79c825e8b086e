import { z } from "zod";
import type { DurableFunction, Run } from "../durable/types.ts";
import { RouseError } from "../errors.ts";
import { shapeOf } from "./shape.ts";

/** What a method takes and gives. Without schemas: any JSON. */
export interface MethodSchemas {
  readonly input?: z.ZodType;
  readonly output?: z.ZodType;
  /** One line for people. */
  readonly docs?: string;
}

/** What the mesh should know of an actor; the same as the options of a contract. */
export interface ActorSettings {
  /** Semantic version. Default: that of package.json. */
  readonly version?: string;
  /** Who answers for it. Default: the author in package.json. */
  readonly owner?: string;
  /** One line for people. */
  readonly summary?: string;
  /** Whether outsiders may call it. Default "internal". */
  readonly exposure?: "internal" | "external";
  /** Cores. Default 0.25. */
  readonly cpu?: number;
  /** Such as "256Mi", the default. */
  readonly memory?: string;
  /** Its calls have a key each: those with the same key come one after the other. */
  readonly keyed?: boolean;
}

/** Settings of an actor that is a function. */
export interface FunctionSettings extends ActorSettings, MethodSchemas {
  /** Name of its one method. Default "Run". */
  readonly method?: string;
}

/** Settings of an actor that is a class. */
export interface ClassSettings extends ActorSettings {
  /** Schemas of its methods; {@link method} is the same at the method itself. */
  readonly methods?: Readonly<Record<string, MethodSchemas>>;
}

/** A method as it is declared. */
export interface DeclaredMethod {
  /** In the contract, such as "Add". */
  readonly name: string;
  readonly schemas: MethodSchemas;
  readonly work: (input: unknown, run: Run<unknown>) => Promise<unknown>;
}

export interface DeclaredActor {
  readonly name: string;
  readonly settings: ActorSettings;
  readonly methods: readonly DeclaredMethod[];
}

type AnyClass = new () => object;
/** Input and output of a function by its schemas. */
type In<S extends MethodSchemas> = S["input"] extends z.ZodType ? z.output<S["input"]> : unknown;
type Given<S extends MethodSchemas> = S["input"] extends z.ZodType ? z.input<S["input"]> : unknown;
type Out<S extends MethodSchemas> = S["output"] extends z.ZodType ? z.input<S["output"]> : unknown;
type Answer<S extends MethodSchemas> = S["output"] extends z.ZodType ? z.output<S["output"]> : unknown;

/** Shared by all copies of this module in a program. */
const key = Symbol.for("rouse.actors");
const shared = globalThis as unknown as Record<symbol, Map<string, DeclaredActor> | undefined>;
shared[key] ??= new Map();
const actors: Map<string, DeclaredActor> = shared[key];
/** Where method decorators leave their schemas. */
const methodKey = Symbol.for("rouse.actor.methods");

/** All actors that the program has declared. */
export function declaredActors(): readonly DeclaredActor[] {
  return [...actors.values()];
}

/** Settings and methods of an actor. @throws RouseError NOT_FOUND ACTOR_INVALID */
export function declaredActor(name: string): DeclaredActor {
  const found = actors.get(name);
  if (found !== undefined) return found;
  const known = [...actors.keys()].join(", ") || "none";
  throw invalid(
    `The program declares no actor ${JSON.stringify(name)}, but ${known}. Run "rouse gen": its contract was made from another name.`,
  );
}

/**
 * Makes a service of a function or a class: durable, with a contract that `rouse gen` writes from this.
 *
 *   export const greet = actor("greeter", async (input, run) => …);
 *   export const order = actor("ordering", { input: z.object({ … }), output: z.object({ … }) }, async (input, run) => …);
 *   export const Counter = actor("counter", { keyed: true, methods: { add: { … } } }, class { async add(input, run) { … } });
 *   @actor("counter", { keyed: true }) class Counter { @method({ … }) async add(input, run) { … } }
 *
 * @param name words of lower-case letters and digits with "-" between them; "gene-finder" is served as
 *   gene_finder.v1.GeneFinderService.
 * @returns The function, which checks by its schemas, for tests (`replay(greet, input)`); the class; or a decorator.
 * @throws RouseError INVALID_ARGUMENT ACTOR_INVALID
 */
export function actor<Input, Output>(
  name: string,
  work: (input: Input, run: Run) => Promise<Output>,
): DurableFunction<Input, Output>;
export function actor<const Settings extends FunctionSettings>(
  name: string,
  settings: Settings,
  work: (input: In<Settings>, run: Run) => Promise<Out<Settings>>,
): DurableFunction<Given<Settings>, Answer<Settings>>;
export function actor<Class extends AnyClass>(name: string, actorClass: Class): Class;
export function actor<Class extends AnyClass>(
  name: string,
  settings: ClassSettings,
  actorClass: Class,
): Class;
export function actor(
  name: string,
  settings?: ClassSettings,
): <Class extends AnyClass>(actorClass: Class, context?: ClassDecoratorContext) => Class;
export function actor(name: string, first?: unknown, second?: unknown): unknown {
  const settings = typeof first === "object" && first !== null ? first : {};
  const subject = typeof first === "function" ? first : second;
  if (subject === undefined) {
    return (actorClass: AnyClass, context?: ClassDecoratorContext) =>
      declareClass(name, settings, actorClass, context?.metadata);
  }
  if (typeof subject !== "function")
    throw invalid(
      `Actor ${JSON.stringify(name)} is neither a function nor a class. Write actor("name", async (input, run) => …).`,
    );
  return isClass(subject)
    ? declareClass(name, settings, subject as AnyClass)
    : declareFunction(name, settings, subject as DeclaredMethod["work"]);
}

/** Decorates a method of an actor's class: what it takes and gives. */
export function method(schemas: MethodSchemas) {
  return (_work: unknown, context: ClassMethodDecoratorContext): void => {
    const metadata: DecoratorMetadataObject = context.metadata ?? {};
    const known = (metadata[methodKey] ?? {}) as Record<string, MethodSchemas>;
    metadata[methodKey] = { ...known, [String(context.name)]: schemas };
  };
}

/** Bytes: a field of the type bytes. */
export function bytes() {
  return z.instanceof(Uint8Array).meta({ rouse: "bytes" });
}

function declareFunction(name: string, settings: FunctionSettings, work: DeclaredMethod["work"]) {
  const declared = { name: settings.method ?? "Run", schemas: settings, work };
  const checked = checkedMethod(name, settings, declared);
  declare({ name, settings, methods: [{ ...declared, work: checked }] });
  return checked;
}

function declareClass(
  name: string,
  settings: ClassSettings,
  actorClass: AnyClass,
  metadata: DecoratorMetadataObject = {},
): AnyClass {
  const decorated = (metadata[methodKey] ?? {}) as Record<string, MethodSchemas>;
  const all: Record<string, MethodSchemas> = { ...decorated, ...settings.methods };
  const prototype = actorClass.prototype as Record<string, unknown>;
  // With schemas: those methods. Without any: all that have a plain name.
  const own = Object.getOwnPropertyNames(prototype).filter(
    (one) => one !== "constructor" && !one.startsWith("_"),
  );
  const names = Object.keys(all).length > 0 ? Object.keys(all) : own;
  const methods = names.map((one) => {
    if (typeof prototype[one] !== "function")
      throw invalid(
        `Actor ${JSON.stringify(name)} has no method ${JSON.stringify(one)}, and there are schemas for it.`,
      );
    // Its own object for each run: what is in fields is not journaled, and must not get from one run to another.
    const work: DeclaredMethod["work"] = (input, run) =>
      (new actorClass() as Record<string, DeclaredMethod["work"]>)[one]?.(input, run) as Promise<unknown>;
    const declared = { name: pascal(one), schemas: all[one] ?? {}, work };
    return { ...declared, work: checkedMethod(name, settings, declared) };
  });
  if (methods.length === 0)
    throw invalid(
      `Actor ${JSON.stringify(name)} has no method. Give its class one: async run(input, run) { … }.`,
    );
  declare({ name, settings, methods });
  return actorClass;
}

function declare(declared: DeclaredActor): void {
  const { name, methods } = declared;
  if (!/^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/.test(name))
    throw invalid(
      `${JSON.stringify(name)} is no name for an actor. Use words of lower-case letters and digits with "-" between them, such as "gene-finder".`,
    );
  if (actors.has(name))
    throw invalid(`Actor ${JSON.stringify(name)} is declared twice. Give one of them another name.`);
  for (const { name: one } of methods)
    if (!/^[A-Z][A-Za-z0-9]*$/.test(one))
      throw invalid(
        `Actor ${JSON.stringify(name)} has a method ${JSON.stringify(one)}. Name it by letters and digits, such as "Add".`,
      );
  actors.set(name, declared);
}

/** The method between its schemas. */
function checkedMethod(
  actorName: string,
  { keyed = false }: ActorSettings,
  { name, schemas, work }: DeclaredMethod,
): DeclaredMethod["work"] {
  return async (given, run) => {
    if (keyed && run.key === "")
      throw new RouseError(
        "INVALID_ARGUMENT",
        `${actorName} is a keyed actor, and this call of ${name} has no key. Give it one: client.${name.toLowerCase()}(request, { key: "…" }).`,
        { reason: "ACTOR_KEY_MISSING" },
      );
    const input = check(
      schemas.input,
      given,
      (faults) =>
        new RouseError("INVALID_ARGUMENT", `${actorName} does not take this input of ${name}: ${faults}.`, {
          reason: "ACTOR_INPUT_INVALID",
        }),
    );
    const output = await work(input, run);
    return check(
      schemas.output,
      output,
      (faults) =>
        new RouseError(
          "INTERNAL",
          `${name} of ${actorName} answers what its own schema does not allow: ${faults}.`,
          {
            reason: "ACTOR_OUTPUT_INVALID",
          },
        ),
    );
  };
}

function check(
  schema: z.ZodType | undefined,
  value: unknown,
  fault: (faults: string) => RouseError,
): unknown {
  if (schema === undefined) return value;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(
    ({ path, message }) => `${path.join(".") || "the value"}: ${message}`,
  );
  throw fault(faults.join("; "));
}

function isClass(subject: unknown): boolean {
  return /^class\b/.test(Function.prototype.toString.call(subject));
}

function pascal(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "ACTOR_INVALID" });
}

/** What a method takes and gives, as messages. */
export function shapesOf({ input, output }: MethodSchemas) {
  const any = { kind: "value" } as const;
  return {
    input: input === undefined ? any : shapeOf(input, "in"),
    output: output === undefined ? any : shapeOf(output, "out"),
  };
}
