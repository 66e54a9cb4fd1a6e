import { everyServer } from '../contract/mcp-servers.ts';
import type { PolicyLayer } from '../contract/policy.ts';
import { asMillwrightError } from '../errors.ts';
import type { Mcp } from '../mcp/mcp.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

const within = 15_000;
const addressFix = 'Start the server, or correct its address and headers under `mcp` in the operator ceiling.';
const toolsFix = 'Correct the names under `mcp` in the operator ceiling; runs go on without these tools.';

/** Connects to each MCP server of the operator ceiling and holds its tools against those that are granted. */
export async function checkMcpServers(
  policy: PolicyLayer | null,
  secrets: Readonly<Record<string, string>>,
  mcp: Mcp,
): Promise<Finding[]> {
  const servers = everyServer(policy, secrets);
  return Promise.all(servers.map(({ server, tools }) => checkOne(server, tools, mcp)));
}

async function checkOne(
  server: ReturnType<typeof everyServer>[number]['server'],
  granted: readonly string[],
  mcp: Mcp,
): Promise<Finding> {
  const name = `MCP server ${server.name}`;
  const lacking = server.lacking.map((secret) => `MILLWRIGHT_SECRET_${secret}`);
  if (lacking.length > 0) return failed(name, `its headers need ${lacking.join(', ')}`, 'Set it in the environment.');
  try {
    await using connection = await mcp.connect(server, { signal: AbortSignal.timeout(within), timeoutMs: within });
    const offered = new Set(connection.tools.map((tool) => tool.name));
    const missing = granted.filter((tool) => !offered.has(tool));
    if (missing.length > 0) return warning(name, `it does not offer ${missing.join(', ')}`, toolsFix);
    return ok(name, `answers, and offers the ${granted.length} granted of ${offered.size} tools`);
  } catch (error) {
    return failed(name, asMillwrightError(error).message, addressFix);
  }
}
