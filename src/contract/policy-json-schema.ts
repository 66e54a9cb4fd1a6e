import { z } from 'zod';
import { policySchema } from './policy-schema.ts';

/** JSON schema of the policy files, for editors: `docs/schema/millwright.schema.json`. Keys that only the operator may set say so. */
export function policyJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(policySchema, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      const { fallback, example } = jsonSchema;
      if (fallback !== undefined) jsonSchema.default = fallback;
      if (example !== undefined) jsonSchema.examples = [example];
      delete jsonSchema.fallback;
      delete jsonSchema.example;
    },
  });
  return { title: 'Millwright policy', ...schema };
}
