export function Traces({ service }: { readonly service: string }) {
  return <h2>{service}</h2>;
}
