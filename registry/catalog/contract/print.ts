import type { UnknownField } from "@bufbuild/protobuf";
import {
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescService,
  getExtension,
  isMessage,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { Edition, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Contract } from "./contract.ts";
import { fieldText } from "./field-text.ts";
import { scalar, textFormat } from "./text-format.ts";

/*
 * No library for Node prints .proto text with comments and custom options: protobufjs drops both when it reads descriptors, buf
 * formats sources only, and protoprint is Go's.
 */

/** The text of a contract: its own files, the service's first, without those of Google and of the mesh that it imports. */
export function printContract(contract: Contract): string {
  return [...printFiles(contract)].map(([name, text]) => `// ${name}\n${text}`).join("\n");
}

/** The same, file by file. */
export function printFiles(contract: Contract): Map<string, string> {
  const own = contract.service.file;
  const others = [...contract.types.files]
    .filter((file) => file !== own && !/^(google|rouse\/mesh|buf)\//.test(file.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return new Map([own, ...others].map((file) => [file.proto.name, new Printer(contract, file).print()]));
}

class Printer {
  readonly #contract: Contract;
  readonly #file: DescFile;
  readonly #lines: string[] = [];
  #depth = 0;

  constructor(contract: Contract, file: DescFile) {
    this.#contract = contract;
    this.#file = file;
  }

  print(): string {
    const { proto } = this.#file;
    this.#line(
      proto.edition === Edition.EDITION_UNKNOWN
        ? `syntax = "${proto.syntax || "proto2"}";`
        : `edition = "${Edition[proto.edition]?.replace("EDITION_", "")}";`,
    );
    this.#line();
    if (proto.package !== "") this.#line(`package ${proto.package};`);
    this.#line();
    for (const name of proto.dependency) this.#line(`import "${name}";`);
    for (const service of this.#file.services) this.#service(service);
    for (const message of this.#file.messages) this.#message(message);
    for (const one of this.#file.enums) this.#enum(one);
    this.#extensions(this.#file.extensions);
    return `${this.#lines
      .join("\n")
      .replace(/\n{3,}/g, "\n\n")
      .replace(/\{\n\n/g, "{\n")}\n`;
  }

  #service(service: DescService): void {
    this.#block(service, `service ${service.name}`, () => {
      this.#options(service.proto.options);
      for (const method of service.methods) {
        const { clientStreaming, serverStreaming, options } = method.proto;
        const input = `${clientStreaming ? "stream " : ""}${this.#name(method.input.typeName)}`;
        const output = `${serverStreaming ? "stream " : ""}${this.#name(method.output.typeName)}`;
        const head = `rpc ${method.name}(${input}) returns (${output})`;
        const body = () => {
          if (method.deprecated) this.#line("option deprecated = true;");
          if (method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN)
            this.#line(`option idempotency_level = ${MethodOptions_IdempotencyLevel[method.idempotency]};`);
          this.#options(options);
        };
        this.#block(method, head, body, ";");
      }
    });
  }

  #message(message: DescMessage): void {
    this.#block(message, `message ${message.name}`, () => {
      if (message.deprecated) this.#line("option deprecated = true;");
      for (const one of message.nestedEnums) this.#enum(one);
      for (const one of message.nestedMessages) this.#message(one);
      for (const member of message.members) {
        if (member.kind === "oneof") {
          const oneof = () => {
            for (const field of member.fields) this.#commented(field, this.#field(field));
          };
          this.#block(member, `oneof ${member.name}`, oneof);
        } else this.#commented(member, this.#field(member));
      }
      const { reservedName, reservedRange } = message.proto;
      const ranges = reservedRange.map(({ start, end }) =>
        end - 1 === start ? `${start}` : `${start} to ${end - 1}`,
      );
      if (ranges.length > 0) this.#line(`reserved ${ranges.join(", ")};`);
      if (reservedName.length > 0)
        this.#line(`reserved ${reservedName.map((name) => JSON.stringify(name)).join(", ")};`);
      this.#extensions(message.nestedExtensions);
    });
  }

  #enum(one: DescEnum): void {
    this.#block(one, `enum ${one.name}`, () => {
      if (one.proto.options?.allowAlias === true) this.#line("option allow_alias = true;");
      for (const value of one.values) {
        this.#commented(
          value,
          `${value.name} = ${value.number}${value.deprecated ? " [deprecated = true]" : ""};`,
        );
      }
    });
  }

  #extensions(extensions: readonly DescExtension[]): void {
    for (const extension of extensions) {
      this.#line();
      this.#line(`extend ${this.#name(extension.extendee.typeName)} {`);
      this.#depth++;
      this.#commented(extension, this.#field(extension));
      this.#depth--;
      this.#line("}");
    }
  }

  /** Custom options, such as (rouse.mesh.v1.service): protobuf keeps them as unknown fields of the options. */
  #options(options: (Message & { readonly $unknown?: UnknownField[] | undefined }) | undefined): void {
    const numbers = new Set(options?.$unknown?.map(({ no }) => no));
    for (const number of numbers) {
      if (options === undefined) break;
      const extension = this.#contract.types.getExtensionFor(
        { typeName: options.$typeName } as DescMessage,
        number,
      );
      if (extension === undefined) continue;
      const value: unknown = getExtension(options, extension);
      const text =
        extension.message !== undefined && isMessage(value, extension.message)
          ? textFormat(extension.message, value, this.#depth)
          : extension.enum !== undefined
            ? (extension.enum.value[Number(value)]?.name ?? String(value))
            : scalar(extension.scalar ?? ScalarType.STRING, value);
      this.#line(`option (${extension.typeName}) = ${text};`);
    }
  }

  #block(desc: Parameters<Printer["commentOf"]>[0], head: string, body: () => void, empty = " {}"): void {
    this.#line();
    this.#comment(desc);
    const at = this.#lines.length;
    this.#line(`${head} {`);
    this.#depth++;
    body();
    this.#depth--;
    if (this.#lines.length === at + 1) this.#lines[at] = `${"  ".repeat(this.#depth)}${head}${empty}`;
    else this.#line("}");
  }

  #commented(desc: Parameters<Printer["commentOf"]>[0], line: string): void {
    this.#comment(desc);
    this.#line(line);
  }

  commentOf(desc: { readonly proto: object }): string {
    return this.#contract.comments.of(this.#file, desc);
  }

  #comment(desc: { readonly proto: object }): void {
    const text = this.commentOf(desc);
    if (text !== "") for (const line of text.split("\n")) this.#line(`// ${line}`.trimEnd());
  }

  #line(text = ""): void {
    this.#lines.push(text === "" ? "" : `${"  ".repeat(this.#depth)}${text}`);
  }

  #field(field: DescField | DescExtension): string {
    return `${fieldText(field, (name) => this.#name(name))};`;
  }

  /** A type's name as one says it here. */
  #name(typeName: string): string {
    const scope = `${this.#file.proto.package}.`;
    return typeName.startsWith(scope) ? typeName.slice(scope.length) : typeName;
  }
}
