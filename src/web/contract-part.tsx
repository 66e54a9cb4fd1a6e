/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx';
import type { Contract, ToolGrant } from '../contract/contract.ts';
import { issueLimitUsd } from '../contract/money.ts';
import type { Walls } from '../contract/walls.ts';
import type { StatusInput } from '../report/facts.ts';
import { count, dollars, durationText } from '../report/phrases.ts';
import { Part } from './layout.tsx';
import { Code, Items, Line, lineOf, Prose } from './text.tsx';

type Row = [string, Child];

/** Names and values, without the rows that say nothing. */
export function Facts({ rows }: { rows: readonly (Row | null)[] }) {
  return (
    <dl class="facts">
      {rows
        .filter((row) => row !== null)
        .map(([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function ContractPart({ status }: { status: StatusInput }) {
  const { contract, revision, problems, refusals } = status;
  return (
    <Part id="contract" heading="Contract as parsed">
      {revision === null ? null : (
        <p class="revision">
          Pinned as <Code text={revision} />
        </p>
      )}
      {problems.length === 0 ? null : (
        <>
          <h3>What was found in it</h3>
          <ul class="findings">
            {problems.slice(0, 50).map((problem) => (
              <li class={problem.blocking ? 'bad' : 'warn'}>
                <strong>
                  <Line text={problem.field} max={80} />
                </strong>
                {problem.line === null ? ': ' : ` (line ${problem.line}): `}
                <Line text={problem.message} max={400} />
                {problem.text ? (
                  <>
                    {' '}
                    Found: <Code text={problem.text} max={160} />
                  </>
                ) : null}
              </li>
            ))}
          </ul>
        </>
      )}
      {refusals.length === 0 ? null : (
        <>
          <h3>Beyond the walls</h3>
          <ul class="findings">
            {refusals.slice(0, 50).map((refusal) => (
              <li class="bad">
                <Code text={refusal.key} /> <Code text={refusal.name} max={160} />:{' '}
                <Line text={refusal.message} max={400} />
              </li>
            ))}
          </ul>
        </>
      )}
      {contract === null ? (
        <p class="none">The text of the issue is no contract.</p>
      ) : (
        <Facts rows={contractRows(contract)} />
      )}
    </Part>
  );
}

function contractRows(contract: Contract): (Row | null)[] {
  const codes = (name: string, values: readonly string[]): Row | null =>
    values.length === 0 ? null : [name, <Items values={values} as="code" />];
  const texts = (name: string, values: readonly string[], max = 600): Row | null =>
    values.length === 0 ? null : [name, <Items values={values} max={max} />];
  const tools = (name: string, grants: readonly ToolGrant[]) =>
    texts(
      name,
      grants.map((grant) => `${grant.name} (${grant.access})`),
    );
  const limits = Object.entries(contract.stop.limits).map(([name, value]) => `max ${name}: ${value}`);
  return [
    ['Goal', <Prose text={contract.goal} />],
    texts(
      'Acceptance criteria',
      contract.criteria.map(({ id, text }) => `${id}: ${text}`),
      1000,
    ),
    texts('Non-goals', contract.nonGoals),
    codes('Files in scope', contract.context.files),
    codes('Tests in scope', contract.context.tests),
    codes('Docs in scope', contract.context.docs),
    codes('Prior decisions', contract.context.decisions),
    tools('MCPs', contract.tools.mcps),
    tools('CLIs', contract.tools.clis),
    codes('Read-only tools', contract.tools.readOnly),
    codes('Mutating tools', contract.tools.mutating),
    codes('Tools explicitly denied', contract.tools.denied),
    codes('Allowed files', contract.boundaries.files),
    codes('Allowed commands', contract.boundaries.commands),
    codes('Network or service access', contract.boundaries.network),
    codes('Secrets and credentials', contract.boundaries.secrets),
    texts(
      'Checks before review',
      contract.checks.map(({ label, command, skip }) => `${label}: ${command ?? `skip: ${skip ?? ''}`}`),
    ),
    texts('Stop condition', [...(contract.stop.text === '' ? [] : [contract.stop.text]), ...limits]),
    contract.reviewNote === '' ? null : ['Review note', <Prose text={contract.reviewNote} />],
    texts(
      'Notes',
      contract.notes.map(({ heading, text }) => `${heading}: ${text}`),
    ),
  ];
}

export function PolicyPart({ status: { walls, narrowed } }: { status: StatusInput }) {
  if (walls === null) return null;
  return (
    <Part id="policy" heading="Policy in force">
      {narrowed.length === 0 ? null : (
        <table class="plain">
          <caption>Wishes of the contract that policy cut short</caption>
          <thead>
            <tr>
              <th scope="col">Key</th>
              <th scope="col">Asked</th>
              <th scope="col">Granted</th>
              <th scope="col">By</th>
            </tr>
          </thead>
          <tbody>
            {narrowed.slice(0, 100).map((each) => (
              <tr>
                <th scope="row">
                  <Code text={each.key} />
                </th>
                <td>
                  <Code text={each.asked || 'nothing'} />
                </td>
                <td>
                  <Code text={each.granted || 'nothing'} />
                </td>
                <td>{each.by}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <details>
        <summary>Everything that holds for this run</summary>
        <Facts rows={wallRows(walls)} />
      </details>
    </Part>
  );
}

function wallRows(walls: Walls): (Row | null)[] {
  const { limits, roles, budget } = walls;
  const money = (value: number | null) => (value === null ? 'not limited' : dollars(value));
  const lists = (all: readonly (readonly string[])[], none: string): Child =>
    all.length === 0 ? (
      <span class="none">{none}</span>
    ) : (
      all.map((globs, index) => (
        <>
          {index > 0 ? <span class="none">and within</span> : null}
          <Items values={globs} as="code" />
        </>
      ))
    );
  const some = (values: readonly string[]) => <Items values={values} as="code" />;
  return [
    ['Files allowed', lists(walls.files.allow, 'any but protected ones')],
    ['Files denied', some(walls.files.deny)],
    ['Companions', some(walls.files.companions)],
    ['Commands allowed', lists(walls.commands.allow, 'any, inside the sandbox')],
    ['Commands denied', some(walls.commands.deny)],
    ['Network', some(walls.network.hosts)],
    ['Secrets', some(walls.secrets)],
    ['MCP servers', some(Object.keys(walls.mcp))],
    ['Image', <Code text={walls.image} />],
    ['Set-up', walls.setup === null ? <span class="none">none</span> : <Code text={walls.setup.command} />],
    [
      'Checks',
      <Items
        values={walls.checks.map((check) =>
          check.state === 'run'
            ? `${check.label}: ${check.command ?? ''}`
            : `${check.label}: ${check.state.replace('-', ' ')}${check.reason ? ` (${check.reason})` : ''}`,
        )}
      />,
    ],
    [
      'Limits of an attempt',
      `${limits.minutes} minutes, ${count(limits.turns)} turns, ${limits.rounds} rounds, ${count(limits.files)} files, ${count(limits.lines)} lines, ${durationText(limits.checkTimeoutMs)} a check`,
    ],
    ['Limits of the issue', `${count(limits.tokens)} tokens; money ${money(issueLimitUsd(walls))}`],
    ['Daily budget', `repository ${money(budget.dollarsPerDay)}; organisation ${money(budget.orgDollarsPerDay)}`],
    ['Plan', walls.plan === 'approve' ? 'a person approves it' : 'goes on by itself'],
    ['Roles', `start ${roles.start}, commands ${roles.command}, stop ${roles.stop}, waive ${roles.waive}`],
    walls.model.name === null ? null : ['Model', lineOf(walls.model.name)],
  ];
}
