import { rm } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { z } from "zod";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../../../sdk/errors.ts";
import type { Bundles } from "../../artifacts/bundles.ts";
import { dockerArchive, type Image } from "../../image/archive.ts";
import { bundleRepository, type Images } from "../../image/images.ts";
import type { ImageFacts } from "./container-options.ts";
import { type Engine, statusOf, wordsOf } from "./engine.ts";

/** How old the image of a bundle gets that nobody uses, ms. */
const pruneMs = 7 * 86_400_000;

/** What @types/dockerode leaves out; not every engine says it. */
const taggedSchema = z.object({ Metadata: z.object({ LastTagTime: z.string() }) });

/** Sees to it that the engine has the images that are asked for. */
export class ImageStore {
  readonly #engine: Engine;
  readonly #images: Images;
  /** What is known to be there, by bundle or name. */
  readonly #facts = new Map<string, Promise<ImageFacts>>();

  constructor(engine: Engine, images: Images) {
    this.#engine = engine;
    this.#images = images;
  }

  /**
   * The image of a spec: made of its bundle, or found by name and else pulled.
   *
   * @throws RouseError FAILED_PRECONDITION IMAGE_NOT_FOUND, and whatever fetching a bundle throws.
   */
  ensure(spec: InstanceSpec, bundles: Bundles): Promise<ImageFacts> {
    const key = spec.image || spec.bundle;
    const known = this.#facts.get(key);
    if (known !== undefined) return known;
    const facts = spec.image === "" ? this.#ofBundle(spec.bundle, bundles) : this.#ofName(spec.image);
    this.#facts.set(key, facts);
    facts.catch(() => this.#facts.delete(key));
    return facts;
  }

  /** Somebody removed the image: it is not there after all. */
  distrust(spec: InstanceSpec): void {
    this.#facts.delete(spec.image || spec.bundle);
  }

  /** Removes the image made of a bundle, unless a container uses it. */
  async forget(bundle: string): Promise<void> {
    this.#facts.delete(bundle);
    await this.#remove(serviceTag(bundle));
  }

  async #remove(tag: string): Promise<void> {
    try {
      await this.#engine.docker.getImage(tag).remove();
    } catch (error) {
      // Not there, or used by a container.
      if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
    }
  }

  /**
   * Removes images of bundles that were made long ago and that neither a container nor `keep` uses. Those of other
   * agents on this engine may be among them: they make them again when they need them.
   *
   * @param keep bundle digests.
   */
  async prune(keep: ReadonlySet<string>): Promise<void> {
    const { docker } = this.#engine;
    const tags = new Set([...keep].map(serviceTag));
    const images = await docker.listImages({ filters: { label: ["rouse.bundle"] } });
    for (const tag of images.flatMap(({ RepoTags }) => RepoTags ?? [])) {
      if (!tag.startsWith(`${bundleRepository}:`) || tags.has(tag)) continue;
      const tagged = taggedSchema.safeParse(await docker.getImage(tag).inspect());
      if (!tagged.success) continue;
      const ageMs = Date.now() - Date.parse(tagged.data.Metadata.LastTagTime);
      if (ageMs > pruneMs) await this.#remove(tag);
    }
  }

  /** @returns the id of the sandbox's image. */
  async sandbox(): Promise<string> {
    const image = await this.#images.sandbox();
    return (await this.#find(image.tag))?.id ?? this.load(image);
  }

  /** Loads the base of all services' images, so that each of those is small. */
  async base(): Promise<Image> {
    const base = await this.#images.base();
    if ((await this.#find(base.tag)) === undefined) await this.load(base);
    return base;
  }

  /** Loads an image. @returns its id, as the engine has it. */
  async load(image: Image, without?: ReadonlySet<string>): Promise<string> {
    const answer = await this.#engine.docker.loadImage(dockerArchive(image, without), { quiet: true });
    let text = "";
    answer.on("data", (chunk: Buffer) => {
      text += chunk;
    });
    await finished(answer);
    const failure = /"error":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
    if (failure !== undefined) throw new Error(failure);
    const facts = await this.#find(image.tag);
    if (facts === undefined) throw new Error(`the engine loaded ${image.tag}, but does not know it`);
    return facts.id;
  }

  async #ofBundle(bundle: string, bundles: Bundles): Promise<ImageFacts> {
    const found = await this.#find(serviceTag(bundle));
    if (found !== undefined) return found;
    const [base, tar] = await Promise.all([this.base(), bundles.tar(bundle)]);
    const image = await this.#images.service(tar, bundle);
    try {
      const id = await this.loadOnBase(image, new Set(base.layers.map(({ digest }) => digest)));
      return { id, user: "rouse" };
    } finally {
      for (const layer of image.layers.slice(1)) await rm(layer.file, { force: true });
    }
  }

  /** Loads an image without the base's layer, which the engine has; one that wants it all the same gets it. */
  async loadOnBase(image: Image, base: ReadonlySet<string>): Promise<string> {
    try {
      return await this.load(image, base);
    } catch {
      return this.load(image);
    }
  }

  async #ofName(name: string): Promise<ImageFacts> {
    const found = await this.#find(name);
    if (found !== undefined) return found;
    let why = "the engine pulled it, but does not know it";
    try {
      const progress = await this.#engine.docker.pull(name);
      progress.on("data", (chunk: Buffer) => {
        why = /"error":"((?:[^"\\]|\\.)*)"/.exec(String(chunk))?.[1] ?? why;
      });
      await finished(progress);
    } catch (error) {
      if (statusOf(error) === undefined) throw this.#engine.gone(error);
      why = wordsOf(error);
    }
    const pulled = await this.#find(name);
    if (pulled !== undefined) return pulled;
    throw new RouseError(
      "FAILED_PRECONDITION",
      `The image "${name}" is not on this host and cannot be pulled: ${why}. Load it by "docker load", or register an image that can be had.`,
      { reason: "IMAGE_NOT_FOUND" },
    );
  }

  async #find(name: string): Promise<ImageFacts | undefined> {
    try {
      const { Id, Config } = await this.#engine.docker.getImage(name).inspect();
      return { id: Id, user: Config.User, volumes: Object.keys(Config.Volumes ?? {}) };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw this.#engine.explain(error, `to look for the image ${name}`);
    }
  }
}

function serviceTag(bundle: string): string {
  return `${bundleRepository}:${bundle.slice(0, 32)}`;
}
