/** @jsxImportSource hono/jsx */
import { count } from '../report/phrases.ts';
import type { Briefing } from '../stages/context.ts';
import type { PlanResult } from '../stages/plan.ts';
import { Facts } from './contract-part.tsx';
import { Part } from './layout.tsx';
import { Block, Code, Items, Line, lineOf } from './text.tsx';

export function PlanPart({ planned }: { planned: PlanResult | null }) {
  if (planned === null) return null;
  const { plan, objections, note, issues } = planned;
  return (
    <Part id="plan" heading="Plan" aside={<p class="claim">proposed by the model</p>}>
      {note === null ? null : (
        <p>
          <Line text={note} max={400} />
        </p>
      )}
      {objections.length === 0 ? null : (
        <>
          <h3>Held against the contract</h3>
          <ul class="findings">
            {objections.slice(0, 50).map(({ kind, text }) => (
              <li class="warn">
                <strong>{kind}</strong>: <Line text={text} max={600} />
              </li>
            ))}
          </ul>
        </>
      )}
      {plan === null ? null : (
        <Facts
          rows={[
            ['Files', <Items values={plan.files} as="code" />],
            ['Tests to move first', <Items values={plan.testsFirst} max={400} />],
            ['Risky interfaces', <Items values={plan.interfaces} max={400} />],
            ['Decisions for a person', <Items values={plan.decisions} max={600} />],
            plan.tools.length === 0 ? null : ['Tools', <Items values={plan.tools} as="code" />],
            ['Estimate', `${count(plan.estimate.files)} files, ${count(plan.estimate.lines)} lines`],
            plan.notes.length === 0 ? null : ['Notes', <Items values={plan.notes} max={600} />],
          ]}
        />
      )}
      {issues.slice(0, 20).map((issue) => (
        <details>
          <summary>
            Proposed issue: <Line text={issue.title} max={160} />
          </summary>
          <Block text={issue.body} />
        </details>
      ))}
    </Part>
  );
}

export function BriefingPart({ briefing }: { briefing: Briefing | null }) {
  if (briefing === null) return null;
  const most = 60;
  return (
    <Part
      id="context"
      heading="Context"
      aside={
        <p class="claim">
          {`${count(briefing.tokens)} of ${count(briefing.budgetTokens)} tokens, ${briefing.entries.length} files`}
        </p>
      }
    >
      {briefing.missing.length === 0 ? null : (
        <>
          <h3>Not found</h3>
          <Items values={briefing.missing} max={300} />
        </>
      )}
      <details>
        <summary>What the agent was shown, and why</summary>
        <table class="plain">
          <caption class="unseen">Files of the briefing</caption>
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col">Kind</th>
              <th scope="col">Why</th>
              <th scope="col" class="number">
                Tokens
              </th>
            </tr>
          </thead>
          <tbody>
            {briefing.entries.slice(0, most).map((entry) => (
              <tr>
                <th scope="row">
                  <Code text={entry.path} />
                </th>
                <td>{lineOf(entry.kind, 40)}</td>
                <td>
                  <Line text={entry.why} max={300} />
                </td>
                <td class="number">{count(entry.tokens)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {briefing.entries.length > most ? <p class="none">{briefing.entries.length - most} more</p> : null}
      </details>
    </Part>
  );
}
