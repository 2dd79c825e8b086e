interface Props {
  readonly service: string;
  readonly version: string;
  readonly instance?: string;
}

export function LogView({ service, version }: Props) {
  return <h2>{`${service}@${version}`}</h2>;
}
