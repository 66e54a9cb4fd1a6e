/** @jsxImportSource hono/jsx */
import { lineOf } from './text.tsx';

/** A field of a form: one of the repositories that the viewer can read, or all. `chosen`: empty for all. */
export function RepositoryChoice({ repositories, chosen }: { repositories: readonly string[]; chosen: string }) {
  return (
    <label>
      Repository
      <select name="repository">
        <option value="">All that you can read</option>
        {repositories.map((name) => (
          <option value={name} selected={name.toLowerCase() === chosen.toLowerCase()}>
            {lineOf(name, 120)}
          </option>
        ))}
      </select>
    </label>
  );
}
