/** @jsxImportSource hono/jsx */
import { checksInOrder, durationText, endText, exitText, stateWords } from '../report/phrases.ts';
import type {
  CheckRunRecord,
  CheckState,
  CheckVerdict,
  CriterionEvidence,
  Finding,
  TestEvidence,
  Verdict,
} from '../verification/verdict.ts';
import { Part } from './layout.tsx';
import { Block, Code, Items, Line, lineOf, Said } from './text.tsx';

const tones: Readonly<Record<CheckState, 'good' | 'bad' | 'warn' | 'idle'>> = {
  passed: 'good',
  failed: 'bad',
  'failing-before': 'warn',
  flaky: 'warn',
  'timed-out': 'bad',
  'out-of-memory': 'bad',
  'output-limit': 'bad',
  'not-runnable': 'warn',
  skipped: 'idle',
  'not-configured': 'idle',
  waived: 'warn',
};

/** Verdict of the newest round: nothing in it was said by the agent. */
export function ChecksPart({ verdict, evidence }: { verdict: Verdict | null; evidence: string }) {
  if (verdict === null) return null;
  const skipped = verdict.checks.filter(({ state }) => state === 'skipped' || state === 'not-configured');
  return (
    <Part id="checks" heading="Verification" aside={<a href={evidence}>Download the evidence</a>}>
      <Criteria criteria={verdict.criteria} />
      <h3>Checks</h3>
      <CheckTable checks={checksInOrder(verdict)} />
      {skipped.length === 0 ? null : (
        <>
          <h3>Skipped</h3>
          <Items
            values={skipped.map(
              ({ label, state, reason }) => `${label} (${stateWords[state]}): ${reason ?? 'no reason given'}`,
            )}
            max={300}
          />
        </>
      )}
      <Tests tests={verdict.tests} />
      <Findings findings={verdict.findings} />
      {verdict.notes.length === 0 ? null : (
        <>
          <h3>Noted</h3>
          <Items values={verdict.notes} max={400} />
        </>
      )}
      {verdict.blocked.length === 0 ? null : (
        <>
          <h3>Blocked connections</h3>
          <Items
            values={verdict.blocked.map(({ host, port, count }) => `${host}:${port} (${count} times)`)}
            as="code"
          />
        </>
      )}
    </Part>
  );
}

function CheckTable({ checks }: { checks: readonly CheckVerdict[] }) {
  if (checks.length === 0) return <p class="none">No check ran.</p>;
  return (
    <>
      <table class="checks">
        <caption class="unseen">Checks on the base commit and on the patch</caption>
        <thead>
          <tr>
            <th scope="col">Check</th>
            <th scope="col">Command</th>
            <th scope="col">Base</th>
            <th scope="col">Head</th>
            <th scope="col" class="number">
              Exit code
            </th>
            <th scope="col" class="number">
              Duration
            </th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {checks.map((check) => (
            <tr>
              <th scope="row">
                <Line text={check.label} max={60} />
              </th>
              <td>{check.command === null ? '–' : <Code text={check.command} />}</td>
              <td data-label="Base">{endText(check.base)}</td>
              <td data-label="Head">{endText(check.head)}</td>
              <td class="number" data-label="Exit code">
                {exitText(check.head)}
              </td>
              <td class="number" data-label="Duration">
                {check.head === null ? '–' : durationText(check.head.durationMs)}
              </td>
              <td>
                <Tag tone={tones[check.state]} text={stateWords[check.state]} />
                {check.reason === null ? null : (
                  <span class="sub">
                    <Line text={check.reason} max={200} />
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {checks.map((check) => (
        <Outputs check={check} />
      ))}
    </>
  );
}

export function Tag({ tone, text }: { tone: 'good' | 'bad' | 'warn' | 'idle'; text: string }) {
  return <span class={`tag ${tone}`}>{text}</span>;
}

function Outputs({ check }: { check: CheckVerdict }) {
  const all: [string, CheckRunRecord | null][] = [
    ['Base', check.base],
    ['Base, run again', check.baseAgain],
    ['Head', check.head],
    ['Head, run again', check.headAgain],
  ];
  const executed = all.filter((each): each is [string, CheckRunRecord] => each[1] !== null);
  if (executed.length === 0) return null;
  return (
    <details open={check.state !== 'passed' && check.state !== 'waived' && check.head !== null}>
      <summary>
        Output of <Line text={check.label} max={60} />
        {` (${stateWords[check.state]})`}
      </summary>
      {check.newFailures.length === 0 ? null : (
        <>
          <h4>Fails on head and not on base</h4>
          <Items values={check.newFailures} as="code" />
        </>
      )}
      {check.failingBefore.length === 0 ? null : (
        <>
          <h4>Failing before, on base as well</h4>
          <Items values={check.failingBefore} as="code" />
        </>
      )}
      <div class="sides">
        {executed.map(([name, record]) => (
          <div>
            <h4>{`${name}: ${endText(record)}, exit code ${exitText(record)}, ${durationText(record.durationMs)}`}</h4>
            <Block text={record.output} />
          </div>
        ))}
      </div>
    </details>
  );
}

const seen: Readonly<Record<CriterionEvidence['state'], { tone: 'good' | 'idle'; words: string }>> = {
  'red-green': { tone: 'good', words: 'fails before, passes after' },
  shown: { tone: 'good', words: 'passes after' },
  none: { tone: 'idle', words: 'no automated evidence' },
};

function Criteria({ criteria }: { criteria: readonly CriterionEvidence[] }) {
  if (criteria.length === 0) return null;
  return (
    <>
      <h3>Acceptance criteria</h3>
      <ul class="criteria">
        {criteria.slice(0, 100).map((each) => (
          <li>
            <span class="id">{lineOf(each.id, 20)}</span>
            <span>
              <Said text={each.text} max={1000} />
              <span class="sub">
                <Tag tone={seen[each.state].tone} text={seen[each.state].words} />
                {each.by === null ? null : (
                  <>
                    {' '}
                    by <Code text={each.by} />
                  </>
                )}
                {each.note === null ? null : (
                  <>
                    {' '}
                    <Line text={each.note} max={300} />
                  </>
                )}
              </span>
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Tests({ tests }: { tests: readonly TestEvidence[] }) {
  if (tests.length === 0) return null;
  return (
    <>
      <h3>Tests that the patch adds or changes</h3>
      <Items
        values={tests.map(
          ({ path, state, note }) => `${path}: ${state.replaceAll('-', ' ')}${note ? ` (${note})` : ''}`,
        )}
        max={300}
      />
    </>
  );
}

function Findings({ findings }: { findings: readonly Finding[] }) {
  if (findings.length === 0) return null;
  return (
    <>
      <h3>Findings</h3>
      <ul class="findings">
        {findings.slice(0, 100).map((finding) => (
          <li class={finding.next === 'none' ? 'warn' : 'bad'}>
            <strong>
              <Line text={finding.name} max={60} />
            </strong>
            : <Said text={finding.message} max={800} />
            {finding.paths.length === 0 ? null : <Items values={finding.paths} as="code" />}
            {finding.waivedBy === null ? null : (
              <span class="sub">
                {'Waived by '}
                <Line text={finding.waivedBy} max={60} />: <Line text={finding.waiveReason ?? ''} max={300} />
              </span>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
