/** @jsxImportSource hono/jsx */
import type { Verdict } from '../verification/verdict.ts';
import { Tag } from './checks-part.tsx';
import { Part } from './layout.tsx';
import type { Round } from './run-view.ts';
import { Block, Items, Line } from './text.tsx';

const nexts: Readonly<Record<Verdict['next'], string>> = {
  open: 'passed verification',
  build: 'sent back to build',
  wait: 'waits for a person',
  fail: 'failed verification',
};

/** Where the work was sent back, and what the agent said of each round: claims, marked as such. */
export function RoundsPart({ rounds }: { rounds: readonly Round[] }) {
  if (rounds.length === 0) return null;
  return (
    <Part id="rounds" heading="Rounds">
      <ol class="rounds">
        {rounds.map(({ attempt, number, built, verdict }) => (
          <li>
            <p>
              <strong>{`Attempt ${attempt}, round ${number}`}</strong>
              {built === null ? null : ` · build ${built.end} after ${built.turns} turns`}
              {verdict === null ? null : (
                <>
                  {' · '}
                  <Tag
                    tone={verdict.next === 'open' ? 'good' : verdict.next === 'fail' ? 'bad' : 'warn'}
                    text={nexts[verdict.next]}
                  />
                </>
              )}
            </p>
            {verdict === null || verdict.findings.length === 0 ? null : (
              <p class="sub">
                Objections: <Line text={verdict.findings.map(({ name }) => name).join(', ')} max={300} />
              </p>
            )}
            {built?.submission ? (
              <details>
                <summary>What the agent says (a claim, not evidence)</summary>
                <Block text={built.submission.summary} max={6000} />
                {built.submission.assumptions.length === 0 ? null : (
                  <>
                    <h4>Assumptions</h4>
                    <Items values={built.submission.assumptions} max={600} />
                  </>
                )}
              </details>
            ) : null}
            {built?.question ? (
              <details>
                <summary>What the agent asks</summary>
                <Block text={built.question} max={6000} />
              </details>
            ) : null}
            {built && built.refused.length > 0 ? (
              <details>
                <summary>{`Refused by policy: ${built.refused.length}`}</summary>
                <Items values={built.refused.map(({ tool, what, reason }) => `${tool} ${what}: ${reason}`)} max={400} />
              </details>
            ) : null}
          </li>
        ))}
      </ol>
    </Part>
  );
}
