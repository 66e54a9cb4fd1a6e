import { z } from 'zod';
import { commandPolicy } from '../agent/command-tool.ts';
import type { Submission } from '../agent/result.ts';
import type { Attempt } from '../attempt.ts';
import type { Checkouts } from '../checkout.ts';
import type { Contract } from '../contract/contract.ts';
import { wallsSchema } from '../contract/walls.ts';
import type { Doors } from '../doors.ts';
import { judgeCommand } from '../sandbox/command-policy.ts';
import type { BaselineCache } from '../verification/baseline.ts';
import { EvidenceClaim, type Verdict, Waiver } from '../verification/verdict.ts';
import { verify } from '../verification/verify.ts';
import type { BuildResult } from './build.ts';

export interface VerifyNeeds {
  built: BuildResult;
  lastRound: boolean;
  /** Names of findings that sent the work back earlier in this attempt. */
  sentBack: readonly string[];
}

/** All that a verdict is reached from, beside the commits: kept in the ledger, so that it can be reached again. */
export const VerifyAsked = z.object({
  base: z.string(),
  tree: z.string(),
  contract: z.custom<Contract>(),
  walls: wallsSchema,
  waived: z.array(Waiver),
  claims: z.array(EvidenceClaim),
  sentBack: z.array(z.string()),
  lastRound: z.boolean(),
  emptyReason: z.string().nullable(),
});
export type VerifyAsked = z.infer<typeof VerifyAsked>;

/** Kind of the event that holds it. */
export const askedKind = 'verify.asked';

/** Stage 5: a verdict by code, from patch and base commit only, in containers that the agent never touched. */
export async function verifyTree(
  needs: VerifyNeeds,
  attempt: Attempt,
  checkouts: Checkouts,
  doors: Pick<Doors, 'git'> & { baseCache: BaselineCache },
): Promise<Verdict> {
  const { built } = needs;
  const asked: VerifyAsked = {
    base: attempt.base.commit,
    tree: built.tree,
    contract: attempt.contract,
    walls: attempt.walls,
    waived: attempt.run.request.waived,
    claims: claimsOf(built.submission),
    sentBack: [...needs.sentBack],
    lastRound: needs.lastRound,
    emptyReason: built.submission?.reason ?? built.submission?.summary ?? null,
  };
  await attempt.record(askedKind, asked);
  return judge(asked, attempt, checkouts, doors);
}

/** The same question gets the same verdict, as far as the checks themselves are the same each time. */
export async function judge(
  asked: VerifyAsked,
  at: Pick<Attempt, 'repository' | 'mask' | 'signal' | 'record'>,
  checkouts: Checkouts,
  { git, baseCache }: Pick<Doors, 'git'> & { baseCache: BaselineCache },
): Promise<Verdict> {
  const baseTree = await git.treeOf(at.repository, asked.base);
  return verify(
    { repository: at.repository, ...asked },
    {
      git,
      openHead: () => checkouts.open('head', asked.tree),
      openBase: () => checkouts.open('base', baseTree),
      openWith: (overlay) => checkouts.openWith('part', overlay),
      baseImage: checkouts.baseImage,
      baseCache,
      mask: at.mask,
      judgeCommand: (command) => judgeCommand(command, commandPolicy(asked.walls)),
      record: (event) => at.record('verify.command', event),
    },
    at.signal,
  );
}

/** The agent's evidence map as proposals: the verifier runs each itself. */
function claimsOf(submission: Submission | null): EvidenceClaim[] {
  return (submission?.criteria ?? []).flatMap(({ criterion, evidence = {} }) =>
    (['check', 'test', 'command'] as const).flatMap((kind) => {
      const value = evidence[kind];
      return value === undefined ? [] : [{ criterion, kind, value: kind === 'test' ? testClaim(value) : value }];
    }),
  );
}

/** Models write `path: name`, `path > name` or `path name`; the verifier reads `path::name`. */
function testClaim(written: string): string {
  const match = /^(\S+?\.\w+)(?:::|:\s+|\s+(?:[>›–-]\s+)?)(\S.*)$/.exec(written.trim());
  return match ? `${match[1]}::${match[2]}` : written;
}
