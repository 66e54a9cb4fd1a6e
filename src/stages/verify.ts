import { commandPolicy } from '../agent/command-tool.ts';
import type { Submission } from '../agent/result.ts';
import type { Attempt } from '../attempt.ts';
import type { Checkouts } from '../checkout.ts';
import type { Doors } from '../doors.ts';
import { judgeCommand } from '../sandbox/command-policy.ts';
import type { BaselineCache } from '../verification/baseline.ts';
import type { EvidenceClaim, Verdict } from '../verification/verdict.ts';
import { verify } from '../verification/verify.ts';
import type { BuildResult } from './build.ts';

export interface VerifyNeeds {
  built: BuildResult;
  lastRound: boolean;
  /** Names of findings that sent the work back earlier in this attempt. */
  sentBack: readonly string[];
}

/** Stage 5: a verdict by code, from patch and base commit only, in containers that the agent never touched. */
export async function verifyTree(
  needs: VerifyNeeds,
  attempt: Attempt,
  checkouts: Checkouts,
  { git, baseCache }: Pick<Doors, 'git'> & { baseCache: BaselineCache },
): Promise<Verdict> {
  const { built } = needs;
  const baseTree = await git.treeOf(attempt.repository, attempt.base.commit);
  return verify(
    {
      repository: attempt.repository,
      base: attempt.base.commit,
      tree: built.tree,
      contract: attempt.contract,
      walls: attempt.walls,
      waived: attempt.run.request.waived,
      claims: claimsOf(built.submission),
      sentBack: needs.sentBack,
      lastRound: needs.lastRound,
      emptyReason: built.submission?.reason ?? built.submission?.summary ?? null,
    },
    {
      git,
      openHead: () => checkouts.open('head', built.tree),
      openBase: () => checkouts.open('base', baseTree),
      openWith: (overlay) => checkouts.openWith('part', overlay),
      baseImage: checkouts.baseImage,
      baseCache,
      mask: attempt.mask,
      judgeCommand: (command) => judgeCommand(command, commandPolicy(attempt.walls)),
      record: (event) => attempt.record('verify.command', event),
    },
    attempt.signal,
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
