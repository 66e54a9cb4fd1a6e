import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cheats } from '../bench/cheats.ts';
import { baseFiles } from '../bench/cheats-base.ts';
import { craftedPatchesTable, judgeCrafted } from '../bench/cheats-run.ts';
import { honestPatches } from '../bench/honest-patches.ts';
import { createProvingGround, type ProvingGround } from '../bench/proving-ground.ts';

let ground: ProvingGround;

beforeAll(async () => {
  ground = await createProvingGround(baseFiles, 'cheats');
}, 120_000);

afterAll(async () => {
  await ground[Symbol.asyncDispose]();
});

describe('a patch made to deceive is not let through', () => {
  it.concurrent.each(cheats)(
    '$name',
    async (crafted) => {
      const verdict = await judgeCrafted(ground, crafted);

      expect(verdict.findings.map((finding) => finding.gate)).toContain(crafted.caughtBy);
      expect(verdict.next).not.toBe('open');
    },
    120_000,
  );
});

describe('an honest patch is let through', () => {
  it.concurrent.each(honestPatches)(
    '$name',
    async (crafted) => {
      const verdict = await judgeCrafted(ground, crafted);

      expect(verdict.findings.map(({ name, message }) => `${name}: ${message}`)).toEqual([]);
      expect(verdict.next).toBe('open');
    },
    120_000,
  );
});

it('the table in the documentation is what is judged here', async () => {
  await expect(craftedPatchesTable()).toMatchFileSnapshot('../../docs/verification-cases.md');
});
